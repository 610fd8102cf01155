//! One line of `CLUSTER NODES`: what one node says of another, or of itself.
//!
//! ```text
//! <id> <ip:port@cport[,hostname[,field=value]*]> <flags> <primary> <ping> <pong> <epoch> <link> <slot> <slot> ...
//! ```
//!
//! A node that does not know its own address (it has never met another) leaves the host out: it is where it was asked.
//! Of another node that says no address. A slot that two nodes own, a node that is named twice: no honest map has them,
//! and refusing them bounds what is kept by the number of nodes and of slots, however long the text is.
//!
//! Source: redis.io, "CLUSTER NODES", "Serialization format"; `clusterGenNodeDescription` in `src/cluster.c`.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::unreadable::{Part, Unreadable};
use super::{Endpoint, NodeId, Slot, ranges};

/// Nodes that a map may have; the specification calls a thousand the most that a cluster is made for.
pub const MAX_MEMBERS: usize = 1_000;

/// What one node says of another, or of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Which node is meant.
    pub id: NodeId,
    /// Where it is; `None` if that is not known.
    pub endpoint: Option<Endpoint>,
    /// Whether it is the node that says so.
    pub is_self: bool,
    /// What it is in the cluster.
    pub role: Role,
    /// Whether it can be reached by the node that says so.
    pub condition: Condition,
    /// Of two nodes that claim a slot, the one of the higher epoch owns it; of a replica, its primary's.
    pub config_epoch: u64,
    /// Whether there is a connection to it.
    pub link_up: bool,
    /// The slots that it owns.
    pub slots: Vec<RangeInclusive<Slot>>,
    /// Slots that it is handing over, and to whom; only told of oneself.
    pub migrating: Vec<(Slot, NodeId)>,
    /// Slots that it is taking over, and from whom; only told of oneself.
    pub importing: Vec<(Slot, NodeId)>,
}

/// What a node is in its cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// It may own slots.
    Primary,
    /// It follows another.
    Replica {
        /// Which may be a replica itself.
        of: NodeId,
    },
    /// It has not said yet, or is a replica that follows nobody yet.
    Undecided,
}

/// Whether a node can be reached by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// It answers.
    Well,
    /// `fail?`: it does not answer the node that says so.
    Suspected,
    /// `fail`: a majority of the primaries has agreed that it does not answer.
    Failed,
    /// It is being met; its name will be another.
    Handshake,
    /// Nobody knows where it is.
    NoAddress,
}

impl Sighting {
    /// Reads the text of `CLUSTER NODES`, which the node at `asked` gave.
    ///
    /// # Errors
    /// What no honest node says.
    pub fn parse_lines(text: &[u8], asked: &Endpoint) -> Result<Vec<Self>, Unreadable> {
        let text = std::str::from_utf8(text).map_err(|_| Unreadable::NotText)?;
        let mut members: Vec<Self> = Vec::new();
        let mut seen = Seen::default();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            if members.len() == MAX_MEMBERS {
                return Err(Unreadable::TooManyMembers);
            }
            let member = parse_line(line, asked).map_err(|part| Unreadable::Line { number: index + 1, part })?;
            seen.note(&member)?;
            members.push(member);
        }
        let selves = members.iter().filter(|member| member.is_self).count();
        if selves == 1 { Ok(members) } else { Err(Unreadable::NotOneSelf) }
    }

    /// Whether it is a primary that has slots: one of those whose majority decides.
    pub fn has_a_vote(&self) -> bool {
        self.role == Role::Primary && !self.slots.is_empty()
    }
}

/// What has been said so far, so that nothing is said twice.
#[derive(Default)]
struct Seen {
    ids: BTreeSet<NodeId>,
    owned: BTreeSet<Slot>,
    moving: BTreeSet<Slot>,
}

impl Seen {
    fn note(&mut self, member: &Sighting) -> Result<(), Unreadable> {
        if !self.ids.insert(member.id) {
            return Err(Unreadable::SameMemberTwice);
        }
        let twice = ranges::slots(&member.slots).find(|slot| !self.owned.insert(*slot));
        let moving = member.migrating.iter().chain(&member.importing).map(|(slot, _)| *slot);
        let twice = twice.or_else(|| moving.into_iter().find(|slot| !self.moving.insert(*slot)));
        twice.map_or(Ok(()), |slot| Err(Unreadable::SlotTwice(slot)))
    }
}

fn parse_line(line: &str, asked: &Endpoint) -> Result<Sighting, Part> {
    let mut words = line.split_ascii_whitespace();
    let mut word = |part| words.next().ok_or(part);
    let id = NodeId::parse(word(Part::Id)?).ok_or(Part::Id)?;
    let address = word(Part::Address)?;
    let flags = Flags::parse(word(Part::Flags)?);
    let primary = word(Part::Primary)?;
    let (_ping, _pong) = (word(Part::Epoch)?, word(Part::Epoch)?);
    let config_epoch = word(Part::Epoch)?.parse().map_err(|_| Part::Epoch)?;
    let link_up = match word(Part::Link)? {
        "connected" => true,
        "disconnected" => false,
        _ => return Err(Part::Link),
    };
    let mut member = Sighting {
        id,
        endpoint: endpoint(address, flags.is_self.then_some(asked))?,
        is_self: flags.is_self,
        role: flags.role(primary)?,
        condition: flags.condition,
        config_epoch,
        link_up,
        slots: Vec::new(),
        migrating: Vec::new(),
        importing: Vec::new(),
    };
    words.try_for_each(|word| member.note_slots(word).ok_or(Part::Slots))?;
    Ok(member)
}

impl Sighting {
    /// `93`, `0-5460`, `[93->-id]` or `[77-<-id]`.
    fn note_slots(&mut self, word: &str) -> Option<()> {
        match word.strip_prefix('[').and_then(|inside| inside.strip_suffix(']')) {
            None => self.slots.push(ranges::parse(word)?),
            Some(inside) => match inside.split_once("->-") {
                Some((slot, to)) => self.migrating.push((Slot::parse(slot)?, NodeId::parse(to)?)),
                None => {
                    let (slot, from) = inside.split_once("-<-")?;
                    self.importing.push((Slot::parse(slot)?, NodeId::parse(from)?));
                }
            },
        }
        Some(())
    }
}

/// Where a node is; `asked` is where the one was asked that says this of itself.
fn endpoint(text: &str, asked: Option<&Endpoint>) -> Result<Option<Endpoint>, Part> {
    let (address, extras) = text.split_once(',').unwrap_or((text, ""));
    let (address, _bus) = address.split_once('@').unwrap_or((address, ""));
    let mut endpoint = Endpoint::parse(address).ok_or(Part::Address)?;
    if endpoint.host.is_empty() {
        let name = extras.split(',').next().filter(|name| Endpoint::is_host(name));
        endpoint.host = name.or(asked.map(|asked| asked.host.as_str())).unwrap_or_default().to_owned();
    }
    Ok((!endpoint.host.is_empty() && endpoint.port != 0).then_some(endpoint))
}

struct Flags {
    is_self: bool,
    is_primary: bool,
    is_replica: bool,
    condition: Condition,
}

impl Flags {
    /// Flags that are not known say nothing here.
    fn parse(text: &str) -> Self {
        let has = |flag: &str| text.split(',').any(|word| word == flag);
        let conditions = [
            ("handshake", Condition::Handshake),
            ("noaddr", Condition::NoAddress),
            ("fail", Condition::Failed),
            ("fail?", Condition::Suspected),
        ];
        let condition = conditions.into_iter().find(|(flag, _)| has(flag)).map_or(Condition::Well, |(_, met)| met);
        Self { is_self: has("myself"), is_primary: has("master"), is_replica: has("slave"), condition }
    }

    fn role(&self, primary: &str) -> Result<Role, Part> {
        match (self.is_primary, self.is_replica, primary) {
            (true, true, _) => Err(Part::Flags),
            (true, false, _) => Ok(Role::Primary),
            (false, true, "-") | (false, false, _) => Ok(Role::Undecided),
            (false, true, id) => NodeId::parse(id).map(|of| Role::Replica { of }).ok_or(Part::Primary),
        }
    }
}

#[cfg(test)]
mod tests;
