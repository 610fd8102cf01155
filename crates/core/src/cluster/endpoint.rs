//! Where a node is said to be: a host, by name or by address, and a port.
//!
//! Redis writes an IPv6 address in front of a port without brackets, so the last colon is the one before the port. What
//! could be no host is refused here, because it comes from others: nothing else may get as far as a resolver or a log.

use std::fmt;

/// As long as a host name may be (RFC 1035, 2.3.4).
const LONGEST_HOST: usize = 255;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Endpoint {
    /// `host`, which stands without brackets, at `port`.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }

    /// Reads `host:port`, `::1:6379` and `[::1]:6379`; the host may be missing, the port may not.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = host.strip_prefix('[').and_then(|inside| inside.strip_suffix(']')).unwrap_or(host);
        let port = port.parse().ok()?;
        (host.is_empty() || Self::is_host(host)).then(|| Self::new(host, port))
    }

    /// Whether `text` could be the name of a host, or an address without brackets.
    pub fn is_host(text: &str) -> bool {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:%".contains(&byte);
        (1..=LONGEST_HOST).contains(&text.len()) && text.bytes().all(fits)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_with_names_addresses_and_without_a_host() {
        let cases = [
            ("127.0.0.1:6379", "127.0.0.1", "127.0.0.1:6379"),
            ("::1:6379", "::1", "[::1]:6379"),
            ("[fe80::1%eth0]:6379", "fe80::1%eth0", "[fe80::1%eth0]:6379"),
            ("redis-0.redis_a:6379", "redis-0.redis_a", "redis-0.redis_a:6379"),
            (":6379", "", ":6379"),
        ];
        for (text, host, shown) in cases {
            let endpoint = Endpoint::parse(text).unwrap();
            assert_eq!((endpoint.host.as_str(), endpoint.port, endpoint.to_string().as_str()), (host, 6379, shown));
        }
    }

    #[test]
    fn what_could_be_no_host_is_refused() {
        let long = "a".repeat(LONGEST_HOST + 1);
        for host in ["a b", "a/b", "a@b", "ä", "a\n", "[::1", "?", &long] {
            assert_eq!(Endpoint::parse(&format!("{host}:1")), None, "{host:?}");
        }
        assert!(Endpoint::parse(&format!("{}:1", &long[1..])).is_some());
        for text in ["", "host", "host:", "host:65536", "host:-1", "host:1x"] {
            assert_eq!(Endpoint::parse(text), None, "{text:?}");
        }
    }
}
