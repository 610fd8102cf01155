//! The network by itself: two servers that echo, called by each other and from outside.
#![allow(clippy::unwrap_used)]

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::*;

const CALLER: Party = Party::Server(0);
const HOST: Party = Party::Server(1);
/// Long enough for bytes that want to come, short enough to wait for those that do not.
const SILENCE: Duration = Duration::from_millis(100);

struct Stage {
    network: Network,
    gate: Gate,
    server: TcpListener,
}

async fn stage() -> Stage {
    let network = Network::new();
    let port = FreePort::reserve();
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let gate = network.gate(port, HOST, server.local_addr().unwrap()).await;
    Stage { network, gate, server }
}

impl Stage {
    async fn call(&self, party: Party) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((party.source(), 0).into()).unwrap();
        socket.connect(self.gate.addr()).await.unwrap()
    }

    /// A connection and its other end, with one byte passed each way.
    async fn connected(&self, party: Party) -> (TcpStream, TcpStream) {
        let mut caller = self.call(party).await;
        let (mut host, from) = self.server.accept().await.unwrap();
        assert_eq!(from.ip(), party.source());
        passes(&mut caller, &mut host).await;
        passes(&mut host, &mut caller).await;
        (caller, host)
    }
}

async fn passes(from: &mut TcpStream, to: &mut TcpStream) {
    from.write_u8(b'x').await.unwrap();
    assert_eq!(to.read_u8().await.unwrap(), b'x');
}

async fn is_silent(stream: &mut TcpStream) -> bool {
    tokio::time::timeout(SILENCE, stream.peek(&mut [0])).await.is_err()
}

#[tokio::test]
async fn a_cut_holds_bytes_of_both_directions_and_healing_lets_them_through() {
    let stage = stage().await;
    let (mut caller, mut host) = stage.connected(CALLER).await;
    let (mut client, mut client_host) = stage.connected(Party::Clients).await;
    stage.network.cut(&[CALLER], &[HOST]);
    stage.network.cut(&[HOST], &[CALLER]);
    caller.write_u8(b'1').await.unwrap();
    host.write_u8(b'2').await.unwrap();
    passes(&mut client, &mut client_host).await;
    assert!(is_silent(&mut caller).await && is_silent(&mut host).await);
    stage.network.heal();
    assert_eq!((host.read_u8().await.unwrap(), caller.read_u8().await.unwrap()), (b'1', b'2'));
}

#[tokio::test]
async fn a_cut_one_way_lets_the_other_pass() {
    let stage = stage().await;
    let (mut client, mut host) = stage.connected(Party::Clients).await;
    stage.network.cut(&[HOST], &[Party::Clients]);
    passes(&mut client, &mut host).await;
    host.write_u8(b'y').await.unwrap();
    assert!(is_silent(&mut client).await);
    stage.network.heal();
    assert_eq!(client.read_u8().await.unwrap(), b'y');
}

#[tokio::test]
async fn the_end_and_a_reset_are_held_like_everything_else() {
    let stage = stage().await;
    let (mut first, ended) = stage.connected(CALLER).await;
    let (mut second, reset) = stage.connected(CALLER).await;
    stage.network.cut(&[HOST], &[CALLER]);
    drop(ended);
    reset.set_zero_linger().unwrap();
    drop(reset);
    assert!(is_silent(&mut first).await && is_silent(&mut second).await);
    stage.network.heal();
    assert_eq!(first.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(second.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn who_gave_up_in_a_cut_has_never_called() {
    let stage = stage().await;
    stage.network.cut(&[HOST], &[CALLER]);
    let mut gave_up = stage.call(CALLER).await;
    gave_up.write_u8(b'1').await.unwrap();
    drop(gave_up);
    let mut waits = stage.call(CALLER).await;
    waits.write_u8(b'2').await.unwrap();
    assert!(tokio::time::timeout(SILENCE, stage.server.accept()).await.is_err());
    stage.network.heal();
    let (mut host, _) = stage.server.accept().await.unwrap();
    assert_eq!(host.read_u8().await.unwrap(), b'2');
}

#[tokio::test]
async fn a_shut_gate_refuses_and_leaves_connections_to_the_server() {
    let stage = stage().await;
    let (mut caller, mut host) = stage.connected(CALLER).await;
    stage.gate.shut().await;
    assert_eq!(TcpStream::connect(stage.gate.addr()).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    passes(&mut caller, &mut host).await;
    stage.gate.open().await;
    stage.connected(CALLER).await;
}

#[test]
fn parties_are_known_by_their_addresses() {
    for party in [Party::Clients, Party::Server(0), Party::Server(40)] {
        assert_eq!(Party::of(party.source().into()), party);
    }
    assert_eq!(Party::of(Ipv4Addr::new(127, 77, 0, 0).into()), Party::Clients);
}
