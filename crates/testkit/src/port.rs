//! Loopback ports that no concurrently running test process will be given as well.
//!
//! "Bind port 0, note the number, close" is the usual way and it collides: the kernel hands the same number
//! to the next outgoing connection. These ports come from below the ephemeral range, and each is held by an
//! advisory lock on a file in the user's temporary directory, which the kernel gives up when the process ends,
//! however it ends. A port stays ours while its server is down, so a restarted server finds it free.
//!
//! The range is 10000 to 19999 so that `port + 10000` (the bus of Redis Cluster) is spoken for too. Where an
//! administrator has lowered the ephemeral range into it, a collision with a passing connection remains possible.

use std::collections::hash_map::RandomState;
use std::fs::{self, File};
use std::hash::BuildHasher;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use crate::scratch;

const FIRST: u16 = 10_000;
const COUNT: u16 = 10_000;

/// A loopback port reserved for this value's lifetime. Nothing listens on it yet.
#[derive(Debug)]
pub struct FreePort {
    number: u16,
    _lock: File,
}

impl FreePort {
    /// Reserves a port nobody listens on and no other test process holds.
    ///
    /// # Panics
    /// When all ten thousand are taken, or the temporary directory cannot be written.
    pub fn reserve() -> Self {
        let start = RandomState::new().hash_one(std::process::id()) % u64::from(COUNT);
        let start = u16::try_from(start).expect("a remainder of a u16 fits a u16");
        (0..COUNT)
            .map(|step| FIRST + (start + step) % COUNT)
            .find_map(Self::try_reserve)
            .expect("no free loopback port between 10000 and 19999: stop leftover servers")
    }

    /// Reserves exactly `number`, or `None` when somebody holds it or listens on it.
    pub fn try_reserve(number: u16) -> Option<Self> {
        let lock = lock_file(number);
        lock.try_lock().ok()?;
        TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        Some(Self { number, _lock: lock })
    }

    /// The port's number.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// The port on 127.0.0.1.
    pub fn addr(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.number).into()
    }
}

fn lock_file(number: u16) -> File {
    let directory = scratch::shared_directory().join("ports");
    fs::create_dir_all(&directory).expect("the temporary directory is writable");
    let path = directory.join(number.to_string());
    File::options().create(true).truncate(false).write(true).open(path).expect("the temporary directory is writable")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_port_is_not_given_out_again_until_dropped() {
        let first = FreePort::reserve();
        assert!(FreePort::try_reserve(first.number()).is_none());
        let number = first.number();
        drop(first);
        assert!(FreePort::try_reserve(number).is_some());
    }

    #[test]
    fn a_port_somebody_listens_on_is_skipped() {
        let port = FreePort::reserve();
        let number = port.number();
        let listener = TcpListener::bind(port.addr()).expect("reserved for us");
        drop(port);
        assert!(FreePort::try_reserve(number).is_none());
        drop(listener);
    }
}
