//! One request under `/v2/`, from its path to its answer: the only way in.

use crate::access::{self, Need, Surroundings};
use crate::ask::{Ask, json_answer};
use crate::error::{Code, Error};
use crate::hosts::Registries;
use crate::path::{Parameters, Route, Target};
use crate::{Registry, blobs, lists, manifests, uploads};
use axum::body::Body;
use axum::extract::State;
use http::{HeaderName, HeaderValue, Method, Request, Response, header};
use model::role::Action;
use std::sync::Arc;

/// Serves a request under `/v2/`.
pub(crate) async fn serve(State(registries): State<Arc<Registries>>, request: Request<Body>) -> Response<Body> {
    let answer = async {
        let registry = registries.of(request.headers(), request.uri()).await?;
        answer(registry, request).await
    };
    let mut response = answer.await.unwrap_or_else(Error::into_response);
    let headers = response.headers_mut();
    for (name, value) in [
        ("docker-distribution-api-version", "registry/2.0"),
        // Content comes from strangers and from the console's own origin: it is never a page.
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; sandbox"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

async fn answer(registry: Arc<Registry>, request: Request<Body>) -> Result<Response<Body>, Error> {
    let (head, body) = request.into_parts();
    let around = Surroundings::of(&registry, &head.headers, &head.extensions);
    let route = Route::parse(head.uri.path());
    if let Err(error) = registry.admit(&around) {
        let error = access::kept_out(error, &around, route.as_ref().ok(), &head.headers);
        registry.log_refused(&around, route.as_ref().ok(), &head.method, error.status());
        return Err(error);
    }
    let need = route.as_ref().ok().and_then(|route| access::need(route, &head.method).ok());
    let parameters = Parameters::parse(head.uri.query().unwrap_or_default());
    let source = route.as_ref().ok().zip(parameters.as_ref().ok()).and_then(|(r, p)| access::mount_source(r, p));
    // A HEAD of a blob is the beginning of a push; some clients keep the token of their first answer. Who may only pull
    // is given no more for asking.
    let push = matches!(route, Ok(Route::Blob(..))) && head.method == Method::HEAD;
    let scope = if push { Some(Need::Repository(Action::Push)) } else { need };
    let login = |error: Error, narrow| {
        let challenge = access::challenge(&around, route.as_ref().ok(), scope, source.as_deref(), narrow);
        match error.code() {
            Code::Unauthorized => error.with_header(header::WWW_AUTHENTICATE, &challenge),
            _ => error,
        }
    };
    // Nobody learns anything, not even what a bad path is, before being recognised.
    let caller = registry.caller(&head.headers, &around).await;
    registry.log_direct(&around, &head.headers, &caller);
    let caller = caller.map_err(|e| login(e, false))?;
    if let Some((route, need)) = route.as_ref().ok().zip(need) {
        let allowed = registry.authorise(&caller, route, need, source.as_deref());
        registry.log_failed(&around, &caller.principal, route, &head.method, &allowed);
        allowed.map_err(|e| login(e, true))?;
    }
    let route = route?;
    access::need(&route, &head.method)?;
    let parameters = parameters?;
    let ask = Ask { registry, caller, around, method: head.method, headers: head.headers, parameters };
    dispatch(ask, route, body).await
}

async fn dispatch(ask: Ask, route: Route, body: Body) -> Result<Response<Body>, Error> {
    let what = route.clone();
    let answer = serve_route(&ask, route, body).await;
    ask.registry.log_failed(&ask.around, &ask.caller.principal, &what, &ask.method, &answer);
    answer
}

async fn serve_route(ask: &Ask, route: Route, body: Body) -> Result<Response<Body>, Error> {
    let method = ask.method.clone();
    match route {
        Route::Ping => Ok(json_answer("{}".into())),
        Route::Catalog => lists::catalog(ask).await,
        Route::Tags(name) => lists::tags(ask, &name).await,
        Route::Referrers(name, subject) => lists::referrers(ask, &name, &subject).await,
        Route::Blob(name, digest) if method == Method::DELETE => blobs::delete(ask, &name, &digest).await,
        Route::Blob(name, digest) => blobs::get(ask, &name, &digest).await,
        Route::Uploads(name) => uploads::begin(ask, &name, body).await,
        Route::Upload(name, id) if method == Method::PATCH => uploads::append(ask, &name, id, body).await,
        Route::Upload(name, id) if method == Method::PUT => uploads::finish(ask, &name, id, body).await,
        Route::Upload(name, id) if method == Method::DELETE => uploads::cancel(ask, &name, id).await,
        Route::Upload(name, id) => uploads::status(ask, &name, id).await,
        Route::Manifest(name, target) if method == Method::PUT => manifests::put(ask, &name, &target, body).await,
        Route::Manifest(name, Target::Tag(tag)) if method == Method::DELETE => {
            manifests::delete_tag(ask, &name, &tag).await
        }
        Route::Manifest(name, Target::Digest(digest)) if method == Method::DELETE => {
            manifests::delete(ask, &name, &digest).await
        }
        Route::Manifest(name, target) => manifests::get(ask, &name, &target).await,
    }
}
