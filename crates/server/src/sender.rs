//! Where a request comes from.
//!
//! In: the head of a request. Out: the address and the program of the client; whether a page of this console made it send it.

use axum::extract::ConnectInfo;
use axum::http::{Extensions, HeaderMap, HeaderName, header};
use std::net::SocketAddr;
use store::Peer;

/// The address of the client, or empty.
pub fn address(extensions: &Extensions) -> String {
    let peer = extensions.get::<Peer>().map(|peer| peer.address);
    let connection = || extensions.get::<ConnectInfo<SocketAddr>>().map(|c| c.0.ip());
    peer.or_else(connection).map(|address| address.to_string()).unwrap_or_default()
}

/// What the client says that it is.
pub fn user_agent(headers: &HeaderMap) -> String {
    let value = headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    value.chars().take(256).collect()
}

/// Returns whether a request was sent by a page of this console, or by a program. Browsers say where a request comes from; a program
/// that says nothing brought its login itself (`remembered` is false).
pub fn is_ours(public_url: &str, headers: &HeaderMap, remembered: bool) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
    if let Some(site) = text(HeaderName::from_static("sec-fetch-site")) {
        return site == "same-origin";
    }
    let Some(origin) = text(header::ORIGIN) else { return !remembered };
    let host = origin.split_once("://").map(|(_, host)| host);
    host.is_some() && (host == text(header::HOST) || origin == public_url.trim_end_matches('/'))
}
