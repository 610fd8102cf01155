//! Why nothing that was said of a cluster is believed.

use std::fmt;

use crate::cluster::Endpoint;

/// None of what was said is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disbelief {
    /// Nobody has said anything.
    NobodySpoke,
    /// Nobody who spoke sees a majority of the primaries.
    NoMajority,
    /// No slot belongs to anybody yet.
    NoSlots,
    /// Two who spoke have no node in common.
    DifferentClusters {
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
            Self::NoMajority => "no_majority",
            Self::NoSlots => "no_slots",
            Self::DifferentClusters { .. } => "different_clusters",
        }
    }
}

impl fmt::Display for Disbelief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NobodySpoke => f.write_str("no node of the cluster has said how it is"),
            Self::NoMajority => f.write_str("no node that answers sees a majority of the cluster's primaries"),
            Self::NoSlots => f.write_str(
                "no slot of the cluster belongs to a node yet (redis-cli --cluster create, CLUSTER ADDSLOTS)",
            ),
            Self::DifferentClusters { one, other } => {
                write!(f, "these nodes belong to different clusters: {one} and {other} know no node in common")
            }
        }
    }
}

impl std::error::Error for Disbelief {}
