//! Who is calling, and what they may do.
//!
//! In: the request's headers. Out: a caller with rights, or the challenge that tells a client how to log in.
//! Rights are the principal's roles as the store has them now, and those of the API token it logged in with; a registry token can
//! only narrow them, in its own registry.

use crate::Registry;
use crate::error::{Code, Error};
use crate::path::{Parameters, Route};
use crate::token::{Access, Claims};
use base64::Engine as _;
use http::{Extensions, HeaderMap, Method, header};
use model::role::{self, Action, Scope};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;
use store::{Credential, Peer, Principal};

/// The challenge of a login by name and password.
pub(crate) const BASIC: &str = "Basic realm=\"Portwarden\"";

/// What a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Being somebody.
    Login,
    /// Listing the repositories that one may pull from.
    Catalog,
    /// A right on the repository.
    Repository(Action),
}

/// The route table: what each method of each route needs. What is not here is not served.
pub(crate) fn need(route: &Route, method: &Method) -> Result<Need, Error> {
    let read = method == Method::GET || method == Method::HEAD;
    let need = match route {
        Route::Ping if read => Need::Login,
        Route::Catalog if read => Need::Catalog,
        Route::Tags(_) | Route::Referrers(..) | Route::Blob(..) | Route::Manifest(..) if read => {
            Need::Repository(Action::Pull)
        }
        Route::Blob(..) | Route::Manifest(..) if method == Method::DELETE => Need::Repository(Action::Delete),
        Route::Manifest(..) if method == Method::PUT => Need::Repository(Action::Push),
        Route::Uploads(_) if method == Method::POST => Need::Repository(Action::Push),
        Route::Upload(..)
            if method == Method::PATCH
                || method == Method::PUT
                || method == Method::DELETE
                || method == Method::GET =>
        {
            Need::Repository(Action::Push)
        }
        _ => return Err(Error::no_such_method()),
    };
    Ok(need)
}

/// Somebody who was recognised.
pub(crate) struct Caller {
    /// Who.
    pub(crate) principal: Principal,
    /// What a registry token is limited to; `None`: logged in directly.
    pub(crate) bound: Option<Vec<Access>>,
}

impl Caller {
    /// Returns whether the caller may do something to a repository.
    pub(crate) fn may(&self, registry: &Registry, action: Action, repository: &str) -> bool {
        let bound = self.bound.as_ref().is_none_or(|bound| bound.iter().any(|a| a.covers(repository, action)));
        bound && may(&self.principal, registry, action, repository)
    }
}

/// Returns whether a principal's roles allow something in a repository.
pub(crate) fn may(principal: &Principal, registry: &Registry, action: Action, repository: &str) -> bool {
    let entry = &registry.entry;
    role::allowed(
        &principal.grants,
        action,
        &Scope::repository(&entry.subscription_guid, &entry.resource_group, &entry.name, repository),
    )
}

/// What a request's surroundings say: for logs, for counting wrong passwords, for the challenge.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub(crate) ip: Option<IpAddr>,
    pub(crate) address: String,
    pub(crate) user_agent: String,
    pub(crate) request: String,
    /// `https://registry.example`
    pub(crate) origin: String,
    /// `registry.example`
    pub(crate) host: String,
    pub(crate) began: Instant,
}

impl Surroundings {
    pub(crate) fn of(registry: &Registry, headers: &HeaderMap, extensions: &Extensions) -> Self {
        let text = |name: &str, limit: usize| -> String {
            let value = headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
            value.chars().take(limit).collect()
        };
        let peer = extensions.get::<Peer>();
        let connection = extensions.get::<axum::extract::ConnectInfo<SocketAddr>>();
        let address = peer.map(|p| p.address).or(connection.map(|c| c.0.ip()));
        let host = text("host", 300);
        let plain = |b: u8| b.is_ascii_alphanumeric() || b".:-_[]".contains(&b);
        let host = if host.bytes().all(plain) { host } else { String::new() };
        let scheme = if peer.is_some_and(|p| p.secure) { "https" } else { "http" };
        let said = registry.settings.public_url.as_deref().map(|url| url.trim_end_matches('/').to_owned());
        let origin = said.unwrap_or_else(|| format!("{scheme}://{host}"));
        let request = Some(text("x-request-id", 64)).filter(|id| !id.is_empty());
        Self {
            ip: address,
            address: address.map(|a| a.to_string()).unwrap_or_default(),
            user_agent: text("user-agent", 256),
            request: request.unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
            host: origin.split_once("://").map_or(host, |(_, host)| host.to_owned()),
            origin,
            began: Instant::now(),
        }
    }

    /// Returns who asks, as the store's logs want it.
    pub(crate) fn caller(&self, principal: Option<&Principal>) -> store::Caller {
        store::Caller {
            actor: principal.map(|p| p.name.clone()).unwrap_or_default(),
            address: self.address.clone(),
            user_agent: self.user_agent.clone(),
            request: self.request.clone(),
            host: self.host.clone(),
            began: Some(self.began),
            scanner: principal.is_some_and(|p| p.kind == "scanner"),
            key: String::new(),
        }
    }
}

/// Reads the credential of a request; `None`: it brings none. A scheme that is not known counts as a wrong credential.
pub(crate) fn credential(headers: &HeaderMap) -> Result<Option<Credential>, Error> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let wrong = || Error::new(Code::Unauthorized, "the Authorization header cannot be read");
    let (scheme, rest) = value.to_str().ok().and_then(|v| v.trim().split_once(' ')).ok_or_else(wrong)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Some(Credential::Bearer(rest.trim().to_owned())));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(wrong());
    }
    let bytes = base64::engine::general_purpose::STANDARD.decode(rest.trim()).map_err(|_| wrong())?;
    let text = String::from_utf8(bytes).map_err(|_| wrong())?;
    let (user, password) = text.split_once(':').ok_or_else(wrong)?;
    Ok(Some(Credential::Basic { user: user.to_owned(), password: password.to_owned() }))
}

impl Registry {
    /// Refuses a client that the network rules keep out, before anything else is looked at.
    pub(crate) fn admit(&self, around: &Surroundings) -> Result<(), Error> {
        if self.entry.network.admits(around.ip) {
            return Ok(());
        }
        let (address, name, origin) = (&around.address, &self.entry.name, &around.origin);
        Err(Error::new(
            Code::Denied,
            format!(
                "client with IP '{address}' is not allowed access by the network rules of registry {name}; refer to {origin}/settings/registries/{name}/network to grant access"
            ),
        ))
    }

    /// Asks the store who a credential belongs to, unless it was wrong too often.
    pub(crate) async fn recognise(&self, credential: &Credential, around: &Surroundings) -> Result<Principal, Error> {
        match self.store.authenticate(credential, &around.address).await {
            Err(store::Error::WrongCredentials) => Err(Error::new(Code::Unauthorized, "wrong user, password or token")),
            found => Ok(found?),
        }
    }

    /// Recognises the caller of a request.
    pub(crate) async fn caller(&self, headers: &HeaderMap, around: &Surroundings) -> Result<Caller, Error> {
        let credential = credential(headers)?;
        let credential = credential.ok_or_else(|| Error::new(Code::Unauthorized, "log in first"))?;
        let Credential::Bearer(text) = &credential else {
            return Ok(Caller { principal: self.recognise(&credential, around).await?, bound: None });
        };
        if !Claims::looks_like(text) {
            return Ok(Caller { principal: self.recognise(&credential, around).await?, bound: None });
        }
        let over = || Error::new(Code::Unauthorized, "the token is over or not ours; log in again");
        let claims = self.signer.verify(text, crate::token::now()).filter(|c| c.registry == self.entry.id);
        let claims = claims.ok_or_else(over)?;
        let principal = self.store.holder(claims.principal, claims.token).await?.ok_or_else(over)?;
        Ok(Caller { principal, bound: Some(claims.access) })
    }

    /// Decides whether a caller gets what a request needs. A mount from where the caller may not pull is no mount, which
    /// `uploads` answers; one that only the token keeps out is asked for a wider token.
    pub(crate) fn authorise(
        &self,
        caller: &Caller,
        route: &Route,
        need: Need,
        source: Option<&str>,
    ) -> Result<(), Error> {
        let narrow = || Error::new(Code::Unauthorized, "the token is not for this; ask for one with the scope named");
        match (need, route.repository()) {
            (Need::Login, _) => Ok(()),
            (Need::Catalog, _) => {
                let covered = caller.bound.as_ref().is_none_or(|bound| bound.iter().any(Access::is_catalog));
                if covered { Ok(()) } else { Err(narrow()) }
            }
            (Need::Repository(action), Some(name)) if may(&caller.principal, self, action, name) => {
                let kept_out = |source| {
                    may(&caller.principal, self, Action::Pull, source) && !caller.may(self, Action::Pull, source)
                };
                if caller.may(self, action, name) && !source.is_some_and(kept_out) { Ok(()) } else { Err(narrow()) }
            }
            // The same whether the repository exists or not.
            (Need::Repository(_), _) => Err(Error::new(Code::Denied, "your roles do not allow this here")),
        }
    }
}

/// How a client that the network rules keep out is told: 403 and the sentence.
///
/// `/v2/` without a login is the exception: there it is 401, with the same sentence. Clients ask that first, and print nothing of an
/// answer that is neither 200 nor 401. skopeo and podman then take the first challenge, Basic, ask for what they want, and print why
/// they do not get it; docker asks for a token, and prints why it gets none. No login is ever taken.
pub(crate) fn kept_out(error: Error, around: &Surroundings, route: Option<&Route>, headers: &HeaderMap) -> Error {
    if !matches!(route, Some(Route::Ping)) || headers.contains_key(header::AUTHORIZATION) {
        return error;
    }
    let bearer = challenge(around, route, None, None, false);
    let error = error.with_status(http::StatusCode::UNAUTHORIZED);
    error.with_header(header::WWW_AUTHENTICATE, BASIC).with_header(header::WWW_AUTHENTICATE, &bearer)
}

/// Returns the repository from which a request would mount a blob.
pub(crate) fn mount_source(route: &Route, parameters: &Parameters) -> Option<String> {
    let mounts = matches!(route, Route::Uploads(_)) && parameters.one("mount").ok()?.is_some();
    let from = parameters.one("from").ok()?.filter(|from| model::reference::check_repository(from).is_ok())?;
    mounts.then(|| from.to_owned())
}

/// Writes the challenge of an answer 401. `source`: where a blob would be mounted from.
pub(crate) fn challenge(
    around: &Surroundings,
    route: Option<&Route>,
    need: Option<Need>,
    source: Option<&str>,
    narrow: bool,
) -> String {
    let mut text = format!("Bearer realm=\"{}/oauth2/token\",service=\"{}\"", around.origin, around.host);
    let scope = match (need, route.and_then(Route::repository)) {
        (Some(Need::Catalog), _) => Some("registry:catalog:*".to_owned()),
        (Some(Need::Repository(Action::Pull)), Some(name)) => Some(format!("repository:{name}:pull")),
        (Some(Need::Repository(Action::Push)), Some(name)) => Some(format!("repository:{name}:pull,push")),
        (Some(Need::Repository(_)), Some(name)) => Some(format!("repository:{name}:delete")),
        _ => None,
    };
    if let Some(scope) = scope {
        let source = source.map(|name| format!(" repository:{name}:pull")).unwrap_or_default();
        text.push_str(&format!(",scope=\"{scope}{source}\""));
    }
    if narrow {
        text.push_str(",error=\"insufficient_scope\"");
    }
    text
}
