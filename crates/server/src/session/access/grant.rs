//! What one of failsoft's own users may do.
//!
//! Everybody's requests reach Redis as the same user, so nothing behind this door stops what it lets through. A user who
//! may name some keys only may therefore run only commands that name all they touch: no script, no SCAN, no SORT by keys
//! made up on the way, no FLUSHALL. A user who may only read may run what Redis calls read-only, what is about the
//! client's own connection, and a few harmless questions. What is not in the table of commands is neither.

use failsoft::settings::{Commands, Keys, User};
use failsoft_resp::commands::{self, Access, Arguments, Class, Flags, Spec};

use super::Denial;

/// Bytes of an unknown command's name that are told back.
const MOST_TOLD: usize = 64;
/// Questions to the server that tell nothing of keys and change nothing.
const HARMLESS: [&str; 5] = ["dbsize", "info", "lastsave", "role", "time"];

/// What clients that know clusters ask before anything else, and what it tells.
const ABOUT_CLUSTER: [&str; 10] =
    ["help", "info", "keyslot", "myid", "myshardid", "nodes", "replicas", "shards", "slaves", "slots"];

/// Whether nothing is forbidden to the user.
pub(super) fn is_whole(user: &User) -> bool {
    user.commands() == Commands::All && *user.keys() == Keys::All
}

/// What the user would do with `command` and may not.
pub(super) fn judge<A: Arguments + ?Sized>(user: &User, spec: Option<&Spec>, command: &A) -> Option<Denial> {
    if is_whole(user) {
        return None;
    }
    let Some(spec) = spec else {
        return Some(Denial::Command(name_of(command)));
    };
    let may_run = match user.commands() {
        Commands::All => true,
        Commands::Read => only_reads(spec),
    };
    if !may_run || *user.keys() != Keys::All && !names_what_it_touches(spec, command) {
        return Some(Denial::Command(spec.name.to_owned()));
    }
    let mut keys = commands::keys(spec, command).filter(|position| position.access != Access::Channel);
    let is_foreign = |index: usize| command.at(index).is_some_and(|key| !user.keys().contains(key));
    keys.any(|position| is_foreign(position.index)).then_some(Denial::Key)
}

fn only_reads(spec: &Spec) -> bool {
    if spec.flags.contains(Flags::READONLY) {
        return true;
    }
    let may_change = spec.flags.contains(Flags::WRITE) || spec.flags.contains(Flags::ADMIN);
    match spec.class {
        Class::Read | Class::Blocking | Class::PubSub | Class::Transaction => !may_change,
        Class::Connection => !may_change && spec.name != "script|debug",
        Class::Server => is_harmless(spec),
        Class::Own => !may_change,
        Class::Write | Class::Script | Class::Publish | Class::Monitor => false,
    }
}

/// Whether all keys the command touches are among its arguments, where they are looked for.
fn names_what_it_touches<A: Arguments + ?Sized>(spec: &Spec, command: &A) -> bool {
    match spec.class {
        Class::Read | Class::Write => !(spec.name.starts_with("sort") && looks_elsewhere(command)),
        Class::Blocking | Class::PubSub | Class::Publish | Class::Transaction => true,
        Class::Connection => spec.name != "script|debug" && !(spec.name == "client|tracking" && hears_of_all(command)),
        Class::Server => is_harmless(spec),
        // What an administrator may do with routes is done to all their keys.
        Class::Own => !spec.flags.contains(Flags::ADMIN),
        Class::Script | Class::Monitor => false,
    }
}

/// SORT makes names of keys from BY and GET.
fn looks_elsewhere<A: Arguments + ?Sized>(command: &A) -> bool {
    has_word(command, b"by") || has_word(command, b"get")
}

/// CLIENT TRACKING tells of every key that anybody changes, with BCAST.
fn hears_of_all<A: Arguments + ?Sized>(command: &A) -> bool {
    has_word(command, b"bcast")
}

/// Whether `word` is among the arguments after the first.
fn has_word<A: Arguments + ?Sized>(command: &A, word: &[u8]) -> bool {
    (2..command.count()).any(|index| command.at(index).is_some_and(|arg| arg.eq_ignore_ascii_case(word)))
}

fn is_harmless(spec: &Spec) -> bool {
    match spec.name.split_once('|') {
        Some(("cluster", word)) => ABOUT_CLUSTER.contains(&word),
        Some((container, _)) => container == "command",
        None => HARMLESS.contains(&spec.name) || spec.name == "command",
    }
}

fn name_of<A: Arguments + ?Sized>(command: &A) -> String {
    let name = command.at(0).unwrap_or_default();
    String::from_utf8_lossy(&name[..name.len().min(MOST_TOLD)]).into_owned()
}
