//! Scans of made-up clusters that change under them: nothing that was there all the time is missed, and none is endless.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

/// Elements in one answer.
const PAGE: usize = 3;
const KEYS: u64 = 40;

/// Slots 0 to 11 are the key space, one key in a slot or several; every shard has the slots given to it.
#[derive(Clone, Debug)]
struct Cluster {
    owner_of: [usize; 12],
    /// What the shards' primaries are called; it decides in which order they go through their keys.
    primaries: Vec<u64>,
}

impl Cluster {
    fn survey(&self) -> Survey {
        let slots: Vec<Vec<RangeInclusive<Slot>>> = (0..self.primaries.len()).map(|shard| self.slots(shard)).collect();
        Survey::of(slots.iter().zip(&self.primaries).map(|(slots, name)| (slots.as_slice(), Some(name.to_string()))))
            .unwrap()
    }

    fn slots(&self, shard: usize) -> Vec<RangeInclusive<Slot>> {
        let own = (0..12).filter(|slot| self.owner_of[*slot] == shard);
        own.map(|slot| Slot::new(slot as u16).unwrap()).map(|slot| slot..=slot).collect()
    }

    /// What the shard's primary says to `SCAN cursor`: its keys in an order of its own, those at the cursor and behind.
    fn scan(&self, shard: usize, cursor: u64) -> (u64, Vec<u64>) {
        let place = |key: u64| checksum(self.primaries[shard], &key.to_le_bytes()) % 1_000 + 1;
        let mut found: Vec<(u64, u64)> = (0..KEYS)
            .filter(|key| self.owner_of[(key % 12) as usize] == shard)
            .map(|key| (place(key), key))
            .filter(|(place, _)| *place >= cursor)
            .collect();
        found.sort_unstable();
        let end = found.iter().skip(PAGE).map(|(place, _)| *place).find(|place| *place > found[PAGE - 1].0);
        let page = found.iter().filter(|(place, _)| end.is_none_or(|end| *place < end));
        (end.unwrap_or(0), page.map(|(_, key)| *key).collect())
    }
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Move { slot: usize, to: usize },
    Failover { shard: usize, to: u64 },
}

impl Change {
    fn happen(self, cluster: &mut Cluster) {
        match self {
            Self::Move { slot, to } => cluster.owner_of[slot] = to,
            Self::Failover { shard, to } => cluster.primaries[shard] = to,
        }
    }
}

/// Scans to the end, one change before each of the first calls; what was seen, or why not all was.
fn scan(mut cluster: Cluster, changes: &[Option<Change>]) -> Result<HashSet<u64>, BadCursor> {
    let (mut cursor, mut seen) = (0, HashSet::new());
    for call in 0.. {
        assert!(call < 1_000, "an endless scan");
        if let Some(change) = changes.get(call).copied().flatten() {
            change.happen(&mut cluster);
        }
        let survey = cluster.survey();
        let position = survey.find(cursor.to_string().as_bytes())?;
        let (next, keys) = cluster.scan(survey.shard(position), position.cursor());
        seen.extend(keys);
        cursor = survey.after(position, next)?;
        if cursor == 0 {
            break;
        }
    }
    Ok(seen)
}

fn cluster() -> impl Strategy<Value = Cluster> {
    let owners = prop::array::uniform12(0..3usize);
    (owners, prop::collection::vec(0..1_000_000u64, 3)).prop_map(|(mut owner_of, primaries)| {
        owner_of[..3].copy_from_slice(&[2, 0, 1]);
        Cluster { owner_of, primaries }
    })
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (3..12usize, 0..3usize).prop_map(|(slot, to)| Change::Move { slot, to }),
        (0..3usize, 0..1_000_000u64).prop_map(|(shard, to)| Change::Failover { shard, to }),
    ]
}

/// Whether each state of the cluster can be told from the others: prints are short.
fn is_told_apart(cluster: &Cluster, changes: &[Option<Change>]) -> bool {
    let mut states = vec![cluster.clone()];
    for change in changes.iter().flatten() {
        let mut next = states[states.len() - 1].clone();
        change.happen(&mut next);
        states.push(next);
    }
    states.iter().all(|one| states.iter().all(|other| differ_in_print(one, other)))
}

fn differ_in_print(one: &Cluster, other: &Cluster) -> bool {
    let (survey, others) = (one.survey(), other.survey());
    let moved = one.owner_of != other.owner_of;
    let stops = survey.stops.iter().zip(&others.stops).all(|(stop, other_stop)| {
        let failed_over = one.primaries[stop.shard] != other.primaries[stop.shard];
        stop.print != other_stop.print || !(moved || failed_over)
    });
    stops && (survey.print != others.print || !moved)
}

proptest! {
    #[test]
    fn what_was_there_all_the_time_is_seen_whatever_moves(
        cluster in cluster(), changes in prop::collection::vec(prop::option::weighted(0.2, change()), 0..40),
    ) {
        prop_assume!(is_told_apart(&cluster, &changes));
        match scan(cluster, &changes) {
            Ok(seen) => prop_assert_eq!(seen.len(), KEYS as usize),
            Err(error) => {
                prop_assert_eq!(error, BadCursor::Unsettled);
                prop_assert!(changes.iter().flatten().count() > MOST_RESTARTS as usize);
            }
        }
    }

    #[test]
    fn whatever_a_client_sends_as_a_cursor_is_answered(cluster in cluster(), word: u64, text: Vec<u8>) {
        let survey = cluster.survey();
        for word in [word.to_string().into_bytes(), text] {
            match survey.find(&word) {
                Ok(position) => {
                    prop_assert!(survey.shard(position) < 3);
                    let _ = survey.after(position, position.cursor());
                }
                Err(error) => prop_assert!(error == BadCursor::Invalid || error == BadCursor::Unsettled),
            }
        }
    }

    #[test]
    fn a_nodes_cursor_comes_back_as_it_was(cluster in cluster(), bits in 0..46u32, shard in 0..3usize) {
        let survey = cluster.survey();
        let position = Position { stop: shard, cursor: 0, restarts: 5 };
        let cursor = 1 << bits;
        let next = survey.after(position, cursor).unwrap();
        prop_assert_eq!(survey.find(next.to_string().as_bytes()).unwrap(), Position { cursor, ..position });
        // A client that keeps it as a floating point number loses nothing up to 35 bits of a node's cursor.
        prop_assert!(bits > 34 || next < 1 << 53);
    }
}

fn settled() -> Cluster {
    Cluster { owner_of: [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2], primaries: vec![7, 8, 9] }
}

#[test]
fn a_change_under_every_call_ends_in_an_error_and_not_in_an_endless_scan() {
    let changes: Vec<_> = (0..1_000).map(|call| Some(Change::Move { slot: 5, to: call % 3 })).collect();
    assert_eq!(scan(settled(), &changes), Err(BadCursor::Unsettled));
}

#[test]
fn a_shard_that_has_lost_its_primary_is_waited_for_and_not_taken_for_another() {
    let cluster = settled();
    let slots: Vec<_> = (0..3).map(|shard| cluster.slots(shard)).collect();
    let with = |primary: Option<&str>| {
        let names = [Some("a"), primary, Some("c")].map(|name| name.map(str::to_owned));
        Survey::of(slots.iter().map(Vec::as_slice).zip(names)).unwrap()
    };
    let in_the_middle = with(Some("b")).after(Position { stop: 1, cursor: 0, restarts: 0 }, 77).unwrap();
    let word = in_the_middle.to_string();
    let position = Position { stop: 1, cursor: 77, restarts: 0 };
    assert_eq!(with(None).find(word.as_bytes()), Ok(position));
    assert_eq!(with(Some("b")).find(word.as_bytes()), Ok(position));
    assert_eq!(with(Some("d")).find(word.as_bytes()), Ok(Position { stop: 0, cursor: 0, restarts: 1 }));
    let at_its_beginning = with(None).after(Position { stop: 0, cursor: 7, restarts: 0 }, 0).unwrap().to_string();
    assert_eq!(with(Some("d")).find(at_its_beginning.as_bytes()), Ok(Position { stop: 1, cursor: 0, restarts: 0 }));
}

#[test]
fn what_is_no_number_or_leaves_no_room_is_an_error() {
    let survey = settled().survey();
    for word in ["", "-1", "+1", "x", "1 ", "18446744073709551616"] {
        assert_eq!(survey.find(word.as_bytes()), Err(BadCursor::Invalid), "{word}");
    }
    let position = survey.find(b"0").unwrap();
    assert_eq!(survey.after(position, LAST_PLACE / 3 + 1), Err(BadCursor::TooLarge));
    assert!(survey.after(position, LAST_PLACE / 3 - 1).is_ok());
    assert_eq!(Survey::of([(&[][..], Some("a".to_owned()))]), None);
}
