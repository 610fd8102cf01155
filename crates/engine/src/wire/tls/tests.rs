//! Both ends of TLS, with whatever a network may do to ciphertext in between.

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::task::Waker;

use failsoft_testkit::certificates::{Authority, Leaf};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use super::*;
use crate::settings::ThisProcess;
use crate::tls::{
    ClientCertificates, ClientFault, ClientFiles, ClientTls, IdentityFiles, ServerFiles, ServerTls, client_fault,
    node_fault,
};
use crate::wire::Wire;

/// What both sides are made with.
struct Parties {
    client: ClientTls,
    server: ServerTls,
}

impl Parties {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("tests");
        let (cert, key) = authority.issue(Leaf::for_name("redis.test")).write(folder.path(), "server");
        let ca = Some(authority.write(folder.path(), "tests"));
        let files = ServerFiles { identity: IdentityFiles { cert, key }, clients: ClientCertificates::None };
        Self {
            client: ClientTls::load(ClientFiles { ca, ..ClientFiles::default() }, &ThisProcess).unwrap(),
            server: ServerTls::load(&files, &ThisProcess).unwrap(),
        }
    }

    /// Shakes hands over these two sockets.
    async fn over(&self, near: UnixStream, far: UnixStream) -> (Wire, Wire) {
        let name = self.client.name_of("redis.test").unwrap();
        let near = TlsStream::connect(Socket::Unix(near), self.client.config(), name);
        let far = TlsStream::accept(Socket::Unix(far), self.server.config());
        let (near, far) = tokio::join!(near, far);
        (Wire::Tls(Box::new(near.unwrap())), Wire::Tls(Box::new(far.unwrap())))
    }

    async fn pair(&self) -> (Wire, Wire) {
        let (near, far) = UnixStream::pair().unwrap();
        self.over(near, far).await
    }
}

/// Carries bytes both ways, at most `slice` at a time, until it is aborted: then both ends see the connection end.
fn carry(slice: usize) -> (UnixStream, UnixStream, JoinHandle<()>) {
    let (near, mut here) = UnixStream::pair().unwrap();
    let (mut there, far) = UnixStream::pair().unwrap();
    let carrying = tokio::spawn(async move {
        let (mut up, mut down) = (vec![0; slice], vec![0; slice]);
        loop {
            let done = tokio::select! {
                read = here.read(&mut up) => there.write_all(&up[..read.unwrap_or(0)]).await,
                read = there.read(&mut down) => here.write_all(&down[..read.unwrap_or(0)]).await,
            };
            if done.is_err() {
                return;
            }
        }
    });
    (near, far, carrying)
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 % 251) as u8).collect()
}

/// Writes all of `out` and reads as much, with room for `room` bytes at a time.
async fn exchange(mut wire: Wire, out: &[u8], room: usize) -> Vec<u8> {
    let (mut written, mut got) = (0, Vec::new());
    while written < out.len() || got.len() < out.len() {
        let interest = if written < out.len() { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        let ready = wire.ready(interest).await.unwrap();
        if ready.is_readable() {
            let mut chunk = Vec::with_capacity(room);
            match wire.read_now(&mut chunk) {
                Ok(read) => assert_eq!(read, chunk.len()),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            got.extend(chunk);
        }
        if written < out.len() {
            match wire.try_write(&out[written..]) {
                Ok(some) => written += some,
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
    }
    wire.close().await;
    got
}

#[tokio::test]
async fn what_one_side_writes_the_other_reads_both_ways_at_once_whatever_room_it_has() {
    let parties = Parties::new();
    for (len, near_room, far_room) in [(4 << 20, 64 << 10, 64 << 10), (1 << 20, 1 << 20, 1_000), (20_000, 1, 7)] {
        let (near, far) = parties.pair().await;
        let out = bytes(len);
        let (at_near, at_far) = tokio::join!(exchange(near, &out, near_room), exchange(far, &out, far_room));
        assert!(at_near == out && at_far == out, "{len} bytes, room for {near_room} and {far_room}");
    }
}

#[tokio::test]
async fn ciphertext_may_come_a_byte_at_a_time() {
    let (near, far, _carrying) = carry(1);
    let (near, far) = Parties::new().over(near, far).await;
    let out = bytes(20_000);
    let (at_near, at_far) = tokio::join!(exchange(near, &out, 1 << 10), exchange(far, &out, 1 << 10));
    assert!(at_near == out && at_far == out);
}

#[tokio::test]
async fn what_is_decrypted_already_is_ready_without_the_socket() {
    let (mut near, mut far) = Parties::new().pair().await;
    far.write_all(b"12345678").await.unwrap();
    near.ready(Interest::READABLE).await.unwrap();
    let mut buffer = [0; 4];
    loop {
        // The first record after the handshake may be rustls' own.
        match near.read_now(&mut buffer.as_mut_slice()) {
            Ok(read) => break assert_eq!((read, &buffer), (4, b"1234")),
            Err(_) => near.ready(Interest::READABLE).await.unwrap(),
        };
    }
    assert!(is_ready(&mut near, Interest::READABLE));
    assert_eq!(near.read_now(&mut buffer.as_mut_slice()).unwrap(), 4);
    assert_eq!(near.read_now(&mut buffer.as_mut_slice()).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!(!is_ready(&mut near, Interest::READABLE));
}

#[tokio::test]
async fn a_goodbye_is_the_end_and_a_cut_is_an_error_after_what_came_before_it() {
    let parties = Parties::new();
    let (mut near, far) = parties.pair().await;
    far.close().await;
    assert_eq!(near.read(&mut Vec::with_capacity(64)).await.unwrap(), 0);

    let (near, far, carrying) = carry(1 << 10);
    let (mut near, mut far) = parties.over(near, far).await;
    far.write_all(b"last words").await.unwrap();
    let mut words = Vec::with_capacity(64);
    near.read(&mut words).await.unwrap();
    assert_eq!(words, b"last words");
    carrying.abort();
    let cut = near.read(&mut Vec::with_capacity(64)).await.unwrap_err();
    assert_eq!(cut.kind(), ErrorKind::UnexpectedEof);
    assert_eq!(node_fault(&cut), None);
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_written_to_within_a_bound() {
    let (mut near, _far) = Parties::new().pair().await;
    let (chunk, mut taken) = (vec![0; 1 << 20], 0);
    let full = loop {
        match near.try_write(&chunk) {
            Ok(some) => taken += some,
            Err(error) => break error,
        }
    };
    assert_eq!(full.kind(), ErrorKind::WouldBlock);
    // What a socket holds is the kernel's matter, and less than a mebibyte; the rest is the connection's own bound.
    assert!(taken < (1 << 20) + UNSENT_BOUND, "{taken} bytes were taken");
    assert!(!is_ready(&mut near, Interest::WRITABLE));
}

#[tokio::test]
async fn what_the_socket_did_not_take_goes_out_while_the_caller_waits_to_read() {
    let (mut near, mut far) = Parties::new().pair().await;
    let mut taken = 0;
    while let Ok(some) = near.try_write(&[7; 10_000]) {
        taken += some;
    }
    let reading = tokio::spawn(async move {
        let mut got = Vec::new();
        while got.len() < taken {
            got.reserve(64 << 10);
            far.read(&mut got).await.unwrap();
        }
        far.write_all(b"all of it").await.unwrap();
        far
    });
    let mut words = Vec::with_capacity(64);
    near.read(&mut words).await.unwrap();
    assert_eq!(words, b"all of it");
    drop(reading.await.unwrap());
}

#[tokio::test]
async fn who_does_not_speak_tls_is_told_apart_on_both_sides() {
    let parties = Parties::new();
    let (mut near, far) = UnixStream::pair().unwrap();
    near.write_all(b"*1\r\n$4\r\nPING\r\n").await.unwrap();
    let error = TlsStream::accept(Socket::Unix(far), parties.server.config()).await.unwrap_err();
    assert_eq!(client_fault(&error), ClientFault::NotSpoken);

    let (near, mut far) = UnixStream::pair().unwrap();
    far.write_all(b"-ERR unknown command\r\n").await.unwrap();
    let name = parties.client.name_of("redis.test").unwrap();
    let error = TlsStream::connect(Socket::Unix(near), parties.client.config(), name).await.unwrap_err();
    assert_eq!(node_fault(&error), Some(failsoft_core::outcome::TlsFault::NotSpoken));
}

#[test]
fn two_are_equal_if_their_files_are() {
    let files = |ca: &Path| ClientFiles { ca: Some(ca.to_owned()), ..ClientFiles::default() };
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (Authority::new("a").write(folder.path(), "a"), Authority::new("b").write(folder.path(), "b"));
    let load = |ca: &Path| ClientTls::load(files(ca), &ThisProcess).unwrap();
    assert!(load(&one) == load(&one) && load(&one) != load(&two));
}

fn is_ready(wire: &mut Wire, interest: Interest) -> bool {
    let ready = pin!(wire.ready(interest));
    ready.poll(&mut Context::from_waker(Waker::noop())).is_ready()
}
