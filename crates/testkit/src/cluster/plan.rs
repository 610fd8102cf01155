//! A cluster on paper: who is who, who owns what, and who listens where, before any node runs.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::ops::RangeInclusive;

use parking_lot::Mutex;

use super::slot;
use crate::port::FreePort;

/// What a node is when the cluster starts.
#[derive(Debug)]
pub(super) enum Part {
    Primary { slots: Option<RangeInclusive<u16>> },
    Replica { of: usize },
}

/// A node before it runs.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) id: String,
    part: Part,
    /// As announced.
    pub(super) data_port: u16,
    pub(super) bus_port: u16,
    ports: Mutex<Option<Ports>>,
}

/// Where a node listens, and where it says it does if that is elsewhere.
#[derive(Debug)]
pub(super) struct Ports {
    pub(super) data: FreePort,
    pub(super) bus: FreePort,
    /// For data and for the bus.
    pub(super) gates: Option<(FreePort, FreePort)>,
}

impl Ports {
    pub(super) fn direct() -> Self {
        Self { data: FreePort::reserve(), bus: FreePort::reserve(), gates: None }
    }

    pub(super) fn behind_gates() -> Self {
        Self { gates: Some((FreePort::reserve(), FreePort::reserve())), ..Self::direct() }
    }
}

impl Plan {
    pub(super) fn new(part: Part, ports: Ports) -> Self {
        let (data, bus) = ports.gates.as_ref().map_or((&ports.data, &ports.bus), |(data, bus)| (data, bus));
        let (data_port, bus_port) = (data.number(), bus.number());
        Self { id: new_id(), part, data_port, bus_port, ports: Mutex::new(Some(ports)) }
    }

    /// The number of its first primary.
    pub(super) fn shard(&self, index: usize) -> usize {
        match self.part {
            Part::Primary { .. } => index,
            Part::Replica { of } => of,
        }
    }

    pub(super) fn take_ports(&self) -> Ports {
        self.ports.lock().take().expect("a node is started once")
    }
}

/// Primaries first, those without slots next, then the replicas of the first, of the second, ...
pub(super) fn parts(primaries: usize, empty_primaries: usize, replicas: usize) -> Vec<Part> {
    assert!(primaries > 0, "a cluster needs a primary");
    let owning = shares(primaries).into_iter().map(|slots| Part::Primary { slots: Some(slots) });
    let empty = (0..empty_primaries).map(|_| Part::Primary { slots: None });
    let following = (0..primaries).flat_map(|of| (0..replicas).map(move |_| Part::Replica { of }));
    owning.chain(empty).chain(following).collect()
}

/// The slots cut into `count` runs of nearly the same length.
fn shares(count: usize) -> Vec<RangeInclusive<u16>> {
    let count = u16::try_from(count).expect("there are more ports than primaries").into();
    let start = |share: u32| u16::try_from(u32::from(slot::COUNT) * share / count).expect("no more than all slots");
    (0..count).map(|share| start(share)..=start(share + 1) - 1).collect()
}

/// 40 hexadecimal digits that no other node has, on this machine and in this life.
fn new_id() -> String {
    let random = || RandomState::new().hash_one(std::process::id());
    format!("{:016x}{:016x}{:08x}", random(), random(), random() >> 32)
}

/// The cluster as node `own` would have written it down before it was restarted.
pub(super) fn nodes_file(plans: &[Plan], own: usize) -> String {
    let lines = plans.iter().enumerate().map(|(index, plan)| {
        let myself = if index == own { "myself," } else { "" };
        let (role, epoch, slots) = match &plan.part {
            // An epoch each, as they would have after they had met.
            Part::Primary { slots } => ("master -".to_owned(), index + 1, slots.as_ref()),
            Part::Replica { of } => (format!("slave {}", plans[*of].id), 0, None),
        };
        let slots = slots.map(|slots| format!(" {}-{}", slots.start(), slots.end())).unwrap_or_default();
        let Plan { id, data_port, bus_port, .. } = plan;
        format!("{id} 127.0.0.1:{data_port}@{bus_port} {myself}{role} 0 0 {epoch} connected{slots}\n")
    });
    let vars = format!("vars currentEpoch {} lastVoteEpoch 0\n", plans.len());
    lines.chain([vars]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_are_all_slots_once() {
        for count in [1, 3, 7] {
            let all: Vec<u16> = shares(count).into_iter().flatten().collect();
            assert!(all.into_iter().eq(0..slot::COUNT));
        }
    }

    #[test]
    fn the_file_says_who_one_is_and_whom_replicas_follow() {
        let plans: Vec<_> = parts(1, 1, 1).into_iter().map(|part| Plan::new(part, Ports::direct())).collect();
        let file = nodes_file(&plans, 2);
        let lines: Vec<_> = file.lines().collect();
        assert!(lines[0].ends_with("master - 0 0 1 connected 0-16383"), "{file}");
        assert!(lines[1].ends_with("master - 0 0 2 connected"), "{file}");
        assert!(lines[0].contains(&format!(":{}@{}", plans[0].data_port, plans[0].bus_port)), "{file}");
        assert!(lines[2].contains(&format!("myself,slave {} 0 0 0", plans[0].id)), "{file}");
        assert_eq!(lines[3], "vars currentEpoch 3 lastVoteEpoch 0");
    }
}
