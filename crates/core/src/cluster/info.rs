//! `CLUSTER INFO`: how far a node has come in the counting of what was decided, and whether it would serve at all.
//!
//! The epochs order what nodes say: a decision of the cluster (an election, a slot that has moved) raises the current
//! epoch, and who has heard of it has the higher one.

use super::Unreadable;

/// Whether a node serves keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClusterState {
    /// It does.
    Ok,
    /// It answers `CLUSTERDOWN`: slots are not covered, or it sees no majority of the primaries.
    Fail,
}

/// What `CLUSTER INFO` says, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusterInfo {
    /// Whether the node serves keys.
    pub state: ClusterState,
    /// The highest epoch that the node has heard of.
    pub current_epoch: u64,
    /// The epoch of the node's own map, or of its primary's.
    pub my_epoch: u64,
    /// Slots whose owner the node cannot reach, or holds for dead.
    pub slots_in_doubt: u64,
}

impl ClusterInfo {
    /// Reads lines of `name:value`; those it does not know may say anything.
    ///
    /// # Errors
    /// [`Unreadable::NotText`], or [`Unreadable::Info`] with the field that is missing.
    pub fn parse(text: &[u8]) -> Result<Self, Unreadable> {
        let text = std::str::from_utf8(text).map_err(|_| Unreadable::NotText)?;
        let field = |name: &'static str| {
            let mut fields = text.lines().filter_map(|line| line.split_once(':'));
            fields
                .find(|(candidate, _)| *candidate == name)
                .map(|(_, value)| value.trim())
                .ok_or(Unreadable::Info(name))
        };
        let number = |name| field(name)?.parse::<u64>().map_err(|_| Unreadable::Info(name));
        // No version is known that does not say it; one that does not has no doubt that could be heard.
        let doubted = |name| number(name).unwrap_or(0);
        let state = match field(STATE)? {
            "ok" => ClusterState::Ok,
            "fail" => ClusterState::Fail,
            _ => return Err(Unreadable::Info(STATE)),
        };
        Ok(Self {
            state,
            current_epoch: number(CURRENT_EPOCH)?,
            my_epoch: number(MY_EPOCH)?,
            slots_in_doubt: doubted(SUSPECTED).saturating_add(doubted(FAILED)),
        })
    }
}

const STATE: &str = "cluster_state";
const SUSPECTED: &str = "cluster_slots_pfail";
const FAILED: &str = "cluster_slots_fail";
const CURRENT_EPOCH: &str = "cluster_current_epoch";
const MY_EPOCH: &str = "cluster_my_epoch";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_and_epochs_are_found_among_other_fields() {
        let text =
            b"cluster_state:fail\r\ncluster_slots_pfail:3\r\ncluster_slots_fail:5461\r\ncluster_size:3\r\ncluster_current_epoch:9\r\n\
                     cluster_my_epoch:7\r\ntotal_cluster_links_buffer_limit_exceeded:0\r\n";
        let info = ClusterInfo { state: ClusterState::Fail, current_epoch: 9, my_epoch: 7, slots_in_doubt: 5_464 };
        assert_eq!(ClusterInfo::parse(text), Ok(info));
    }

    #[test]
    fn a_field_that_is_missing_or_says_nothing_is_named() {
        let cases: [(&[u8], Unreadable); 5] = [
            (b"", Unreadable::Info(STATE)),
            (b"cluster_state:maybe\r\n", Unreadable::Info(STATE)),
            (b"cluster_state:ok\r\ncluster_current_epoch:-1\r\n", Unreadable::Info(CURRENT_EPOCH)),
            (b"cluster_state:ok\r\ncluster_current_epoch:1\r\n", Unreadable::Info(MY_EPOCH)),
            (b"\xff", Unreadable::NotText),
        ];
        for (text, expected) in cases {
            assert_eq!(ClusterInfo::parse(text), Err(expected));
        }
    }
}
