//! The URL of one Redis node.

use crate::settings::address::{Url, host_and_port};
use crate::settings::judge::Judge;
use std::fmt;

const DEFAULT_PORT: u16 = 6379;

/// Where a node listens. The host is a name or an IP address without brackets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NodeAddress {
    host: String,
    port: u16,
}

impl NodeAddress {
    /// The host: a name or an IP address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// What a node's URL says.
pub(super) struct NodeUrl {
    pub(super) address: NodeAddress,
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
    pub(super) database: Option<u32>,
}

impl NodeUrl {
    pub(super) fn says_otherwise_than(&self, other: &Self) -> bool {
        fn differs<T: PartialEq>(mine: &Option<T>, theirs: &Option<T>) -> bool {
            mine.is_some() && mine != theirs
        }
        differs(&self.username, &other.username)
            || differs(&self.password, &other.password)
            || differs(&self.database, &other.database)
    }
}

/// Reads the URL at `path`.
pub(super) fn node_url(text: &str, path: &str, judge: &mut Judge<'_>) -> Option<NodeUrl> {
    match parse(text) {
        Ok(url) => Some(url),
        Err(message) => {
            judge.error(path, message).hint("write redis://host:port");
            None
        }
    }
}

fn parse(text: &str) -> Result<NodeUrl, String> {
    let broken = |why: &str| format!("this is not the URL of a Redis node: {why}");
    let url = Url::parse(text).map_err(broken)?;
    match url.scheme {
        "redis" => {}
        "rediss" | "valkeys" => return Err("TLS (rediss://) is not available in this version".to_owned()),
        "unix" | "redis+unix" | "redis-socket" => {
            return Err("Unix sockets are not available in this version".to_owned());
        }
        other => return Err(broken(&format!("its scheme is {other}://"))),
    }
    let (host, port) = host_and_port(url.authority, DEFAULT_PORT).map_err(broken)?;
    let database = match url.rest.trim_start_matches('/') {
        "" => None,
        digits => Some(digits.parse().map_err(|_| broken("what follows the host is not a database's number"))?),
    };
    Ok(NodeUrl {
        address: NodeAddress { host: host.to_owned(), port },
        username: url.username,
        password: url.password,
        database,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_url_says_host_port_credentials_and_database() {
        let url = parse("redis://app:pw@cache.internal:7000/3").unwrap();
        assert_eq!(url.address.to_string(), "cache.internal:7000");
        assert_eq!(
            (url.username.as_deref(), url.password.as_deref(), url.database),
            (Some("app"), Some("pw"), Some(3))
        );
        let url = parse("redis://[::1]").unwrap();
        assert_eq!((url.address.to_string().as_str(), url.database), ("[::1]:6379", None));
    }

    #[test]
    fn what_is_no_node_is_refused_without_repeating_it() {
        for text in ["localhost:6379", "http://h", "redis://", "redis://:secret@h:x", "redis://h/one", "redis://h?x=1"]
        {
            let message = parse(text).err().unwrap();
            assert!(!message.contains("secret"), "{message}");
        }
        assert_eq!(parse("rediss://h").err().unwrap(), "TLS (rediss://) is not available in this version");
    }
}
