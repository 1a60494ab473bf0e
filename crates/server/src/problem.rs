//! Errors as the outside sees them: RFC 9457 problem JSON, the thing named and what to do.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::role::{Action, Scope};
use serde::Serialize;

const REPEATED: &str = "urn:portwarden:problem:repeated";

/// An error answer. `type` is stable; `detail` names the thing; `next_step` says what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// `urn:portwarden:problem:<code>`; the code is stable.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// One line that is the same for every problem of the type.
    pub title: &'static str,
    /// HTTP status.
    pub status: u16,
    /// What was wrong, naming the thing.
    pub detail: String,
    /// What to do.
    pub next_step: &'static str,
    /// The parameter or field concerned, or empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
    /// What would be done, where it wants to be confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub would: Option<Box<serde_json::Value>>,
    /// Seconds after which to try again; 0 = not said.
    #[serde(skip)]
    pub retry: u64,
}

impl Problem {
    fn new(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: String,
        next_step: &'static str,
    ) -> Self {
        Self { kind, title, status: status.as_u16(), detail, next_step, field: String::new(), would: None, retry: 0 }
    }

    /// A parameter that is not understood.
    pub fn parameter(name: &str, detail: impl Into<String>) -> Self {
        let next = "Correct the parameter; /api/v1/openapi.json lists what each route takes.";
        let problem = Self::new(
            StatusCode::BAD_REQUEST,
            "urn:portwarden:problem:parameter",
            "A parameter is not understood",
            detail.into(),
            next,
        );
        Self { field: name.into(), ..problem }
    }

    /// A thing that is not there, or that the asker may not see.
    pub fn absent(what: &str, name: &str) -> Self {
        let detail = format!("there is no {what} {name}");
        Self::new(
            StatusCode::NOT_FOUND,
            "urn:portwarden:problem:absent",
            "Not found",
            detail,
            "Check the name; a list of this kind shows what there is.",
        )
    }

    /// A method that the address does not have.
    pub fn method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "urn:portwarden:problem:method",
            "Another method is needed",
            "this address does not have this method".into(),
            "The header Allow names the methods that it has.",
        )
    }

    /// Nobody is signed in.
    pub fn sign_in() -> Self {
        let next = "Send a user and password (Basic), or a token as `Authorization: Bearer pw_…`.";
        Self::new(
            StatusCode::UNAUTHORIZED,
            "urn:portwarden:problem:sign-in",
            "Sign in",
            "this needs a login".into(),
            next,
        )
    }

    /// The login was wrong.
    pub fn wrong_login() -> Self {
        let next = "Check user and password. The first password is in DATA/admin-password.";
        Self::new(
            StatusCode::UNAUTHORIZED,
            "urn:portwarden:problem:wrong-login",
            "Wrong login",
            "the user, password or token is wrong".into(),
            next,
        )
    }

    /// What is there stands against it.
    pub fn conflict(detail: impl Into<String>, next_step: &'static str) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "urn:portwarden:problem:conflict",
            "Not as things are",
            detail.into(),
            next_step,
        )
    }

    /// The same request was done already, and its answer is not kept.
    pub fn repeated() -> Self {
        Self::new(
            StatusCode::CONFLICT,
            REPEATED,
            "Done already",
            "the same request was sent before, and it was done".into(),
            "Look at the list: what was asked for is there. To do it once more, begin anew.",
        )
    }

    /// A request that a browser was made to send by another site, or a form that is over.
    pub fn foreign() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "urn:portwarden:problem:foreign",
            "Not sent by this console",
            "the request does not come from a page of this console, or the page is too old".into(),
            "Load the page again and send it once more.",
        )
    }

    /// Too many wrong passwords.
    pub fn locked(seconds: u64) -> Self {
        let problem = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "urn:portwarden:problem:locked",
            "Too many wrong passwords",
            format!("too many wrong passwords for this name from this address; try again in {seconds} s"),
            "Wait, sign in from another address, or use a token.",
        );
        Self { retry: seconds, ..problem }
    }

    /// As many passwords are verified as can be.
    fn busy(seconds: u64) -> Self {
        let problem = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "urn:portwarden:problem:busy",
            "Too many logins at once",
            format!("too many passwords are being verified; try again in {seconds} s"),
            "Wait, or use a token: those are not concerned.",
        );
        Self { retry: seconds, ..problem }
    }

    /// The asker lacks a right in a scope; the least role that has it is named.
    pub fn needs(action: Action, scope: &Scope) -> Self {
        let at = if *scope == Scope::ALL { "everything (/)".to_owned() } else { scope.to_path() };
        let detail = format!("this needs {} in {at}", action.least_role().title());
        Self { detail, ..Self::forbidden(action.as_str()) }
    }

    /// Whether it says that the request was done already.
    pub fn is_repeated(&self) -> bool {
        self.kind == REPEATED
    }

    /// The asker lacks a right.
    pub fn forbidden(action: &str) -> Self {
        let detail = format!("your roles do not allow {action} here");
        Self::new(
            StatusCode::FORBIDDEN,
            "urn:portwarden:problem:forbidden",
            "Not allowed",
            detail,
            "Ask an owner of the scope for a role that does.",
        )
    }

    /// The index is not built yet.
    pub fn starting() -> Self {
        let next = "Try again in a second; pushes and pulls work already.";
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "urn:portwarden:problem:starting",
            "Starting",
            "the index is being built".into(),
            next,
        )
    }

    /// The store did not answer; the cause goes to the log alone.
    pub fn store(error: &store::Error) -> Self {
        tracing::error!(error = error as &dyn std::error::Error, "the store did not answer");
        let next = "Try again; if it stays, see the server's log and `portwarden doctor`.";
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "urn:portwarden:problem:store",
            "The store did not answer",
            "the store did not answer".into(),
            next,
        )
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Repeated => Self::repeated(),
            store::Error::Conflict(why) => Self::conflict(why, "Change what stands against it first."),
            store::Error::Invalid { field, why } => Self::parameter(field, why),
            store::Error::NotFound { what, name } => Self::absent(what, &name),
            store::Error::WrongCredentials => Self::wrong_login(),
            store::Error::LockedOut { seconds } => Self::locked(seconds),
            store::Error::Busy { seconds } => Self::busy(seconds),
            error => Self::store(&error),
        }
    }
}

impl From<fleet::QueryError> for Problem {
    fn from(error: fleet::QueryError) -> Self {
        let field = match &error {
            fleet::QueryError::Word { .. } => "q",
            fleet::QueryError::Sort { .. } => "sort",
            fleet::QueryError::Cursor { .. } => "after",
            fleet::QueryError::Limit => "limit",
        };
        Self::parameter(field, error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&self)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            let basic = HeaderValue::from_static("Basic realm=\"Portwarden\", charset=\"UTF-8\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, basic);
        }
        if self.retry > 0 {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(self.retry));
        }
        response.extensions_mut().insert(self);
        response
    }
}
