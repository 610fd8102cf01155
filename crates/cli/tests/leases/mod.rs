//! Workers that take one lock, use what it protects, and write down what they were told; and those who do things once.

// Every test binary compiles this module and uses its own part of it.
#![allow(dead_code, clippy::unwrap_used, unreachable_pub)]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use failsoft_testkit::leases::{Belief, Commit, Grant, History, Run, Use, Verdict};
use failsoft_testkit::sidecar::Sidecar;
use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, RedisError, RedisResult, Value};
use tokio::time::sleep;

/// For how long a lock is taken.
pub const TTL: Duration = Duration::from_millis(600);
/// Until when a holder may believe in it, counted from when it asked.
const BELIEVED: Duration = Duration::from_millis(592);
/// For how long something may be under way, and is remembered.
const KEPT: &str = "600000";

/// What the lock protects: something that looks at tokens, or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Accepts a token that is at least as great as every one before it.
    Checking,
    /// Accepts everybody.
    Trusting,
}

/// What all workers share.
pub struct Field {
    pub history: History,
    resource: Resource,
    greatest: Mutex<BTreeMap<String, u64>>,
    stop: AtomicBool,
    /// What commands were answered with other than what they are for: by first word.
    words: Mutex<BTreeMap<String, usize>>,
}

impl Field {
    pub fn new(resource: Resource) -> Self {
        Self {
            history: History::default(),
            resource,
            greatest: Mutex::default(),
            stop: AtomicBool::new(false),
            words: Mutex::default(),
        }
    }

    /// Ends every worker after what it is doing.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    /// What has gone wrong in which words.
    pub fn words(&self) -> BTreeMap<String, usize> {
        self.words.lock().unwrap().clone()
    }

    /// How many locks have been granted.
    pub fn grants(&self) -> usize {
        self.history.events().grants.len()
    }

    /// Somebody wants something of the resource.
    pub fn use_resource(&self, name: &str, holder: usize, token: u64) -> Verdict {
        let mut greatest = self.greatest.lock().unwrap();
        let greatest = greatest.entry(name.to_owned()).or_default();
        let verdict = match self.resource {
            Resource::Checking if token < *greatest => Verdict::TurnedAway,
            Resource::Checking | Resource::Trusting => Verdict::Accepted,
        };
        *greatest = token.max(*greatest);
        self.history.note(|events| events.uses.push(Use { name: name.to_owned(), holder, token, verdict }));
        verdict
    }

    fn note_error(&self, error: &RedisError) {
        let text = error.to_string();
        let known = ["UNAVAILABLE", "OUTCOMEUNKNOWN", "NOTHELD", "OVERLOADED"];
        let word = known.into_iter().find(|word| text.contains(word)).map_or(text.clone(), str::to_owned);
        *self.words.lock().unwrap().entry(word).or_default() += 1;
    }
}

/// Somebody with a connection.
pub struct Worker<'f> {
    pub field: &'f Field,
    pub number: usize,
    connection: MultiplexedConnection,
}

impl<'f> Worker<'f> {
    pub async fn new(field: &'f Field, number: usize, sidecar: &Sidecar) -> Self {
        Self { field, number, connection: sidecar.redis_connection().await }
    }

    async fn ask<T: FromRedisValue>(&mut self, words: &[&str]) -> RedisResult<T> {
        let mut command = redis::cmd(words[0]);
        words[1..].iter().for_each(|word| {
            command.arg(word);
        });
        let asked = command.query_async(&mut self.connection).await;
        asked.inspect_err(|error| self.field.note_error(error))
    }

    /// Takes the lock; the token, and until when it may be believed in.
    pub async fn lock(&mut self, name: &str) -> Option<(u64, Duration)> {
        let (history, holder) = (&self.field.history, self.number);
        let asked = history.now();
        let ttl = TTL.as_millis().to_string();
        let token: Option<u64> = self.ask(&["FAILSOFT", "LOCK", name, &ttl]).await.ok()?;
        let (token, told) = (token?, history.now());
        history.note(|events| events.grants.push(Grant { name: name.to_owned(), holder, token, asked, told }));
        Some((token, asked + BELIEVED))
    }

    /// Writes down that this worker believed to be alone from `from` on, until now, or `until` if that was before.
    pub fn note_belief(&self, name: &str, from: Duration, until: Duration) {
        let history = &self.field.history;
        let until = until.min(history.now());
        if from < until {
            let belief = Belief { name: name.to_owned(), holder: self.number, from, until };
            history.note(|events| events.beliefs.push(belief));
        }
    }

    /// Gives the lock back.
    pub async fn unlock(&mut self, name: &str, token: u64) -> RedisResult<i64> {
        self.ask(&["FAILSOFT", "UNLOCK", name, &token.to_string()]).await
    }

    /// Takes the lock again and again. Every so often it is held up with the lock in its hands, for longer than that lasts,
    /// and goes on as if nothing had happened: it is the resource's to notice.
    pub async fn take_turns(mut self, name: &str) {
        for turn in self.number.. {
            if !self.field.goes_on() {
                return;
            }
            if let Some((token, until)) = self.lock(name).await {
                let from = self.field.history.now();
                self.field.use_resource(name, self.number, token);
                self.work().await;
                self.field.use_resource(name, self.number, token);
                self.note_belief(name, from, until);
                if turn % 24 == 0 {
                    // sleeps: the holder is held up, as by a collector of garbage
                    sleep(TTL + TTL / 2).await;
                    self.field.use_resource(name, self.number, token);
                }
                // Whatever comes of it: the lock ends by itself.
                let _ = self.unlock(name, token).await;
            }
            self.work().await;
        }
    }

    /// Takes the lock as programs do that have never heard of failsoft.
    pub async fn take_turns_plainly(mut self, name: &str) {
        const GIVE_BACK: &str =
            "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";
        let (own, ttl) = (format!("plain-{}", self.number), TTL.as_millis().to_string());
        while self.field.goes_on() {
            let asked = self.field.history.now();
            let set: RedisResult<Option<String>> = self.ask(&["SET", name, &own, "NX", "PX", &ttl]).await;
            if let Ok(Some(_)) = set {
                let from = self.field.history.now();
                self.work().await;
                self.note_belief(name, from, asked + BELIEVED);
                let _: RedisResult<i64> = self.ask(&["EVAL", GIVE_BACK, "1", name, &own]).await;
            }
            self.work().await;
        }
    }

    /// Does each of many things that somebody else may have done already, until told to stop.
    pub async fn do_once(mut self) {
        for number in 0.. {
            if !self.field.goes_on() {
                return;
            }
            // Two in a row that all workers of one wave meet at.
            self.run(&format!("once:{}", number / 2)).await;
            self.work().await;
        }
    }

    async fn run(&mut self, name: &str) {
        let asked = self.field.history.now();
        let begun: RedisResult<(String, Value)> = self.ask(&["FAILSOFT", "BEGIN", name, KEPT]).await;
        let Ok((word, token)) = begun else { return };
        if word != "new" {
            return;
        }
        let token: u64 = redis::from_redis_value(token).unwrap();
        self.field.history.note(|events| events.runs.push(Run { name: name.to_owned(), asked }));
        self.work().await;
        self.commit(name, &token.to_string()).await;
    }

    /// Commits until it is known what came of it: repeating is safe.
    async fn commit(&mut self, name: &str, token: &str) {
        while self.field.goes_on() {
            match self.ask::<String>(&["FAILSOFT", "COMMIT", name, token, token]).await {
                Ok(_) => {
                    let told = self.field.history.now();
                    return self
                        .field
                        .history
                        .note(|events| events.commits.push(Commit { name: name.to_owned(), told }));
                }
                Err(error) if error.to_string().contains("NOTHELD") => return,
                Err(_) => self.work().await,
            }
        }
    }

    async fn work(&self) {
        // sleeps: a worker does something between two commands, the load's pace
        sleep(Duration::from_millis(3 + self.number as u64 % 5)).await;
    }
}
