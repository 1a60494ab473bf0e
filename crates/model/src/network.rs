//! Networks of addresses, and the rules that say which of them may speak to a registry.
//!
//! In: `10.0.0.0/8`, `203.0.113.7`, `2001:db8::/32`. Out: whether an address is let in.
//! The words are those of Azure Container Registry: public access, default action, IP rules, trusted services.

use serde::{Serialize, Serializer};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Most IP rules of one registry, as Azure Container Registry has it.
pub const IP_RULES: usize = 100;

/// A network: an address and how many of its first bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Reads `10.0.0.0/8`, or one address. Bits after the counted ones are dropped, IPv4 written as IPv6 is IPv4.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.trim().split_once('/') {
            Some((address, bits)) if bits.bytes().all(|b| b.is_ascii_digit()) => (address, Some(bits.parse().ok()?)),
            Some(_) => return None,
            None => (text.trim(), None),
        };
        let written: IpAddr = address.parse().ok()?;
        let address = written.to_canonical();
        let width = width(address);
        // `::ffff:10.0.0.0/104` is 10.0.0.0/8.
        let mapped = u8::from(written.is_ipv6() && address.is_ipv4()) * 96;
        let bits: u8 = bits.map_or(Some(width), |bits: u8| bits.checked_sub(mapped))?;
        (bits <= width).then(|| Self { address: cut(address, bits), bits })
    }

    /// Returns whether an address lies in it.
    pub fn holds(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && cut(address, self.bits) == self.address
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Clears the bits after the first ones.
fn cut(address: IpAddr, bits: u8) -> IpAddr {
    let rest = u32::from(width(address).saturating_sub(bits));
    match address {
        IpAddr::V4(a) => {
            let mask = u32::MAX.checked_shl(rest).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(a.to_bits() & mask))
        }
        IpAddr::V6(a) => {
            let mask = u128::MAX.checked_shl(rest).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(a.to_bits() & mask))
        }
    }
}

impl fmt::Display for Network {
    /// One address is written without its length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.bits == width(self.address) {
            return write!(f, "{}", self.address);
        }
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Who may speak to a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Off: no client is let in, whatever the IP rules say.
    pub public_access: bool,
    /// What happens to an address that no IP rule names.
    pub default_allow: bool,
    /// Whether the scanner is let in all the same.
    pub trusted_bypass: bool,
    /// The networks that are let in.
    pub allowed: Vec<Network>,
}

impl Default for Rules {
    /// Everybody, as a registry begins.
    fn default() -> Self {
        Self { public_access: true, default_allow: true, trusted_bypass: true, allowed: Vec::new() }
    }
}

impl Rules {
    /// Returns whether a client is let in; one without an address only where everybody is.
    pub fn admits(&self, address: Option<IpAddr>) -> bool {
        let named = || address.is_some_and(|address| self.allowed.iter().any(|network| network.holds(address)));
        self.public_access && (self.default_allow || named())
    }

    /// Returns whether some client may be kept out.
    pub fn restrict(&self) -> bool {
        !(self.public_access && self.default_allow)
    }

    /// Returns whether the scanner is let in: it is no client with an address, so where clients are kept out only the bypass
    /// lets it in.
    pub fn admits_scanner(&self) -> bool {
        self.trusted_bypass || !self.restrict()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_written_one_way() {
        for (text, want) in [
            ("10.1.2.3/8", Some("10.0.0.0/8")),
            ("203.0.113.7", Some("203.0.113.7")),
            ("203.0.113.7/32", Some("203.0.113.7")),
            (" 0.0.0.0/0 ", Some("0.0.0.0/0")),
            ("2001:DB8:0::1/32", Some("2001:db8::/32")),
            ("::1", Some("::1")),
            ("::ffff:10.0.0.9", Some("10.0.0.9")),
            ("::ffff:10.0.0.9/104", Some("10.0.0.0/8")),
            ("::ffff:10.0.0.9/95", None),
            ("::/0", Some("::/0")),
            ("10.0.0.0/33", None),
            ("::/129", None),
            ("10.0.0.0/+8", None),
            ("10.0.0.0/", None),
            ("10.0.0", None),
            ("localhost", None),
            ("", None),
        ] {
            assert_eq!(Network::parse(text).map(|n| n.to_string()).as_deref(), want, "{text:?}");
        }
    }

    #[test]
    fn networks_hold_their_addresses() {
        for (network, address, want) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.1.1", true),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "8.8.8.8", false),
            ("::1/128", "::1", true),
            ("fd00::/8", "fe80::1", false),
        ] {
            assert_eq!(Network::parse(network).unwrap().holds(address.parse().unwrap()), want, "{network} {address}");
        }
    }

    #[test]
    fn rules_admit_whom_they_name() {
        let rules = |public_access, default_allow, trusted_bypass, allowed: &[&str]| Rules {
            public_access,
            default_allow,
            trusted_bypass,
            allowed: allowed.iter().map(|text| Network::parse(text).unwrap()).collect(),
        };
        let here = Some("127.0.0.1".parse().unwrap());
        for (rules, address, client, scanner, why) in [
            (Rules::default(), here, true, true, "as a registry begins"),
            (Rules::default(), None, true, true, "everybody is let in"),
            (rules(true, false, true, &["127.0.0.1"]), here, true, true, "named"),
            (rules(true, false, false, &["127.0.0.1"]), here, true, false, "the scanner has no address"),
            (rules(true, false, true, &["127.0.0.2"]), here, false, true, "another is named"),
            (rules(true, false, true, &["127.0.0.1"]), None, false, true, "who has no address is not named"),
            (rules(false, true, true, &["127.0.0.1"]), here, false, true, "public access is off"),
            (rules(false, true, false, &[]), here, false, false, "off for all"),
            (rules(true, true, false, &[]), here, true, true, "nobody is kept out, so the bypass is of no meaning"),
        ] {
            assert_eq!(rules.admits(address), client, "{why}");
            assert_eq!(rules.admits_scanner(), scanner, "{why}");
        }
    }
}
