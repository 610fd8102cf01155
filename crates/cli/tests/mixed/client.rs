//! One such client at work: its connection, a second one that acts on its behalf, and what it makes of replies.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use failsoft_testkit::hostile::HostileClient;

use super::model::{Expected, Model, Weather};
use super::moves::{Moves, channel, patience};
use super::resp::{elements, error_word, text};
use crate::tools::{Dice, PATIENCE, command, shown};

/// Moves in one pipeline, at most.
const MOVES_AT_ONCE: usize = 8;
/// After an error.
const PAUSE: Duration = Duration::from_millis(20);

/// A client that lives until it is told to stop.
pub struct Mixed {
    addr: SocketAddr,
    wire: HostileClient,
    /// Publishes and pushes what the client waits for.
    hand: HostileClient,
    pub model: Model,
    dice: Dice,
    /// How often the client left without waiting, and how often it was left.
    pub vanished: usize,
    pub lost: usize,
}

/// What has become of what such clients have asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub answered: usize,
    pub errors: usize,
    pub vanished: usize,
    pub lost: usize,
}

impl Tally {
    pub fn plus(self, other: Self) -> Self {
        Self {
            answered: self.answered + other.answered,
            errors: self.errors + other.errors,
            vanished: self.vanished + other.vanished,
            lost: self.lost + other.lost,
        }
    }
}

/// The connection has ended.
struct Gone;

impl Mixed {
    pub async fn connect(addr: SocketAddr, own: usize, weather: Weather, seed: u64) -> Self {
        Self {
            addr,
            wire: HostileClient::connect(addr).await,
            hand: HostileClient::connect(addr).await,
            model: Model::new(own, weather),
            dice: Dice(seed.wrapping_mul(1_000).wrapping_add(own as u64)),
            vanished: 0,
            lost: 0,
        }
    }

    /// Goes on until it is told to stop, pausing after errors as applications do.
    pub async fn live(mut self, stop: Arc<AtomicBool>) -> Tally {
        while !stop.load(Ordering::Relaxed) {
            let errors = self.model.errors;
            self.turn().await;
            if self.model.errors > errors {
                // sleeps: who asks again at once is through before Redis is back
                tokio::time::sleep(PAUSE).await;
            }
        }
        let Self { model, vanished, lost, .. } = self;
        Tally { answered: model.answered, errors: model.errors, vanished, lost }
    }

    /// One pipeline, or something that takes two connections.
    pub async fn turn(&mut self) {
        let turned = match self.dice.roll(12) {
            0 => self.hear_a_message().await,
            1 => self.wait_for_a_push().await,
            2 => self.mute_and_reset().await,
            _ => self.pipeline().await,
        };
        if let Err(Gone) = turned {
            assert_eq!(self.model.weather, Weather::Rough, "client {} was left", self.model.own);
            self.lost += 1;
            self.reconnect().await;
        }
    }

    async fn reconnect(&mut self) {
        self.wire = HostileClient::connect(self.addr).await;
        self.model.handle_connected();
    }

    async fn pipeline(&mut self) -> Result<(), Gone> {
        let mut moves = Moves::default();
        for _ in 0..=self.dice.roll(MOVES_AT_ONCE) {
            moves.roll(&mut self.model, &mut self.dice);
        }
        self.send_in_pieces(&moves.bytes).await;
        self.model.handle_sent(&moves.expected);
        let vanishes = self.model.weather == Weather::Rough && self.dice.roll(10) == 0;
        let read = if vanishes { self.dice.roll(moves.expected.len()) } else { moves.expected.len() };
        for (at, expected) in moves.expected[..read].iter().enumerate() {
            let Some(reply) = self.wire.next_reply(PATIENCE).await else {
                moves.expected[at..].iter().for_each(|expected| self.model.doubt(expected));
                return Err(Gone);
            };
            self.hear(expected, &reply);
        }
        if vanishes {
            moves.expected[read..].iter().for_each(|expected| self.model.doubt(expected));
            self.vanished += 1;
            self.reconnect().await;
        }
        Ok(())
    }

    fn hear(&mut self, expected: &Expected, reply: &[u8]) {
        self.model.hear(expected, reply).unwrap_or_else(|wrong| panic!("{wrong}"));
    }

    /// Cut anywhere, now and then in the middle of a word. Where it ends early, the replies tell.
    async fn send_in_pieces(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let longest = [20, 300, 20_000][self.dice.roll(3)];
            let (piece, after) = rest.split_at(rest.len().min(1 + self.dice.roll(longest)));
            if self.wire.send(piece).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
            rest = after;
        }
    }

    async fn next(&mut self) -> Result<Vec<u8>, Gone> {
        self.wire.next_reply(PATIENCE).await.ok_or(Gone)
    }

    async fn send(&mut self, words: &[&str]) -> Result<(), Gone> {
        self.wire.send(command(words)).await.map_err(|_| Gone)
    }

    /// Subscribes, has something published, and hears that and nothing else before the subscription ends.
    async fn hear_a_message(&mut self) -> Result<(), Gone> {
        let (channel, message) = (channel(&self.model), self.model.tag());
        let confirmed = |word| Expected::Confirmed(word, channel.clone());
        self.send(&["SUBSCRIBE", &channel]).await?;
        let reply = self.next().await?;
        self.hear(&confirmed("subscribe"), &reply);
        let published = self.hand.ask(&["PUBLISH", &channel, &message], PATIENCE).await;
        assert!(published == ":1\r\n" || self.model.weather == Weather::Rough, "{published}");
        self.send(&["UNSUBSCRIBE", &channel]).await?;
        let mut heard = 0;
        loop {
            let reply = self.next().await?;
            match elements(&reply).as_deref() {
                Some([kind, of, what]) if text(kind) == Some("message") => {
                    // In rough weather one that was published before, and never confirmed, may come late.
                    let earlier = text(what).filter(|what| what.starts_with(&format!("{}/", self.model.own)));
                    let known = if self.model.weather == Weather::Rough { earlier } else { Some(message.as_str()) };
                    assert_eq!((text(of), text(what)), (Some(channel.as_str()), known));
                    heard += 1;
                }
                _ => {
                    self.hear(&confirmed("unsubscribe"), &reply);
                    break;
                }
            }
        }
        assert!(heard == 1 || self.model.weather == Weather::Rough, "{heard} messages");
        Ok(())
    }

    /// Blocks, and is given what is pushed for it.
    async fn wait_for_a_push(&mut self) -> Result<(), Gone> {
        let value = self.model.tag();
        let queue = format!("client:{}:queue:{value}", self.model.own);
        self.send(&["BLPOP", &queue, patience(&self.model)]).await?;
        let pushed = self.hand.ask(&["RPUSH", &queue, &value], PATIENCE).await;
        assert!(pushed == ":1\r\n" || self.model.weather == Weather::Rough, "{pushed}");
        let reply = self.next().await?;
        self.hear(&Expected::Popped(queue, value), &reply);
        Ok(())
    }

    /// Asks for no replies; what comes all the same is an honest error or the own value, and RESET ends it.
    async fn mute_and_reset(&mut self) -> Result<(), Gone> {
        let (key, silent, spoken) = (self.dice.roll(6), self.model.tag(), self.model.tag());
        let name = self.model.key(key);
        let calls = match self.dice.roll(2) {
            0 => {
                [&["CLIENT", "REPLY", "OFF"][..], &["SET", &name, &silent], &["GET", &name], &["CLIENT", "REPLY", "ON"]]
            }
            _ => [
                &["CLIENT", "REPLY", "SKIP"][..],
                &["SET", &name, &silent],
                &["CLIENT", "REPLY", "ON"],
                &["ECHO", "on"],
            ],
        };
        let (muted, said) = (Expected::Set(key, silent.clone()), Expected::Exactly(crate::tools::bulk(&spoken)));
        self.model.doubt(&muted);
        let calls: Vec<u8> = calls.iter().flat_map(|words| command(words)).collect();
        self.send_in_pieces(&[calls, command(&["ECHO", &spoken]), command(&["RESET"])].concat()).await;
        let mut between = Vec::new();
        loop {
            let reply = self.next().await?;
            if reply == b"+RESET\r\n" {
                self.hear(&Expected::Reset, &reply);
                break;
            }
            between.push(reply);
        }
        let errors = between.iter().filter(|reply| error_word(reply).is_some()).count();
        match self.model.weather {
            Weather::Calm => {
                let spoken = between.pop().unwrap_or_default();
                self.hear(&said, &spoken);
                let between: Vec<String> = between.iter().map(shown).collect();
                assert!(between == ["+OK\r\n"] || between == ["+OK\r\n", "$2\r\non\r\n"], "{between:?}");
                self.wire.send(command(&["GET", &name])).await.map_err(|_| Gone)?;
                let reply = self.next().await?;
                assert_eq!(text(&reply), Some(silent.as_str()), "what was not answered was done");
                self.model.hear(&muted, b"+OK\r\n").unwrap();
            }
            Weather::Rough => {
                let known = ["+OK\r\n", "$2\r\non\r\n"].map(str::as_bytes);
                let own = |reply: &&Vec<u8>| {
                    text(reply).is_some_and(|text| text.starts_with(&format!("{}/", self.model.own)))
                };
                let right = between.iter().filter(|reply| known.contains(&reply.as_slice()) || own(reply)).count();
                let shown: Vec<String> = between.iter().map(shown).collect();
                let absent =
                    between.iter().filter(|reply| ["$-1\r\n", "_\r\n"].map(str::as_bytes).contains(&reply.as_slice()));
                assert_eq!(right + errors + absent.count(), between.len(), "{shown:?}");
                self.model.errors += errors;
            }
        }
        Ok(())
    }
}
