//! Lists of hosts: `host`, `host:port`, an IPv6 address, or `[IPv6 address]:port`, separated by commas.

use std::fmt;
use std::net::Ipv6Addr;

use crate::rules::{Parsed, Rule, Separator, items};

/// A host, and its port when one was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host {
    /// Name or address; an IPv6 address without brackets.
    pub name: String,
    /// The port, if any was written.
    pub port: Option<u16>,
}

impl Host {
    /// Reads one host; the error continues the words "the value …".
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Some(rest) = text.strip_prefix('[') {
            let (name, after) = rest
                .split_once(']')
                .ok_or_else(|| format!("has an address without its closing bracket: {text}"))?;
            name.parse::<Ipv6Addr>().map_err(|_| format!("holds [{name}], which is no IPv6 address"))?;
            let port = match after {
                "" => None,
                _ => Some(port(after.strip_prefix(':').unwrap_or(after), text)?),
            };
            return Ok(Self { name: name.to_owned(), port });
        }
        if text.parse::<Ipv6Addr>().is_ok() {
            return Ok(Self { name: text.to_owned(), port: None });
        }
        let (name, port) = match text.split_once(':') {
            Some((name, digits)) => (name, Some(port(digits, text)?)),
            None => (text, None),
        };
        if name.is_empty() || name.contains(['/', '@', ' ']) {
            return Err(format!("holds {text}, which is no host"));
        }
        Ok(Self { name: name.to_owned(), port })
    }
}

fn port(digits: &str, text: &str) -> Result<u16, String> {
    match digits.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(format!("holds {text}, whose port is not a number from 1 to 65535")),
    }
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.port, self.name.contains(':')) {
            (Some(port), true) => write!(formatter, "[{}]:{port}", self.name),
            (Some(port), false) => write!(formatter, "{}:{port}", self.name),
            (None, _) => formatter.write_str(&self.name),
        }
    }
}

/// The rule for a list of hosts; items are trimmed, empty ones dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HostsRule;

impl Rule for HostsRule {
    type Value = Vec<Host>;

    fn allowed(&self) -> String {
        "hosts separated by commas, each host, host:port, an IPv6 address or [IPv6 address]:port".to_owned()
    }

    fn parse(&self, text: &str) -> Parsed<Vec<Host>> {
        let hosts: Result<Vec<Host>, String> =
            items(text, Separator::Comma).filter(|item| !item.is_empty()).map(Host::parse).collect();
        match hosts {
            Ok(hosts) => Parsed::Value(hosts),
            Err(problem) => Parsed::Wrong(problem),
        }
    }

    fn show(&self, value: &Vec<Host>) -> String {
        value.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }

    fn absent(&self) -> Option<Vec<Host>> {
        Some(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_come_with_and_without_ports() {
        let text = "one, two:26380 ,,::1,[fe80::1]:5,10.0.0.1:7";
        let Parsed::Value(hosts) = HostsRule.parse(text) else { panic!("a list") };
        let seen: Vec<(&str, Option<u16>)> =
            hosts.iter().map(|host| (host.name.as_str(), host.port)).collect();
        assert_eq!(
            seen,
            [("one", None), ("two", Some(26380)), ("::1", None), ("fe80::1", Some(5)), ("10.0.0.1", Some(7))]
        );
        assert_eq!(HostsRule.show(&hosts), "one,two:26380,::1,[fe80::1]:5,10.0.0.1:7");
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in ["one:", "one:0", "one:70000", ":26379", "[::1", "[x]:1", "redis://one", "a b"] {
            assert!(matches!(HostsRule.parse(text), Parsed::Wrong(_)), "{text}");
        }
    }
}
