//! The address of one server.

use std::fmt;
use std::sync::Arc;

/// Host and port of a Redis server or Sentinel. The host is a name or an address, IPv6 without brackets.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// Name or address.
    pub host: Arc<str>,
    /// Port.
    pub port: u16,
}

impl Endpoint {
    /// The endpoint of this host and port.
    pub fn new(host: &str, port: u16) -> Self {
        Self { host: host.into(), port }
    }

    /// Reads `host:port`, as servers write it in redirections: the last colon parts them, also with IPv6. An empty host is
    /// the server that wrote it.
    pub(crate) fn parse(text: &str, writer: &Self) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = port.split(['@', ',']).next()?.parse().ok()?;
        let host = if host.is_empty() || host == "?" { writer.host.clone() } else { host.into() };
        Some(Self { host, port })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(formatter, "[{}]:{}", self.host, self.port)
        } else {
            write!(formatter, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirections_are_read() {
        let writer = Endpoint::new("10.0.0.1", 7000);
        for (text, host, port) in [
            ("10.0.0.2:7001", "10.0.0.2", 7001),
            (":7002", "10.0.0.1", 7002),
            ("::1:7003", "::1", 7003),
            ("?:7", "10.0.0.1", 7),
        ] {
            assert_eq!(Endpoint::parse(text, &writer), Some(Endpoint::new(host, port)), "{text}");
        }
        assert_eq!(Endpoint::parse("nonsense", &writer), None);
        assert_eq!(Endpoint::new("::1", 1).to_string(), "[::1]:1");
    }
}
