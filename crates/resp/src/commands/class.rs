//! What a proxy may do with a command.
//!
//! Redis' own flags answer other questions, so the class is ours: it tells whether a command may share a connection with
//! other clients' commands, and who may answer it.

use std::fmt;

use super::Spec;
use super::keys::{Arguments, KeySpec, streams_options};

/// What kind of treatment a command needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Reads keys; any replica may answer.
    Read,
    /// May change keys, or is refused by replicas as if it did (SORT without STORE).
    Write,
    /// Runs code on declared keys: the EVAL and FCALL families.
    Script,
    /// About one node: INFO, CONFIG, DBSIZE, KEYS, SCAN, FLUSHALL, ...
    Server,
    /// MULTI, EXEC, DISCARD, WATCH, UNWATCH.
    Transaction,
    /// The subscribe family: turns the connection into a subscriber.
    PubSub,
    /// PUBLISH, SPUBLISH.
    Publish,
    /// Keeps its connection waiting: blocking pops, XREAD BLOCK, WAIT.
    Blocking,
    /// Turns the connection into a one-way stream: MONITOR, and replication.
    Monitor,
    /// About the connection it arrives on: AUTH, HELLO, SELECT, most of CLIENT, PING, ...
    Connection,
    /// FAILSOFT and its subcommands: answered by failsoft, never sent to a node.
    Own,
}

impl Class {
    /// Whether the command depends on, changes or occupies the connection it is sent on, so that it may not be forwarded
    /// on one that others share.
    #[inline]
    pub const fn keeps_state(self) -> bool {
        match self {
            Self::Read | Self::Write | Self::Script | Self::Server | Self::Publish | Self::Own => false,
            Self::Transaction | Self::PubSub | Self::Blocking | Self::Monitor | Self::Connection => true,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Script => "script",
            Self::Server => "server",
            Self::Transaction => "transaction",
            Self::PubSub => "pubsub",
            Self::Publish => "publish",
            Self::Blocking => "blocking",
            Self::Monitor => "monitor",
            Self::Connection => "connection",
            Self::Own => "own",
        })
    }
}

/// The class of this very call: XREAD and XREADGROUP are [`Class::Blocking`] only with BLOCK.
#[inline]
pub fn class_of<A: Arguments + ?Sized>(spec: &Spec, args: &A) -> Class {
    match spec.keys {
        KeySpec::Streams if streams_options(args).blocks => Class::Blocking,
        _ => spec.class,
    }
}
