//! What is made of messages, and of their absence.

#![allow(clippy::unwrap_used)]

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::unbounded_channel;

use super::*;
use crate::node::{Credentials, Leads, Reads};
use crate::settings::NodeAddress;

const LONG: Duration = Duration::from_secs(30);

fn options(port: u16) -> NodeOptions {
    NodeOptions {
        address: NodeAddress::plain("127.0.0.1", port),
        leads: Leads::Anywhere,
        tls: None,
        credentials: Credentials::default(),
        database: 0,
        reads: Reads::OfPrimary,
        connect_timeout: LONG,
        timeout: LONG,
        connections: 1,
        max_pending: 1,
        max_dedicated: 1,
        max_connects: 1,
        max_value: 1 << 20,
        probe_interval: LONG,
        probe_key: "probe".to_owned(),
    }
}

#[test]
fn messages_are_told_from_signs_of_life_and_from_what_nobody_asked_for() {
    let message = b"*3\r\n$7\r\nmessage\r\n$6\r\n+sdown\r\n$12\r\nmaster m a 1\r\n";
    assert_eq!(read(message), Frame::Message { channel: b"+sdown", words: "master m a 1" });
    assert_eq!(read(b"*3\r\n$9\r\nsubscribe\r\n$6\r\n+sdown\r\n:1\r\n"), Frame::Subscribed);
    assert_eq!(read(b"*2\r\n$4\r\npong\r\n$0\r\n\r\n"), Frame::Alive);
    assert_eq!(read(b"-NOPERM no\r\n"), Frame::Refused(Refusal::NoPermission));
    for other in [&b"+OK\r\n"[..], b"*1\r\n$7\r\nmessage\r\n", b":1\r\n", b"*0\r\n"] {
        assert_eq!(read(other), Frame::Unexpected, "{}", other.escape_ascii());
    }
}

#[test]
fn only_news_of_the_primary_that_was_asked_about_are_told() {
    let told = |channel: &str, words: &str| {
        let mut frame = Vec::new();
        encode::command(&mut frame, [&b"message"[..], channel.as_bytes(), words.as_bytes()]);
        let mut news = Vec::new();
        take(&frame, "m", &mut CHANNELS.len(), &mut |one| news.push(one)).map(|()| news)
    };
    assert_eq!(told("+switch-master", "m 10.0.0.1 6379 10.0.0.2 6379"), Ok(vec![News::Switched]));
    assert_eq!(told("+switch-master", "mm 10.0.0.1 6379 10.0.0.2 6379"), Ok(vec![]));
    assert_eq!(told("+odown", "master m 10.0.0.1 6379 #quorum 2/2"), Ok(vec![News::Changed]));
    assert_eq!(told("+sdown", "slave 10.0.0.2:6379 10.0.0.2 6379 @ m 10.0.0.1 6379"), Ok(vec![News::Changed]));
    assert_eq!(told("+sdown", "slave 10.0.0.2:6379 10.0.0.2 6379 @ other 10.0.0.1 6379"), Ok(vec![]));
    assert_eq!(told("-sdown", "master other m 6379"), Ok(vec![]));
    assert_eq!(told("+slave", ""), Ok(vec![]));
}

/// Reads until `word` has come.
async fn hear(socket: &mut TcpStream, word: &str) {
    let mut heard = Vec::new();
    while !String::from_utf8_lossy(&heard).contains(word) {
        assert_ne!(socket.read_buf(&mut heard).await.unwrap(), 0, "{word} has not come");
    }
}

/// Lets the listener in and consents to all that it subscribes to.
async fn let_in(listener: &TcpListener) -> TcpStream {
    let (mut socket, _) = listener.accept().await.unwrap();
    hear(&mut socket, "PING").await;
    socket.write_all(b"+PONG\r\n").await.unwrap();
    hear(&mut socket, "+slave").await;
    let mut consent = Vec::new();
    for (count, channel) in (1_i64..).zip(CHANNELS) {
        consent.extend_from_slice(b"*3\r\n$9\r\nsubscribe\r\n");
        encode::bulk(&mut consent, channel);
        encode::integer(&mut consent, count);
    }
    socket.write_all(&consent).await.unwrap();
    socket
}

#[tokio::test]
async fn a_sentinel_that_falls_silent_is_asked_for_a_sign_of_life_and_then_connected_to_anew() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = options(listener.local_addr().unwrap().port());
    let (tell, mut told) = unbounded_channel();
    let listening = tokio::spawn(async move { listen(&options, "m", |news| tell.send(news).unwrap()).await });
    let mut silent = let_in(&listener).await;
    assert_eq!(told.recv().await, Some(News::Listening));
    hear(&mut silent, "PING").await;
    let mut quiet = let_in(&listener).await;
    assert_eq!(told.recv().await, Some(News::Listening), "what happened meanwhile is not known");
    hear(&mut quiet, "PING").await;
    quiet.write_all(b"*2\r\n$4\r\npong\r\n$0\r\n\r\n").await.unwrap();
    hear(&mut quiet, "PING").await;
    quiet.write_all(b"*3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n$9\r\nm a 1 b 2\r\n").await.unwrap();
    assert_eq!(told.recv().await, Some(News::Switched), "who gives signs of life is listened to");
    listening.abort();
}
