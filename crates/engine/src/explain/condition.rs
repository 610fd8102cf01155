//! What each tier is taken to say: `primary=down`, `local=stale`, `origin=shed`.
//!
//! A table a kind of tier holds the words that may be written; some words are synonyms. What a condition means for a
//! command follows from what Redis says of the command: a node out of memory still answers reads, one that is loading
//! still answers INFO.

use failsoft_core::outcome::{Failure, MissCause, Silence};
use failsoft_core::refusal::Refusal;
use failsoft_core::replication::Unfit;
use failsoft_core::stale::{Acceptance, Freshness, Stamp};
use failsoft_core::{Outcome, Time};
use failsoft_resp::commands::{Flags, Spec};
use std::time::Duration;
use thiserror::Error;

use crate::settings::nearest::nearest;
use crate::verb::Verb;

/// How a Redis node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeCondition {
    /// It answers with what was asked for.
    Up,
    /// It answers that the key is absent.
    Miss,
    /// It refuses connections.
    Down,
    /// It does not answer.
    Silent,
    /// Its circuit has just opened.
    Open,
    /// It is reading its data set from disk.
    Loading,
    /// A script has been running for too long.
    Busy,
    /// It is a replica.
    ReadOnly,
    /// It has no memory left.
    OutOfMemory,
    /// It wants other credentials than failsoft's.
    NoAuth,
    /// It answers with an error about the command itself.
    Error,
    /// It says that another node owns the key's slot.
    Moved,
    /// It says that the key is, or is to be, at the node that takes its slot over.
    Ask,
    /// It is a replica that may be older than the route allows.
    Lagging,
}

/// What local memory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalCondition {
    /// A copy within its time to live.
    Fresh,
    /// A copy within its time to live, while nothing vouches that it is what the primary holds.
    Unverified,
    /// A copy just beyond its time to live.
    Stale,
    /// No copy.
    Absent,
}

/// How an origin is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginCondition {
    /// It has the value.
    Up,
    /// It says that there is no such row or document.
    Miss,
    /// It cannot be reached, or answers with an error.
    Down,
    /// It does not answer in time.
    Timeout,
    /// Its circuit has just opened.
    Open,
    /// Its guard turns the load away.
    Shed,
}

const NODE: &[(&str, NodeCondition)] = &[
    ("up", NodeCondition::Up),
    ("miss", NodeCondition::Miss),
    ("down", NodeCondition::Down),
    ("silent", NodeCondition::Silent),
    ("timeout", NodeCondition::Silent),
    ("open", NodeCondition::Open),
    ("loading", NodeCondition::Loading),
    ("busy", NodeCondition::Busy),
    ("readonly", NodeCondition::ReadOnly),
    ("oom", NodeCondition::OutOfMemory),
    ("noauth", NodeCondition::NoAuth),
    ("error", NodeCondition::Error),
    ("moved", NodeCondition::Moved),
    ("ask", NodeCondition::Ask),
];

/// A replica may be all that a node may be, and behind.
const REPLICA: &[(&str, NodeCondition)] = &{
    let mut all = [("lagging", NodeCondition::Lagging); NODE.len() + 1];
    let mut index = 0;
    while index < NODE.len() {
        all[index] = NODE[index];
        index += 1;
    }
    all
};

const LOCAL: &[(&str, LocalCondition)] = &[
    ("fresh", LocalCondition::Fresh),
    ("up", LocalCondition::Fresh),
    ("unverified", LocalCondition::Unverified),
    ("stale", LocalCondition::Stale),
    ("absent", LocalCondition::Absent),
    ("miss", LocalCondition::Absent),
];

const ORIGIN: &[(&str, OriginCondition)] = &[
    ("up", OriginCondition::Up),
    ("miss", OriginCondition::Miss),
    ("down", OriginCondition::Down),
    ("error", OriginCondition::Down),
    ("timeout", OriginCondition::Timeout),
    ("silent", OriginCondition::Timeout),
    ("open", OriginCondition::Open),
    ("shed", OriginCondition::Shed),
];

const TIERS: [&str; 5] = ["primary", "replica", "regional", "local", "origin"];

/// How every tier is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conditions {
    /// How the primary is.
    pub primary: NodeCondition,
    /// How every replica is.
    pub replica: NodeCondition,
    /// How every node of the second deployment is.
    pub regional: NodeCondition,
    /// What local memory holds.
    pub local: LocalCondition,
    /// How the origin is.
    pub origin: OriginCondition,
}

impl Default for Conditions {
    /// All is well, and local memory holds nothing.
    fn default() -> Self {
        Self {
            primary: NodeCondition::Up,
            replica: NodeCondition::Up,
            regional: NodeCondition::Up,
            local: LocalCondition::Absent,
            origin: OriginCondition::Up,
        }
    }
}

/// Why a text is not a condition.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WhenError {
    /// There is no `=` in it.
    #[error("`{written}` is not TIER=CONDITION")]
    Form {
        /// What was written.
        written: String,
    },
    /// There is no such tier.
    #[error("there is no tier `{written}`{}", guess(.nearest))]
    Tier {
        /// What was written.
        written: String,
        /// What was probably meant.
        nearest: Option<&'static str>,
    },
    /// The tier has no such condition.
    #[error("`{written}` is no condition of tier {tier}{}", guess(.nearest))]
    Condition {
        /// The tier.
        tier: &'static str,
        /// What was written.
        written: String,
        /// What was probably meant.
        nearest: Option<&'static str>,
        /// What may be written.
        known: Vec<&'static str>,
    },
}

fn guess(nearest: &Option<&'static str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

impl WhenError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Form { .. } => "write for example primary=down".to_owned(),
            Self::Tier { .. } => format!("the tiers are {}", TIERS.join(", ")),
            Self::Condition { tier, known, .. } => format!("{tier} may be {}", known.join(", ")),
        }
    }
}

impl Conditions {
    /// All tiers failing as slowly as they can.
    pub(super) const ALL_FAIL: Self = Self {
        primary: NodeCondition::Silent,
        replica: NodeCondition::Silent,
        regional: NodeCondition::Silent,
        local: LocalCondition::Absent,
        origin: OriginCondition::Timeout,
    };

    /// Takes up one `TIER=CONDITION`.
    pub fn set(&mut self, written: &str) -> Result<(), WhenError> {
        let Some((tier, condition)) = written.split_once('=') else {
            return Err(WhenError::Form { written: written.to_owned() });
        };
        match tier {
            "primary" => self.primary = find("primary", condition, NODE)?,
            "replica" => self.replica = find("replica", condition, REPLICA)?,
            "regional" => self.regional = find("regional", condition, REPLICA)?,
            "local" => self.local = find("local", condition, LOCAL)?,
            "origin" => self.origin = find("origin", condition, ORIGIN)?,
            _ => {
                let nearest = nearest(tier, TIERS.into_iter());
                return Err(WhenError::Tier { written: tier.to_owned(), nearest });
            }
        }
        Ok(())
    }
}

fn find<C: Copy>(tier: &'static str, written: &str, table: &'static [(&'static str, C)]) -> Result<C, WhenError> {
    let names = || table.iter().map(|(name, _)| *name);
    match table.iter().find(|(name, _)| *name == written) {
        Some((_, condition)) => Ok(*condition),
        None => Err(WhenError::Condition {
            tier,
            written: written.to_owned(),
            nearest: nearest(written, names()),
            known: names().collect(),
        }),
    }
}

impl NodeCondition {
    /// What comes of asking a node in this condition for a command.
    pub(super) fn outcome(self, spec: Option<&Spec>, verb: Option<Verb>) -> Outcome {
        // What is known of an unknown command is only that it may do anything.
        let has = |flag| spec.is_none_or(|spec| spec.flags.contains(flag));
        let lacks = |flag| spec.is_none_or(|spec| !spec.flags.contains(flag));
        let refused_if = |refused, refusal| if refused { Outcome::Refused(refusal) } else { Outcome::Hit };
        match self {
            Self::Up => Outcome::Hit,
            // Only who knows the command can tell an absence from a value.
            Self::Miss if verb.is_some() => Outcome::Miss(MissCause::Absent),
            Self::Miss => Outcome::Hit,
            Self::Down => Outcome::Failed(Failure::ConnectRefused),
            Self::Silent => Outcome::Silent(Silence::Timeout),
            Self::Open => Outcome::Failed(Failure::CircuitOpen),
            Self::Loading => refused_if(lacks(Flags::LOADING), Refusal::Loading),
            Self::Busy => refused_if(lacks(Flags::ALLOW_BUSY), Refusal::Busy),
            Self::ReadOnly => refused_if(has(Flags::WRITE), Refusal::ReadOnly),
            Self::OutOfMemory => refused_if(has(Flags::DENYOOM), Refusal::OutOfMemory),
            Self::NoAuth => Outcome::Failed(Failure::Handshake(Refusal::NoAuth)),
            Self::Error => Outcome::Refused(Refusal::Other),
            Self::Moved => Outcome::Refused(Refusal::Moved),
            Self::Ask => Outcome::Refused(Refusal::Ask),
            Self::Lagging => Outcome::Failed(Failure::Replica(Unfit::Lagging)),
        }
    }
}

/// The words in which Redis refuses, as far as a [`NodeCondition`] can make it.
pub(super) fn words_of(refusal: Refusal) -> String {
    match refusal {
        Refusal::Loading => "LOADING Redis is loading the dataset in memory".to_owned(),
        Refusal::Busy => {
            "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.".to_owned()
        }
        Refusal::ReadOnly => "READONLY You can't write against a read only replica.".to_owned(),
        Refusal::Moved => "MOVED (the slot, and the node that owns it)".to_owned(),
        Refusal::Ask => "ASK (the slot, and the node that takes it over)".to_owned(),
        Refusal::OutOfMemory => "OOM command not allowed when used memory > 'maxmemory'.".to_owned(),
        other => format!("ERR (Redis' own words: {other})"),
    }
}

impl LocalCondition {
    /// What comes of looking at a copy that counts as fresh for `fresh_for`.
    pub(super) fn look(self, acceptance: Acceptance, fresh_for: Duration, now: Time) -> Outcome {
        let obtained = match self {
            Self::Unverified if acceptance == Acceptance::Coherent => return Outcome::Miss(MissCause::Unverified),
            Self::Fresh | Self::Unverified => now,
            Self::Stale => now - fresh_for - Duration::from_nanos(1),
            Self::Absent => return Outcome::Miss(MissCause::Absent),
        };
        match (Stamp { obtained, fresh_for }).judge(acceptance, now) {
            Freshness::Fresh { .. } | Freshness::Stale { .. } => Outcome::Hit,
            Freshness::TooOld => Outcome::Miss(MissCause::TooOld),
        }
    }
}

impl Conditions {
    /// What comes of asking callers who make the values themselves: an origin that is up is a caller who does it, and one
    /// that is away is another caller who does not come to it in time. Who only asks whether a key is there is not meant.
    pub(super) fn outcome_of_callers(&self, verb: Option<Verb>) -> Outcome {
        let is_absent = [self.primary, self.replica, self.regional].contains(&NodeCondition::Miss);
        match (verb.is_some_and(Verb::is_answered_by_making), self.origin) {
            (false, _) if is_absent => Outcome::Miss(MissCause::Absent),
            (true, OriginCondition::Up | OriginCondition::Miss) => Outcome::Miss(MissCause::Leased),
            (true, OriginCondition::Shed) => Outcome::Failed(Failure::Shed),
            (true, OriginCondition::Down | OriginCondition::Timeout | OriginCondition::Open) | (false, _) => {
                Outcome::Failed(Failure::Unfilled)
            }
        }
    }
}

impl OriginCondition {
    /// What comes of a load.
    pub(super) fn outcome(self) -> Outcome {
        match self {
            Self::Up => Outcome::Hit,
            Self::Miss => Outcome::Miss(MissCause::NoSuchRow),
            Self::Down => Outcome::Failed(Failure::OriginError),
            Self::Timeout => Outcome::Failed(Failure::OriginTimeout),
            Self::Open => Outcome::Failed(Failure::CircuitOpen),
            Self::Shed => Outcome::Failed(Failure::Shed),
        }
    }
}
