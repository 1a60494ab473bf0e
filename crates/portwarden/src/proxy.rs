//! Who is at the other end when a trusted proxy stands in between.
//!
//! In: the connection's address and `X-Forwarded-For`, `X-Forwarded-Proto`. Out: the peer that logs and network rules see. Headers of
//! anybody but a trusted proxy are not looked at, and the list is read from its right end: what a client wrote itself counts for nothing.

use axum::extract::{ConnectInfo, Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;
use registry::Peer;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// A network, `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Parses a network.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let (address, bits) = (address.parse::<IpAddr>().ok()?, bits.parse::<u8>().ok()?);
        (bits <= if address.is_ipv4() { 32 } else { 128 }).then_some(Self { address, bits })
    }

    /// Returns whether an address lies in it.
    pub fn holds(&self, address: IpAddr) -> bool {
        let (mine, theirs, width) = match (self.address, address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()), u128::from(b.to_bits()), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
            _ => return false,
        };
        let shift = width - u32::from(self.bits);
        shift >= 128 || (mine ^ theirs) >> shift == 0
    }
}

/// Finds out who asks, for everything that comes after.
pub async fn peer(
    State(trusted): State<Arc<[Network]>>,
    ConnectInfo(socket): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let peer = seen(&trusted, socket.ip().to_canonical(), request.headers());
    request.extensions_mut().insert(peer);
    next.run(request).await
}

fn seen(trusted: &[Network], socket: IpAddr, headers: &HeaderMap) -> Peer {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.holds(address));
    if !is_trusted(socket) {
        return Peer { address: socket, secure: false };
    }
    let values = headers.get_all("x-forwarded-for").iter().filter_map(|v| v.to_str().ok());
    let hops: Vec<&str> = values.flat_map(|v| v.split(',')).map(str::trim).collect();
    let mut address = socket;
    for hop in hops.iter().rev() {
        let Ok(hop) = hop.parse::<IpAddr>() else { break };
        address = hop.to_canonical();
        if !is_trusted(address) {
            break;
        }
    }
    let secure = headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https");
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
            assert_eq!(
                seen(&trusted, socket.parse().unwrap(), &headers).address,
                want.parse::<IpAddr>().unwrap(),
                "{why}"
            );
        }
    }

    #[test]
    fn networks_hold_their_addresses() {
        for (network, address, want) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("::1/128", "::1", true),
            ("fd00::/8", "fe80::1", false),
        ] {
            assert_eq!(Network::parse(network).unwrap().holds(address.parse().unwrap()), want, "{network} {address}");
        }
        assert_eq!(Network::parse("10.0.0.0/33"), None);
    }
}
