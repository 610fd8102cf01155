//! The table against its history: what was invalidated is believed again only when a replay that began after it, or two
//! where something may come late, have been answered; and everything is believed again in the end.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::cluster::Slot;

const ROOMY: Limits = Limits { max_entries: 100, capacity: 1 << 20 };
const ALL: &[std::ops::RangeInclusive<Slot>] = &[Slot::FIRST..=Slot::LAST];

fn pattern(text: &str) -> Arc<KeyPattern> {
    Arc::new(KeyPattern::parse(text).unwrap())
}

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

fn due(journal: &mut Journal, millis: u64) -> Vec<Due> {
    journal.poll_due(at(millis), 10, |_| true)
}

#[test]
fn a_key_is_believed_by_and_by() {
    let (mut journal, page) = (Journal::new(ROOMY), pattern("page:*"));
    assert_eq!(journal.trust(b"page:1"), Trust::Everybody);
    journal.handle_invalidated(b"page:1", &page, Lateness::Never, at(0));
    assert_eq!((journal.trust(b"page:1"), journal.trust(b"page:2")), (Trust::Nobody, Trust::Everybody));
    let first = due(&mut journal, 5);
    assert_eq!((first.len(), journal.trust(b"page:1")), (1, Trust::Nobody));
    journal.handle_replayed(&first[0], at(10));
    assert_eq!((journal.trust(b"page:1"), journal.next_settled()), (Trust::Primary, Some(at(1_010))));
    assert_eq!(due(&mut journal, 1_009), []);
    let last = due(&mut journal, 1_010);
    journal.handle_replayed(&last[0], at(1_011));
    assert!(journal.is_idle() && journal.bytes() == 0);
}

#[test]
fn what_may_come_late_is_not_read_from_the_primary_either_until_it_is_settled() {
    let (mut journal, page) = (Journal::new(ROOMY), pattern("page:*"));
    journal.handle_invalidated(b"page:1", &page, Lateness::Possible, at(0));
    let first = due(&mut journal, 0);
    journal.handle_replayed(&first[0], at(0));
    assert_eq!(journal.trust(b"page:1"), Trust::Nobody);
    let last = due(&mut journal, 1_000);
    journal.handle_replayed(&last[0], at(1_000));
    assert_eq!(journal.trust(b"page:1"), Trust::Everybody);
}

#[test]
fn who_was_asked_before_an_invalidation_is_not_believed_once_it_has_been_replayed_either() {
    let (mut journal, page) = (Journal::new(ROOMY), pattern("page:*"));
    journal.handle_invalidated(b"page:1", &page, Lateness::Never, at(5));
    let first = due(&mut journal, 6);
    journal.handle_replayed(&first[0], at(7));
    assert_eq!(journal.trust_in_answer(b"page:1", at(5)), Trust::Nobody);
    assert_eq!(journal.trust_in_answer(b"page:1", at(6)), Trust::Primary, "it is asked behind what is replayed");
    assert_eq!(journal.trust_in_answer(b"page:2", at(0)), Trust::Everybody);
    journal.handle_invalidated(b"page:1", &page, Lateness::Never, at(8));
    let again = due(&mut journal, 9);
    journal.handle_replayed(&again[0], at(10));
    assert_eq!(journal.trust_in_answer(b"page:1", at(7)), Trust::Nobody, "invalidated once more");
}

#[test]
fn an_answer_to_an_earlier_invalidation_says_nothing_about_a_later_one() {
    let (mut journal, page) = (Journal::new(ROOMY), pattern("page:*"));
    journal.handle_invalidated(b"page:1", &page, Lateness::Never, at(0));
    let earlier = due(&mut journal, 0);
    journal.handle_invalidated(b"page:1", &page, Lateness::Never, at(1));
    journal.handle_replayed(&earlier[0], at(2));
    assert_eq!(journal.trust(b"page:1"), Trust::Nobody);
    let later = due(&mut journal, 3);
    assert!(later[0].generation > earlier[0].generation);
    journal.handle_unreplayed(&later[0], at(4));
    assert_eq!(due(&mut journal, 5), later, "it is due again");
}

#[test]
fn keys_whose_primary_is_away_hold_nobody_up() {
    let (mut journal, page) = (Journal::new(ROOMY), pattern("page:*"));
    for key in [&b"page:away"[..], b"page:there"] {
        journal.handle_invalidated(key, &page, Lateness::Never, at(0));
    }
    let is_there = |key: &[u8]| key.ends_with(b"there");
    assert_eq!(*journal.poll_due(at(0), 1, is_there)[0].key, *b"page:there");
    assert_eq!(journal.poll_due(at(0), 1, is_there), []);
    assert_eq!(*journal.poll_due(at(0), 1, |_| true)[0].key, *b"page:away");
}

#[test]
fn at_the_bound_the_largest_route_becomes_stale_and_one_entry_before_it_does_not() {
    let limits = Limits { max_entries: 3, capacity: 1 << 20 };
    let (mut journal, page, user) = (Journal::new(limits), pattern("page:*"), pattern("user:*"));
    let mut enter = |key: &[u8], route| journal.handle_invalidated(key, route, Lateness::Never, at(0));
    for key in [&b"page:1"[..], b"page:2"] {
        assert_eq!(enter(key, &page), Entered::Entry);
    }
    assert_eq!(enter(b"user:1", &user), Entered::Entry);
    assert_eq!(enter(b"user:2", &user), Entered::Overflow);
    assert_eq!(enter(b"page:3", &page), Entered::Stale);
    let stale: Vec<_> = journal.stale().iter().map(|route| route.pattern().text().to_owned()).collect();
    assert_eq!((stale, journal.len()), (vec!["page:*".to_owned()], 2));
    for key in [&b"page:1"[..], b"page:2", b"page:3", b"user:1", b"user:2"] {
        assert_eq!(journal.trust(key), Trust::Nobody);
    }
    assert_eq!(due(&mut journal, 1).len(), 2);
    let covered = journal.stale().latest();
    journal.stale_mut().handle_swept(&page, ALL, covered);
    assert_eq!(journal.trust(b"page:1"), Trust::Everybody);
}

#[test]
fn a_key_larger_than_all_there_is_makes_its_route_stale_and_nothing_is_forgotten() {
    let limits = Limits { max_entries: 3, capacity: OVERHEAD + 10 };
    let (mut journal, page) = (Journal::new(limits), pattern("page:*"));
    assert_eq!(journal.handle_invalidated(b"page:0123456789", &page, Lateness::Never, at(0)), Entered::Overflow);
    assert_eq!((journal.trust(b"page:0123456789"), journal.len()), (Trust::Nobody, 0));
}

#[derive(Clone, Debug)]
enum Event {
    Invalidated(u8, Lateness),
    Polled { most: usize, is_away: u8 },
    Answered { which: usize, well: bool },
    Swept,
    Elapsed(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let lateness = prop_oneof![Just(Lateness::Never), Just(Lateness::Possible)];
    let event = prop_oneof![
        4 => (0..12_u8, lateness).prop_map(|(key, lateness)| Event::Invalidated(key, lateness)),
        3 => (0..5_usize, 0..12_u8).prop_map(|(most, is_away)| Event::Polled { most, is_away }),
        4 => (any::<usize>(), prop::bool::weighted(0.7)).prop_map(|(which, well)| Event::Answered { which, well }),
        1 => Just(Event::Swept),
        2 => (1..700_u64).prop_map(Event::Elapsed),
    ];
    prop::collection::vec(event, 1..200)
}

/// What has happened to one key, in plain words: moments are numbers of events.
#[derive(Default)]
struct History {
    invalidated: Option<usize>,
    /// Of the invalidations since it was last wholly believed.
    may_come_late: bool,
    /// When a replay that was answered well had been taken, and the time of its answer.
    replays: Vec<(usize, Time)>,
    /// When a sweep that was done had begun.
    swept: Option<usize>,
}

impl History {
    fn is_replayed(&self) -> bool {
        let Some(invalidated) = self.invalidated else { return true };
        self.is_swept() || self.replays.iter().any(|(taken, _)| *taken > invalidated)
    }

    fn is_settled(&self) -> bool {
        let Some(invalidated) = self.invalidated else { return true };
        let since: Vec<_> = self.replays.iter().filter(|(taken, _)| *taken > invalidated).collect();
        let is_repeated = match (since.first(), since.last()) {
            (Some((_, first)), Some((_, last))) => *last >= *first + QUIET,
            _ => false,
        };
        self.is_swept() || is_repeated
    }

    fn is_swept(&self) -> bool {
        self.swept > self.invalidated
    }
}

/// The table, and beside it all that has happened.
struct Play {
    journal: Journal,
    routes: [Arc<KeyPattern>; 2],
    histories: BTreeMap<Vec<u8>, History>,
    out: Vec<(usize, Due)>,
    now: Time,
    moment: usize,
}

impl Play {
    fn new(limits: Limits) -> Self {
        let routes = [pattern("a:*"), pattern("b:*")];
        let (histories, out) = (BTreeMap::new(), Vec::new());
        Self { journal: Journal::new(limits), routes, histories, out, now: Time::ZERO, moment: 0 }
    }

    fn key(number: u8) -> Vec<u8> {
        format!("{}:{number}", if number.is_multiple_of(3) { "a" } else { "b" }).into_bytes()
    }

    fn handle(&mut self, event: &Event) {
        self.moment += 1;
        match *event {
            Event::Invalidated(number, lateness) => self.invalidate(number, lateness),
            Event::Polled { most, is_away } => {
                let away = Self::key(is_away);
                let taken = self.journal.poll_due(self.now, most, |key| *key != *away);
                assert!(taken.len() <= most && taken.iter().all(|due| *due.key != *away));
                self.out.extend(taken.into_iter().map(|due| (self.moment, due)));
            }
            Event::Answered { which, well } if !self.out.is_empty() => self.answer(which % self.out.len(), well),
            Event::Answered { .. } => {}
            Event::Swept => self.sweep(),
            Event::Elapsed(millis) => self.now = self.now + Duration::from_millis(millis),
        }
    }

    fn invalidate(&mut self, number: u8, lateness: Lateness) {
        let (key, route) = (Self::key(number), &self.routes[usize::from(!number.is_multiple_of(3))]);
        self.journal.handle_invalidated(&key, route, lateness, self.now);
        let is_believed = self.histories.get(&key).is_none_or(History::is_settled);
        let history = self.histories.entry(key).or_default();
        history.may_come_late = lateness == Lateness::Possible || history.may_come_late && !is_believed;
        history.invalidated = Some(self.moment);
    }

    fn answer(&mut self, which: usize, well: bool) {
        let (taken, due) = self.out.swap_remove(which);
        if well {
            self.journal.handle_replayed(&due, self.now);
            let history = self.histories.get_mut(&*due.key).unwrap();
            history.replays.push((taken, self.now));
        } else {
            self.journal.handle_unreplayed(&due, self.now);
        }
    }

    fn sweep(&mut self) {
        let covered = self.journal.stale().latest();
        for route in self.routes.clone() {
            if self.journal.stale().has(&route) {
                self.journal.stale_mut().handle_swept(&route, ALL, covered);
                let of_route = self.histories.iter_mut().filter(|(key, _)| route.matches(key));
                of_route.for_each(|(_, history)| history.swept = Some(self.moment));
            }
        }
    }

    fn check(&self, limits: Limits) {
        assert!(self.journal.len() <= limits.max_entries && self.journal.bytes() <= limits.capacity);
        for (key, history) in &self.histories {
            let is_sound = match self.journal.trust(key) {
                Trust::Nobody => true,
                Trust::Primary => history.is_replayed() && !history.may_come_late,
                Trust::Everybody => history.is_settled(),
            };
            assert!(is_sound, "{} is believed too early", String::from_utf8_lossy(key));
        }
    }

    /// Everything that is out is answered, and everything that is due is done.
    fn end(&mut self) {
        for _ in 0..40 {
            self.handle(&Event::Polled { most: 4, is_away: 255 });
            while !self.out.is_empty() {
                self.handle(&Event::Answered { which: 0, well: true });
            }
            self.handle(&Event::Swept);
            self.handle(&Event::Elapsed(400));
        }
    }
}

proptest! {
    #[test]
    fn nothing_is_believed_too_early_and_everything_in_the_end(
        events in events(),
        max_entries in 1..14_usize,
        capacity in 100..3_000_u64,
    ) {
        let limits = Limits { max_entries, capacity };
        let mut play = Play::new(limits);
        for event in &events {
            play.handle(event);
            play.check(limits);
        }
        play.end();
        play.check(limits);
        prop_assert!(play.journal.is_idle());
        prop_assert_eq!(play.journal.bytes(), 0);
    }
}
