//! What one node says of its cluster: the lines of CLUSTER NODES, read plainly.
//!
//! Not the reader that failsoft has: a mistake in that one must not hide itself. Lines that make no sense are a
//! server's mistake, and panic.

use std::ops::RangeInclusive;

/// What one node says of all the nodes it knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// One for each line, in Redis' order.
    pub members: Vec<Member>,
}

/// What it says of one of them, itself included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// 40 hexadecimal digits.
    pub id: String,
    /// `host:port`, and what else stands there.
    pub address: String,
    /// `myself`, `master`, `slave`, `fail?`, `fail`, `handshake`, `noaddr`, ...
    pub flags: Vec<String>,
    /// The id of the primary it follows.
    pub primary: Option<String>,
    /// The version of its claim to slots.
    pub config_epoch: u64,
    /// Whether the bus to it is connected.
    pub is_linked: bool,
    /// What it owns.
    pub slots: Vec<RangeInclusive<u16>>,
    /// Slots on the move, as Redis writes them: `[93-<-id]`, `[93->-id]`. Only a node itself tells this.
    pub moving: Vec<String>,
}

impl View {
    pub(super) fn parse(text: &str) -> Self {
        let members = text.lines().map(Member::parse).collect();
        Self { members }
    }

    /// What the node says of itself.
    pub fn own(&self) -> &Member {
        let own = self.members.iter().find(|member| member.is("myself"));
        own.expect("a node knows at least itself")
    }

    /// What it says of the node `id`, if it knows it.
    pub fn of(&self, id: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }

    /// Who owns what, in an order that two views can be compared in.
    pub(super) fn owners(&self) -> Vec<(&str, &[RangeInclusive<u16>])> {
        let owning = self.members.iter().filter(|member| !member.slots.is_empty());
        let mut owners: Vec<_> = owning.map(|member| (member.id.as_str(), member.slots.as_slice())).collect();
        owners.sort_by_key(|(id, _)| *id);
        owners
    }
}

impl Member {
    fn parse(line: &str) -> Self {
        let mut words = line.split(' ');
        let mut word = || words.next().unwrap_or_else(|| panic!("CLUSTER NODES has a line too short: {line:?}"));
        let (id, address, flags, primary) = (word(), word(), word(), word());
        let (_ping_sent, _pong_received, epoch, link) = (word(), word(), word(), word());
        let (moving, slots): (Vec<_>, Vec<_>) = words.partition(|word| word.starts_with('['));
        Self {
            id: id.to_owned(),
            address: address.to_owned(),
            flags: flags.split(',').map(str::to_owned).collect(),
            primary: (primary != "-").then(|| primary.to_owned()),
            config_epoch: epoch.parse().unwrap_or_else(|_| panic!("CLUSTER NODES has no epoch in {line:?}")),
            is_linked: link == "connected",
            slots: slots.into_iter().map(range).collect(),
            moving: moving.into_iter().map(str::to_owned).collect(),
        }
    }

    /// Whether `flag` stands there.
    pub fn is(&self, flag: &str) -> bool {
        self.flags.iter().any(|word| word == flag)
    }

    /// Whether it is a primary (with slots or without).
    pub fn is_primary(&self) -> bool {
        self.is("master")
    }

    /// Whether it owns `slot`.
    pub fn owns(&self, slot: u16) -> bool {
        self.slots.iter().any(|range| range.contains(&slot))
    }
}

fn range(word: &str) -> RangeInclusive<u16> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    let number = |digits: &str| digits.parse().unwrap_or_else(|_| panic!("{word:?} is no range of slots"));
    number(first)..=number(last)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_everything() {
        let view = View::parse(
            "aa 127.0.0.1:7000@17000,host myself,master - 0 0 7 connected 0-5 9 [93-<-bb]\n\
             bb 127.0.0.1:7001@17001 slave,fail? aa 1 2 7 disconnected",
        );
        let own = view.own();
        assert_eq!((own.id.as_str(), own.config_epoch, own.is_linked), ("aa", 7, true));
        assert_eq!(own.slots, [0..=5, 9..=9]);
        assert_eq!(own.moving, ["[93-<-bb]"]);
        assert!(own.is_primary() && own.owns(9) && !own.owns(6));
        let other = view.of("bb").unwrap();
        assert_eq!(other.primary.as_deref(), Some("aa"));
        assert!(other.is("fail?") && !other.is("fail") && !other.is_linked);
        assert_eq!(view.owners(), [("aa", &[0..=5, 9..=9][..])]);
    }
}
