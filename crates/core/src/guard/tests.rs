//! The guard by script, and by chance: whatever is asked in whatever order, no limit is exceeded, nobody
//! overtakes, nobody is called twice or after the deadline, and nobody is forgotten.

#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

fn guard(max_rate: Option<f64>, max_concurrency: u32, queue: u32) -> Guard {
    Guard::new(&GuardSettings { max_rate, max_concurrency, queue, max_wait: Duration::from_secs(10) })
}

fn started(guard: &mut Guard, now: Time) -> LoadPermit {
    match guard.request_load(now, Time::NEVER) {
        Admission::Start(permit) => permit,
        other => panic!("not started: {other:?}"),
    }
}

fn waiting(guard: &mut Guard, now: Time, deadline: Time) -> (Ticket, Time) {
    match guard.request_load(now, deadline) {
        Admission::Wait(ticket, until) => (ticket, until),
        other => panic!("not waiting: {other:?}"),
    }
}

#[test]
fn a_load_beyond_the_limit_waits_until_one_ends() {
    let mut guard = guard(None, 1, 10);
    let first = started(&mut guard, at(0));
    let (ticket, _) = waiting(&mut guard, at(1), Time::NEVER);
    assert_eq!(guard.poll(at(2)), None);
    guard.handle_done(first, LoadResult::Answered, at(3));
    assert_eq!(guard.poll(at(3)), Some(Want::Start(ticket, LoadPermit { started_at: at(3) })));
    assert_eq!(guard.poll(at(3)), None);
}

#[test]
fn a_newcomer_does_not_overtake() {
    let mut guard = guard(None, 1, 10);
    let first = started(&mut guard, at(0));
    let (early, _) = waiting(&mut guard, at(1), Time::NEVER);
    guard.handle_done(first, LoadResult::Answered, at(2));
    let (late, _) = waiting(&mut guard, at(2), Time::NEVER);
    let Some(Want::Start(called, permit)) = guard.poll(at(2)) else { panic!("nobody called") };
    assert_eq!(called, early);
    guard.handle_done(permit, LoadResult::Abandoned, at(3));
    assert!(matches!(guard.poll(at(3)), Some(Want::Start(called, _)) if called == late));
}

#[test]
fn who_will_not_wait_overtakes_nobody_and_is_not_counted_as_shed() {
    let mut guard = guard(None, 1, 10);
    let first = guard.request_now(at(0)).unwrap();
    assert_eq!(guard.request_now(at(1)), None);
    let (ticket, _) = waiting(&mut guard, at(1), Time::NEVER);
    guard.handle_done(first, LoadResult::Answered, at(2));
    assert_eq!(guard.request_now(at(2)), None, "somebody waits");
    assert!(matches!(guard.poll(at(2)), Some(Want::Start(called, _)) if called == ticket));
    let stats = guard.stats(at(2));
    assert_eq!((stats.started, stats.shed_queue_full + stats.shed_too_late + stats.shed_expired), (2, 0));
}

#[test]
fn the_line_has_room_for_its_bound_and_not_one_more() {
    let mut guard = guard(None, 1, 2);
    let _first = started(&mut guard, at(0));
    waiting(&mut guard, at(0), Time::NEVER);
    let (last, _) = waiting(&mut guard, at(0), Time::NEVER);
    assert_eq!(guard.request_load(at(0), Time::NEVER), Admission::Shed(ShedReason::QueueFull));
    guard.handle_cancel(last);
    guard.handle_cancel(last);
    waiting(&mut guard, at(0), Time::NEVER);
    let stats = guard.stats(at(0));
    assert_eq!((stats.queued, stats.queue_bound, stats.cancelled, stats.shed_queue_full), (2, 2, 1, 1));
}

#[test]
fn a_load_whose_turn_would_come_too_late_is_shed_at_once() {
    let mut guard = guard(Some(10.0), 4, 100);
    let _first = started(&mut guard, at(0));
    let (_, until) = waiting(&mut guard, at(0), at(1_000));
    assert_eq!(until, at(100));
    assert_eq!(guard.request_load(at(0), at(200)), Admission::Shed(ShedReason::TooLate));
    assert_eq!(waiting(&mut guard, at(0), at(201)).1, at(200));
}

#[test]
fn the_estimate_counts_rounds_of_typical_loads() {
    let mut guard = guard(None, 1, 100);
    let first = started(&mut guard, at(0));
    guard.handle_done(first, LoadResult::Answered, at(50));
    let _second = started(&mut guard, at(50));
    assert_eq!(waiting(&mut guard, at(50), Time::NEVER).1, at(100));
    assert_eq!(waiting(&mut guard, at(50), Time::NEVER).1, at(150));
    assert_eq!(guard.request_load(at(50), at(200)), Admission::Shed(ShedReason::TooLate));
}

#[test]
fn the_longest_wait_bounds_the_deadline() {
    let settings = GuardSettings { max_concurrency: 1, max_wait: Duration::from_millis(20), ..Default::default() };
    let mut guard = Guard::new(&settings);
    let _first = started(&mut guard, at(0));
    let (ticket, _) = waiting(&mut guard, at(0), Time::NEVER);
    assert_eq!(guard.next_timer(), Some(at(20)));
    assert_eq!(guard.poll(at(19)), None);
    assert_eq!(guard.poll(at(20)), Some(Want::Shed(ticket, ShedReason::Expired)));
}

#[test]
fn a_load_past_its_deadline_is_not_started() {
    let mut guard = guard(None, 1, 1);
    assert_eq!(guard.request_load(at(5), at(5)), Admission::Shed(ShedReason::Expired));
    assert_eq!((guard.stats(at(5)).started, guard.stats(at(5)).shed_expired), (0, 1));
}

#[test]
fn time_out_of_order_does_not_bend_the_rate() {
    let mut guard = guard(Some(1.0), 4, 10);
    let _first = started(&mut guard, at(5_000));
    waiting(&mut guard, at(0), Time::NEVER);
    assert_eq!(guard.poll(at(5_999)), None);
    assert!(matches!(guard.poll(at(6_000)), Some(Want::Start(_, permit)) if permit.started_at() == at(6_000)));
}

#[test]
fn a_cap_of_nothing_lets_nothing_through() {
    let mut guard = guard(None, 0, 1);
    waiting(&mut guard, at(0), at(10));
    assert_eq!(guard.poll(at(9)), None);
    assert!(matches!(guard.poll(at(10)), Some(Want::Shed(_, ShedReason::Expired))));
}

#[derive(Clone, Debug)]
enum Op {
    Pass(u64),
    Load(Option<u64>),
    Done(prop::sample::Index, LoadResult),
    Cancel(prop::sample::Index),
    Poll,
}

fn op() -> impl Strategy<Value = Op> {
    let result = prop::sample::select(vec![
        LoadResult::Answered,
        LoadResult::Answered,
        LoadResult::Failed,
        LoadResult::TimedOut,
        LoadResult::Abandoned,
    ]);
    prop_oneof![
        3 => prop_oneof![0..3u64, 0..100u64, 0..1_500u64].prop_map(Op::Pass),
        8 => prop::option::of(0..2_000u64).prop_map(Op::Load),
        6 => (any::<prop::sample::Index>(), result).prop_map(|(index, result)| Op::Done(index, result)),
        1 => any::<prop::sample::Index>().prop_map(Op::Cancel),
        6 => Just(Op::Poll),
    ]
}

/// Everything that ever happened, and what may not have.
struct Witness {
    guard: Guard,
    cap: Option<f64>,
    now: u64,
    running: Vec<LoadPermit>,
    waiting: VecDeque<(Ticket, Time)>,
    starts: Vec<u64>,
}

impl Witness {
    fn do_op(&mut self, op: &Op) -> Result<(), TestCaseError> {
        let now = at(self.now);
        match *op {
            Op::Pass(millis) => self.now += millis,
            Op::Load(within) => {
                let deadline = within.map_or(Time::NEVER, |millis| at(self.now + millis));
                match self.guard.request_load(now, deadline) {
                    Admission::Start(permit) => {
                        prop_assert!(self.waiting.is_empty(), "overtook");
                        self.start(permit);
                    }
                    Admission::Wait(ticket, until) => {
                        prop_assert!(until < deadline);
                        self.waiting.push_back((ticket, deadline));
                    }
                    Admission::Shed(_) => {}
                }
            }
            Op::Done(index, result) if !self.running.is_empty() => {
                let permit = self.running.swap_remove(index.index(self.running.len()));
                self.guard.handle_done(permit, result, now);
            }
            Op::Cancel(index) if !self.waiting.is_empty() => {
                let (ticket, _) = self.waiting.remove(index.index(self.waiting.len())).unwrap();
                self.guard.handle_cancel(ticket);
            }
            Op::Done(..) | Op::Cancel(_) => {}
            Op::Poll => {
                self.poll()?;
            }
        }
        self.check()
    }

    fn poll(&mut self) -> Result<bool, TestCaseError> {
        let now = at(self.now);
        let Some(want) = self.guard.poll(now) else { return Ok(false) };
        let (first, deadline) = self.waiting.pop_front().unwrap();
        match want {
            Want::Start(ticket, permit) => {
                prop_assert_eq!(ticket, first);
                prop_assert!(now < deadline, "called after its deadline");
                self.start(permit);
            }
            Want::Shed(ticket, reason) => prop_assert_eq!((ticket, reason), (first, ShedReason::Expired)),
        }
        Ok(true)
    }

    fn start(&mut self, permit: LoadPermit) {
        self.starts.push(permit.started_at().as_nanos());
        self.running.push(permit);
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let stats = self.guard.stats(at(self.now));
        prop_assert_eq!(stats.in_flight as usize, self.running.len());
        prop_assert_eq!(stats.queued as usize, self.waiting.len());
        prop_assert_eq!(stats.started as usize, self.starts.len());
        prop_assert!(stats.in_flight <= stats.max_concurrency && stats.limit <= stats.max_concurrency);
        prop_assert!(stats.queued <= stats.queue_bound);
        Ok(())
    }

    fn check_rate(&self) -> Result<(), TestCaseError> {
        let Some(cap) = self.cap else { return Ok(()) };
        for from in &self.starts {
            let inside = self.starts.iter().filter(|start| (*from..from + 1_000_000_000).contains(start)).count();
            prop_assert!(inside as f64 <= cap, "{} starts in a second, cap {}", inside, cap);
        }
        Ok(())
    }

    /// Ends every load and follows the timers: the line must empty.
    fn drain(&mut self) -> Result<(), TestCaseError> {
        for _ in 0..2 * self.waiting.len() {
            while let Some(permit) = self.running.pop() {
                self.guard.handle_done(permit, LoadResult::Answered, at(self.now));
            }
            if let Some(timer) = self.guard.next_timer() {
                self.now = self.now.max(timer.as_nanos().div_ceil(1_000_000));
                prop_assert!(self.poll()?, "the timer fired for nothing");
            }
        }
        prop_assert!(self.waiting.is_empty(), "forgotten");
        prop_assert_eq!(self.guard.next_timer(), None);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn nothing_ever_exceeds_a_limit_and_nobody_is_forgotten(
        cap in prop::option::of(1.0..60.0f64),
        (max_concurrency, queue, max_wait) in (1..12u32, 0..12u32, 1..3_000u64),
        ops in prop::collection::vec(op(), 1..250),
    ) {
        let max_wait = Duration::from_millis(max_wait);
        let guard = Guard::new(&GuardSettings { max_rate: cap, max_concurrency, queue, max_wait });
        let (running, waiting, starts) = (Vec::new(), VecDeque::new(), Vec::new());
        let mut witness = Witness { guard, cap, now: 0, running, waiting, starts };
        for op in &ops {
            witness.do_op(op)?;
        }
        witness.drain()?;
        witness.check_rate()?;
    }
}
