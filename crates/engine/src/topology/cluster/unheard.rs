//! Why a node that was asked how its cluster is did not become a witness.
//!
//! The node is not named in the sentence: who asked knows it.

use failsoft_core::cluster::Unreadable;
use failsoft_core::outcome::{Failure, Silence};
use failsoft_core::refusal::Refusal;

use super::Misread;

/// There is no usable answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unheard {
    /// There is no connection.
    #[error("cannot be connected to: {}", .0.name())]
    Failed(Failure),
    /// There is a connection, and no whole answer came over it.
    #[error("does not answer: {}", .0.name())]
    Silent(Silence),
    /// It is no node of a cluster.
    #[error(
        "is not a node of a cluster: cluster support is disabled there (its `cluster-enabled`, or our `topology`, is wrong)"
    )]
    NotACluster,
    /// It will not say.
    #[error("refuses to say how its cluster is: {0}")]
    Refused(Refusal),
    /// What it says of the nodes cannot be read.
    #[error("does not answer like a node of a cluster: {0}")]
    Unreadable(#[from] Unreadable),
    /// What it says of where clients find them cannot be read.
    #[error("says something else than where its cluster's nodes are: {0}")]
    Misread(#[from] Misread),
}

impl Unheard {
    /// The name used in logs, metric labels and error details.
    pub fn name(self) -> &'static str {
        match self {
            Self::Failed(failure) => failure.name(),
            Self::Silent(silence) => silence.name(),
            Self::NotACluster => "not_a_cluster",
            Self::Refused(refusal) => refusal.name(),
            Self::Unreadable(_) | Self::Misread(_) => "unreadable",
        }
    }

    /// What an error reply to one of the questions means.
    pub(super) fn from_error(text: &[u8]) -> Self {
        if text.starts_with(DISABLED) { Self::NotACluster } else { Self::Refused(Refusal::from_error(text)) }
    }
}

const DISABLED: &[u8] = b"ERR This instance has cluster support disabled";
