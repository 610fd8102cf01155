//! The circuit against a dumber one: every fact kept in a list and summed anew, permits known one by one and
//! struck out when the state changes, no epochs, no ring, no gate.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// 20 buckets of 10 ns.
const WINDOW: u64 = 200;
const COOLDOWN: u64 = 300;
const PROBE_COOLDOWN: u64 = 40;
const PROBE_TIMEOUT: u64 = 50;
const RAMP: u64 = 100;
const LONGEST: u64 = 1_000;
const FORGIVE: u64 = 500;

#[derive(Clone, Debug)]
enum Op {
    Wait(u64),
    Ask(u32),
    Report(prop::sample::Index, Evidence),
    Batch(u32, u32),
    Probe(ProbeResult),
    Operator(Override),
}

fn op() -> impl Strategy<Value = Op> {
    let evidence = prop::sample::select(vec![
        Evidence::Success,
        Evidence::Slow,
        Evidence::Failure,
        Evidence::Failure,
        Evidence::Abandoned,
    ]);
    let border = (1u64..40, -1i64..=1).prop_map(|(n, off)| (n * 10).saturating_add_signed(off));
    prop_oneof![
        4 => prop_oneof![border, 0..20u64, 0..2_000u64].prop_map(Op::Wait),
        8 => any::<u32>().prop_map(Op::Ask),
        8 => (any::<prop::sample::Index>(), evidence).prop_map(|(index, evidence)| Op::Report(index, evidence)),
        2 => (0..4u32, 0..4u32).prop_map(|(count, slow)| Op::Batch(count, slow)),
        2 => prop::sample::select(vec![ProbeResult::Answered, ProbeResult::Failed]).prop_map(Op::Probe),
        1 => prop::sample::select(vec![Override::Auto, Override::Auto, Override::HoldOpen, Override::HoldClosed])
            .prop_map(Op::Operator),
    ]
}

fn settings() -> impl Strategy<Value = CircuitSettings> {
    let ratio = || prop::sample::select(vec![0.25, 0.5, 1.0]);
    (1..6u32, ratio(), ratio(), 1..8u32).prop_map(|(failures, failure_ratio, slow_ratio, min_calls)| CircuitSettings {
        failures,
        window: Duration::from_nanos(WINDOW),
        failure_ratio,
        slow_ratio,
        slow_call: Duration::from_nanos(10),
        min_calls,
        cooldown: Duration::from_nanos(COOLDOWN),
        probe_cooldown: Duration::from_nanos(PROBE_COOLDOWN),
        probe_timeout: Duration::from_nanos(PROBE_TIMEOUT),
        ramp: Duration::from_nanos(RAMP),
        max_cooldown: Duration::from_nanos(LONGEST),
        forgive_after: Duration::from_nanos(FORGIVE),
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Says {
    Good { slow: bool },
    Bad,
}

/// A permit somebody holds, and whether its word still counts.
struct Held {
    permit: Permit,
    counts: bool,
}

struct Model {
    settings: CircuitSettings,
    name: StateName,
    since: u64,
    log: Vec<(u64, Says)>,
    held: Vec<Held>,
    /// The holder of the probe, and since when.
    probe: Option<(usize, u64)>,
    early_entry: bool,
    flaps: u32,
    misled: u32,
    cooldown: u64,
    early: u64,
    ramp: u64,
    operator: Override,
    old: u64,
}

impl Model {
    fn new(settings: CircuitSettings) -> Self {
        Self {
            settings,
            name: StateName::Closed,
            since: 0,
            log: Vec::new(),
            held: Vec::new(),
            probe: None,
            early_entry: false,
            flaps: 0,
            misled: 0,
            cooldown: 0,
            early: 0,
            ramp: 0,
            operator: Override::Auto,
            old: 0,
        }
    }

    fn go(&mut self, name: StateName, now: u64) {
        self.name = name;
        self.since = now;
        self.probe = None;
        self.held.iter_mut().for_each(|held| held.counts = false);
    }

    fn open(&mut self, now: u64) {
        let doubled = |span: u64, times: u32| (0..times).fold(span, |span, _| (span * 2).min(LONGEST));
        let flaps = self.flaps.max(1) - 1;
        self.cooldown = doubled(COOLDOWN, flaps);
        self.early = doubled(PROBE_COOLDOWN, flaps + self.misled).min(self.cooldown);
        self.ramp = doubled(RAMP, flaps);
        self.go(StateName::Open, now);
    }

    fn settle(&mut self, now: u64) {
        if self.name == StateName::Open && now >= self.since + self.cooldown {
            self.early_entry = false;
            self.go(StateName::HalfOpen, now);
        }
        if self.name == StateName::Ramp && now >= self.since + self.ramp {
            self.go(StateName::Closed, now);
        }
        if self.probe.is_some_and(|(_, since)| now >= since + PROBE_TIMEOUT) {
            self.free_probe();
        }
    }

    fn free_probe(&mut self) {
        self.probe = None;
        self.held.iter_mut().for_each(|held| held.counts = false);
    }

    fn expects(&self, now: u64, dice: u32) -> Result<PermitKind, DenialReason> {
        let percent = [5, 10, 25, 50, 75];
        match (self.operator, self.name) {
            (Override::HoldOpen, _) => Err(DenialReason::HeldOpen),
            (Override::HoldClosed, _) | (Override::Auto, StateName::Closed) => Ok(PermitKind::Normal),
            (Override::Auto, StateName::Open) => Err(DenialReason::Open),
            (Override::Auto, StateName::HalfOpen) if self.probe.is_some() => Err(DenialReason::Probing),
            (Override::Auto, StateName::HalfOpen) => Ok(PermitKind::Probe),
            (Override::Auto, StateName::Ramp) => {
                let step = usize::try_from((now - self.since) * 5 / self.ramp).unwrap();
                let admitted = f64::from(dice) < 4_294_967_296.0 * f64::from(percent[step]) / 100.0;
                if admitted { Ok(PermitKind::Normal) } else { Err(DenialReason::Ramping) }
            }
        }
    }

    fn take(&mut self, permit: Permit, now: u64) {
        if permit.kind == PermitKind::Probe {
            self.probe = Some((self.held.len(), now));
        }
        self.held.push(Held { permit, counts: true });
    }

    fn report(&mut self, index: usize, evidence: Evidence, now: u64) {
        let (counts, kind) = (self.held[index].counts, self.held[index].permit.kind);
        match evidence {
            _ if !counts => self.old += 1,
            Evidence::Success => self.weigh(&[Says::Good { slow: false }], kind, now),
            Evidence::Slow => self.weigh(&[Says::Good { slow: true }], kind, now),
            Evidence::Failure => self.weigh(&[Says::Bad], kind, now),
            Evidence::Abandoned if self.probe.is_some_and(|(holder, _)| holder == index) => self.free_probe(),
            Evidence::Abandoned => {}
        }
    }

    fn counts(&self, now: u64) -> Counts {
        let seen = || self.log.iter().filter(|(at, _)| at / 10 + 20 > now / 10).map(|(_, says)| *says);
        let count = |want: fn(Says) -> bool| seen().filter(|says| want(*says)).count() as u64;
        Counts {
            calls: count(|_| true),
            failures: count(|says| says == Says::Bad),
            slow: count(|says| says == Says::Good { slow: true }),
        }
    }

    fn weigh(&mut self, facts: &[Says], kind: PermitKind, now: u64) {
        self.log.extend(facts.iter().map(|says| (now, *says)));
        let bad = facts.contains(&Says::Bad);
        match self.name {
            StateName::Open => {}
            StateName::HalfOpen => {
                if kind == PermitKind::Probe || self.operator == Override::HoldClosed {
                    self.found_out(bad, now);
                }
            }
            StateName::Ramp if bad => self.relapse(now),
            StateName::Ramp if self.sick(now) => self.relapse(now),
            StateName::Closed if self.sick(now) => {
                if now - self.since >= FORGIVE {
                    self.flaps = 0;
                }
                self.relapse(now);
            }
            StateName::Ramp | StateName::Closed => {}
        }
    }

    fn relapse(&mut self, now: u64) {
        self.flaps += 1;
        self.misled = 0;
        self.open(now);
    }

    fn found_out(&mut self, bad: bool, now: u64) {
        if bad {
            self.misled += u32::from(self.early_entry);
            self.open(now);
        } else {
            self.log.clear();
            self.go(StateName::Ramp, now);
        }
    }

    fn sick(&self, now: u64) -> bool {
        let counts = self.counts(now);
        let share = |part: u64, ratio: f64| part > 0 && part as f64 / counts.calls as f64 >= ratio;
        counts.failures >= u64::from(self.settings.failures)
            || counts.calls >= u64::from(self.settings.min_calls)
                && (share(counts.failures, self.settings.failure_ratio) || share(counts.slow, self.settings.slow_ratio))
    }

    fn probe(&mut self, result: ProbeResult, now: u64) {
        match result {
            ProbeResult::Failed => self.weigh(&[Says::Bad], PermitKind::Probe, now),
            ProbeResult::Answered if self.name == StateName::Open && now >= self.since + self.early => {
                self.early_entry = true;
                self.go(StateName::HalfOpen, now);
            }
            ProbeResult::Answered => {}
        }
    }
}

/// The gate must say what the circuit would have said.
fn gate_agrees(circuit: &Circuit, asked: Result<Permit, Denial>, now: Time) -> bool {
    let gate = Gate::from_bits(circuit.gate().to_bits());
    let free = gate.admits_freely().is_none_or(|permit| asked == Ok(permit));
    let shut = gate.denies(now).is_none_or(|denial| asked.is_err_and(|said| said.reason == denial.reason));
    free && shut
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_circuit_agrees_with_the_model(settings in settings(), ops in prop::collection::vec(op(), 1..120)) {
        let (mut circuit, mut model, mut nanos) = (Circuit::new(settings.clone()), Model::new(settings), 0);
        let mut last: Option<Transition> = None;
        for op in ops {
            if let Op::Wait(span) = op {
                nanos += span;
            }
            let now = Time::from_nanos(nanos);
            model.settle(nanos);
            match op {
                Op::Wait(_) => circuit.handle_elapsed(now),
                Op::Ask(dice) => {
                    let before = circuit.clone();
                    let asked = circuit.request_permit(now, dice);
                    prop_assert!(gate_agrees(&before, asked, now), "{:?} {:?}", before, asked);
                    prop_assert_eq!(
                        asked.map(|permit| permit.kind).map_err(|denial| denial.reason),
                        model.expects(nanos, dice)
                    );
                    match asked {
                        Ok(permit) => model.take(permit, nanos),
                        Err(denial) => prop_assert!(denial.retry_at > now),
                    }
                }
                Op::Report(index, evidence) if !model.held.is_empty() => {
                    let index = index.index(model.held.len());
                    circuit.handle_evidence(model.held[index].permit, evidence, now);
                    model.report(index, evidence, nanos);
                }
                Op::Report(..) => circuit.handle_elapsed(now),
                Op::Batch(count, slow) => {
                    circuit.handle_elapsed(now);
                    circuit.handle_successes(circuit.epoch(), count, slow, now);
                    let facts: Vec<_> = (0..count).map(|n| Says::Good { slow: n < slow }).collect();
                    if !facts.is_empty() {
                        model.weigh(&facts, PermitKind::Normal, nanos);
                    }
                }
                Op::Probe(result) => {
                    circuit.handle_probe(result, now);
                    model.probe(result, nanos);
                }
                Op::Operator(operator) => {
                    circuit.handle_elapsed(now);
                    circuit.set_override(operator);
                    model.operator = operator;
                }
            }
            prop_assert_eq!(circuit.state_name(), model.name);
            prop_assert_eq!(circuit.counts(now), model.counts(nanos));
            prop_assert_eq!(circuit.old_evidence(), model.old);
            prop_assert!(circuit.next_timer().is_none_or(|timer| timer > now));
            while let Some(transition) = circuit.poll_transition() {
                prop_assert_eq!(transition.from, last.map_or(StateName::Closed, |last| last.to));
                prop_assert!(last.is_none_or(|last| transition.epoch > last.epoch && transition.at >= last.at));
                last = Some(transition);
            }
        }
    }

    #[test]
    fn no_settings_and_no_times_panic_or_admit_two_probes(
        (failures, min_calls, failure_ratio, slow_ratio) in any::<(u32, u32, f64, f64)>(),
        spans in prop::collection::vec(prop_oneof![0..5u64, any::<u64>()], 7),
        steps in prop::collection::vec((prop_oneof![0..5u64, any::<u64>()], any::<u32>(), 0..4u32), 1..60),
    ) {
        let span = |n: usize| Duration::from_nanos(spans[n]);
        let mut circuit = Circuit::new(CircuitSettings {
            failures, min_calls, failure_ratio, slow_ratio,
            window: span(0), slow_call: span(1), cooldown: span(2), probe_cooldown: span(3),
            probe_timeout: span(4), ramp: span(5), max_cooldown: span(6), forgive_after: span(0),
        });
        for (nanos, dice, what) in steps {
            let now = Time::from_nanos(nanos);
            let first = circuit.request_permit(now, dice);
            let second = circuit.request_permit(now, dice);
            let probes = [first, second].iter().flatten().filter(|permit| permit.kind == PermitKind::Probe).count();
            prop_assert!(probes < 2 || circuit.settings().probe_timeout.is_zero());
            match (what, first) {
                (0, Ok(permit)) => circuit.handle_evidence(permit, Evidence::Failure, now),
                (1, Ok(permit)) => circuit.handle_evidence(permit, Evidence::Success, now),
                (2, _) => circuit.handle_probe(ProbeResult::Answered, now),
                (_, _) => circuit.handle_probe(ProbeResult::Failed, now),
            }
        }
    }
}
