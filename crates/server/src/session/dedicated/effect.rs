//! What a command does to the connection it is sent on, read off its words.
//!
//! Only the commands that touch the connection itself are here; everything else has no effect that outlives its reply.
//! Whether the effect came about is known when the reply is: see [`State`](super::state::State).

use failsoft_resp::commands::{Class, Spec};
use failsoft_resp::pubsub::Channels;
use failsoft_resp::{Command, Protocol};

/// What a command does to its connection once it has been answered without an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing.
    None,
    /// MULTI: what follows is queued.
    Multi,
    /// EXEC or DISCARD: the transaction is over, and nothing is watched.
    EndOfTransaction,
    /// WATCH.
    Watch,
    /// UNWATCH.
    Unwatch,
    /// SELECT; `None` if the number cannot be read.
    Select(Option<u32>),
    /// HELLO: the protocol, if it is named; whether a user is; the name, if it is given.
    Hello {
        /// What is spoken from here on.
        protocol: Option<Protocol>,
        /// Whether a user is given with it.
        user: bool,
        /// What the client is called from here on.
        name: Option<Vec<u8>>,
    },
    /// AUTH.
    User,
    /// CLIENT SETNAME.
    Name(Vec<u8>),
    /// One of the things that are on or off.
    Switch(Switch, Position),
}

/// Something about a connection that is on or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Switch {
    /// CLIENT TRACKING.
    Tracking,
    /// CLIENT NO-EVICT.
    NoEvict,
    /// CLIENT NO-TOUCH.
    NoTouch,
}

/// How it is switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    On,
    Off,
}

/// How a command is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// With one reply.
    Once,
    /// It has been answered: the client is not given the reply.
    Told,
    /// With a confirmation for each of so many channels; none named: for each there is.
    PerChannel(Channels, Option<usize>),
    /// CLIENT REPLY: with a reply if it is `ON`.
    ReplyMode(ReplyMode),
    /// With a stream that does not end, or with replies that cannot be counted: MONITOR, REPLCONF.
    Stream,
    /// With something else than RESP, or by the rules of another protocol: replication, the script debugger.
    Foreign,
    /// RESET: with one reply, after which the connection is as new.
    Reset,
}

/// Whether replies are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReplyMode {
    On,
    Off,
    /// Not to the next command.
    Skip,
}

impl Effect {
    /// What `command` does.
    pub(super) fn of(spec: &Spec, command: &Command<'_>) -> Self {
        let word = |index: usize| command.get(index).unwrap_or_default();
        match spec.name {
            "multi" => Self::Multi,
            "exec" | "discard" => Self::EndOfTransaction,
            "watch" => Self::Watch,
            "unwatch" => Self::Unwatch,
            "select" => Self::Select(parse(word(1))),
            "hello" => hello(command),
            "auth" => Self::User,
            "client|setname" => Self::Name(word(2).to_vec()),
            "client|tracking" => Self::switch(Switch::Tracking, word(2)),
            "client|no-evict" => Self::switch(Switch::NoEvict, word(2)),
            "client|no-touch" => Self::switch(Switch::NoTouch, word(2)),
            _ => Self::None,
        }
    }

    /// Whether a command with this effect may leave something on its connection that nobody here keeps account of: those
    /// that are about the connection and not followed (READONLY), and those that are not known.
    pub(super) fn leaves_traces(&self, spec: Option<&Spec>) -> bool {
        *self == Self::None && spec.is_none_or(|spec| spec.class == Class::Connection)
    }

    fn switch(switch: Switch, word: &[u8]) -> Self {
        let position = if word.eq_ignore_ascii_case(b"off") { Position::Off } else { Position::On };
        Self::Switch(switch, position)
    }
}

impl Manner {
    /// How `command` is answered.
    pub(super) fn of(spec: &Spec, command: &Command<'_>) -> Self {
        let named = command.len().checked_sub(1).filter(|named| *named > 0);
        match spec.name {
            "subscribe" | "unsubscribe" => Self::PerChannel(Channels::Named, named),
            "psubscribe" | "punsubscribe" => Self::PerChannel(Channels::Patterns, named),
            "ssubscribe" | "sunsubscribe" => Self::PerChannel(Channels::Sharded, named),
            "client|reply" => reply_mode(command.arg(2)).map_or(Self::Once, Self::ReplyMode),
            "monitor" | "replconf" => Self::Stream,
            "sync" | "psync" | "script|debug" => Self::Foreign,
            "reset" => Self::Reset,
            _ => Self::Once,
        }
    }
}

fn reply_mode(word: &[u8]) -> Option<ReplyMode> {
    match word.to_ascii_lowercase().as_slice() {
        b"on" => Some(ReplyMode::On),
        b"off" => Some(ReplyMode::Off),
        b"skip" => Some(ReplyMode::Skip),
        _ => None,
    }
}

fn hello(command: &Command<'_>) -> Effect {
    let protocol = match command.get(1) {
        Some(b"2") => Some(Protocol::Resp2),
        Some(b"3") => Some(Protocol::Resp3),
        Some(_) | None => None,
    };
    let mut effect = (false, None);
    let mut options = command.args().skip(2);
    while let Some(option) = options.next() {
        if option.eq_ignore_ascii_case(b"auth") {
            effect.0 = true;
            options.next();
            options.next();
        } else if option.eq_ignore_ascii_case(b"setname") {
            effect.1 = options.next().map(<[u8]>::to_vec);
        }
    }
    Effect::Hello { protocol, user: effect.0, name: effect.1 }
}

fn parse(word: &[u8]) -> Option<u32> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use failsoft_resp::commands::lookup;
    use failsoft_resp::{Limits, RequestScanner};

    use super::*;

    fn read(line: &str) -> (Effect, Manner) {
        let line = format!("{line}\r\n");
        let mut scanner = RequestScanner::new(Limits::default());
        let command = scanner.scan(line.as_bytes()).unwrap().unwrap();
        let spec = lookup(command.arg(0), command.get(1)).unwrap();
        (Effect::of(spec, &command), Manner::of(spec, &command))
    }

    #[test]
    fn what_touches_the_connection_is_read_off_in_any_case() {
        assert_eq!(read("multi").0, Effect::Multi);
        assert_eq!(read("Select 7").0, Effect::Select(Some(7)));
        assert_eq!(read("SELECT x").0, Effect::Select(None));
        assert_eq!(read("CLIENT tracking oFF").0, Effect::Switch(Switch::Tracking, Position::Off));
        assert_eq!(read("CLIENT TRACKING ON BCAST").0, Effect::Switch(Switch::Tracking, Position::On));
        assert_eq!(read("GET multi").0, Effect::None);
    }

    #[test]
    fn hello_may_say_several_things_at_once() {
        let effect = Effect::Hello { protocol: Some(Protocol::Resp3), user: true, name: Some(b"me".to_vec()) };
        assert_eq!(read("HELLO 3 AUTH setname secret SETNAME me").0, effect);
        assert_eq!(read("HELLO").0, Effect::Hello { protocol: None, user: false, name: None });
    }

    #[test]
    fn how_often_a_command_is_answered_depends_on_what_it_is() {
        assert_eq!(read("SUBSCRIBE a b").1, Manner::PerChannel(Channels::Named, Some(2)));
        assert_eq!(read("PUNSUBSCRIBE").1, Manner::PerChannel(Channels::Patterns, None));
        assert_eq!(read("CLIENT REPLY skip").1, Manner::ReplyMode(ReplyMode::Skip));
        assert_eq!(read("CLIENT REPLY perhaps").1, Manner::Once);
        assert_eq!(read("MONITOR").1, Manner::Stream);
        assert_eq!(read("PSYNC ? -1").1, Manner::Foreign);
        assert_eq!(read("GET a").1, Manner::Once);
    }
}
