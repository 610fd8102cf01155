//! `[[users]]`: failsoft's own users, and how they prove who they are.
//!
//! Passwords are kept as Redis' ACL keeps them (`#<hash>`): as SHA-256 in hex, unsalted, so that the same secret can be
//! given to both. That is sound for long random secrets only, which is what programs have. A user may have several, so
//! that a secret is rotated without a moment in which none is right. Comparing takes the same time however much of a
//! guess is right; neither secrets nor hashes are ever printed.

use crate::settings::judge::Judge;
use failsoft_core::pattern::KeyPattern;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;
use subtle::{Choice, ConstantTimeEq};

/// A user of failsoft's own, with `server.auth = "users"`. Requests of all of them reach Redis as failsoft's own user.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(crate) struct WrittenUser {
    /// What the user is called. `AUTH password` without a name is about the user "default".
    #[schemars(length(min = 1, max = 256))]
    pub(crate) name: String,
    /// SHA-256 of the password in hex, as after `#` in Redis' ACL; several while a secret is being rotated.
    #[schemars(length(min = 1, max = 16))]
    password_sha256: Vec<WrittenHash>,
    /// Patterns, as in routes, of the only keys that the user may name; every key when left out.
    #[serde(default)]
    #[schemars(length(max = 256))]
    keys: Option<Vec<String>>,
    /// Which commands the user may run.
    #[serde(default)]
    commands: Commands,
    /// Whether the user may come in. Who is in when this becomes false has to log in again.
    #[serde(default = "yes")]
    pub(crate) enabled: bool,
}

fn yes() -> bool {
    true
}

/// A hash as it is written. `Debug` shows only that there is one.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
struct WrittenHash(String);

impl fmt::Debug for WrittenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Which commands a user may run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Commands {
    /// All of them.
    #[default]
    All,
    /// Those that change nothing and give nothing away about Redis itself.
    Read,
}

/// Which keys a user may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keys {
    /// All of them.
    All,
    /// Those that one of these matches.
    Matching(Box<[KeyPattern]>),
}

impl Keys {
    /// Whether `key` may be named.
    pub fn contains(&self, key: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Matching(patterns) => patterns.iter().any(|pattern| pattern.matches(key)),
        }
    }
}

type Hash = [u8; 32];

/// A user of failsoft's own.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    name: Box<str>,
    passwords: Vec<Hash>,
    keys: Keys,
    commands: Commands,
    enabled: bool,
}

impl User {
    pub(super) fn mean(written: &WrittenUser, path: &str, judge: &mut Judge<'_>) -> Option<Self> {
        let errors = judge.errors();
        judge_name(&written.name, path, judge);
        let passwords = (written.password_sha256.iter().enumerate())
            .filter_map(|(index, hash)| read_hash(&hash.0, &format!("{path}.password_sha256[{index}]"), judge))
            .collect();
        let keys = read_keys(written.keys.as_deref(), path, judge);
        (judge.errors() == errors).then(|| Self {
            name: written.name.as_str().into(),
            passwords,
            keys,
            commands: written.commands,
            enabled: written.enabled,
        })
    }

    /// What the user is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether `password` is one of the user's; takes as long for every wrong one.
    pub fn knows(&self, password: &[u8]) -> bool {
        let given = Sha256::digest(password);
        let is_one = |found: Choice, hash: &Hash| found | hash.as_slice().ct_eq(given.as_slice());
        self.passwords.iter().fold(Choice::from(0), is_one).into()
    }

    /// The keys that the user may name.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The commands that the user may run.
    pub fn commands(&self) -> Commands {
        self.commands
    }

    /// Whether the user may come in.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

fn judge_name(name: &str, path: &str, judge: &mut Judge<'_>) {
    if name.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        judge.error(format!("{path}.name"), "a user's name may not contain spaces");
    }
}

/// Says nothing of what was written: it may be the password itself.
fn read_hash(text: &str, path: &str, judge: &mut Judge<'_>) -> Option<Hash> {
    let hash = hex(text);
    if hash.is_none() {
        judge
            .error(path, "this is not a SHA-256 in hex: 64 digits, 0 to 9 and a to f")
            .hint("printf %s \"$PASSWORD\" | sha256sum");
    }
    hash
}

fn hex(text: &str) -> Option<Hash> {
    let digits: Vec<u8> =
        text.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    (digits.len() == 64).then(|| bytes.try_into().ok()).flatten()
}

fn read_keys(written: Option<&[String]>, path: &str, judge: &mut Judge<'_>) -> Keys {
    let Some(written) = written else { return Keys::All };
    let read = |(index, text): (usize, &String)| match KeyPattern::parse(text) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            judge.error(format!("{path}.keys[{index}]"), error.to_string());
            None
        }
    };
    let patterns: Vec<KeyPattern> = written.iter().enumerate().filter_map(read).collect();
    match patterns.iter().any(|pattern| pattern.text() == "*") {
        true => Keys::All,
        false => Keys::Matching(patterns.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf %s letmein | sha256sum`
    const LETMEIN: &str = "1c8bfe8f801d79745c4631d09fff36c82aa37fc4cce4fc946683d7b336b63032";

    fn user(passwords: &[&str]) -> User {
        let passwords = passwords.iter().filter_map(|text| hex(text)).collect();
        User { name: "u".into(), passwords, keys: Keys::All, commands: Commands::All, enabled: true }
    }

    #[test]
    fn a_user_knows_each_of_its_passwords_and_no_other() {
        let other = "A".repeat(64);
        for hashes in [&[LETMEIN][..], &[&other, LETMEIN], &[&LETMEIN.to_uppercase(), &other]] {
            let user = user(hashes);
            assert!(user.knows(b"letmein"));
            assert!(!user.knows(b"") && !user.knows(b"letmeout") && !user.knows(LETMEIN.as_bytes()));
        }
        assert!(!user(&[]).knows(b"letmein") && !user(&[]).knows(b""));
    }

    #[test]
    fn only_64_digits_are_a_hash() {
        for text in ["", "letmein", &LETMEIN[1..], &format!("{LETMEIN}00"), &LETMEIN.replace('f', "g")] {
            assert_eq!(hex(text), None, "{text}");
        }
        assert_eq!(hex(LETMEIN).map(|hash| (hash[0], hash[31])), Some((0x1c, 0x32)));
    }

    #[test]
    fn neither_hash_nor_patterns_are_printed() {
        assert_eq!(
            format!("{:?} {:?}", user(&[LETMEIN]), WrittenHash(LETMEIN.to_owned())),
            "User { name: \"u\", .. } ***"
        );
    }
}
