//! The gate before everything that needs a login: a sender who is not recognised goes no further.

use crate::parts::Parts;
use crate::{access, page};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Lets a request through once its sender is known; the sender is an extension of the request from here on.
pub async fn sign_in(State(parts): State<Parts>, mut request: Request, next: Next) -> Response {
    match access::principal(&parts, request.headers()).await {
        Ok(principal) => {
            request.extensions_mut().insert(principal);
            next.run(request).await
        }
        Err(problem) if page::wants_page(request.uri().path(), request.headers()) => page::sign_in(problem),
        Err(problem) => problem.into_response(),
    }
}
