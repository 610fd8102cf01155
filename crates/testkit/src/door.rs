//! A listening port that can be shut and come back at the same number, with everything behind it.
//!
//! The proxy, the hostile server and the HTTP origin all need the same thing: accept, hand each connection to
//! a handler, count, and be able to vanish the way a killed process does (port refusing, connections reset).
//! Every accepted socket has a zero linger time, so that dropping it resets it: an aborted task looks like a
//! crash, and an orderly close is something a handler has to do.

use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::port::FreePort;

/// What happens to one connection.
pub(crate) type Handling = Pin<Box<dyn Future<Output = ()> + Send>>;
type Handler = Arc<dyn Fn(TcpStream) -> Handling + Send + Sync>;

pub(crate) struct Door {
    port: FreePort,
    handler: Handler,
    behind: Arc<Behind>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

/// What the accepting task and the door's owner share.
#[derive(Default)]
struct Behind {
    connections: Mutex<JoinSet<()>>,
    open: Arc<AtomicUsize>,
    accepted: AtomicU64,
}

impl Door {
    /// Reserves a port and opens it.
    pub(crate) async fn open_with<H, F>(handler: H) -> Self
    where
        H: Fn(TcpStream) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        Self::on(FreePort::reserve(), handler).await
    }

    /// Opens a port reserved before.
    pub(crate) async fn on<H, F>(port: FreePort, handler: H) -> Self
    where
        H: Fn(TcpStream) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |stream| Box::pin(handler(stream)));
        let door = Self { port, handler, behind: Arc::default(), accepting: Mutex::new(None) };
        door.open().await;
        door
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.port.addr()
    }

    /// Listens (again). Open doors stay as they are.
    pub(crate) async fn open(&self) {
        if self.accepting.lock().is_some() {
            return;
        }
        let listener = TcpListener::bind(self.addr()).await.expect("the port is reserved for us");
        let (handler, behind) = (Arc::clone(&self.handler), Arc::clone(&self.behind));
        *self.accepting.lock() = Some(tokio::spawn(accept_all(listener, handler, behind)));
    }

    /// Stops listening and resets every connection; on return, connecting is refused.
    pub(crate) async fn close(&self) {
        self.shut().await;
        self.cut().await;
    }

    /// Stops listening, and leaves every connection as it is; on return, connecting is refused.
    pub(crate) async fn shut(&self) {
        let accepting = self.accepting.lock().take();
        if let Some(task) = accepting {
            task.abort();
            // Awaited for its end, which drops the listener; the result only says "cancelled".
            let _ = task.await;
        }
    }

    /// Resets every connection and goes on listening.
    pub(crate) async fn cut(&self) {
        let mut connections = std::mem::take(&mut *self.behind.connections.lock());
        connections.shutdown().await;
    }

    /// Connections open now.
    pub(crate) fn connections(&self) -> usize {
        self.behind.open.load(Ordering::SeqCst)
    }

    /// Connections ever accepted.
    pub(crate) fn accepted(&self) -> u64 {
        self.behind.accepted.load(Ordering::SeqCst)
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Door").field("addr", &self.addr()).finish_non_exhaustive()
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Some(task) = self.accepting.get_mut().take() {
            task.abort();
        }
        self.behind.connections.lock().abort_all();
    }
}

async fn accept_all(listener: TcpListener, handler: Handler, behind: Arc<Behind>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely: let others close theirs instead of spinning.
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            continue;
        };
        behind.accepted.fetch_add(1, Ordering::SeqCst);
        prepare(&stream);
        let counted = Counted::new(&behind.open);
        let handling = handler(stream);
        let mut connections = behind.connections.lock();
        while connections.try_join_next().is_some() {}
        connections.spawn(async move {
            let _counted = counted;
            handling.await;
        });
    }
}

/// No coalescing of small writes; dropped means reset.
pub(crate) fn prepare(stream: &TcpStream) {
    // A peer that has already gone makes these fail, and the handler will notice that by itself.
    let _ = stream.set_nodelay(true);
    let _ = stream.set_zero_linger();
}

/// Waits until the peer's kernel has everything written so far, because a reset discards what is still on its way
/// (a burst of small writes outruns the congestion window even on the loopback). Gives up after a second: the
/// peer may have stopped taking anything.
pub(crate) async fn delivered(stream: &TcpStream) {
    let (Ok(ours), Ok(theirs)) = (stream.local_addr(), stream.peer_addr()) else { return };
    let ports = (ours.port(), theirs.port());
    let polling = async {
        while std::fs::read_to_string("/proc/net/tcp").is_ok_and(|table| unacknowledged(&table, ports)) {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    // Without that table (not Linux) nothing is waited for, and a reset may come too early.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(1), polling).await;
}

/// Whether the kernel's table shows sent bytes waiting for acknowledgement (`tx_queue`, fifth column).
fn unacknowledged(table: &str, (ours, theirs): (u16, u16)) -> bool {
    let [ours, theirs] = [ours, theirs].map(|port| format!(":{port:04X}"));
    table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).any(|columns| match columns[..] {
        [_, local, remote, _, queues, ..] => {
            local.ends_with(&ours) && remote.ends_with(&theirs) && !queues.starts_with("00000000:")
        }
        _ => false,
    })
}

struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(counter: &Arc<AtomicUsize>) -> Self {
        counter.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(counter))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::ErrorKind;
    use std::time::Duration;

    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::wait::eventually;

    #[test]
    fn only_this_connections_send_queue_counts() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr\n\
             0: 0100007F:2710 0100007F:8001 01 00000005:00000000 00\n\
             1: 0100007F:2710 0100007F:8002 01 00000000:00000009 00\n";
        assert!(unacknowledged(table, (10_000, 0x8001)));
        assert!(!unacknowledged(table, (10_000, 0x8002)));
        assert!(!unacknowledged(table, (10_000, 0x8003)));
    }

    #[tokio::test]
    async fn a_closed_door_refuses_resets_and_comes_back_at_the_same_port() {
        let door = Door::open_with(|held| async move {
            let _held = held;
            std::future::pending::<()>().await;
        })
        .await;
        let mut held = TcpStream::connect(door.addr()).await.unwrap();
        eventually("the connection", Duration::from_secs(5), || async { door.connections() == 1 }).await;

        door.close().await;
        assert_eq!(held.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(TcpStream::connect(door.addr()).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert_eq!(door.connections(), 0);

        door.open().await;
        TcpStream::connect(door.addr()).await.unwrap();
    }
}
