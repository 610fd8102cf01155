//! Conversations with sentinels of all ages, and with those that are none.

#![allow(clippy::unwrap_used)]

use failsoft_core::sentinel::Condition;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::wire::Socket;

const MYID: &str = "$40\r\n2d1d3c66eba90c8e97d4ad2a62f3890493abc5eb\r\n";
const ADDRESS: &str = "*2\r\n$9\r\n127.0.0.1\r\n$4\r\n6379\r\n";
const PRIMARY: &str =
    "*6\r\n$12\r\nconfig-epoch\r\n$1\r\n3\r\n$6\r\nquorum\r\n$1\r\n2\r\n$5\r\nflags\r\n$6\r\nmaster\r\n";
const REPLICAS: &str =
    "*1\r\n*6\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n$4\r\nport\r\n$4\r\n6380\r\n$5\r\nflags\r\n$5\r\nslave\r\n";
const NONE: &str = "*0\r\n";
const UNKNOWN: &str = "-ERR unknown command 'SENTINEL', with args beginning with: 'MYID' \r\n";
const NO_SUCH_NAME: &str = "-ERR No such master with that name\r\n";

/// Asks somebody who, whatever the question, says `first`, and to what comes after that `second`, or falls silent for good.
async fn ask(first: [&str; 5], second: &str) -> (Result<SentinelWitness, Unheard>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (first, second) = (first.concat(), second.to_owned());
    let peer = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut heard = vec![0; 64 << 10];
        let len = socket.read(&mut heard).await.unwrap();
        socket.write_all(first.as_bytes()).await.unwrap();
        if second.is_empty() {
            socket.shutdown().await.unwrap();
        }
        let more = socket.read(&mut heard[len..]).await.unwrap();
        if more > 0 {
            socket.write_all(second.as_bytes()).await.unwrap();
        }
        String::from_utf8(heard[..len + more].to_vec()).unwrap()
    });
    let mut wire = Wire::Plain(Socket::connect_tcp("127.0.0.1", port).await.unwrap());
    let address = NodeAddress::plain("127.0.0.1", port);
    let witness = question(&mut wire, &address, "m", Duration::from_secs(30)).await;
    drop(wire);
    (witness, peer.await.unwrap())
}

fn watch(witness: Result<SentinelWitness, Unheard>) -> Watch {
    match witness.unwrap().word {
        Word::Watching(watch) => watch,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_sentinel_is_asked_once_and_says_all_there_is() {
    let (witness, heard) = ask([MYID, ADDRESS, PRIMARY, REPLICAS, NONE], "").await;
    assert_eq!(heard.matches("SENTINEL\r\n").count(), 5, "{heard}");
    assert!(witness.as_ref().unwrap().id.is_some());
    let watch = watch(witness);
    assert_eq!((watch.primary.to_string().as_str(), watch.config_epoch), ("127.0.0.1:6379", 3));
    assert_eq!(watch.replicas[0].endpoint.to_string(), "127.0.0.1:6380");
    assert_eq!(watch.condition, Condition::Well);
}

#[tokio::test]
async fn a_sentinel_that_calls_replicas_slaves_and_has_no_name_is_understood() {
    let unknown = "-ERR Unknown sentinel subcommand 'REPLICAS'\r\n";
    let (witness, heard) = ask([unknown, ADDRESS, PRIMARY, unknown, NONE], REPLICAS).await;
    assert!(heard.ends_with("$6\r\nSLAVES\r\n$1\r\nm\r\n"), "{heard}");
    assert_eq!(witness.as_ref().unwrap().id, None);
    assert_eq!(watch(witness).replicas.len(), 1);
}

#[tokio::test]
async fn who_is_no_sentinel_or_watches_something_else_says_so() {
    let (witness, _) = ask([UNKNOWN; 5], "").await;
    assert_eq!(witness.unwrap().word, Word::NoSentinel);
    let (witness, _) = ask([MYID, "*-1\r\n", NO_SUCH_NAME, NO_SUCH_NAME, NO_SUCH_NAME], "").await;
    assert_eq!(witness.unwrap().word, Word::NoSuchName);
    let (witness, _) = ask([MYID, ADDRESS, NO_SUCH_NAME, NO_SUCH_NAME, NO_SUCH_NAME], "").await;
    assert_eq!(witness.unwrap().word, Word::NoSuchName, "it was told to forget it in between");
}

#[tokio::test]
async fn who_will_not_say_and_who_says_nonsense_is_no_witness() {
    let no = "-NOPERM this user has no permissions\r\n";
    let (witness, _) = ask([MYID, no, no, no, no], "").await;
    assert_eq!(witness.unwrap_err(), Unheard::Refused(Refusal::NoPermission));
    for (answers, shape) in [
        ([MYID, "*1\r\n$1\r\nx\r\n", PRIMARY, NONE, NONE], "GET-MASTER-ADDR-BY-NAME"),
        ([MYID, "$1\r\nx\r\n", PRIMARY, NONE, NONE], "GET-MASTER-ADDR-BY-NAME"),
        ([MYID, ADDRESS, "*1\r\n$1\r\nx\r\n", NONE, NONE], "MASTER"),
        ([MYID, ADDRESS, PRIMARY, ":1\r\n", NONE], "REPLICAS"),
        ([MYID, ADDRESS, PRIMARY, NONE, "*1\r\n:1\r\n"], "SENTINELS"),
    ] {
        let (witness, _) = ask(answers, "").await;
        assert_eq!(witness.unwrap_err(), Unheard::Unreadable(Unreadable::Shape(shape)));
    }
    let (witness, _) = ask([MYID, ADDRESS, PRIMARY, NONE, "*0\r\n+more\r\n"], "").await;
    assert_eq!(witness.unwrap_err(), Unheard::Silent(Silence::ProtocolViolation));
    let (witness, _) = ask([MYID, ADDRESS, PRIMARY, NONE, "$9999999999\r\n"], "").await;
    assert_eq!(witness.unwrap_err(), Unheard::Silent(Silence::ProtocolViolation));
    let (witness, _) = ask([MYID, ADDRESS, PRIMARY, NONE, "*1\r\n"], "").await;
    assert_eq!(witness.unwrap_err(), Unheard::Silent(Silence::ConnectionLost));
}
