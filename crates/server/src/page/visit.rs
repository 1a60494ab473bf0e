//! Who looks at which page, and how they want it to look.
//!
//! In: a request of somebody who is signed in. Out: what every page is made from; the look is kept in a cookie, so that the first
//! paint is right.

use crate::asker::Asker;
use crate::params::{form_pairs, local};
use crate::parts::Parts;
use crate::problem::Problem;
use axum::extract::FromRequestParts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use store::Principal;

/// The name of the cookie with the look.
const COOKIE: &str = "pw-look";

/// One visit of a page.
pub struct Visit {
    /// Facts and answers.
    pub parts: Parts,
    /// Who looks.
    pub who: Principal,
    /// The same, with where from.
    pub asker: Asker,
    /// The path of the address.
    pub path: String,
    /// The query of the address.
    pub query: Option<String>,
    /// How they want it to look.
    pub look: Look,
}

impl Visit {
    /// The address of the page, to come back to.
    pub fn address(&self) -> String {
        match self.query.as_deref() {
            Some(query) if !query.is_empty() => format!("{}?{query}", self.path),
            _ => self.path.clone(),
        }
    }
}

impl Visit {
    /// Reads a request of somebody.
    pub fn new(parts: &Parts, asker: &Asker, head: &axum::http::request::Parts) -> Self {
        Self {
            parts: parts.clone(),
            who: asker.principal.clone(),
            asker: asker.clone(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().map(str::to_owned),
            look: Look::of(&head.headers),
        }
    }
}

impl FromRequestParts<Parts> for Visit {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut axum::http::request::Parts, parts: &Parts) -> Result<Self, Problem> {
        let asker = head.extensions.get::<Asker>().cloned().ok_or_else(Problem::sign_in)?;
        Ok(Self::new(parts, &asker, head))
    }
}

/// How the console looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Look {
    /// `light`, `dark`, `contrast`, or empty for what the system says.
    pub theme: &'static str,
    /// Whether rows are close together.
    pub compact: bool,
}

impl Look {
    /// Reads the cookie; what is not understood is the usual look.
    pub fn of(headers: &HeaderMap) -> Self {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok());
        let mut pairs = cookies.flat_map(|v| v.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| Self::parse(value)).unwrap_or_default()
    }

    fn parse(text: &str) -> Self {
        let (theme, density) = text.split_once('.').unwrap_or((text, ""));
        let theme = ["light", "dark", "contrast"].into_iter().find(|t| *t == theme).unwrap_or("");
        Self { theme, compact: density == "compact" }
    }
}

/// Keeps the look that somebody chose, and goes back to where they were.
pub async fn choose(body: String) -> Response {
    let pairs = form_pairs(&body);
    let value = |name: &str| pairs.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str());
    let look = Look::parse(&format!("{}.{}", value("theme"), value("density")));
    let density = if look.compact { "compact" } else { "" };
    let cookie = format!("{COOKIE}={}.{density}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax", look.theme);
    let mut response = StatusCode::SEE_OTHER.into_response();
    response.headers_mut().insert(header::LOCATION, local(value("back")));
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_that_is_not_understood_is_the_usual_one() {
        for (cookie, theme, compact) in [
            ("pw-look=dark.compact", "dark", true),
            ("a=b; pw-look=contrast.", "contrast", false),
            ("pw-look=\"><script>.compact", "", true),
            ("other=dark", "", false),
            ("", "", false),
        ] {
            let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static(cookie))]);
            assert_eq!(Look::of(&headers), Look { theme, compact }, "{cookie}");
        }
    }
}
