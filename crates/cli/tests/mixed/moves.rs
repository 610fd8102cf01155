//! What such a client may do next: some commands, and what is to come back for each.

use super::model::{DATABASES, Expected, Fate, Model, Weather};
use super::resp::Protocol;
use crate::tools::{Dice, bulk, command};

/// Keys of one client.
const KEYS: usize = 6;
/// A value that fills several reads.
const LARGE: usize = 40_000;

/// Commands with what is to come back.
#[derive(Debug, Default)]
pub struct Moves {
    pub bytes: Vec<u8>,
    pub expected: Vec<Expected>,
}

impl Moves {
    fn add(&mut self, words: &[&str], expected: Expected) {
        self.bytes.extend_from_slice(&command(words));
        self.expected.push(expected);
    }

    /// Adds one move.
    pub fn roll(&mut self, model: &mut Model, dice: &mut Dice) {
        let key = dice.roll(KEYS);
        match dice.roll(22) {
            0..=2 => self.get(model, key),
            3..=4 => self.set(model, key, dice),
            5..=6 => self.add(&["INCR", &Model::counter_key(model.own)], Expected::Incr),
            7 => {
                let other = dice.roll(KEYS);
                self.add(&["MGET", &model.key(key), &model.key(other)], Expected::GetTwo(key, other));
            }
            8 => {
                let tag = model.tag();
                self.add(&["ECHO", &tag], Expected::Exactly(bulk(&tag)));
            }
            9 => {
                let tag = model.tag();
                self.add(&["EVAL", "return ARGV[1]", "1", &model.key(key), &tag], Expected::Exactly(bulk(&tag)));
            }
            10..=12 => self.transaction(model, dice),
            13 => self.discarded(model, key),
            14 => self.watched(model, key),
            15 => self.conflict(model, key),
            16..=17 => self.pop(model),
            18 => self.subscription(model),
            19 => self.elsewhere(model, dice),
            20 => self.name(model, dice),
            _ => self.manners(dice),
        }
    }

    fn get(&mut self, model: &Model, key: usize) {
        self.add(&["GET", &model.key(key)], Expected::Get(key));
    }

    fn set(&mut self, model: &mut Model, key: usize, dice: &mut Dice) {
        let mut value = model.tag();
        value.push('/');
        let filled = if dice.roll(20) == 0 { LARGE } else { dice.roll(200) };
        value.extend(std::iter::repeat_n('x', filled));
        self.add(&["SET", &model.key(key), &value], Expected::Set(key, value.clone()));
    }

    fn queued(&mut self, words: &[&str]) {
        self.add(words, Expected::Exactly(b"+QUEUED\r\n".to_vec()));
    }

    fn transaction(&mut self, model: &mut Model, dice: &mut Dice) {
        self.add(&["MULTI"], Expected::Multi);
        let mut inner = Vec::new();
        for _ in 0..=dice.roll(3) {
            let key = dice.roll(KEYS);
            match dice.roll(3) {
                0 => {
                    self.queued(&["GET", &model.key(key)]);
                    inner.push(Expected::Get(key));
                }
                1 => {
                    let value = model.tag();
                    self.queued(&["SET", &model.key(key), &value]);
                    inner.push(Expected::Set(key, value));
                }
                _ => {
                    self.queued(&["INCR", &Model::counter_key(model.own)]);
                    inner.push(Expected::Incr);
                }
            }
        }
        self.add(&["EXEC"], Expected::Exec(inner, Fate::Done));
    }

    fn discarded(&mut self, model: &mut Model, key: usize) {
        self.add(&["MULTI"], Expected::Multi);
        self.queued(&["SET", &model.key(key), &model.tag()]);
        self.add(&["DISCARD"], Expected::Exactly(b"+OK\r\n".to_vec()));
    }

    fn watched(&mut self, model: &mut Model, key: usize) {
        self.add(&["WATCH", &model.key(key)], Expected::Exactly(b"+OK\r\n".to_vec()));
        self.get(model, key);
        self.one_write(model, key, Fate::Done);
    }

    fn conflict(&mut self, model: &mut Model, key: usize) {
        self.add(&["WATCH", &model.key(key)], Expected::Exactly(b"+OK\r\n".to_vec()));
        let value = model.tag();
        self.add(&["SET", &model.key(key), &value], Expected::Set(key, value.clone()));
        self.one_write(model, key, Fate::Conflict);
    }

    fn one_write(&mut self, model: &mut Model, key: usize, fate: Fate) {
        let value = model.tag();
        self.add(&["MULTI"], Expected::Multi);
        self.queued(&["SET", &model.key(key), &value]);
        self.add(&["EXEC"], Expected::Exec(vec![Expected::Set(key, value)], fate));
    }

    fn pop(&mut self, model: &mut Model) {
        let value = model.tag();
        let queue = format!("client:{}:queue:{value}", model.own);
        self.add(&["RPUSH", &queue, &value], Expected::Exactly(b":1\r\n".to_vec()));
        self.add(&["BLPOP", &queue, patience(model)], Expected::Popped(queue.clone(), value));
    }

    fn subscription(&mut self, model: &Model) {
        let channel = channel(model);
        self.add(&["SUBSCRIBE", &channel], Expected::Confirmed("subscribe", channel.clone()));
        self.add(&["UNSUBSCRIBE", &channel], Expected::Confirmed("unsubscribe", channel.clone()));
    }

    fn elsewhere(&mut self, model: &mut Model, dice: &mut Dice) {
        self.add(&["SELECT", &DATABASES[1].to_string()], Expected::Select(DATABASES[1]));
        for _ in 0..=dice.roll(2) {
            let key = dice.roll(KEYS);
            self.set(model, key, dice);
            self.get(model, dice.roll(KEYS));
        }
        self.add(&["SELECT", &DATABASES[0].to_string()], Expected::Select(DATABASES[0]));
    }

    fn name(&mut self, model: &mut Model, dice: &mut Dice) {
        if dice.roll(2) == 0 {
            let name = model.tag();
            self.add(&["CLIENT", "SETNAME", &name], Expected::SetName(name.clone()));
        }
        self.add(&["CLIENT", "GETNAME"], Expected::GetName);
    }

    fn manners(&mut self, dice: &mut Dice) {
        match dice.roll(3) {
            0 => self.add(&["HELLO", "3"], Expected::Hello(Protocol::Three)),
            1 => self.add(&["HELLO", "2"], Expected::Hello(Protocol::Two)),
            _ => self.add(&["RESET"], Expected::Reset),
        }
    }
}

/// For how long a blocking pop waits: where what it waits for may have been refused, not for ever.
pub fn patience(model: &Model) -> &'static str {
    match model.weather {
        Weather::Calm => "0",
        Weather::Rough => "0.3",
    }
}

/// The client's own channel.
pub fn channel(model: &Model) -> String {
    format!("client:{}:channel", model.own)
}
