//! What a hostile server does about each request.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::cluster::slot;

/// One thing a hostile server does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Sends bytes.
    Send(Vec<u8>),
    /// Sends bytes over and over until the peer is gone.
    SendForever(Vec<u8>),
    /// Waits before going on with the script.
    Wait(Duration),
    /// Never does anything again on this connection, and keeps it open.
    Hang,
    /// Ends the connection in order (FIN).
    Close,
    /// Ends it with a reset (RST).
    Reset,
}

impl Act {
    /// [`Act::Send`] of text or bytes.
    pub fn send(bytes: impl AsRef<[u8]>) -> Self {
        Self::Send(bytes.as_ref().to_vec())
    }
}

/// The acts for each request: by its first word, else by its number on the connection.
#[derive(Debug, Clone, Default)]
pub struct Script {
    greeting: Vec<Act>,
    answers: Vec<Vec<Act>>,
    words: HashMap<String, Vec<Act>>,
}

impl Script {
    /// Does `acts` about every request.
    pub fn always(acts: impl Into<Vec<Act>>) -> Self {
        Self { answers: vec![acts.into()], ..Self::default() }
    }

    /// Answers every request with `bytes`.
    pub fn answer(bytes: impl AsRef<[u8]>) -> Self {
        Self::always([Act::send(bytes)])
    }

    /// Reads requests and never answers.
    pub fn hang() -> Self {
        Self::always([Act::Hang])
    }

    /// Answers each request twice.
    pub fn two_replies() -> Self {
        Self::answer("+one\r\n+two\r\n")
    }

    /// Claims a bulk string of `claim` bytes, sends three of them and hangs.
    pub fn huge_bulk(claim: u64) -> Self {
        Self::always([Act::send(format!("${claim}\r\nabc")), Act::Hang])
    }

    /// A bulk string of length -5, which is neither a length nor nil.
    pub fn negative_bulk() -> Self {
        Self::answer("$-5\r\n")
    }

    /// Arrays of one element, `levels` deep, then a number.
    pub fn deep_nesting(levels: usize) -> Self {
        Self::answer(["*1\r\n".repeat(levels), ":1\r\n".to_owned()].concat())
    }

    /// A simple string that never ends.
    pub fn endless_line() -> Self {
        Self::always([Act::send("+"), Act::SendForever(vec![b'x'; 16 * 1024])])
    }

    /// `MOVED slot addr`.
    pub fn moved(slot: u16, addr: SocketAddr) -> Self {
        Self::answer(format!("-MOVED {slot} {addr}\r\n"))
    }

    /// `ASK slot addr`.
    pub fn ask(slot: u16, addr: SocketAddr) -> Self {
        Self::answer(format!("-ASK {slot} {addr}\r\n"))
    }

    /// Does `acts` about the requests after those the script has answers for; these repeat from then on.
    pub fn then(mut self, acts: impl Into<Vec<Act>>) -> Self {
        self.answers.push(acts.into());
        self
    }

    /// Does `acts` about requests whose first word is `word` (in any case), whatever their number; of `GET key` its first two.
    pub fn on(mut self, word: &str, acts: impl Into<Vec<Act>>) -> Self {
        self.words.insert(word.to_ascii_uppercase(), acts.into());
        self
    }

    /// Sends these before any request.
    pub fn greeting(mut self, acts: impl Into<Vec<Act>>) -> Self {
        self.greeting = acts.into();
        self
    }

    /// Behaves during a handshake: answers PING, AUTH, SELECT, CLIENT and INFO, and knows no HELLO, like Redis 5.
    pub fn polite(self) -> Self {
        let info = "# Server\r\nredis_version:5.0.0\r\nrole:master\r\nloading:0\r\n";
        self.on("PING", [Act::send("+PONG\r\n")])
            .on("AUTH", [Act::send("+OK\r\n")])
            .on("SELECT", [Act::send("+OK\r\n")])
            .on("CLIENT", [Act::send("+OK\r\n")])
            .on("HELLO", [Act::send("-ERR unknown command `HELLO`\r\n")])
            .on("INFO", [Act::send(format!("${}\r\n{info}\r\n", info.len()))])
    }

    /// Says that it is all of a cluster: the owner of every slot, at `addr`.
    pub fn cluster_of_one(self, addr: SocketAddr) -> Self {
        let (id, last) = ("c".repeat(40), slot::COUNT - 1);
        let (host, port) = (addr.ip(), addr.port());
        let info = "cluster_state:ok\r\ncluster_slots_pfail:0\r\ncluster_slots_fail:0\r\ncluster_current_epoch:1\r\n\
                    cluster_my_epoch:1\r\n";
        let nodes = format!("{id} {addr}@1{port} myself,master - 0 0 1 connected 0-{last}\n");
        let slots = format!("*1\r\n*3\r\n:0\r\n:{last}\r\n*3\r\n{}:{port}\r\n{}", bulk(&host.to_string()), bulk(&id));
        self.on("CLUSTER INFO", [Act::send(bulk(info))])
            .on("CLUSTER NODES", [Act::send(bulk(&nodes))])
            .on("CLUSTER SHARDS", [Act::send("-ERR unknown subcommand 'SHARDS'\r\n")])
            .on("CLUSTER SLOTS", [Act::send(slots)])
    }

    pub(super) fn opening(&self) -> &[Act] {
        &self.greeting
    }

    /// What to do about a request; `number` counts, from 0, those of the connection that no word decided.
    pub(super) fn about(&self, words: &[String], number: usize) -> Decided<'_> {
        let title =
            |most: usize| words.iter().take(most).map(|word| word.to_ascii_uppercase()).collect::<Vec<_>>().join(" ");
        if let Some(acts) = self.words.get(&title(2)).or_else(|| self.words.get(&title(1))) {
            return Decided::ByWord(acts);
        }
        let last = self.answers.len().saturating_sub(1);
        Decided::ByNumber(self.answers.get(number.min(last)).map_or(&[], Vec::as_slice))
    }
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

pub(super) enum Decided<'a> {
    ByWord(&'a [Act]),
    ByNumber(&'a [Act]),
}
