//! Leases by script, and against a plain map of who holds what.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::unset::{LEASES_UNSET, REMEMBERED, place_of};
use super::*;

const TERM: Duration = Duration::from_secs(2);
const START: Time = Time::from_millis(10_000);

const A: Asker = Asker(1);
const B: Asker = Asker(2);
const C: Asker = Asker(3);

fn leases() -> Leases {
    Leases::new(TERM, 10, 10)
}

fn lead<S: BuildHasher + Clone>(leases: &mut Leases<S>, key: &[u8], asker: Asker, now: Time) -> LeaseId {
    match leases.request(key, asker, now, now) {
        Leave::Lead(lease) => lease,
        other => panic!("not leading: {other:?}"),
    }
}

fn wait(leases: &mut Leases, key: &[u8], asker: Asker, now: Time) -> (LeaseId, Seat) {
    match leases.request(key, asker, now, now) {
        Leave::Wait(lease, seat, _) => (lease, seat),
        other => panic!("not waiting: {other:?}"),
    }
}

fn words<S: BuildHasher + Clone>(leases: &mut Leases<S>) -> Vec<(Seat, Word)> {
    std::iter::from_fn(|| leases.poll_word()).collect()
}

#[test]
fn one_leads_the_others_wait_and_a_write_tells_them_all() {
    let mut leases = leases();
    lead(&mut leases, b"k", A, START);
    let seats = [B, C, C].map(|asker| wait(&mut leases, b"k", asker, START).1);
    assert_eq!(words(&mut leases), []);
    leases.handle_written(b"k", START);
    assert_eq!(words(&mut leases), seats.map(|seat| (seat, Word::Filled)));
    let stats = leases.stats(START);
    assert_eq!((stats.held, stats.waiting, stats.ended[Ended::Filled as usize]), (0, 0, 1));
}

#[test]
fn who_holds_the_lease_does_not_wait_for_itself() {
    let mut leases = leases();
    lead(&mut leases, b"k", A, START);
    assert_eq!(leases.request(b"k", A, START, START), Leave::Pass(PassReason::Own));
    wait(&mut leases, b"k", B, START);
}

#[test]
fn a_deletion_lets_the_next_lead_and_is_not_held_against_the_key() {
    let mut leases = leases();
    for _ in 0..=LEASES_UNSET {
        lead(&mut leases, b"k", A, START);
        let (_, seat) = wait(&mut leases, b"k", B, START);
        leases.handle_deleted(b"k", START);
        assert_eq!(words(&mut leases), [(seat, Word::Open)]);
    }
    lead(&mut leases, b"k", B, START);
}

#[test]
fn when_the_term_is_over_the_next_leads() {
    let mut leases = leases();
    lead(&mut leases, b"k", A, START);
    let (_, seat) = wait(&mut leases, b"k", B, START);
    let over = START + TERM;
    assert!(
        matches!(leases.request(b"k", C, over - Duration::from_nanos(1), over - Duration::from_nanos(1)), Leave::Wait(_, _, until) if until == over)
    );
    let late = lead(&mut leases, b"k", C, over);
    assert_eq!(words(&mut leases)[0], (seat, Word::Open));
    leases.handle_told(late, over + TERM / 2);
    wait(&mut leases, b"k", B, over + TERM);
}

#[test]
fn a_key_that_nobody_sets_stops_making_its_readers_wait_until_it_is_set() {
    let mut leases = leases();
    let mut now = START;
    for _ in 0..LEASES_UNSET {
        lead(&mut leases, b"k", A, now);
        now = now + TERM;
    }
    assert_eq!(leases.request(b"k", B, now, now), Leave::Pass(PassReason::Unset));
    assert_eq!(leases.stats(now).unset, 1);
    leases.handle_written(b"k", now);
    lead(&mut leases, b"k", B, now);
    let forgotten = now + TERM + REMEMBERED;
    lead(&mut leases, b"k", B, forgotten);
}

#[test]
fn who_is_not_told_of_its_lease_gives_it_up() {
    let mut leases = leases();
    let lease = lead(&mut leases, b"k", A, START);
    let (_, seat) = wait(&mut leases, b"k", B, START);
    leases.handle_given_up(lease, Word::Shed, START);
    assert_eq!(words(&mut leases), [(seat, Word::Shed)]);
    lead(&mut leases, b"k", B, START);
    leases.handle_given_up(lease, Word::Shed, START);
    assert_eq!(leases.stats(START).held, 1, "an old lease was given up twice");
}

#[test]
fn at_a_bound_one_goes_on_without_a_lease() {
    let mut leases = Leases::new(TERM, 1, 1);
    lead(&mut leases, b"a", A, START);
    let full = |reason| Leave::Pass(PassReason::Full(reason));
    assert_eq!(leases.request(b"b", A, START, START), full(FullReason::Flights));
    let (lease, seat) = wait(&mut leases, b"a", B, START);
    assert_eq!(leases.request(b"a", C, START, START), full(FullReason::Waiters));
    leases.handle_left(lease, seat);
    wait(&mut leases, b"a", C, START);
    lead(&mut leases, b"b", A, START + TERM);
}

#[test]
fn what_is_remembered_of_ended_leases_is_bounded() {
    let mut leases = Leases::new(TERM, 4, 4);
    for _ in 0..10_000 {
        lead(&mut leases, b"k", A, START);
        leases.handle_written(b"k", START);
        assert!(leases.ends.len() <= 8);
    }
}

#[test]
fn who_was_told_before_it_was_filled_and_hears_of_it_afterwards_does_not_make_it_again() {
    let mut leases = leases();
    lead(&mut leases, b"k", A, START);
    let (filled, later) = (START + TERM / 4, START + TERM / 2);
    leases.handle_written(b"k", filled);
    assert_eq!(leases.request(b"k", B, START, later), Leave::Filled);
    assert!(matches!(leases.request(b"k", B, filled, later), Leave::Lead(_)), "it was gone again after that");
}

#[derive(Clone, Debug)]
enum Op {
    Request(u8, u8, u16),
    Write(u8),
    Delete(u8),
    Leave(prop::sample::Index),
    GiveUp(prop::sample::Index, bool),
    Tell(prop::sample::Index),
    Pass(u16),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        10 => (0..4u8, 0..4u8, 0..1_000u16).prop_map(|(key, asker, ago)| Op::Request(key, asker, ago)),
        2 => (0..4u8).prop_map(Op::Write),
        1 => (0..4u8).prop_map(Op::Delete),
        1 => any::<prop::sample::Index>().prop_map(Op::Leave),
        1 => (any::<prop::sample::Index>(), any::<bool>()).prop_map(|(index, shed)| Op::GiveUp(index, shed)),
        1 => any::<prop::sample::Index>().prop_map(Op::Tell),
        2 => (0..1_500u16).prop_map(Op::Pass),
    ]
}

/// A lease, as a plain map would have it.
struct Held {
    lease: LeaseId,
    holder: Asker,
    until: Time,
    waiting: BTreeSet<Seat>,
}

#[derive(Default)]
struct Model {
    held: BTreeMap<u8, Held>,
    /// Leases in a row that came to nothing, and until when that is remembered.
    nothing: BTreeMap<u8, (u8, Time)>,
    /// When a lease last ended with a write.
    filled: BTreeMap<u8, Time>,
    /// What those who waited have to be told.
    owed: BTreeMap<Seat, Word>,
}

const MOST: u32 = 3;
const MOST_WAITING: u32 = 5;

impl Model {
    fn end(&mut self, key: u8, word: Word) {
        let held = self.held.remove(&key).unwrap();
        self.owed.extend(held.waiting.into_iter().map(|seat| (seat, word)));
    }

    fn expire(&mut self, now: Time) {
        let over: Vec<u8> = self.held.iter().filter(|(_, held)| held.until <= now).map(|(key, _)| *key).collect();
        for key in over {
            self.end(key, Word::Open);
            let (row, until) = self.nothing.get(&key).copied().unwrap_or((0, Time::ZERO));
            let row = if now < until { row } else { 0 };
            self.nothing.insert(key, (row.saturating_add(1), now + REMEMBERED));
        }
    }

    fn waiting(&self) -> usize {
        self.held.values().map(|held| held.waiting.len()).sum()
    }

    fn check(&mut self, key: u8, asker: Asker, leave: Leave, since: Time, now: Time) -> Result<(), TestCaseError> {
        let unset = self.nothing.get(&key).is_some_and(|(row, until)| *row >= LEASES_UNSET && now < *until);
        let is_filled = self.filled.get(&key).is_some_and(|filled| *filled > since);
        let (held, waiting) = (self.held.len(), self.waiting());
        match (self.held.get_mut(&key), leave) {
            (Some(held), Leave::Pass(PassReason::Own)) => prop_assert_eq!(held.holder, asker),
            (_, Leave::Pass(PassReason::Unset)) => prop_assert!(unset),
            (Some(held), Leave::Wait(lease, seat, until)) => {
                prop_assert!(held.holder != asker && !unset && waiting < MOST_WAITING as usize);
                prop_assert_eq!((held.lease, held.until), (lease, until));
                prop_assert!(held.waiting.insert(seat));
            }
            (Some(held), Leave::Pass(PassReason::Full(reason))) => {
                prop_assert!(held.holder != asker && !unset);
                prop_assert!(reason == FullReason::Waiters && waiting == MOST_WAITING as usize);
            }
            (None, Leave::Filled) => prop_assert!(!unset && is_filled),
            (None, Leave::Lead(lease)) => {
                prop_assert!(!unset && !is_filled && held < MOST as usize);
                self.held.insert(key, Held { lease, holder: asker, until: now + TERM, waiting: BTreeSet::new() });
            }
            (None, Leave::Pass(PassReason::Full(reason))) => {
                prop_assert!(!unset && !is_filled && reason == FullReason::Flights && held == MOST as usize);
            }
            (Some(_), Leave::Lead(_) | Leave::Filled) | (None, Leave::Wait(..) | Leave::Pass(PassReason::Own)) => {
                prop_assert!(false, "{leave:?}");
            }
        }
        Ok(())
    }

    fn nth(&self, index: prop::sample::Index) -> Option<u8> {
        (!self.held.is_empty()).then(|| *self.held.keys().nth(index.index(self.held.len())).unwrap())
    }
}

/// Four keys, each in a place of its own in the table of those that nobody sets: what becomes of two in one place is
/// another test's matter.
fn names(hasher: &RandomState) -> Vec<[u8; 1]> {
    let mut places = BTreeSet::new();
    let all = (0..=u8::MAX).map(|byte| [byte]);
    all.filter(|name| places.insert(place_of(hasher.hash_one(name.as_slice())))).take(4).collect()
}

proptest! {
    #[test]
    fn leases_agree_with_a_plain_map(ops in prop::collection::vec(op(), 1..200)) {
        let hasher = RandomState::new();
        let names = names(&hasher);
        let name = |key: u8| &names[usize::from(key)];
        let mut leases = Leases::with_hasher(TERM, MOST, MOST_WAITING, hasher);
        let mut model = Model::default();
        let mut now = START;
        for op in ops {
            match op {
                Op::Request(key, asker, ago) => {
                    let since = now - Duration::from_millis(u64::from(ago));
                    let asker = Asker(u64::from(asker));
                    model.expire(now);
                    let leave = leases.request(name(key), asker, since, now);
                    model.check(key, asker, leave, since, now)?;
                }
                Op::Write(key) => {
                    leases.handle_written(name(key), now);
                    model.nothing.remove(&key);
                    if model.held.contains_key(&key) {
                        model.filled.insert(key, now);
                        model.end(key, Word::Filled);
                    }
                }
                Op::Delete(key) => {
                    leases.handle_deleted(name(key), now);
                    if model.held.contains_key(&key) {
                        model.end(key, Word::Open);
                    }
                }
                Op::Leave(index) => {
                    let Some(held) = model.nth(index).and_then(|key| model.held.get_mut(&key)) else { continue };
                    let Some(seat) = held.waiting.pop_first() else { continue };
                    leases.handle_left(held.lease, seat);
                    leases.handle_left(held.lease, seat);
                }
                Op::GiveUp(index, shed) => {
                    let Some(key) = model.nth(index) else { continue };
                    let word = if shed { Word::Shed } else { Word::Open };
                    leases.handle_given_up(model.held[&key].lease, word, now);
                    model.end(key, word);
                }
                Op::Tell(index) => {
                    let Some(held) = model.nth(index).and_then(|key| model.held.get_mut(&key)) else { continue };
                    leases.handle_told(held.lease, now);
                    held.until = now + TERM;
                }
                Op::Pass(millis) => now = now + Duration::from_millis(u64::from(millis)),
            }
            let told: BTreeMap<Seat, Word> = std::iter::from_fn(|| leases.poll_word()).collect();
            prop_assert_eq!(&told, &std::mem::take(&mut model.owed));
            let stats = leases.stats(now);
            prop_assert_eq!((stats.held as usize, stats.waiting as usize), (model.held.len(), model.waiting()));
        }
    }
}
