//! The URL of one Redis node.

use failsoft_core::cluster::Endpoint;

use crate::settings::address::{Url, decode, host_and_port};
use crate::settings::judge::Judge;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Where a node listens, and what its connections are protected by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NodeAddress {
    /// At an address and port.
    Tcp {
        /// A name or an IP address, without brackets.
        host: String,
        /// The port.
        port: u16,
        /// Whether what is said can be read on the way.
        security: Security,
    },
    /// In the file system of this machine.
    Unix {
        /// The socket.
        path: PathBuf,
    },
}

/// What protects a connection over the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Security {
    /// Nothing.
    Plain,
    /// TLS; never less, whatever happens.
    Tls,
}

impl NodeAddress {
    /// A node that is spoken to over plain TCP.
    pub fn plain(host: impl Into<String>, port: u16) -> Self {
        Self::Tcp { host: host.into(), port, security: Security::Plain }
    }

    /// Where it is, to nodes that name others by their ports at the same host.
    pub(crate) fn endpoint(&self) -> Endpoint {
        match self {
            Self::Tcp { host, port, .. } => Endpoint::new(host.clone(), *port),
            Self::Unix { .. } => Endpoint::new("", 0),
        }
    }

    /// What protects its connections over the network; a socket in the file system needs none.
    pub fn security(&self) -> Security {
        match self {
            Self::Tcp { security, .. } => *security,
            Self::Unix { .. } => Security::Plain,
        }
    }

    /// Whether it is on this machine, as far as its name says.
    pub(super) fn is_loopback(&self) -> bool {
        match self {
            Self::Tcp { host, .. } => {
                host.eq_ignore_ascii_case("localhost")
                    || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
            }
            Self::Unix { .. } => true,
        }
    }

    /// Whether both are the same place, however they are spoken to.
    fn is_same_place(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl fmt::Display for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port, .. } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port, .. } => write!(f, "{host}:{port}"),
            Self::Unix { path } => write!(f, "unix:{}", path.display()),
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

    /// Whether it names a user, a password or a database.
    pub(super) fn says_who_or_which(&self) -> bool {
        self.username.is_some() || self.password.is_some() || self.database.is_some()
    }

    pub(super) fn is_same_place(&self, other: &Self) -> bool {
        self.address.is_same_place(&other.address)
    }
}

/// Reads the URL at `path`; `default_port` is where it listens if the URL does not say.
pub(super) fn node_url(text: &str, default_port: u16, path: &str, judge: &mut Judge<'_>) -> Option<NodeUrl> {
    match parse(text, default_port) {
        Ok(url) => Some(url),
        Err(message) => {
            judge
                .error(path, message)
                .hint("write redis://host:port, rediss://host:port for TLS, or unix:///path/of/the/socket");
            None
        }
    }
}

fn parse(text: &str, default_port: u16) -> Result<NodeUrl, String> {
    let broken = |why: &str| format!("this is not the URL of a Redis node: {why}");
    let url = Url::parse(text).map_err(broken)?;
    let (address, database) = match url.scheme {
        "redis" | "valkey" => over_network(&url, Security::Plain, default_port),
        "rediss" | "valkeys" => over_network(&url, Security::Tls, default_port),
        "unix" | "redis+unix" | "valkey+unix" => in_file_system(&url),
        other => return Err(broken(&format!("its scheme is {other}://"))),
    }
    .map_err(broken)?;
    Ok(NodeUrl { address, username: url.username, password: url.password, database })
}

fn over_network(
    url: &Url<'_>,
    security: Security,
    default_port: u16,
) -> Result<(NodeAddress, Option<u32>), &'static str> {
    let (host, port) = host_and_port(url.authority, default_port)?;
    let database = match url.rest.trim_start_matches('/') {
        "" => None,
        digits => Some(digits.parse().map_err(|_| "what follows the host is not a database's number")?),
    };
    Ok((NodeAddress::Tcp { host: host.to_owned(), port, security }, database))
}

/// `unix://[user[:password]@]/path[?db=N]`, as redis-py writes it.
fn in_file_system(url: &Url<'_>) -> Result<(NodeAddress, Option<u32>), &'static str> {
    let (path, query) = url.rest.split_once('?').map_or((url.rest, None), |(path, query)| (path, Some(query)));
    let path = PathBuf::from(decode(path)?);
    if !url.authority.is_empty() || path == Path::new("") || path == Path::new("/") {
        return Err("a socket's path begins with a third slash: unix:///run/redis.sock");
    }
    let database = match query {
        None => None,
        Some(query) => {
            let number = query.strip_prefix("db=").and_then(|digits| digits.parse().ok());
            Some(number.ok_or("what follows the path is not ?db= and a database's number")?)
        }
    };
    Ok((NodeAddress::Unix { path }, database))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn parse(text: &str) -> Result<NodeUrl, String> {
        super::parse(text, 6379)
    }

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
        assert_eq!(url.address.security(), Security::Plain);
    }

    #[test]
    fn the_scheme_says_whether_it_is_tls_and_the_place_is_the_same() {
        let (over_tls, plain) = (parse("rediss://h:7000/1").unwrap(), parse("redis://h:7000").unwrap());
        assert_eq!((over_tls.address.security(), over_tls.database), (Security::Tls, Some(1)));
        assert!(over_tls.is_same_place(&plain) && over_tls.address != plain.address);
    }

    #[test]
    fn a_socket_is_named_by_its_path() {
        let url = parse("unix://app:pw@/run/my%20redis.sock?db=2").unwrap();
        assert_eq!(url.address, NodeAddress::Unix { path: "/run/my redis.sock".into() });
        assert_eq!((url.username.as_deref(), url.database), (Some("app"), Some(2)));
        assert_eq!(url.address.to_string(), "unix:/run/my redis.sock");
        for text in ["unix://run/redis.sock", "unix://", "unix:///", "unix:///run/r?db=x", "unix:///run/r?password=x"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_node_is_refused_without_repeating_it() {
        for text in ["localhost:6379", "http://h", "redis://", "redis://:secret@h:x", "redis://h/one", "redis://h?x=1"]
        {
            let message = parse(text).err().unwrap();
            assert!(!message.contains("secret"), "{message}");
        }
    }
}
