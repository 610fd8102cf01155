//! What one sentinel says when asked.
//!
//! Where the primary is comes from `SENTINEL GET-MASTER-ADDR-BY-NAME` and not from `SENTINEL MASTER`: the sentinel that leads
//! a failover names the promoted replica there at once, and in the other only when all replicas follow it. A replica or
//! sentinel whose address makes no sense is left out; a primary without one makes the whole unreadable.

use super::Unreadable;
use super::fields::{Fields, endpoint};
use crate::cluster::{Endpoint, NodeId};

/// Replicas, and sentinels, that one sentinel may name.
pub const MAX_WATCHED: usize = 1_000;

/// What one sentinel says when asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentinelWitness {
    /// Where it was asked.
    pub from: Endpoint,
    /// The name that it keeps; sentinels before Redis 6.2 do not tell it.
    pub id: Option<NodeId>,
    /// What it said.
    pub word: Word,
}

/// What a sentinel says of the name that it was asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// It watches a primary of that name.
    Watching(Watch),
    /// It watches none.
    NoSuchName,
    /// It is no sentinel at all.
    NoSentinel,
}

/// A primary and what belongs to it, as one sentinel sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Where the primary is.
    pub primary: Endpoint,
    /// The name of the process that was primary when the sentinel last reached it.
    pub run_id: Option<NodeId>,
    /// Whether it is reached.
    pub condition: Condition,
    /// Raised by every failover.
    pub config_epoch: u64,
    /// How many sentinels have to miss the primary for a failover to be considered.
    pub quorum: u64,
    /// The replicas that it knows.
    pub replicas: Vec<ReplicaSighting>,
    /// The other sentinels that it knows.
    pub sentinels: Vec<SentinelSighting>,
}

/// Whether a sentinel reaches a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// It does.
    Well,
    /// It does not, by itself: `s_down`, or no connection at the moment.
    Missed,
    /// It does not, and enough others do not either: `o_down`.
    Down,
}

/// A replica, as one sentinel sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaSighting {
    /// Where it is.
    pub endpoint: Endpoint,
    /// The name of the process.
    pub run_id: Option<NodeId>,
    /// Whether it is reached, and says of itself that it is a replica.
    pub condition: Condition,
    /// The lower, the sooner it is promoted; 0 is never.
    pub priority: u32,
    /// How much of the primary's stream it has taken.
    pub offset: u64,
}

/// Another sentinel, as one sentinel sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentinelSighting {
    /// Where it is.
    pub endpoint: Endpoint,
    /// The name that it keeps.
    pub id: Option<NodeId>,
    /// Whether it is reached.
    pub condition: Condition,
}

impl Watch {
    /// Puts together what a sentinel answered: the address, `SENTINEL MASTER`, `REPLICAS` and `SENTINELS`.
    ///
    /// # Errors
    /// What no honest sentinel answers.
    pub fn read(
        address: (&[u8], &[u8]),
        primary: &Fields<'_>,
        replicas: &[Fields<'_>],
        sentinels: &[Fields<'_>],
    ) -> Result<Self, Unreadable> {
        if replicas.len().max(sentinels.len()) > MAX_WATCHED {
            return Err(Unreadable::TooMany);
        }
        let (host, port) = (std::str::from_utf8(address.0), std::str::from_utf8(address.1));
        let place = host.ok().zip(port.ok()).and_then(|(host, port)| endpoint(host, port));
        Ok(Self {
            primary: place.ok_or(Unreadable::NoPrimary)?,
            run_id: primary.run_id(),
            condition: Condition::of(primary),
            config_epoch: primary.number("config-epoch")?,
            quorum: primary.number("quorum")?,
            replicas: replicas.iter().filter_map(ReplicaSighting::read).collect(),
            sentinels: sentinels.iter().filter_map(SentinelSighting::read).collect(),
        })
    }
}

impl Condition {
    fn of(fields: &Fields<'_>) -> Self {
        let of_flag = |flag| match flag {
            "o_down" => Self::Down,
            "s_down" | "disconnected" => Self::Missed,
            _ => Self::Well,
        };
        fields.flags().map(of_flag).max().unwrap_or(Self::Missed)
    }
}

impl ReplicaSighting {
    fn read(fields: &Fields<'_>) -> Option<Self> {
        let says_so = fields.text("role-reported").is_none_or(|role| role == "slave");
        let condition = Condition::of(fields);
        Some(Self {
            endpoint: fields.endpoint()?,
            run_id: fields.run_id(),
            condition: if says_so { condition } else { condition.max(Condition::Missed) },
            priority: fields.text("slave-priority").and_then(|text| text.parse().ok()).unwrap_or(0),
            offset: fields.text("slave-repl-offset").and_then(|text| text.parse().ok()).unwrap_or(0),
        })
    }
}

impl SentinelSighting {
    fn read(fields: &Fields<'_>) -> Option<Self> {
        Some(Self { endpoint: fields.endpoint()?, id: fields.run_id(), condition: Condition::of(fields) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &'static str) -> Fields<'static> {
        let pairs = text.split_whitespace().filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect()
    }

    const ADDRESS: (&[u8], &[u8]) = (b"10.0.0.1", b"6379");
    const PRIMARY: &str = "name=m ip=10.0.0.1 port=6379 runid=da48bd74b90916b80fe8dc9ff27850c781b7436c flags=master \
                           config-epoch=7 quorum=2 num-slaves=2";

    #[test]
    fn a_primary_its_replicas_and_its_sentinels_are_read() {
        let replicas = [
            fields(
                "ip=10.0.0.2 port=6379 runid= flags=slave role-reported=slave slave-priority=50 slave-repl-offset=9",
            ),
            fields("ip=::1 port=6380 flags=s_down,slave,disconnected slave-priority=100"),
            fields("ip=10.0.0.4 port=6379 flags=slave role-reported=master"),
        ];
        let sentinels = [fields(
            "ip=s2.internal port=26379 runid=e2e821b3c23c72cdde2d82ac72a0f3cb3919a25d flags=sentinel,some-day-more",
        )];
        let watch = Watch::read(ADDRESS, &fields(PRIMARY), &replicas, &sentinels).unwrap();
        assert_eq!((watch.primary.to_string().as_str(), watch.config_epoch, watch.quorum), ("10.0.0.1:6379", 7, 2));
        assert_eq!((watch.condition, watch.run_id.is_some()), (Condition::Well, true));
        let seen = |index: usize| (watch.replicas[index].condition, watch.replicas[index].priority);
        assert_eq!(
            [seen(0), seen(1), seen(2)],
            [(Condition::Well, 50), (Condition::Missed, 100), (Condition::Missed, 0)]
        );
        assert_eq!(watch.replicas[0].offset, 9);
        assert_eq!(watch.sentinels[0].endpoint.to_string(), "s2.internal:26379");
        assert_eq!(watch.sentinels[0].condition, Condition::Well);
    }

    #[test]
    fn each_flag_that_matters_is_heeded_and_silence_is_not_well() {
        for (flags, condition) in [
            ("flags=master", Condition::Well),
            ("flags=s_down,master", Condition::Missed),
            ("flags=master,disconnected", Condition::Missed),
            ("flags=s_down,o_down,master,disconnected,failover_in_progress", Condition::Down),
            ("", Condition::Missed),
        ] {
            assert_eq!(Condition::of(&fields(flags)), condition, "{flags}");
        }
    }

    #[test]
    fn what_cannot_be_reached_is_left_out_and_what_no_sentinel_says_is_refused() {
        let nowhere = ["ip=? port=1", "ip=10.0.0.2 port=0", "ip=10.0.0.2 port=x", "port=1", "ip=a/b port=1"];
        let replicas: Vec<_> = nowhere.map(fields).into();
        let watch = Watch::read(ADDRESS, &fields(PRIMARY), &replicas, &replicas).unwrap();
        assert_eq!((watch.replicas.len(), watch.sentinels.len()), (0, 0));

        let read = |address, primary| Watch::read(address, &fields(primary), &[], &[]).unwrap_err();
        assert_eq!(read((b"", b"6379"), PRIMARY), Unreadable::NoPrimary);
        assert_eq!(read((b"\xff", b"6379"), PRIMARY), Unreadable::NoPrimary);
        assert_eq!(read(ADDRESS, "quorum=1"), Unreadable::Field("config-epoch"));
        assert_eq!(read(ADDRESS, "quorum=1 config-epoch=-1"), Unreadable::Field("config-epoch"));
        let many = vec![Fields::default(); MAX_WATCHED + 1];
        let primary = fields(PRIMARY);
        assert!(Watch::read(ADDRESS, &primary, &many[1..], &many[1..]).is_ok());
        assert_eq!(Watch::read(ADDRESS, &primary, &[], &many), Err(Unreadable::TooMany));
    }
}
