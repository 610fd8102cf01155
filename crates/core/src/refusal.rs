//! Every error word of Redis: what it says about the node's health, whether another tier may answer instead, and
//! whether asking again is safe.
//!
//! An error reply means that nothing was done, so a refusal is always safe to repeat; the question is only whether it
//! is of use. What matters more is the difference between "this node cannot answer now" (another tier may) and "the
//! answer to this command is an error" (no tier may: falling back around an ACL or a wrong type would invent an
//! answer). A word that is not known is treated as the latter, and never as a miss.
//!
//! Source: `src/server.c` (shared objects), `src/networking.c` and `src/cluster.c` of Redis 7.0 and 7.2.

use std::fmt;

use crate::circuit::Evidence;

/// What an error reply of Redis means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// `LOADING`: the data set is being read from disk.
    Loading,
    /// `BUSY`: a script or function has been running for too long.
    Busy,
    /// `MASTERDOWN`: a replica without its primary that may not serve stale data.
    MasterDown,
    /// `CLUSTERDOWN The cluster is down`: this node sees no majority, or the cluster insists on serving every slot.
    ClusterDown,
    /// `CLUSTERDOWN Hash slot not served`: nobody owns the slot; the node serves others.
    SlotUnserved,
    /// `MOVED`: another node owns the slot.
    Moved,
    /// `ASK`: another node is taking the slot over.
    Ask,
    /// `TRYAGAIN`: the keys of a multi-key command are on both sides of a migration.
    TryAgain,
    /// `CROSSSLOT`: the keys do not belong to one slot.
    CrossSlot,
    /// `READONLY`: a write to a replica.
    ReadOnly,
    /// `OOM`: a write that needs memory when there is none.
    OutOfMemory,
    /// `MISCONF`: writes are off because the last snapshot failed.
    Misconfigured,
    /// `NOREPLICAS`: writes are off because too few replicas are connected.
    NoReplicas,
    /// `ERR max number of clients reached`.
    MaxClients,
    /// `NOAUTH`: the connection has not authenticated.
    NoAuth,
    /// `WRONGPASS`, or `ERR invalid password`: failsoft's own credentials are wrong.
    WrongPass,
    /// `NOPERM`: the user may not.
    NoPermission,
    /// `WRONGTYPE`: the key holds another kind of value.
    WrongType,
    /// `NOSCRIPT`: the script is not cached there.
    NoScript,
    /// `EXECABORT`: the transaction was thrown away.
    ExecAbort,
    /// `ERR` and every other word: the command was wrong in itself, or the word is not known.
    Other,
}

/// What a refusal says about the node that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// The node answers; this command was the matter.
    Well,
    /// The node cannot answer anybody's reads now.
    Sick,
    /// The node will not answer failsoft until an operator mends the credentials.
    Misconfigured,
}

/// What a refused read may do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recourse {
    /// The error is the answer, in Redis' own words.
    PassOn,
    /// The next tier may be asked.
    NextTier,
    /// Ask the same tier again, within the attempts allowed, then the next.
    Repeat,
    /// As the operator has said: failsoft's own credentials were refused.
    AsAuthPolicySays,
}

impl Refusal {
    /// Every refusal.
    pub const ALL: [Self; 21] = [
        Self::Loading,
        Self::Busy,
        Self::MasterDown,
        Self::ClusterDown,
        Self::SlotUnserved,
        Self::Moved,
        Self::Ask,
        Self::TryAgain,
        Self::CrossSlot,
        Self::ReadOnly,
        Self::OutOfMemory,
        Self::Misconfigured,
        Self::NoReplicas,
        Self::MaxClients,
        Self::NoAuth,
        Self::WrongPass,
        Self::NoPermission,
        Self::WrongType,
        Self::NoScript,
        Self::ExecAbort,
        Self::Other,
    ];

    /// Reads the text of an error reply, without its leading `-`.
    pub fn from_error(text: &[u8]) -> Self {
        let word = text.split(|byte| *byte == b' ').next().unwrap_or(text);
        match word {
            b"LOADING" => Self::Loading,
            b"BUSY" => Self::Busy,
            b"MASTERDOWN" => Self::MasterDown,
            b"CLUSTERDOWN" if text.starts_with(b"CLUSTERDOWN Hash slot not served") => Self::SlotUnserved,
            b"CLUSTERDOWN" => Self::ClusterDown,
            b"MOVED" => Self::Moved,
            b"ASK" => Self::Ask,
            b"TRYAGAIN" => Self::TryAgain,
            b"CROSSSLOT" => Self::CrossSlot,
            b"READONLY" => Self::ReadOnly,
            b"OOM" => Self::OutOfMemory,
            b"MISCONF" => Self::Misconfigured,
            b"NOREPLICAS" => Self::NoReplicas,
            b"NOAUTH" => Self::NoAuth,
            b"WRONGPASS" => Self::WrongPass,
            b"NOPERM" => Self::NoPermission,
            b"WRONGTYPE" => Self::WrongType,
            b"NOSCRIPT" => Self::NoScript,
            b"EXECABORT" => Self::ExecAbort,
            b"ERR" => Self::from_plain_error(text),
            _ => Self::Other,
        }
    }

    fn from_plain_error(text: &[u8]) -> Self {
        if text.starts_with(b"ERR max number of clients") {
            Self::MaxClients
        } else if text.starts_with(b"ERR invalid password") {
            Self::WrongPass
        } else {
            Self::Other
        }
    }

    /// The name used in logs, metric labels and error details.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Busy => "busy",
            Self::MasterDown => "masterdown",
            Self::ClusterDown => "clusterdown",
            Self::SlotUnserved => "slot_unserved",
            Self::Moved => "moved",
            Self::Ask => "ask",
            Self::TryAgain => "tryagain",
            Self::CrossSlot => "crossslot",
            Self::ReadOnly => "readonly",
            Self::OutOfMemory => "oom",
            Self::Misconfigured => "misconf",
            Self::NoReplicas => "noreplicas",
            Self::MaxClients => "max_clients",
            Self::NoAuth => "noauth",
            Self::WrongPass => "wrongpass",
            Self::NoPermission => "noperm",
            Self::WrongType => "wrongtype",
            Self::NoScript => "noscript",
            Self::ExecAbort => "execabort",
            Self::Other => "error",
        }
    }

    /// What this says about the node's ability to answer reads.
    ///
    /// `OOM`, `MISCONF`, `NOREPLICAS` and `READONLY` refuse writes on a node whose reads are sound: opening its
    /// circuit would take away what still works.
    pub const fn health(self) -> Health {
        match self {
            Self::Loading | Self::Busy | Self::MasterDown | Self::ClusterDown | Self::MaxClients => Health::Sick,
            Self::NoAuth | Self::WrongPass => Health::Misconfigured,
            Self::SlotUnserved
            | Self::Moved
            | Self::Ask
            | Self::TryAgain
            | Self::CrossSlot
            | Self::ReadOnly
            | Self::OutOfMemory
            | Self::Misconfigured
            | Self::NoReplicas
            | Self::NoPermission
            | Self::WrongType
            | Self::NoScript
            | Self::ExecAbort
            | Self::Other => Health::Well,
        }
    }

    /// What this says to the circuit.
    ///
    /// Refused credentials leave it as it is: an open circuit means "away", and lets lower tiers answer, which in this
    /// case only the operator's policy may. So does a cluster that is down: that says nothing about this node, is told at
    /// once, and is over for all nodes in the same moment, after which nobody should have to wait for circuits to close.
    pub const fn evidence(self) -> Evidence {
        match (self, self.health()) {
            (Self::ClusterDown, _) | (_, Health::Misconfigured) => Evidence::Abandoned,
            (_, Health::Well) => Evidence::Success,
            (_, Health::Sick) => Evidence::Failure,
        }
    }

    /// Whether it says who is to be asked instead.
    pub const fn is_redirection(self) -> bool {
        matches!(self, Self::Moved | Self::Ask)
    }

    /// What a refused read on a route that fails open may do next.
    pub const fn recourse(self) -> Recourse {
        match self {
            Self::Loading
            | Self::Busy
            | Self::MasterDown
            | Self::ClusterDown
            | Self::SlotUnserved
            | Self::MaxClients => Recourse::NextTier,
            // One that cannot be followed, because there is no slot map or it names nobody: the node cannot answer.
            Self::Moved | Self::Ask => Recourse::NextTier,
            Self::TryAgain => Recourse::Repeat,
            Self::NoAuth | Self::WrongPass => Recourse::AsAuthPolicySays,
            Self::CrossSlot
            | Self::ReadOnly
            | Self::OutOfMemory
            | Self::Misconfigured
            | Self::NoReplicas
            | Self::NoPermission
            | Self::WrongType
            | Self::NoScript
            | Self::ExecAbort
            | Self::Other => Recourse::PassOn,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_from_the_texts_redis_sends() {
        let texts: [(&[u8], Refusal); 12] = [
            (b"LOADING Redis is loading the dataset in memory", Refusal::Loading),
            (b"BUSY Redis is busy running a script.", Refusal::Busy),
            (b"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", Refusal::MasterDown),
            (b"READONLY You can't write against a read only replica.", Refusal::ReadOnly),
            (b"OOM command not allowed when used memory > 'maxmemory'.", Refusal::OutOfMemory),
            (b"MISCONF Redis is configured to save RDB snapshots", Refusal::Misconfigured),
            (b"NOREPLICAS Not enough good replicas to write.", Refusal::NoReplicas),
            (b"ERR max number of clients reached", Refusal::MaxClients),
            (b"ERR max number of clients + cluster connections reached", Refusal::MaxClients),
            (b"NOAUTH Authentication required.", Refusal::NoAuth),
            (b"ERR unknown command 'FOO'", Refusal::Other),
            (b"MYMODULE whatever", Refusal::Other),
        ];
        for (text, refusal) in texts {
            assert_eq!(Refusal::from_error(text), refusal, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn the_word_must_be_whole() {
        assert_eq!(Refusal::from_error(b"LOADINGX"), Refusal::Other);
        assert_eq!(Refusal::from_error(b""), Refusal::Other);
    }

    #[test]
    fn what_opens_the_circuit_also_lets_the_next_tier_answer() {
        for refusal in Refusal::ALL {
            if refusal.health() == Health::Sick {
                assert_eq!(refusal.recourse(), Recourse::NextTier, "{refusal}");
            }
        }
    }

    #[test]
    fn authorisation_is_not_an_outage() {
        assert_eq!(Refusal::NoPermission.recourse(), Recourse::PassOn);
        assert_eq!(Refusal::NoPermission.health(), Health::Well);
    }
}
