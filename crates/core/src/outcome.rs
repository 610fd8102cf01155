//! The five things that can come back from asking a tier, and what each says about the tier's health.
//!
//! They never collapse into `Option` or `bool`: a tier that could not answer has not said "absent", and a write that
//! was not answered has not failed. Which of the five it was decides whether the next tier may be asked, whether the
//! circuit hears of it, and whether asking again is safe.

mod tls_fault;

use std::fmt;

pub use self::tls_fault::TlsFault;
use crate::circuit::Evidence;
use crate::refusal::{Health, Refusal};
use crate::replication::Unfit;

/// What came back from asking a tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered with a value (or, for a write, did it).
    Hit,
    /// It answered: absent.
    Miss(MissCause),
    /// It answered: not me, or not now. Nothing was done.
    Refused(Refusal),
    /// It cannot have happened: the request never left.
    Failed(Failure),
    /// No answer: it may have happened.
    Silent(Silence),
}

/// Why a value was absent, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MissCause {
    /// The tier holds no value for the key; why is not known.
    Absent,
    /// The origin said that there is no such row or document.
    NoSuchRow,
    /// The local copy is older than may be served.
    TooOld,
    /// There is a local copy, but nothing vouches at this moment that it is what the primary holds.
    Unverified,
    /// The caller is the one to make the value, or one of those who may: it is told that there is none.
    Leased,
    /// Another caller has made the value meanwhile and written it: it is to be looked for again.
    Filled,
}

/// Why a request cannot have reached the tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The peer refused the connection.
    ConnectRefused,
    /// The connection was not established in time.
    ConnectTimeout,
    /// The host name could not be resolved, or the network not reached.
    Unreachable,
    /// The node was learned of, and its name leads where nobody may be connected to.
    Forbidden,
    /// The node refused the connection's handshake (authentication, database, too many clients).
    Handshake(Refusal),
    /// There is no TLS with the node, and it is not spoken to without.
    Tls(TlsFault),
    /// There is no connection, and the next attempt is not due.
    Disconnected,
    /// The circuit does not let traffic through.
    CircuitOpen,
    /// The operator holds the circuit open.
    HeldOpen,
    /// What was invalidated while the primary was away has not been replayed: what its nodes hold is not to be believed.
    Unreplayed,
    /// A bound on requests in flight or waiting was reached.
    QueueFull,
    /// The origin guard turned the load away to protect the origin.
    Shed,
    /// The origin answered with an error.
    OriginError,
    /// The origin answered, but the route's statement does not fit it, or the answer does not have the route's shape: the
    /// route is wrong, and other routes to the same origin are not concerned.
    OriginShape,
    /// The origin answered that it will not serve this request (an HTTP status of the caller's fault, data that the
    /// statement cannot work on): another request may well be served.
    OriginRefused,
    /// Another caller is making the value, and has not written it in time.
    Unfilled,
    /// The origin did not answer in time; a load changes nothing, so it counts as not having happened.
    OriginTimeout,
    /// The deadline was spent before the tier could be asked.
    DeadlineSpent,
    /// failsoft is shutting down.
    ShuttingDown,
    /// No node is known that owns the key.
    Unowned,
    /// The owner is cut off from most of the cluster: what it says may be overruled.
    Minority,
    /// The cluster, or the sentinels, say that the owner is down.
    DeclaredDown,
    /// A node is said to have been promoted and has not said so itself.
    Unproven,
    /// No replica can answer for its primary, or none that is young enough.
    Replica(Unfit),
    /// It was done, and fewer replicas than asked for have said that they have it.
    NotReplicated,
    /// It was done so late that what was granted is over, or nearly.
    LeaseSpent,
}

/// How a request that was sent came to have no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Silence {
    /// No reply within the timeout.
    Timeout,
    /// The connection was closed or reset before the reply was whole.
    ConnectionLost,
    /// The peer sent what is not RESP, or a reply nobody asked for.
    ProtocolViolation,
}

impl Failure {
    /// The name used in logs, metric labels and error details.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConnectRefused => "connect_refused",
            Self::ConnectTimeout => "connect_timeout",
            Self::Unreachable => "unreachable",
            Self::Forbidden => "forbidden",
            Self::Handshake(refusal) => refusal.name(),
            Self::Tls(fault) => fault.name(),
            Self::Disconnected => "disconnected",
            Self::CircuitOpen => "circuit_open",
            Self::HeldOpen => "held_open",
            Self::Unreplayed => "unreplayed",
            Self::QueueFull => "queue_full",
            Self::Shed => "shed",
            Self::OriginError => "origin_error",
            Self::OriginShape => "origin_shape",
            Self::OriginRefused => "origin_refused",
            Self::Unfilled => "unfilled",
            Self::OriginTimeout => "origin_timeout",
            Self::DeadlineSpent => "deadline_spent",
            Self::ShuttingDown => "shutting_down",
            Self::Unowned => "unowned",
            Self::Minority => "minority",
            Self::DeclaredDown => "declared_down",
            Self::Unproven => "unproven",
            Self::Replica(unfit) => unfit.name(),
            Self::NotReplicated => "not_replicated",
            Self::LeaseSpent => "lease_spent",
        }
    }

    /// What this says about the tier. Our own bounds say nothing about it.
    const fn evidence(self) -> Evidence {
        match self {
            Self::ConnectRefused
            | Self::ConnectTimeout
            | Self::Unreachable
            | Self::Forbidden
            | Self::Tls(_)
            | Self::Disconnected
            | Self::OriginError
            | Self::OriginTimeout => Evidence::Failure,
            Self::OriginShape | Self::OriginRefused => Evidence::Success,
            Self::Handshake(refusal) => match refusal.health() {
                Health::Sick => Evidence::Failure,
                Health::Well | Health::Misconfigured => Evidence::Abandoned,
            },
            Self::CircuitOpen
            | Self::HeldOpen
            | Self::Unreplayed
            | Self::QueueFull
            | Self::Shed
            | Self::Unfilled
            | Self::DeadlineSpent
            | Self::ShuttingDown
            | Self::Unowned
            | Self::Minority
            | Self::DeclaredDown
            | Self::Unproven
            | Self::Replica(_)
            | Self::NotReplicated
            | Self::LeaseSpent => Evidence::Abandoned,
        }
    }
}

impl Silence {
    /// The name used in logs, metric labels and error details.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Timeout => "reply_timeout",
            Self::ConnectionLost => "connection_lost",
            Self::ProtocolViolation => "protocol_violation",
        }
    }
}

impl MissCause {
    /// The name used in logs, metric labels and error details.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::NoSuchRow => "no_such_row",
            Self::TooOld => "too_old",
            Self::Unverified => "unverified",
            Self::Leased => "leased",
            Self::Filled => "filled",
        }
    }
}

/// What may be wrong with the map of the deployment by which a node was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Doubt {
    /// The key is somebody else's.
    Moved,
    /// The node may have been replaced, or be about to.
    Lost,
}

impl Outcome {
    /// What this says, coming from the owner of a key, against the map that called it so: reason to look at the
    /// deployment anew. `ASK` is none: the slot is still the node's.
    pub const fn doubt(self) -> Option<Doubt> {
        match self {
            Self::Hit | Self::Miss(_) => None,
            Self::Refused(Refusal::Moved) => Some(Doubt::Moved),
            Self::Refused(
                Refusal::ClusterDown
                | Refusal::SlotUnserved
                | Refusal::MasterDown
                | Refusal::Loading
                | Refusal::ReadOnly,
            ) => Some(Doubt::Lost),
            Self::Refused(_) => None,
            Self::Failed(_) | Self::Silent(_) => Some(Doubt::Lost),
        }
    }

    /// Which of the five words: a metric label.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss(_) => "miss",
            Self::Refused(_) => "refused",
            Self::Failed(_) => "failed",
            Self::Silent(_) => "silent",
        }
    }

    /// The reason within the word: a metric label and an error detail.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss(cause) => cause.name(),
            Self::Refused(refusal) => refusal.name(),
            Self::Failed(failure) => failure.name(),
            Self::Silent(silence) => silence.name(),
        }
    }

    /// What the outcome says about the health of the tier that was asked.
    pub const fn evidence(self) -> Evidence {
        match self {
            Self::Hit | Self::Miss(_) => Evidence::Success,
            Self::Refused(refusal) => refusal.evidence(),
            Self::Failed(failure) => failure.evidence(),
            Self::Silent(_) => Evidence::Failure,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hit => f.write_str("hit"),
            Self::Miss(_) | Self::Refused(_) | Self::Failed(_) | Self::Silent(_) => {
                write!(f, "{} ({})", self.word(), self.reason())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_bounds_are_no_evidence_against_a_node() {
        for failure in [Failure::CircuitOpen, Failure::QueueFull, Failure::Shed, Failure::DeadlineSpent] {
            assert_eq!(Outcome::Failed(failure).evidence(), Evidence::Abandoned);
        }
    }

    #[test]
    fn a_node_without_tls_cannot_be_used_and_each_fault_has_its_name() {
        let names: std::collections::BTreeSet<_> = TlsFault::ALL.map(TlsFault::name).into();
        assert_eq!(names.len(), TlsFault::ALL.len());
        for fault in TlsFault::ALL {
            assert_eq!(Outcome::Failed(Failure::Tls(fault)).evidence(), Evidence::Failure);
        }
    }

    #[test]
    fn a_refusal_of_the_command_is_a_healthy_node() {
        assert_eq!(Outcome::Refused(Refusal::WrongType).evidence(), Evidence::Success);
        assert_eq!(Outcome::Refused(Refusal::NoPermission).evidence(), Evidence::Success);
        assert_eq!(Outcome::Refused(Refusal::Loading).evidence(), Evidence::Failure);
    }
}
