//! A request that was let in, and the shapes of answers.

use crate::Registry;
use crate::access::{Caller, Surroundings};
use crate::path::Parameters;
use axum::body::Body;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use std::sync::Arc;

/// A request that was let in.
pub(crate) struct Ask {
    pub(crate) registry: Arc<Registry>,
    pub(crate) caller: Caller,
    pub(crate) around: Surroundings,
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) parameters: Parameters,
}

impl Ask {
    /// Returns a header as text; one that is not text counts as absent.
    pub(crate) fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns who asks, as the store's logs want it.
    pub(crate) fn log_caller(&self) -> store::Caller {
        self.around.caller(Some(&self.caller.principal))
    }

    /// Returns whether only the headers of the answer are wanted.
    pub(crate) fn is_head(&self) -> bool {
        self.method == Method::HEAD
    }
}

/// Makes an answer without a body.
pub(crate) fn empty(status: StatusCode, headers: &[(&'static str, &str)]) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    add_headers(&mut response, headers);
    response
}

/// Adds headers to an answer. Values are made of checked names, digests and numbers.
pub(crate) fn add_headers(response: &mut Response<Body>, headers: &[(&'static str, &str)]) {
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().append(HeaderName::from_static(name), value);
        }
    }
}

/// Makes an answer of JSON.
pub(crate) fn json_answer(body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    add_headers(&mut response, &[("content-type", "application/json")]);
    response
}
