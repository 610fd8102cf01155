//! `server.announce`: what clients that know clusters are told of where failsoft is.
//!
//! Such a client asks who owns which slot and goes there. Behind a balancer or a published port the address it came to
//! is not one that failsoft can see, so it can be said. An address that nobody can go to is refused here rather
//! than by every client.

use crate::settings::address::host_and_port;
use crate::settings::judge::Judge;
use std::fmt;
use std::net::IpAddr;

/// Where clients are told that failsoft is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    host: String,
    port: u16,
}

impl Announced {
    /// A name or an IP address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn mean(text: &str, judge: &mut Judge<'_>) -> Option<Self> {
        match parse(text) {
            Ok(announced) => Some(announced),
            Err(why) => {
                judge
                    .error("server.announce", format!("clients cannot be sent to `{text}`: {why}"))
                    .hint("write host:port as clients reach it, an IPv6 address in brackets: \"[2001:db8::1]:6380\"");
                None
            }
        }
    }
}

impl fmt::Display for Announced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

fn parse(text: &str) -> Result<Announced, &'static str> {
    const NO_PORT: u16 = 0;
    let (host, port) = host_and_port(text, NO_PORT)?;
    if port == NO_PORT {
        return Err("it names no port");
    }
    if host.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified()) {
        return Err("it is every address and none");
    }
    if host.chars().any(|letter| letter.is_whitespace() || letter.is_control() || letter == '/') {
        return Err("its host is no name");
    }
    Ok(Announced { host: host.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_a_host_and_a_port() {
        let shown = |text| parse(text).map(|announced| announced.to_string());
        assert_eq!(shown("failsoft.internal:6380"), Ok("failsoft.internal:6380".to_owned()));
        assert_eq!(shown("[::1]:6380"), Ok("[::1]:6380".to_owned()));
        for text in ["failsoft", "", ":6380", "0.0.0.0:6380", "[::]:6380", "::1", "a b:1", "redis://h:1", "h:0"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
