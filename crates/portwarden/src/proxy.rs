//! Who is at the other end, also when a trusted proxy stands in between.
//!
//! In: the connection's address and whether it speaks TLS ; `X-Forwarded-For`, `X-Forwarded-Proto`. Out: the peer that logs and network rules see. Headers of
//! anybody but a trusted proxy are not looked at, and the list is read from its right end: what a client wrote itself counts for nothing.

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::HOST;
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use model::network::Network;
use std::net::IpAddr;
use std::sync::Arc;
use store::Peer;

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Remote {
    /// Its address; of IPv4 never in the form of IPv6.
    pub address: IpAddr,
    /// Whether it speaks TLS.
    pub secure: bool,
}

/// Finds out who asks, for everything that comes after.
pub async fn peer(
    State(trusted): State<Arc<[Network]>>,
    ConnectInfo(remote): ConnectInfo<Remote>,
    mut request: Request,
    next: Next,
) -> Response {
    let peer = seen(&trusted, remote, request.headers());
    request.extensions_mut().insert(peer);
    // HTTP/2 names the host in the address and nowhere else.
    let named = request.uri().authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
    if let Some(host) = named.filter(|_| !request.headers().contains_key(HOST)) {
        request.headers_mut().insert(HOST, host);
    }
    next.run(request).await
}

fn seen(trusted: &[Network], remote: Remote, headers: &HeaderMap) -> Peer {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.holds(address));
    if !is_trusted(remote.address) {
        return Peer { address: remote.address, secure: remote.secure };
    }
    let values = headers.get_all("x-forwarded-for").iter().filter_map(|v| v.to_str().ok());
    let hops: Vec<&str> = values.flat_map(|v| v.split(',')).map(str::trim).collect();
    let mut address = remote.address;
    for hop in hops.iter().rev() {
        let Ok(hop) = hop.parse::<IpAddr>() else { break };
        address = hop.to_canonical();
        if !is_trusted(address) {
            break;
        }
    }
    let secure = headers.get("x-forwarded-proto").map_or(remote.secure, |proto| proto == "https");
    Peer { address, secure }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let trusted = [Network::parse("10.0.0.0/8").unwrap()];
        for (socket, forwarded, want, why) in [
            ("192.0.2.1", "198.51.100.7", "192.0.2.1", "a client's own header"),
            ("10.0.0.1", "198.51.100.7", "198.51.100.7", "behind the proxy"),
            ("10.0.0.1", "1.2.3.4, 198.51.100.7", "198.51.100.7", "what the client wrote in front"),
            ("10.0.0.1", "198.51.100.7, 10.0.0.2", "198.51.100.7", "two proxies"),
            ("10.0.0.1", "nonsense", "10.0.0.1", "not an address"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", forwarded.parse().unwrap());
            let remote = Remote { address: socket.parse().unwrap(), secure: false };
            assert_eq!(seen(&trusted, remote, &headers).address, want.parse::<IpAddr>().unwrap(), "{why}");
        }
    }

    #[test]
    fn a_connection_is_secure_if_it_is_or_a_trusted_proxy_says_so() {
        let trusted = [Network::parse("10.0.0.0/8").unwrap()];
        for (socket, tls, said, want) in [
            ("192.0.2.1", false, "", false),
            ("192.0.2.1", true, "", true),
            ("192.0.2.1", false, "https", false),
            ("192.0.2.1", true, "http", true),
            ("10.0.0.1", false, "https", true),
            ("10.0.0.1", true, "http", false),
            ("10.0.0.1", true, "", true),
        ] {
            let mut headers = HeaderMap::new();
            if !said.is_empty() {
                headers.insert("x-forwarded-proto", said.parse().unwrap());
            }
            let remote = Remote { address: socket.parse().unwrap(), secure: tls };
            assert_eq!(seen(&trusted, remote, &headers).secure, want, "{socket} {tls} {said}");
        }
    }
}
