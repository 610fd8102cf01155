//! What deciding costs a request: the healthy path (goal: under 200 ns), the longest way down, and reading an error.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use failsoft_core::circuit::{Circuit, CircuitSettings, Denial, DenialReason, Gate};
use failsoft_core::outcome::{Failure, MissCause};
use failsoft_core::plan::{AuthPolicy, Bounds, Intent, Plan};
use failsoft_core::refusal::Refusal;
use failsoft_core::request::{Admission, Barred, Ending, Grant, Manner, Request, Step};
use failsoft_core::role::Role;
use failsoft_core::{Outcome, Tier, TierSet, Time};

/// The published word of one circuit, as every request reads it.
struct Door(u64);

impl Admission for Door {
    fn request_permit(&mut self, _tier: Tier, turn: u8, now: Time) -> Result<Grant, Barred> {
        let gate = Gate::from_bits(black_box(self.0));
        match gate.admits_freely() {
            Some(permit) => Ok(Grant { node: turn.into(), permit, manner: Manner::Plain }),
            None => Err(gate.denies(now).unwrap_or(Denial { reason: DenialReason::Probing, retry_at: now }).into()),
        }
    }

    fn request_repeat(&mut self, _now: Time) -> bool {
        true
    }
}

fn healthy(c: &mut Criterion) {
    let plan = plan();
    let mut circuit = Circuit::new(CircuitSettings::default());
    let mut door = Door(circuit.gate().to_bits());
    c.bench_function("decision, healthy", |b| b.iter(|| decide(black_box(&plan), &mut door, Time::from_millis(1))));
    let mut now = Time::ZERO;
    c.bench_function("decision, healthy, with its evidence", |b| {
        b.iter(|| {
            now = now + Duration::from_micros(1);
            let ending = decide(black_box(&plan), &mut door, now);
            circuit.handle_successes(0, 1, 0, now);
            ending
        });
    });
}

fn fallback(c: &mut Criterion) {
    let plan = plan();
    let mut door = Door(Circuit::new(CircuitSettings::default()).gate().to_bits());
    c.bench_function("decision, every tier asked", |b| b.iter(|| walk(black_box(&plan), &mut door)));
    let mut circuit = Circuit::new(CircuitSettings::default());
    while let Ok(permit) = circuit.request_permit(Time::ZERO, 0) {
        circuit.handle_evidence(permit, Outcome::Failed(Failure::ConnectRefused).evidence(), Time::ZERO);
    }
    let mut shut = Door(circuit.gate().to_bits());
    c.bench_function("decision, every circuit open", |b| b.iter(|| walk(black_box(&plan), &mut shut)));
}

fn refusal(c: &mut Criterion) {
    for (name, text) in [
        ("first word", &b"LOADING Redis is loading the dataset in memory"[..]),
        ("last word", b"EXECABORT Transaction discarded because of previous errors."),
        ("plain error", b"ERR max number of clients reached"),
    ] {
        c.bench_function(&format!("refusal, {name}"), |b| b.iter(|| Refusal::from_error(black_box(text))));
    }
}

fn decide(plan: &Plan, door: &mut Door, now: Time) -> Step {
    let mut request = Request::new(plan, now);
    black_box(request.poll_step(plan, door, now));
    request.handle_outcome(plan, door, black_box(Outcome::Hit), now, 7);
    request.poll_step(plan, door, now)
}

/// A request to which no tier but the default has anything to say.
fn walk(plan: &Plan, door: &mut Door) -> Ending {
    let mut now = Time::from_millis(1);
    let mut request = Request::new(plan, now);
    loop {
        let outcome = match request.poll_step(plan, door, now) {
            Step::End(ending) => return ending,
            Step::Wait(until) | Step::Learn(until) => {
                now = until;
                continue;
            }
            Step::Look(_) => Outcome::Miss(MissCause::TooOld),
            Step::Ask(_) => Outcome::Failed(Failure::ConnectRefused),
        };
        request.handle_outcome(plan, door, black_box(outcome), now, 7);
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

criterion_group!(benches, healthy, fallback, refusal);
criterion_main!(benches);
