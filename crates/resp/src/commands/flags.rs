//! What Redis itself says of a command: the flags of `COMMAND`.
//!
//! Each is defined once, here, with the name the server prints, so that the table can be held against a live server.

use std::fmt;

/// A set of command flags.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(u32);

macro_rules! flags {
    ($($name:ident = $text:literal, $bit:literal, $doc:literal;)*) => {
        /// The same as plain numbers, which constant tables can join with `|`.
        pub(super) mod bits {
            $(pub(in crate::commands) const $name: u32 = 1 << $bit;)*
        }

        impl Flags {
            $(#[doc = $doc] pub const $name: Self = Self(1 << $bit);)*

            /// Every flag that `COMMAND` prints, by the name it prints.
            pub const NAMES: &'static [(&'static str, Self)] = &[$(($text, Self::$name),)*];
        }
    };
}

flags! {
    WRITE = "write", 0, "May change the data set.";
    READONLY = "readonly", 1, "Never changes the data set.";
    DENYOOM = "denyoom", 2, "Refused while memory is exhausted.";
    ADMIN = "admin", 3, "For administrators.";
    PUBSUB = "pubsub", 4, "About publish and subscribe.";
    NOSCRIPT = "noscript", 5, "Not callable from scripts.";
    BLOCKING = "blocking", 6, "May keep its connection waiting.";
    LOADING = "loading", 7, "Answered while the data set is being loaded.";
    STALE = "stale", 8, "Answered by a replica that has lost its primary.";
    SKIP_MONITOR = "skip_monitor", 9, "Not shown to MONITOR.";
    SKIP_SLOWLOG = "skip_slowlog", 10, "Not entered in the slow log.";
    ASKING = "asking", 11, "Served for a slot being imported, without ASKING.";
    FAST = "fast", 12, "Constant or logarithmic time.";
    NO_AUTH = "no_auth", 13, "Allowed before authentication.";
    NO_ASYNC_LOADING = "no_async_loading", 14, "Refused during replication that keeps serving.";
    NO_MULTI = "no_multi", 15, "Not allowed inside MULTI.";
    NO_MANDATORY_KEYS = "no_mandatory_keys", 16, "Accepts keys but needs none.";
    ALLOW_BUSY = "allow_busy", 17, "Answered while a script runs.";
    MOVABLEKEYS = "movablekeys", 18, "Keys lie where only the arguments tell.";
    CONTAINER = "subcommands", 19, "Its second word completes its name; not a flag Redis prints.";
}

impl Flags {
    pub(super) const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// Whether all of `other` is in this set.
    #[inline]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The names of the flags in this set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let held = Self::NAMES.iter().filter(move |(_, flag)| self.contains(*flag));
        held.map(|(name, _)| *name)
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}
