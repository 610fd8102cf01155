//! A short question in between looks, so that a split is noticed by which no request is harmed.
//!
//! A primary in the minority may go on answering reads, in which case nothing that it is asked tells. But the nodes on the
//! other side begin to doubt it, and the cluster counts an election: `CLUSTER INFO` says both in one short reply. Asked are
//! two nodes, drawn anew each time, for one of them may be the one that is cut off; what they have to tell is then looked
//! at by asking many.

use std::time::Duration;

use failsoft_core::cluster::{ClusterInfo, ClusterState};
use tokio::time::timeout;

use super::interview::info;
use crate::wire::Wire;

/// Nodes that are asked at a time.
pub(super) const ASKED: usize = 2;
/// How often they are asked.
pub(super) const CALM: Duration = Duration::from_millis(500);
/// How often while they do not say that all is well: it is about to be known what has happened.
pub(super) const UNEASY: Duration = Duration::from_millis(100);

/// Whether the node at the other end of `wire` says within `patience` that all is well, and has not heard of a later epoch
/// than `epoch`. Where it does not answer, the connection is of no use any more.
pub(super) async fn is_calm(wire: &mut Wire, epoch: u64, patience: Duration) -> Option<bool> {
    let info = timeout(patience, info(wire)).await.ok()?.ok()?;
    Some(says_well(info, epoch))
}

fn says_well(info: ClusterInfo, epoch: u64) -> bool {
    info.state == ClusterState::Ok && info.slots_in_doubt == 0 && info.current_epoch <= epoch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubt_a_later_epoch_and_a_cluster_that_is_down_are_not_calm() {
        let well = ClusterInfo { state: ClusterState::Ok, current_epoch: 7, my_epoch: 3, slots_in_doubt: 0 };
        assert!(says_well(well, 7) && says_well(well, 8));
        assert!(!says_well(well, 6));
        assert!(!says_well(ClusterInfo { slots_in_doubt: 1, ..well }, 7));
        assert!(!says_well(ClusterInfo { state: ClusterState::Fail, ..well }, 7));
    }
}
