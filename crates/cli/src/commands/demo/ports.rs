//! Loopback ports for servers that will come and go.
//!
//! They come from below the range the kernel gives to outgoing connections: while Redis is dead, clients keep
//! connecting to its port, and a port of that range can then be given to such a client, which would connect to itself.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use super::error::DemoError;

const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

/// Finds `count` addresses nobody listens on, beginning at a place that differs between processes.
pub(super) fn free(count: usize) -> Result<Vec<SocketAddr>, DemoError> {
    let start = u16::try_from(std::process::id() % u32::from(COUNT)).expect("a remainder of a u16 fits a u16");
    let ports = (0..COUNT).map(|step| FIRST + (start + step * 7) % COUNT);
    let free =
        ports.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))).filter(|at| TcpListener::bind(at).is_ok());
    let found: Vec<SocketAddr> = free.take(count).collect();
    if found.len() == count { Ok(found) } else { Err(DemoError::NoPort) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn addresses_differ_and_can_be_listened_on() {
        let found = free(2).unwrap();
        assert_ne!(found[0], found[1]);
        let _listening: Vec<_> = found.iter().map(|at| TcpListener::bind(at).unwrap()).collect();
    }
}
