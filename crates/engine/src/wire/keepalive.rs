//! Asking whether the machine at the other end is still there.
//!
//! A machine that has lost its power, or a firewall that has forgotten the connection, says nothing: without being asked
//! the connection would be there for ever. Redis asks every 300 s; so does the sidecar, as `server.tcp_keepalive` says.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

use super::Socket;

/// How long a node may be silent before it is asked, on connections that nothing else watches over.
pub(super) const NODE_KEEPALIVE: Duration = Duration::from_secs(60);
/// Questions without an answer before the connection counts as broken.
const RETRIES: u32 = 3;
/// The least that systems can be told, and the pause between two questions at least.
const SECOND: Duration = Duration::from_secs(1);

impl Socket {
    /// Lets the system ask after a silence of `after`, and three times more, a third of it apart, as Redis does.
    ///
    /// # Errors
    /// What the operating system says; the connection is as good as before.
    pub fn keep_alive(&self, after: Duration) -> io::Result<()> {
        let keepalive = TcpKeepalive::new()
            .with_time(after.max(SECOND))
            .with_interval((after / RETRIES).max(SECOND))
            .with_retries(RETRIES);
        match self {
            Self::Tcp(stream) => SockRef::from(stream).set_tcp_keepalive(&keepalive),
            // The other end is on this machine, and the system knows when it goes.
            Self::Unix(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn nodes_are_asked_after_a_minute_and_others_as_it_is_set() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = Socket::connect_tcp("127.0.0.1", listener.local_addr().unwrap().port()).await.unwrap();
        let times = |socket: &Socket| {
            let Socket::Tcp(stream) = socket else { unreachable!("it was connected over TCP") };
            let socket = SockRef::from(stream);
            let seconds =
                [socket.tcp_keepalive_time(), socket.tcp_keepalive_interval()].map(|time| time.unwrap().as_secs());
            (socket.keepalive().unwrap(), seconds)
        };
        assert_eq!(times(&socket), (true, [60, 20]));
        socket.keep_alive(Duration::from_secs(300)).unwrap();
        assert_eq!(times(&socket), (true, [300, 100]));
        socket.keep_alive(Duration::from_millis(1)).unwrap();
        assert_eq!(times(&socket), (true, [1, 1]));
    }
}
