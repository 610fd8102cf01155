//! What one client knows: what it has written, what may have been written, and what it has made of its connection.
//!
//! Replies are judged in their order, each against what was expected when its command was written. Nothing is taken
//! back: a write that may have happened may still happen later, on a connection that nobody waits for any more.

use std::collections::{HashMap, VecDeque};

use super::resp::{Protocol, elements, error_word, number, text};
use crate::tools::shown;

/// The databases that clients go to and fro between.
pub const DATABASES: [usize; 2] = [0, 5];
/// How much of what was heard is told when something is wrong.
const HISTORY: usize = 40;
/// What counters begin with lies so far apart.
const APART: u64 = 1_000_000;

/// Whether anything is done to the way between client and Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// Every reply is known.
    Calm,
    /// A reply may be an honest error, and a connection may end.
    Rough,
}

/// What a reply is to say.
#[derive(Clone, Debug)]
pub enum Expected {
    /// These bytes.
    Exactly(Vec<u8>),
    /// The value of an own key.
    Get(usize),
    /// The values of two own keys.
    GetTwo(usize, usize),
    /// OK, and the own key has this value.
    Set(usize, String),
    /// The own counter, one higher.
    Incr,
    /// OK, and the client is in this database.
    Select(usize),
    /// OK, and the client is called this.
    SetName(String),
    /// The client's name.
    GetName,
    /// What Redis says of itself, in this protocol.
    Hello(Protocol),
    /// RESET.
    Reset,
    /// OK, and what comes is queued, or believed to be.
    Multi,
    /// The replies to what was queued, or nothing because of a change.
    Exec(Vec<Expected>, Fate),
    /// The queue and the one value in it.
    Popped(String, String),
    /// The beginning or end of a subscription to the own channel.
    Confirmed(&'static str, String),
}

/// What becomes of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is carried out.
    Done,
    /// What was watched has changed.
    Conflict,
}

/// One client's knowledge.
#[derive(Debug)]
pub struct Model {
    pub own: usize,
    pub weather: Weather,
    protocol: Protocol,
    database: usize,
    name: Option<String>,
    texts: HashMap<(usize, usize), Text>,
    counter: Counter,
    serial: u64,
    /// What is written further on in the pipeline that is being heard: a read that was lost and repeated may see it.
    ahead: Vec<(usize, String)>,
    /// The last things heard, for whoever has to find out what went wrong.
    history: VecDeque<String>,
    /// Replies that were no errors, and errors.
    pub answered: usize,
    pub errors: usize,
}

#[derive(Debug, Default)]
struct Text {
    last: Option<String>,
    doubtful: Vec<String>,
}

#[derive(Debug)]
struct Counter {
    last: u64,
    doubtful: u64,
}

impl Model {
    pub fn new(own: usize, weather: Weather) -> Self {
        Self {
            own,
            weather,
            protocol: Protocol::Two,
            database: DATABASES[0],
            name: None,
            texts: HashMap::new(),
            counter: Counter { last: Self::counter_base(own), doubtful: 0 },
            serial: 0,
            ahead: Vec::new(),
            history: VecDeque::new(),
            answered: 0,
            errors: 0,
        }
    }

    pub fn counter_key(own: usize) -> String {
        format!("client:{own}:counter")
    }

    pub fn counter_base(own: usize) -> u64 {
        (own as u64 + 1) * APART
    }

    pub fn key(&self, key: usize) -> String {
        format!("client:{}:key:{key}", self.own)
    }

    /// A word that nobody has said before, with the client's number.
    pub fn tag(&mut self) -> String {
        self.serial += 1;
        format!("{}/{}", self.own, self.serial)
    }

    /// The client has a new connection.
    pub fn handle_connected(&mut self) {
        self.note("connected".to_owned());
        self.begin_anew();
    }

    fn begin_anew(&mut self) {
        (self.protocol, self.database, self.name) = (Protocol::Two, DATABASES[0], None);
    }

    /// A pipeline has been sent.
    pub fn handle_sent(&mut self, pipeline: &[Expected]) {
        self.ahead.clear();
        if self.weather == Weather::Rough {
            pipeline.iter().for_each(|expected| self.look_ahead(expected));
        }
    }

    fn look_ahead(&mut self, expected: &Expected) {
        match expected {
            Expected::Set(key, value) => self.ahead.push((*key, value.clone())),
            Expected::Exec(inner, _) => inner.iter().for_each(|expected| self.look_ahead(expected)),
            Expected::Exactly(_)
            | Expected::Get(_)
            | Expected::GetTwo(..)
            | Expected::Incr
            | Expected::Select(_)
            | Expected::SetName(_)
            | Expected::GetName
            | Expected::Hello(_)
            | Expected::Reset
            | Expected::Multi
            | Expected::Popped(..)
            | Expected::Confirmed(..) => {}
        }
    }

    /// Judges a reply.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn hear(&mut self, expected: &Expected, reply: &[u8]) -> Result<(), String> {
        self.note(format!("{expected:.60?} {:.60}", shown(reply)));
        if self.judge(expected, reply) {
            return Ok(());
        }
        let history: Vec<&str> = self.history.iter().map(String::as_str).collect();
        Err(format!("client {}: {expected:?}, not {}; before: {}", self.own, shown(reply), history.join("\n")))
    }

    fn judge(&mut self, expected: &Expected, reply: &[u8]) -> bool {
        let is_error = reply.first() == Some(&b'-');
        *(if is_error { &mut self.errors } else { &mut self.answered }) += 1;
        if matches!(expected, Expected::Exactly(bytes) if bytes == reply) {
            return true;
        }
        let heard = if is_error { self.hear_error(expected, reply) } else { self.hear_answer(expected, reply) };
        heard.is_some()
    }

    fn note(&mut self, event: String) {
        self.history.push_back(event);
        if self.history.len() > HISTORY {
            self.history.pop_front();
        }
    }

    /// Nobody will ever know what became of this.
    pub fn doubt(&mut self, expected: &Expected) {
        self.note(format!("{expected:.60?} in doubt"));
        match expected {
            Expected::Set(key, value) => {
                for database in DATABASES {
                    self.texts.entry((database, *key)).or_default().doubtful.push(value.clone());
                }
            }
            Expected::Incr => self.counter.doubtful += 1,
            Expected::Exec(inner, _) => inner.iter().for_each(|expected| self.doubt(expected)),
            Expected::Exactly(_)
            | Expected::Get(_)
            | Expected::GetTwo(..)
            | Expected::Select(_)
            | Expected::SetName(_)
            | Expected::GetName
            | Expected::Hello(_)
            | Expected::Reset
            | Expected::Multi
            | Expected::Popped(..)
            | Expected::Confirmed(..) => {}
        }
    }

    /// In calm weather there are no errors. In rough weather there are three honest words, and one of them leaves a doubt.
    fn hear_error(&mut self, expected: &Expected, reply: &[u8]) -> Option<()> {
        let word = error_word(reply).filter(|_| self.weather == Weather::Rough)?;
        match word {
            "UNAVAILABLE" | "EXECABORT" => {}
            "OUTCOMEUNKNOWN" => self.doubt(expected),
            _ => return None,
        }
        Some(())
    }

    fn hear_answer(&mut self, expected: &Expected, reply: &[u8]) -> Option<()> {
        let is_ok = reply == b"+OK\r\n";
        let right = match expected {
            Expected::Exactly(_) => false,
            Expected::Get(key) => self.is_value(*key, reply),
            Expected::GetTwo(first, second) => matches!(
                elements(reply)?.as_slice(),
                [one, other] if self.is_value(*first, one) && self.is_value(*second, other)
            ),
            Expected::Set(key, value) => {
                self.texts.entry((self.database, *key)).or_default().last = Some(value.clone());
                is_ok
            }
            Expected::Incr => self.counter.hear(number(reply)?),
            Expected::Select(database) => {
                self.database = *database;
                is_ok
            }
            Expected::SetName(name) => {
                self.name = Some(name.clone());
                is_ok
            }
            Expected::GetName => text(reply) == self.name.as_deref() && (self.name.is_some() || self.is_null(reply)),
            Expected::Hello(protocol) => {
                self.protocol = *protocol;
                self.is_greeting(reply)
            }
            Expected::Reset => {
                self.begin_anew();
                reply == b"+RESET\r\n"
            }
            Expected::Multi => is_ok,
            Expected::Exec(inner, fate) => return self.hear_exec(inner, *fate, reply),
            Expected::Popped(queue, value) => match elements(reply) {
                Some(parts) => {
                    matches!(parts.as_slice(), [one, other] if text(one) == Some(queue) && text(other) == Some(value))
                }
                // The push may have been refused.
                None => self.weather == Weather::Rough && self.is_null_array(reply),
            },
            Expected::Confirmed(word, channel) => {
                let kind = if self.protocol == Protocol::Three { b'>' } else { b'*' };
                reply[0] == kind
                    && matches!(elements(reply)?.as_slice(), [one, other, _] if text(one) == Some(word) && text(other) == Some(channel))
            }
        };
        right.then_some(())
    }

    fn hear_exec(&mut self, inner: &[Expected], fate: Fate, reply: &[u8]) -> Option<()> {
        let conflict = self.is_null_array(reply);
        match (fate, self.weather) {
            // Somebody that nobody waits for any more may have changed what was watched, or WATCH was refused.
            (_, Weather::Rough) | (Fate::Conflict, Weather::Calm) if conflict => return Some(()),
            (Fate::Conflict, Weather::Calm) => return None,
            (Fate::Done | Fate::Conflict, Weather::Rough) | (Fate::Done, Weather::Calm) => {}
        }
        let replies = elements(reply).filter(|replies| replies.len() == inner.len())?;
        inner.iter().zip(replies).try_for_each(|(expected, reply)| self.hear_answer(expected, reply))
    }

    fn is_value(&self, key: usize, reply: &[u8]) -> bool {
        let known = self.texts.get(&(self.database, key));
        let Some(value) = text(reply) else {
            return self.is_null(reply) && known.is_none_or(|known| known.last.is_none());
        };
        let is_ahead = self.ahead.iter().any(|(of, ahead)| *of == key && ahead == value);
        is_ahead || known.is_some_and(|known| known.may_be(value))
    }

    fn is_greeting(&self, reply: &[u8]) -> bool {
        let start: &[u8] = if self.protocol == Protocol::Three { b"%7\r\n" } else { b"*14\r\n" };
        reply.starts_with(start)
    }

    fn is_null(&self, reply: &[u8]) -> bool {
        reply == if self.protocol == Protocol::Three { &b"_\r\n"[..] } else { b"$-1\r\n" }
    }

    fn is_null_array(&self, reply: &[u8]) -> bool {
        reply == if self.protocol == Protocol::Three { &b"_\r\n"[..] } else { b"*-1\r\n" }
    }
}

impl Text {
    fn may_be(&self, value: &str) -> bool {
        self.last.as_deref() == Some(value) || self.doubtful.iter().any(|doubtful| doubtful == value)
    }
}

impl Counter {
    fn hear(&mut self, now: u64) -> bool {
        let next = self.last + 1;
        let is_possible = (next..=next + self.doubtful).contains(&now);
        if is_possible {
            self.doubtful -= now - next;
            self.last = now;
        }
        is_possible
    }
}

#[test]
fn the_model_tells_own_from_foreign() {
    let mut model = Model::new(7, Weather::Calm);
    let set = Expected::Set(1, "7/1".into());
    assert!(model.hear(&Expected::Get(1), b"$-1\r\n").is_ok());
    assert!(model.hear(&set, b"+OK\r\n").is_ok());
    assert!(model.hear(&Expected::Get(1), b"$3\r\n7/1\r\n").is_ok());
    for foreign in [&b"$3\r\n8/1\r\n"[..], b"$-1\r\n", b"_\r\n", b"+OK\r\n", b":1\r\n", b"-UNAVAILABLE x\r\n"] {
        assert!(model.hear(&Expected::Get(1), foreign).is_err(), "{foreign:?}");
    }
    assert!(model.hear(&Expected::Incr, b":8000001\r\n").is_ok());
    assert!(model.hear(&Expected::Incr, b":8000001\r\n").is_err() && model.hear(&Expected::Incr, b":1\r\n").is_err());
}

#[test]
fn the_model_knows_what_an_error_leaves_open() {
    let mut model = Model::new(7, Weather::Rough);
    let set = |value: &str| Expected::Set(1, value.into());
    assert!(model.hear(&set("7/1"), b"-UNAVAILABLE x\r\n").is_ok());
    assert!(model.hear(&Expected::Get(1), b"$3\r\n7/1\r\n").is_err(), "nothing was done");
    assert!(model.hear(&set("7/2"), b"-OUTCOMEUNKNOWN x\r\n").is_ok());
    assert!(
        model.hear(&Expected::Get(1), b"$3\r\n7/2\r\n").is_ok() && model.hear(&Expected::Get(1), b"$-1\r\n").is_ok()
    );
    assert!(model.hear(&Expected::Get(1), b"-ERR x\r\n").is_err(), "not a word of honesty");
    assert!(model.hear(&Expected::Incr, b"-OUTCOMEUNKNOWN x\r\n").is_ok());
    assert!(
        model.hear(&Expected::Incr, b":8000002\r\n").is_ok() && model.hear(&Expected::Incr, b":8000004\r\n").is_err()
    );
}
