//! What a request that changes something says: JSON from programs, a form from the console, one type for both.
//!
//! In: bytes. Out: a value of a type that denies unknown fields; whatever is wrong is a problem that names its field.

use crate::asker::{CSRF_FIELD, KEY_FIELD};
use crate::form::{self, Pairs};
use crate::params::form_pairs;
use crate::problem::Problem;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The most bytes of a request that changes something.
pub const BODY_BYTES: usize = 4 << 20;

/// A JSON body.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
        if kind.split(';').next().map(str::trim) != Some("application/json") {
            return Err(Problem::parameter("content-type", "the body must be JSON: `Content-Type: application/json`"));
        }
        let bytes = bytes_of(request).await?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| json_problem::<T>(&bytes, &error))
    }
}

async fn bytes_of(request: Request) -> Result<axum::body::Bytes, Problem> {
    // The gate has read most of them already; a sign-in comes as it is.
    let bytes = axum::body::to_bytes(request.into_body(), BODY_BYTES).await;
    bytes.map_err(|_| {
        Problem::parameter("body", format!("the body could not be read, or is longer than {BODY_BYTES} bytes"))
    })
}

/// Says which field is wrong: the one that the message names, else the one without which the message changes.
fn json_problem<T: DeserializeOwned>(bytes: &[u8], error: &serde_json::Error) -> Problem {
    let message = plain(&error.to_string());
    let Ok(Value::Object(fields)) = serde_json::from_slice::<Value>(bytes) else {
        return Problem::parameter("body", format!("the body is not a JSON object: {message}"));
    };
    if let Some(name) = named(&message) {
        return Problem::parameter(name, message.clone());
    }
    let without = |name: &String| {
        let rest: Map<String, Value> =
            fields.iter().filter(|(n, _)| *n != name).map(|(n, v)| (n.clone(), v.clone())).collect();
        serde_json::from_value::<T>(Value::Object(rest)).err().map(|e| plain(&e.to_string()))
    };
    let is_wrong = |name: &&String| without(name).as_deref() != Some(message.as_str());
    match fields.keys().find(is_wrong) {
        Some(name) => Problem::parameter(name, format!("{name}: {message}")),
        None => Problem::parameter("body", message),
    }
}

/// The message without the place in the text.
fn plain(message: &str) -> String {
    message.split(" at line ").next().unwrap_or(message).to_owned()
}

/// The field that a message of serde names.
fn named(message: &str) -> Option<&str> {
    let known = ["unknown field `", "missing field `", "duplicate field `"];
    let rest = known.iter().find_map(|start| message.strip_prefix(start))?;
    rest.split('`').next()
}

/// A form of the console as it was sent. Whether a page of the console made it, the gate has looked at.
#[derive(Debug, Clone, Default)]
pub struct Form(Pairs);

impl Form {
    /// Reads the form as a value. An empty field is one that was not given; a checkbox is `on`; a field that is given several times
    /// is a list.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        form::read(&self.0).map_err(|wrong| Problem::parameter(&wrong.field, wrong.message))
    }

    /// A form with its first values.
    pub fn of(values: &[(&str, &str)]) -> Self {
        Self(values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    /// The form without what must not be shown again.
    pub fn without(mut self, name: &str) -> Self {
        self.0.retain(|(known, _)| known != name);
        self
    }

    /// Whether a field has a value here, be it an empty one.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(n, _)| n == name)
    }

    /// Returns everything that was chosen in a field.
    pub fn chosen<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Returns what was typed into a field.
    pub fn typed(&self, name: &str) -> &str {
        self.0.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    /// Returns every value of a field that may be given several times.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let bytes = bytes_of(request).await?;
        let text = std::str::from_utf8(&bytes).map_err(|_| Problem::parameter("body", "the form is not UTF-8"))?;
        let mut pairs = form_pairs(text);
        pairs.retain(|(name, _)| name != CSRF_FIELD && name != KEY_FIELD);
        Ok(Self(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)] // read by serde alone
    struct Sample {
        name: String,
        #[serde(default)]
        size: Option<u8>,
        #[serde(default)]
        tags: Vec<String>,
    }

    #[test]
    fn a_wrong_body_names_its_field() {
        for (body, field) in [
            ("{}", "name"),
            ("{\"name\": 1}", "name"),
            ("{\"name\": \"a\", \"size\": \"x\"}", "size"),
            ("{\"name\": \"a\", \"size\": 256}", "size"),
            ("{\"name\": \"a\", \"tags\": [1]}", "tags"),
            ("{\"name\": \"a\", \"colour\": \"red\"}", "colour"),
            ("{\"name\": \"a\", \"name\": \"b\"}", "name"),
            ("[]", "body"),
            ("{", "body"),
            ("", "body"),
        ] {
            let error = serde_json::from_slice::<Sample>(body.as_bytes()).unwrap_err();
            let problem = json_problem::<Sample>(body.as_bytes(), &error);
            assert_eq!(problem.field, field, "{body}: {}", problem.detail);
            assert_eq!(problem.status, 400);
        }
    }
}
