//! `server.deny_commands`: what nobody may run through failsoft.
//!
//! Names are those of the table of commands, so that a slip of the finger is an error and not a hole; a container
//! (CONFIG) stands for all its subcommands, also for those that only a newer server has. What a script does inside Redis
//! is not seen here: to be sure of it, deny scripts too.

use crate::settings::judge::Judge;
use crate::settings::nearest::nearest;
use failsoft_resp::commands::{self, Arguments, Flags, Spec};

/// What is denied beyond loopback unless the settings say otherwise: what destroys everything, stops the server, or
/// is known as a way from a Redis connection into the machine (CONFIG SET, MODULE LOAD, REPLICAOF a server of the
/// attacker's), makes new users for later, or takes Redis from everybody.
const BEYOND_LOOPBACK: &[&str] = &[
    "FLUSHALL",
    "FLUSHDB",
    "CONFIG",
    "DEBUG",
    "SHUTDOWN",
    "MODULE",
    "REPLICAOF",
    "SLAVEOF",
    "ACL SETUSER",
    "FAILSOFT MODE",
];

/// Commands that nobody may run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DenyList {
    /// Names as in the table of commands, sorted.
    names: Vec<&'static str>,
    /// Commands together with a second word that is not in the table.
    words: Vec<(&'static str, Box<str>)>,
}

impl DenyList {
    /// What is denied when the settings do not say: nothing, unless others than this machine can come in.
    pub(crate) fn unsaid(reach: Reach) -> Self {
        let mut list = Self::default();
        if reach == Reach::BeyondLoopback {
            BEYOND_LOOPBACK.iter().for_each(|name| list.add(name).expect("a test adds them all"));
        }
        list.names.sort_unstable();
        list
    }

    pub(crate) fn mean(written: &[String], path: &str, judge: &mut Judge<'_>) -> Self {
        let mut list = Self::default();
        for (index, text) in written.iter().enumerate() {
            if let Err(unknown) = list.add(text) {
                let problem = judge.error(format!("{path}[{index}]"), unknown);
                problem.hint("name a command, or a command and its subcommand: \"CONFIG\", \"CONFIG SET\"");
            }
        }
        list.names.sort_unstable();
        list
    }

    /// Whether nothing is denied.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.words.is_empty()
    }

    /// Whether `command`, which `spec` is of, may not be run.
    pub fn covers<A: Arguments + ?Sized>(&self, spec: &Spec, command: &A) -> bool {
        let is_word = |(name, word): &(&str, Box<str>)| {
            *name == spec.name && command.at(1).is_some_and(|second| second.eq_ignore_ascii_case(word.as_bytes()))
        };
        self.names.binary_search(&spec.name).is_ok() || self.words.iter().any(is_word)
    }

    fn add(&mut self, text: &str) -> Result<(), String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (first, second) = match words[..] {
            [first] => (first, None),
            [first, second] => (first, Some(second)),
            _ => return Err(format!("`{text}` is not a command")),
        };
        let container = commands::lookup(first.as_bytes(), None).ok_or_else(|| unknown(text, first))?;
        let is_container = container.flags.contains(Flags::CONTAINER);
        match second {
            None if is_container => self.names.extend(with_subcommands(container)),
            None => self.names.push(container.name),
            Some(second) if is_container => {
                let found = commands::lookup(first.as_bytes(), Some(second.as_bytes()));
                self.names.push(found.ok_or_else(|| unknown(text, &format!("{first}|{second}")))?.name);
            }
            // Its subcommands are not in the table: they differ from one build of Redis to the next.
            Some(second) if container.name == "debug" => self.words.push((container.name, second.into())),
            Some(_) => return Err(format!("`{first}` has no subcommands")),
        }
        Ok(())
    }
}

/// Who can reach failsoft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Programs on this machine.
    Loopback,
    /// Other machines too.
    BeyondLoopback,
}

fn with_subcommands(container: &'static Spec) -> impl Iterator<Item = &'static str> {
    let is_of = move |spec: &&Spec| spec.name.split('|').next() == Some(container.name);
    commands::all().filter(is_of).map(|spec| spec.name)
}

fn unknown(text: &str, name: &str) -> String {
    let near = nearest(&name.to_ascii_lowercase(), commands::all().map(|spec| spec.name));
    match near {
        Some(near) => format!("unknown command `{text}`; did you mean `{}`?", near.replace('|', " ").to_uppercase()),
        None => format!("unknown command `{text}`"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn list(names: &[&str]) -> DenyList {
        let mut list = DenyList::default();
        names.iter().for_each(|name| list.add(name).unwrap());
        list.names.sort_unstable();
        list
    }

    fn denies(list: &DenyList, call: &str) -> bool {
        let words: Vec<&str> = call.split(' ').collect();
        let spec = commands::lookup(words[0].as_bytes(), words.get(1).map(|word| word.as_bytes()))
            .or_else(|| commands::lookup(words[0].as_bytes(), None));
        list.covers(spec.unwrap(), &words[..])
    }

    #[test]
    fn a_command_is_denied_by_its_name_in_any_case_a_container_with_all_it_contains() {
        let list = list(&["flushall", "CONFIG", "Client Kill", "DEBUG sleep"]);
        for call in ["FLUSHALL", "flushall ASYNC", "CONFIG", "config GET dir", "CONFIG SOONER", "client KILL x"] {
            assert!(denies(&list, call), "{call}");
        }
        assert!(denies(&list, "Debug SLEEP 1"));
        for call in ["FLUSHDB", "CLIENT LIST", "CLIENT", "DEBUG OBJECT x", "DEBUG", "GET config"] {
            assert!(!denies(&list, call), "{call}");
        }
    }

    #[test]
    fn what_is_no_command_is_named_with_its_nearest() {
        for (written, message) in [
            ("FLUSHAL", "unknown command `FLUSHAL`; did you mean `FLUSHALL`?"),
            ("CONFIG STE", "unknown command `CONFIG STE`; did you mean `CONFIG SET`?"),
            ("NO.SUCH.COMMAND", "unknown command `NO.SUCH.COMMAND`"),
            ("GET key", "`GET` has no subcommands"),
            ("CONFIG SET dir", "`CONFIG SET dir` is not a command"),
            ("", "`` is not a command"),
        ] {
            assert_eq!(DenyList::default().add(written), Err(message.to_owned()));
        }
    }

    #[test]
    fn nothing_is_denied_on_loopback_and_what_is_dangerous_is_beyond() {
        assert!(DenyList::unsaid(Reach::Loopback).is_empty());
        let beyond = DenyList::unsaid(Reach::BeyondLoopback);
        for call in [
            "FLUSHALL",
            "FLUSHDB",
            "CONFIG GET x",
            "DEBUG SLEEP 1",
            "SHUTDOWN",
            "MODULE LOAD x",
            "ACL SETUSER x",
            "FAILSOFT MODE auto",
        ] {
            assert!(denies(&beyond, call), "{call}");
        }
        assert!(!denies(&beyond, "GET x") && !denies(&beyond, "ACL WHOAMI") && !denies(&beyond, "INFO"));
    }
}
