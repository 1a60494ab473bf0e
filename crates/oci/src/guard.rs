//! The egress guard: where a registry's answers may send us.
//!
//! A host that an operator names is allowed, whatever its address. What a registry names itself (token realms, redirects) must be public,
//! or the named host itself; https never falls back to http; credentials never cross hosts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// Returns why an address may not be visited on somebody else's word, or nothing if it may.
///
/// Source: the special-purpose address registries of IANA (RFC 6890 and its updates).
pub fn refused(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => refused_v4(v4),
        IpAddr::V6(v6) => refused_v6(v6),
    }
}

fn refused_v4(v4: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = v4.octets();
    match (a, b, c) {
        (0, ..) => Some("an address of this network"),
        (127, ..) => Some("a loopback address"),
        (10, ..) | (192, 168, _) => Some("a private address"),
        (172, 16..=31, _) => Some("a private address"),
        (100, 64..=127, _) => Some("a shared (CGNAT) address"),
        (169, 254, _) => Some("a link-local address"),
        (192, 0, 0 | 2) | (198, 18..=19, _) | (198, 51, 100) | (203, 0, 113) => Some("a reserved address"),
        (224..=255, ..) => Some("a multicast or reserved address"),
        _ => None,
    }
}

fn refused_v6(v6: Ipv6Addr) -> Option<&'static str> {
    if let Some(v4) = v6.to_ipv4_mapped() {
        return refused_v4(v4);
    }
    let s = v6.segments();
    match s {
        [0, 0, 0, 0, 0, 0, ..] => Some("a loopback or unspecified address"),
        [0x64, 0xff9b, 0, 0, 0, 0, hi, lo] => refused_v4(embedded(hi, lo)).or(None),
        [0x64, 0xff9b, 1, ..] => Some("a local translation address"),
        [0x2002, hi, lo, ..] => refused_v4(embedded(hi, lo)),
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] => Some("a reserved address"),
        [0xfe80..=0xfeff, ..] => Some("a link-local address"),
        [0xfc00..=0xfdff, ..] => Some("a private address"),
        [0xff00..=0xffff, ..] => Some("a multicast address"),
        _ => None,
    }
}

fn embedded(hi: u16, lo: u16) -> Ipv4Addr {
    let ([a, b], [c, d]) = (hi.to_be_bytes(), lo.to_be_bytes());
    Ipv4Addr::new(a, b, c, d)
}

/// Returns why a host name or address literal may not be visited on somebody else's word.
pub fn refused_host(host: &str) -> Option<&'static str> {
    let bare = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    if let Ok(address) = bare.parse::<IpAddr>() {
        return refused(address);
    }
    let lower = bare.to_ascii_lowercase();
    let local = ["localhost", "local", "internal", "lan", "home.arpa"];
    let is_local = local.iter().any(|l| lower == *l || lower.ends_with(&format!(".{l}")));
    is_local.then_some("a local name")
}

/// Returns whether a token realm may be given the credentials of a registry: the same host, or one below the same registrable name.
pub fn same_site(registry: &str, realm: &str) -> bool {
    let (registry, realm) = (registry.to_ascii_lowercase(), realm.to_ascii_lowercase());
    if registry == realm {
        return true;
    }
    if registry.parse::<IpAddr>().is_ok() || realm.parse::<IpAddr>().is_ok() {
        return false;
    }
    match (site(&registry), site(&realm)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

/// The last two labels, or three below a two-letter country with a short second label (`co.uk`): stricter than the public suffix
/// list where it matters, as nothing shorter than a name somebody registered is ever a site.
fn site(host: &str) -> Option<String> {
    const SHARED: [&str; 8] = [
        "azurecr.io",
        "amazonaws.com",
        "github.io",
        "pkg.dev",
        "windows.net",
        "cloudfront.net",
        "run.app",
        "azurewebsites.net",
    ];
    let labels: Vec<&str> = host.trim_end_matches('.').split('.').collect();
    let n = labels.len();
    let two = labels.get(n.checked_sub(2)?..)?.join(".");
    let country = labels.last().is_some_and(|l| l.len() == 2) && labels.get(n - 2).is_some_and(|l| l.len() <= 3);
    if country || SHARED.contains(&two.as_str()) {
        return labels.get(n.checked_sub(3)?..).map(|l| l.join("."));
    }
    Some(two)
}

/// Name resolution that hides refused addresses, for every host but the ones an operator named.
pub(crate) struct Resolver {
    /// Hosts that an operator named, lower case.
    pub named: Arc<[String]>,
}

impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let host = name.as_str().to_ascii_lowercase();
        let named = self.named.contains(&host);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            let allowed: Vec<SocketAddr> = found.into_iter().filter(|a| named || refused(a.ip()).is_none()).collect();
            if allowed.is_empty() {
                return Err(format!("{host} has no address that may be visited").into());
            }
            Ok(Box::new(allowed.into_iter()) as reqwest::dns::Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_may_be_named_by_others() {
        for (text, ok) in [
            ("8.8.8.8", true),
            ("127.0.0.1", false),
            ("127.255.255.254", false),
            ("10.1.2.3", false),
            ("172.16.0.1", false),
            ("172.32.0.1", true),
            ("192.168.1.1", false),
            ("169.254.169.254", false),
            ("100.64.0.1", false),
            ("100.128.0.1", true),
            ("0.0.0.0", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("::1", false),
            ("::", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:8.8.8.8", true),
            ("64:ff9b::7f00:1", false),
            ("64:ff9b::808:808", true),
            ("2002:7f00:1::", false),
            ("fe80::1", false),
            ("fd00:ec2::254", false),
            ("2606:4700::1111", true),
        ] {
            let address: IpAddr = text.parse().expect(text);
            assert_eq!(refused(address).is_none(), ok, "{text}");
        }
        for (host, ok) in
            [("localhost", false), ("a.localhost.", false), ("metadata.google.internal", false), ("ghcr.io", true)]
        {
            assert_eq!(refused_host(host).is_none(), ok, "{host}");
        }
    }

    #[test]
    fn credentials_stay_on_their_site() {
        for (registry, realm, ok) in [
            ("registry-1.docker.io", "auth.docker.io", true),
            ("ghcr.io", "ghcr.io", true),
            ("ghcr.io", "evil.example", false),
            ("a.azurecr.io", "b.azurecr.io", false),
            ("registry.corp.co.uk", "auth.corp.co.uk", true),
            ("registry.one.co.uk", "auth.two.co.uk", false),
            ("10.0.0.1", "10.0.0.2", false),
            ("localhost", "evil.localhost", false),
        ] {
            assert_eq!(same_site(registry, realm), ok, "{registry} {realm}");
        }
    }
}
