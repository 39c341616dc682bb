//! Which proxies may say where a request really came from.

use std::fmt;
use std::net::IpAddr;

use crate::rules::{Parsed, Rule, Separator, items};

/// Proxies whose forwarding headers are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustedProxies {
    /// Whoever connects.
    Any,
    /// Those in these networks.
    Listed(Vec<Network>),
}

impl TrustedProxies {
    /// Whether the headers of a peer with this address are believed.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(networks) => networks.iter().any(|network| network.contains(peer)),
        }
    }
}

/// A network in CIDR notation, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix): (&str, Option<&str>) =
            text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().ok()?;
        let longest: u8 = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Some(longest), |prefix| prefix.parse().ok())?;
        if prefix > longest {
            return None;
        }
        // An IPv4 address written as IPv6 (`::ffff:10.0.0.0/104`) keeps the part of its prefix that is about IPv4.
        let canonical = address.to_canonical();
        let prefix = if canonical == address { prefix } else { prefix.saturating_sub(96) };
        Some(Self { address: canonical, prefix })
    }

    /// Whether an address lies in the network.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                same_start(u128::from(network.to_bits()), u128::from(address.to_bits()), 32, self.prefix)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                same_start(network.to_bits(), address.to_bits(), 128, self.prefix)
            }
            _ => false,
        }
    }
}

fn same_start(left: u128, right: u128, width: u32, prefix: u8) -> bool {
    let ignored = width.saturating_sub(u32::from(prefix));
    (left ^ right).checked_shr(ignored).unwrap_or(0) == 0
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.prefix)
    }
}

/// The rule for a list of proxies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TrustedProxiesRule;

impl Rule for TrustedProxiesRule {
    type Value = TrustedProxies;

    fn allowed(&self) -> String {
        "IP addresses and networks separated by commas, or *".to_owned()
    }

    fn parse(&self, text: &str) -> Parsed<TrustedProxies> {
        let mut networks = Vec::new();
        for item in items(text, Separator::Comma).filter(|item| !item.is_empty()) {
            match (item, Network::parse(item)) {
                ("*", _) => return Parsed::Value(TrustedProxies::Any),
                (_, Some(network)) => networks.push(network),
                (_, None) => {
                    return Parsed::Wrong(format!(
                        "holds \"{item}\", which is neither an address nor a network"
                    ));
                }
            }
        }
        Parsed::Value(TrustedProxies::Listed(networks))
    }

    fn show(&self, value: &TrustedProxies) -> String {
        match value {
            TrustedProxies::Any => "*".to_owned(),
            TrustedProxies::Listed(networks) => {
                networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(text: &str) -> TrustedProxies {
        match TrustedProxiesRule.parse(text) {
            Parsed::Value(value) => value,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn networks_hold_their_addresses() {
        let trusted = proxies("10.0.0.0/8, 192.168.1.7, fd00::/8");
        for (address, expected) in [
            ("10.200.3.4", true),
            ("::ffff:10.1.1.1", true),
            ("11.0.0.1", false),
            ("192.168.1.7", true),
            ("192.168.1.8", false),
            ("fd12::1", true),
            ("fe80::1", false),
        ] {
            assert_eq!(trusted.trusts(address.parse().expect("an address")), expected, "{address}");
        }
        assert!(proxies("0.0.0.0/0").trusts("8.8.8.8".parse().expect("an address")));
        assert!(!proxies("").trusts("8.8.8.8".parse().expect("an address")));
        assert_eq!(proxies("127.0.0.1,*"), TrustedProxies::Any);
    }

    #[test]
    fn refuses_what_is_no_network() {
        for text in ["proxy", "10.0.0.0/33", "10.0.0/8", "fd00::/129"] {
            assert!(matches!(TrustedProxiesRule.parse(text), Parsed::Wrong(_)), "{text}");
        }
    }
}
