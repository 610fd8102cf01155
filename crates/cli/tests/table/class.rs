//! The rows of the table: a command of each class, what it finds, and what it would leave behind.

use super::Role;

/// A class of commands, shown by one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    GetSeen,
    Get,
    GetAbsent,
    Mget,
    Ttl,
    Zrange,
    Set,
    SetNx,
    Del,
    Expire,
    Incr,
    Hset,
    Eval,
    Transaction,
    Blocking,
    Publish,
    Own,
}

/// What a key holds before the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seed {
    Nothing,
    Text,
    Hash,
    List,
    SortedSet,
}

impl Class {
    pub const ALL: [Self; 17] = [
        Self::GetSeen,
        Self::Get,
        Self::GetAbsent,
        Self::Mget,
        Self::Ttl,
        Self::Zrange,
        Self::Set,
        Self::SetNx,
        Self::Del,
        Self::Expire,
        Self::Incr,
        Self::Hset,
        Self::Eval,
        Self::Transaction,
        Self::Blocking,
        Self::Publish,
        Self::Own,
    ];

    /// How the page calls it.
    pub fn title(self, role: Role) -> &'static str {
        match self {
            Self::GetSeen => "`GET`, read before",
            Self::Get => "`GET`, not read before",
            Self::GetAbsent => "`GET`, not there",
            Self::Mget => "`MGET`, not read before",
            Self::Ttl => "`TTL`",
            Self::Zrange => "`ZRANGE`",
            Self::Set => "`SET`",
            Self::SetNx => "`SET NX PX`, not there",
            Self::Del => "`DEL`",
            Self::Expire => "`EXPIRE`",
            Self::Incr => "`INCR`",
            Self::Hset => "`HSET`",
            Self::Eval => "`EVAL` that sets its key",
            Self::Transaction => "`MULTI`, `SET`, `EXEC`",
            Self::Blocking => "`BLPOP`",
            Self::Publish => "`PUBLISH`",
            Self::Own => own(role).map_or("", |own| own.0),
        }
    }

    /// Whether there is such a cell: channels are what invalidation routes are about, and not every role has a command of
    /// its own.
    pub fn is_asked_of(self, role: Role) -> bool {
        match self {
            Self::Publish => matches!(role, Role::Invalidation | Role::Unclassified),
            Self::Own => own(role).is_some(),
            _ => true,
        }
    }

    /// What its keys hold before.
    pub fn seed(self) -> Seed {
        match self {
            Self::GetSeen | Self::Get | Self::Mget | Self::Ttl | Self::Set | Self::Del => Seed::Text,
            Self::Expire | Self::Incr | Self::Eval | Self::Transaction => Seed::Text,
            Self::GetAbsent | Self::SetNx | Self::Publish | Self::Own => Seed::Nothing,
            Self::Hset => Seed::Hash,
            Self::Blocking => Seed::List,
            Self::Zrange => Seed::SortedSet,
        }
    }

    /// The keys that it names: `prefix:number`, nobody else's.
    pub fn keys(self, role: Role) -> Vec<String> {
        let count = if self == Self::Mget { 2 } else { 1 };
        (0..count).map(|second| format!("{}:{}", role.prefix(), self.id(role, second))).collect()
    }

    /// The number in its first or second key, nobody else's.
    pub fn id(self, role: Role, second: u64) -> u64 {
        1_000 * (role as u64 + 1) + 2 * self as u64 + second
    }

    /// The commands, in their order; the last reply is the cell's.
    pub fn commands(self, role: Role) -> Vec<Vec<String>> {
        let keys = self.keys(role);
        let key = keys[0].as_str();
        let one = |words: &[&str]| vec![words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()];
        match self {
            Self::GetSeen | Self::Get | Self::GetAbsent => one(&["GET", key]),
            Self::Mget => one(&["MGET", key, &keys[1]]),
            Self::Ttl => one(&["TTL", key]),
            Self::Zrange => one(&["ZRANGE", key, "0", "-1"]),
            Self::Set => one(&["SET", key, NEW]),
            Self::SetNx => one(&["SET", key, NEW, "NX", "PX", "600000"]),
            Self::Del => one(&["DEL", key]),
            Self::Expire => one(&["EXPIRE", key, "600"]),
            Self::Incr => one(&["INCR", key]),
            Self::Hset => one(&["HSET", key, "field", NEW]),
            Self::Eval => one(&["EVAL", "return redis.call('SET', KEYS[1], ARGV[1])", "1", key, NEW]),
            Self::Transaction => [one(&["MULTI"]), one(&["SET", key, NEW]), one(&["EXEC"])].concat(),
            Self::Blocking => one(&["BLPOP", key, "1"]),
            Self::Publish => one(&["PUBLISH", key, NEW]),
            Self::Own => one(&own(role).expect("asked only of roles that have one").1(key)),
        }
    }

    /// Whether it changes nothing.
    pub fn is_read(self) -> bool {
        match self {
            Self::GetSeen | Self::Get | Self::GetAbsent | Self::Mget | Self::Ttl | Self::Zrange => true,
            Self::Set | Self::SetNx | Self::Del | Self::Expire | Self::Incr | Self::Hset | Self::Eval => false,
            Self::Transaction | Self::Blocking | Self::Publish | Self::Own => false,
        }
    }

    /// Whether tiers below the nodes may answer it.
    pub fn is_read_of_values(self) -> bool {
        matches!(self, Self::GetSeen | Self::Get | Self::GetAbsent | Self::Mget)
    }

    /// Whether a Redis without memory refuses it.
    pub fn needs_memory(self) -> bool {
        match self {
            Self::Set | Self::SetNx | Self::Incr | Self::Hset | Self::Eval | Self::Transaction | Self::Own => true,
            Self::GetSeen | Self::Get | Self::GetAbsent | Self::Mget | Self::Ttl | Self::Zrange => false,
            Self::Del | Self::Expire | Self::Blocking | Self::Publish => false,
        }
    }

    /// Whether it is carried out on a connection of the client's own, or, of failsoft's own commands, of the question's.
    pub fn has_own_connection(self) -> bool {
        matches!(self, Self::Transaction | Self::Blocking | Self::Own)
    }
}

/// What keys of [`Seed::Text`] hold.
pub const OLD: &str = "5";
/// What writes would leave there.
pub const NEW: &str = "7";

type Own = (&'static str, fn(&str) -> Vec<&str>);

/// The command that a role has beside Redis' own.
fn own(role: Role) -> Option<Own> {
    match role {
        Role::Lock => Some(("`FAILSOFT LOCK`", |key| vec!["FAILSOFT", "LOCK", key, "600000"])),
        Role::Idempotency => Some(("`FAILSOFT BEGIN`", |key| vec!["FAILSOFT", "BEGIN", key, "600000"])),
        Role::Flag => Some(("`FAILSOFT FLAG`", |key| vec!["FAILSOFT", "FLAG", key, "unknown"])),
        Role::LimitClosed | Role::LimitOpen | Role::LimitLocal => {
            Some(("`FAILSOFT LIMIT`", |key| vec!["FAILSOFT", "LIMIT", key, "10", "3600000"]))
        }
        Role::Cache | Role::Aside | Role::Session | Role::SessionOnReplica => None,
        Role::Invalidation | Role::Unclassified => None,
    }
}
