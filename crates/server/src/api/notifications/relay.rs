//! The mail relay that channels of mail go by: one for the installation, named by an owner of everything.

use crate::access;
use crate::asker::Asker;
use crate::body::Body;
use crate::notices::mail_address;
use crate::parts::Parts;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::notice::MailSafety;
use model::role::{Action, Scope};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use store::MailRelay;
use utoipa::ToSchema;

/// Longest host name (RFC 1035).
const HOST_CHARS: usize = 253;
/// Longest user and password, bytes.
const LOGIN_BYTES: usize = 1_024;

/// A mail relay to be named.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RelayBody {
    /// Host name or address.
    pub host: String,
    /// Port; left out: 587, with `tls` 465, with `none` 25.
    #[serde(default)]
    pub port: Option<u16>,
    /// `starttls` (without another word: the relay must offer it), `tls` from the first byte, or `none`.
    #[serde(default)]
    pub tls: Option<String>,
    /// Who signs in there; left out: nobody.
    #[serde(default)]
    pub user: Option<String>,
    /// With what. It is kept sealed and not shown again; left out for the same host and user: it stays.
    #[serde(default)]
    pub password: Option<String>,
    /// The address that mail comes from.
    pub from: String,
}

/// The mail relay, without its password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RelayView {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// `starttls`, `tls` or `none`.
    pub tls: &'static str,
    /// Who signs in there, or empty.
    pub user: String,
    /// The address that mail comes from.
    pub from: String,
}

impl From<MailRelay> for RelayView {
    fn from(relay: MailRelay) -> Self {
        let MailRelay { host, port, safety, user, from, .. } = relay;
        Self { host, port, tls: safety.as_str(), user, from }
    }
}

/// The relay, if one is named.
pub async fn show(parts: &Parts, asker: &Asker) -> Result<Option<RelayView>, Problem> {
    access::may_in(&asker.principal, Action::Own, &Scope::ALL)?;
    Ok(parts.store.mail_relay().await?.map(RelayView::from))
}

/// Names the relay.
pub async fn set(parts: &Parts, asker: &Asker, body: RelayBody) -> Result<RelayView, Problem> {
    access::may_in(&asker.principal, Action::Own, &Scope::ALL)?;
    let host = host(&body.host)?;
    let word = body.tls.as_deref().unwrap_or(MailSafety::StartTls.as_str());
    let safety = MailSafety::parse(word).ok_or_else(|| {
        let all = MailSafety::ALL.map(MailSafety::as_str).join(", ");
        Problem::parameter("tls", format!("tls={word:?}; allowed: {all}"))
    })?;
    let port = body.port.unwrap_or(safety.port());
    if port == 0 {
        return Err(Problem::parameter("port", "a port is 1 to 65535"));
    }
    let from = body.from.trim();
    if mail_address(from).is_none() {
        return Err(Problem::parameter("from", format!("from={from:?} is no address that mail can come from")));
    }
    let (user, password) = login(parts, &body, &host).await?;
    if safety == MailSafety::None && !user.is_empty() && !is_here(&host) {
        let why =
            "a password is not sent without TLS, but to this machine; leave the user out, or choose starttls or tls";
        return Err(Problem::parameter("tls", why));
    }
    let relay = MailRelay { host, port, safety, user, password, from: from.to_owned() };
    parts.store.set_mail_relay(Some(&relay), &asker.caller()).await?;
    Ok(relay.into())
}

/// Says that there is no relay any more.
pub async fn end(parts: &Parts, asker: &Asker) -> Result<(), Problem> {
    if show(parts, asker).await?.is_none() {
        return Err(none());
    }
    Ok(parts.store.set_mail_relay(None, &asker.caller()).await?)
}

fn none() -> Problem {
    Problem { detail: "no mail relay is named".into(), ..Problem::absent("mail relay", "") }
}

fn host(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    let is_name = !text.is_empty() && text.len() <= HOST_CHARS && text.bytes().all(plain);
    if !is_name && text.parse::<IpAddr>().is_err() {
        return Err(Problem::parameter("host", "host is the name or the address of the relay, without a port"));
    }
    Ok(text.to_owned())
}

fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Who signs in with what. A password that is kept goes to nobody but to whom it was given for.
async fn login(parts: &Parts, body: &RelayBody, host: &str) -> Result<(String, String), Problem> {
    let user = body.user.as_deref().unwrap_or("").trim().to_owned();
    let given = body.password.clone().filter(|text| !text.is_empty());
    for (field, text) in [("user", &user), ("password", given.as_ref().unwrap_or(&user))] {
        if text.len() > LOGIN_BYTES || text.chars().any(char::is_control) {
            let why = format!("{field} has {LOGIN_BYTES} bytes at most, and no control characters");
            return Err(Problem::parameter(field, why));
        }
    }
    match (user.is_empty(), given) {
        (true, None) => return Ok((user, String::new())),
        (true, Some(_)) => return Err(Problem::parameter("user", "a password needs a user")),
        (false, Some(password)) => return Ok((user, password)),
        (false, None) => {}
    }
    let before = parts.store.mail_relay().await.unwrap_or_default();
    let same = before.filter(|relay| relay.host == host && relay.user == user && !relay.password.is_empty());
    let why = "say the password as well: none is kept for this user of this relay";
    let relay = same.ok_or_else(|| Problem::parameter("password", why))?;
    Ok((user, relay.password))
}

/// `GET /notifications/relay`
pub async fn get(State(parts): State<Parts>, asker: Asker) -> Result<Json<RelayView>, Problem> {
    show(&parts, &asker).await?.map(Json).ok_or_else(none)
}

/// `PUT /notifications/relay`
pub async fn put(State(parts): State<Parts>, asker: Asker, body: Body<RelayBody>) -> Result<Json<RelayView>, Problem> {
    set(&parts, &asker, body.0).await.map(Json)
}

/// `DELETE /notifications/relay`
pub async fn delete(State(parts): State<Parts>, asker: Asker) -> Result<StatusCode, Problem> {
    end(&parts, &asker).await?;
    Ok(StatusCode::NO_CONTENT)
}
