//! A request is decided without the heap: at full traffic an allocation a request would cost more than the decision.
//!
//! The test binary's allocator counts, thread by thread, so that the test harness' own threads do not disturb.

// Counting allocations takes a global allocator, and that trait is unsafe; nowhere else in the project is.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::time::Duration;

use failsoft_core::circuit::{Circuit, CircuitSettings, Denial, DenialReason, Gate};
use failsoft_core::outcome::{Failure, MissCause, Silence};
use failsoft_core::plan::{AuthPolicy, Bounds, Intent, Plan};
use failsoft_core::refusal::Refusal;
use failsoft_core::request::{Admission, Barred, Ending, Grant, Manner, Request, Step};
use failsoft_core::role::Role;
use failsoft_core::{Outcome, Tier, TierSet, Time};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every method hands its arguments unchanged to `System`, which keeps the contract of `GlobalAlloc`, and
// returns what `System` returned. The counter is a constant-initialised thread-local without a destructor, so touching
// it neither allocates (no recursion) nor panics, also while a thread is being torn down.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps `GlobalAlloc::alloc`'s contract, which is `System`'s.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: `place` came from `System` through this allocator, with this layout.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as for `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: `place` came from `System` through this allocator, with this layout; the caller vouches for `size`.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static GLOBAL: Counting = Counting;

#[test]
fn the_allocator_counts() {
    assert_eq!(allocations(|| drop(black_box(Box::new(7)))), 1);
    assert_eq!(allocations(|| drop(black_box(vec![0_u8; 7]))), 1);
}

#[test]
fn a_healthy_request_allocates_nothing() {
    let plan = plan();
    let mut circuit = Circuit::new(CircuitSettings::default());
    let gate = circuit.gate().to_bits();
    let decide = || {
        let now = Time::from_millis(1);
        let mut doors = Doors { gates: [gate; Tier::ALL.len()] };
        let mut request = Request::new(&plan, now);
        let Step::Ask(ask) = request.poll_step(&plan, &mut doors, now) else { return None };
        request.handle_outcome(&plan, &mut doors, Outcome::Hit, now, 7);
        circuit.handle_evidence(ask.grant.permit, Outcome::Hit.evidence(), now);
        Some(request.poll_step(&plan, &mut doors, now))
    };
    assert_counts_none(decide, Some(Step::End(Ending::Value(Tier::Primary))));
}

#[test]
fn a_walk_through_every_tier_allocates_nothing() {
    let plan = plan();
    let gate = Circuit::new(CircuitSettings::default()).gate().to_bits();
    let walk = || walk(&plan, &mut Doors { gates: [gate; Tier::ALL.len()] });
    assert_counts_none(walk, (Ending::Value(Tier::Default), 9));
}

#[test]
fn passing_over_open_circuits_allocates_nothing() {
    let plan = plan();
    let mut circuit = Circuit::new(CircuitSettings::default());
    while let Ok(permit) = circuit.request_permit(Time::ZERO, 0) {
        circuit.handle_evidence(permit, Outcome::Silent(Silence::Timeout).evidence(), Time::ZERO);
    }
    let gate = circuit.gate().to_bits();
    let walk = || walk(&plan, &mut Doors { gates: [gate; Tier::ALL.len()] });
    assert_counts_none(walk, (Ending::Value(Tier::Default), 2));
}

#[test]
fn reading_an_error_allocates_nothing() {
    let read = || Refusal::from_error(black_box(b"ERR max number of clients reached"));
    assert_counts_none(read, Refusal::MaxClients);
}

#[test]
fn a_request_fits_into_one_cache_line() {
    assert!(size_of::<Request>() <= 64, "{} bytes", size_of::<Request>());
}

/// Circuits as the engine publishes them.
struct Doors {
    gates: [u64; Tier::ALL.len()],
}

impl Admission for Doors {
    fn request_permit(&mut self, tier: Tier, turn: u8, now: Time) -> Result<Grant, Barred> {
        let gate = Gate::from_bits(black_box(self.gates[tier.index()]));
        match gate.admits_freely() {
            Some(permit) => Ok(Grant { node: turn.into(), permit, manner: Manner::Plain }),
            None => Err(gate.denies(now).unwrap_or(Denial { reason: DenialReason::Probing, retry_at: now }).into()),
        }
    }

    fn request_repeat(&mut self, _now: Time) -> bool {
        true
    }
}

fn plan() -> Plan {
    let bounds = Bounds {
        attempts: 2,
        deadline: Duration::from_secs(1),
        node_timeout: Duration::from_millis(200),
        origin_timeout: Duration::from_millis(800),
        max_stale: Duration::from_secs(600),
        auth_policy: AuthPolicy::Error,
    };
    Plan::new(Role::Cache, Intent::Read, TierSet::of(&Tier::ALL), bounds)
}

/// A request to which no tier but the default has anything to say: how it ends, and after how many questions.
fn walk(plan: &Plan, doors: &mut Doors) -> (Ending, u8) {
    let mut now = Time::from_millis(1);
    let mut request = Request::new(plan, now);
    let mut questions = 0;
    loop {
        let outcome = match request.poll_step(plan, doors, now) {
            Step::End(ending) => return (ending, questions),
            Step::Wait(until) | Step::Learn(until) => {
                now = until;
                continue;
            }
            Step::Look(_) => Outcome::Miss(MissCause::TooOld),
            Step::Ask(ask) => unanswered(ask.tier),
        };
        questions += 1;
        now = now + Duration::from_millis(1);
        request.handle_outcome(plan, doors, outcome, now, 7);
    }
}

fn unanswered(tier: Tier) -> Outcome {
    match tier {
        Tier::Primary => Outcome::Silent(Silence::ConnectionLost),
        Tier::Replica => Outcome::Failed(Failure::ConnectRefused),
        Tier::Regional | Tier::Local | Tier::Default => Outcome::Refused(Refusal::Loading),
        Tier::Origin => Outcome::Failed(Failure::Shed),
    }
}

#[track_caller]
fn assert_counts_none<T: PartialEq + std::fmt::Debug>(decide: impl FnOnce() -> T, expected: T) {
    let mut came = None;
    let counted = allocations(|| came = Some(decide()));
    assert_eq!((came, counted), (Some(expected), 0));
}

fn allocations(run: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    run();
    ALLOCATIONS.get() - before
}

fn count() {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
}
