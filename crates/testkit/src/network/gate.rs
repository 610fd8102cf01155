//! One server's gate: accepts for it, calls it in the caller's name, and carries bytes while the way is open.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::{Cuts, Party, Way};
use crate::door::{Door, prepare};
use crate::port::FreePort;

/// What a caller may send into a cut before it is no longer read from.
const HELD: usize = 256 * 1024;

/// A proxy before one port of one server. Dropping it resets its connections.
#[derive(Debug)]
pub(crate) struct Gate {
    door: Arc<Door>,
    runtime: Handle,
}

/// Whose gate it is and where that one listens.
#[derive(Debug, Clone)]
struct Behind {
    host: Party,
    upstream: SocketAddr,
    cuts: watch::Receiver<Cuts>,
}

impl Gate {
    pub(super) async fn start(
        runtime: Handle,
        port: FreePort,
        host: Party,
        upstream: SocketAddr,
        cuts: watch::Receiver<Cuts>,
    ) -> Self {
        let behind = Behind { host, upstream, cuts };
        let opening = Door::on(port, move |caller| serve(caller, behind.clone()));
        let door = runtime.spawn(opening).await.expect("opening a reserved port does not fail");
        Self { door: Arc::new(door), runtime }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.door.addr()
    }

    /// Listens (again).
    pub(crate) async fn open(&self) {
        let door = Arc::clone(&self.door);
        self.runtime.spawn(async move { door.open().await }).await.expect("opening a reserved port does not fail");
    }

    /// Refuses from here on; connections there are end as the server's do.
    pub(crate) async fn shut(&self) {
        self.door.shut().await;
    }
}

/// Serves one caller to the end. Both sockets have a zero linger time: returning early resets them.
async fn serve(mut caller: TcpStream, behind: Behind) {
    let Ok(peer) = caller.peer_addr() else { return };
    let party = Party::of(peer.ip());
    let way = |from, to| Way { pair: (from, to), cuts: behind.cuts.clone() };
    let (mut there, mut back) = (way(party, behind.host), way(behind.host, party));
    let Some(held) = wait_for_both(&mut caller, &mut there, &mut back).await else { return };
    let Ok(mut host) = call_from(peer.ip(), behind.upstream).await else { return };
    if host.write_all(&held).await.is_err() {
        return;
    }
    relay(&mut caller, &mut host, &mut there.clone(), &mut back.clone()).await;
    // A reset is a packet as well, and whichever side it comes from, it has to pass.
    there.is_open().await;
    back.is_open().await;
}

/// Waits until a connection can come about, and returns what the caller has sent by then; `None` if he has given up,
/// since then there would never have been a connection.
async fn wait_for_both(caller: &mut TcpStream, there: &mut Way, back: &mut Way) -> Option<Vec<u8>> {
    let mut held = Vec::new();
    let opening = async {
        there.is_open().await;
        back.is_open().await;
    };
    tokio::pin!(opening);
    loop {
        tokio::select! {
            biased;
            () = &mut opening => return Some(held),
            read = caller.read_buf(&mut held), if held.len() < HELD => if !matches!(read, Ok(1..)) { return None },
        }
    }
}

async fn call_from(source: IpAddr, host: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((source, 0).into())?;
    let stream = socket.connect(host).await?;
    prepare(&stream);
    Ok(stream)
}

/// Carries both directions until both have ended, or one has failed.
async fn relay(caller: &mut TcpStream, host: &mut TcpStream, there: &mut Way, back: &mut Way) {
    let (caller_in, caller_out) = caller.split();
    let (host_in, host_out) = host.split();
    // An error of either is the end of both, and that is all there is to know about it.
    let _ = tokio::try_join!(carry(caller_in, host_out, there), carry(host_in, caller_out, back));
}

async fn carry(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, way: &mut Way) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        way.is_open().await;
        match read {
            0 => return to.shutdown().await,
            read => to.write_all(&buffer[..read]).await?,
        }
    }
}
