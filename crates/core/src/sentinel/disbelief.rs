//! Why nothing that sentinels said is believed.

use std::fmt;

use crate::cluster::Endpoint;

/// None of what was said is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disbelief {
    /// Nobody has said anything.
    NobodySpoke,
    /// Who was asked is no sentinel.
    NoSentinel {
        /// Where it is.
        at: Endpoint,
    },
    /// No sentinel watches a primary of the name that was asked for.
    UnknownName,
    /// Fewer sentinels name the same primary than half of all there are and one.
    NoMajority {
        /// How many of those that spoke agree, at the most.
        agree: usize,
        /// How many sentinels there are.
        of: usize,
    },
    /// Two sentinels watch different primaries under one name.
    DifferentDeployments {
        /// One of them.
        one: Endpoint,
        /// The other.
        other: Endpoint,
    },
}

impl Disbelief {
    /// The name used in logs, metric labels and error details.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NobodySpoke => "nobody_spoke",
            Self::NoSentinel { .. } => "no_sentinel",
            Self::UnknownName => "unknown_name",
            Self::NoMajority { .. } => "no_majority",
            Self::DifferentDeployments { .. } => "different_deployments",
        }
    }
}

impl fmt::Display for Disbelief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NobodySpoke => f.write_str("no sentinel has said where the primary is"),
            Self::NoSentinel { at } => write!(f, "{at} is no sentinel: `nodes` names sentinels here, not what they watch"),
            Self::UnknownName => {
                f.write_str("no sentinel that answers watches a primary of that name: compare `master_name` with `sentinel monitor`")
            }
            Self::NoMajority { agree, of } => {
                write!(f, "{agree} of {of} sentinels name the same primary, which is no majority")
            }
            Self::DifferentDeployments { one, other } => write!(
                f,
                "these sentinels watch different deployments under one name: {one} and {other} know no node and no \
                 sentinel in common"
            ),
        }
    }
}

impl std::error::Error for Disbelief {}
