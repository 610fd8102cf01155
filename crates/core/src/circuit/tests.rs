//! The circuit by script: facts with their times in, permits, denials and transitions out.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::*;

const NEVER_ADMITTED: u32 = u32::MAX;

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

fn circuit() -> Circuit {
    Circuit::new(CircuitSettings::default())
}

fn fail(circuit: &mut Circuit, now: Time) {
    let permit = circuit.request_permit(now, 0).unwrap();
    circuit.handle_evidence(permit, Evidence::Failure, now);
}

/// A circuit that tripped at `now` by five failures.
fn opened_at(now: Time) -> Circuit {
    let mut circuit = circuit();
    (0..5).for_each(|_| fail(&mut circuit, now));
    assert_eq!(circuit.state_name(), StateName::Open);
    circuit
}

/// A circuit whose probe was answered at 31 s.
fn ramping() -> Circuit {
    let mut circuit = opened_at(at(1_000));
    let probe = circuit.request_permit(at(31_000), 0).unwrap();
    circuit.handle_evidence(probe, Evidence::Success, at(31_000));
    assert_eq!(circuit.state_name(), StateName::Ramp);
    circuit
}

fn told(circuit: &mut Circuit) -> Vec<(StateName, StateName, TransitionReason)> {
    std::iter::from_fn(|| circuit.poll_transition()).map(|t| (t.from, t.to, t.reason)).collect()
}

fn open_for(circuit: &Circuit) -> Duration {
    match circuit.state() {
        State::Open { since, until, .. } => until.since(since),
        other => panic!("not open: {other:?}"),
    }
}

#[test]
fn a_whole_outage_is_told_in_order() {
    let mut circuit = ramping();
    circuit.handle_elapsed(at(32_999));
    assert_eq!(circuit.state_name(), StateName::Ramp);
    circuit.handle_elapsed(circuit.next_timer().unwrap());
    use StateName::{Closed, HalfOpen, Open, Ramp};
    let expected = [
        (Closed, Open, TransitionReason::Tripped(TripReason::FailureCount)),
        (Open, HalfOpen, TransitionReason::CooldownOver),
        (HalfOpen, Ramp, TransitionReason::TrialPassed),
        (Ramp, Closed, TransitionReason::RampDone),
    ];
    assert_eq!(told(&mut circuit), expected);
    assert_eq!(circuit.next_timer(), None);
}

#[test]
fn the_fifth_failure_trips_and_the_fourth_does_not() {
    let mut circuit = circuit();
    (0..4).for_each(|_| fail(&mut circuit, at(1)));
    assert_eq!(circuit.state_name(), StateName::Closed);
    fail(&mut circuit, at(1));
    assert_eq!(circuit.state_name(), StateName::Open);
}

#[test]
fn failures_that_left_the_window_do_not_trip() {
    let mut circuit = circuit();
    (0..4).for_each(|_| fail(&mut circuit, at(0)));
    (0..4).for_each(|_| fail(&mut circuit, at(10_000)));
    assert_eq!((circuit.state_name(), circuit.counts(at(10_000)).failures), (StateName::Closed, 4));
}

#[test]
fn slowness_trips_by_share_and_says_so() {
    let mut circuit = circuit();
    circuit.handle_successes(0, 19, 19, at(1));
    assert_eq!(circuit.state_name(), StateName::Closed);
    circuit.handle_successes(0, 1, 0, at(1));
    assert!(matches!(circuit.state(), State::Open { reason: TripReason::SlowRatio, .. }));
}

#[test]
fn open_denies_until_the_cooldown_is_over() {
    let mut circuit = opened_at(at(1_000));
    let denial = Denial { reason: DenialReason::Open, retry_at: at(31_000) };
    assert_eq!(circuit.request_permit(at(30_999), 0), Err(denial));
    assert_eq!(circuit.next_timer(), Some(at(31_000)));
    assert_eq!(circuit.request_permit(at(31_000), 0).map(|permit| permit.kind), Ok(PermitKind::Probe));
}

#[test]
fn half_open_admits_one_however_many_ask() {
    let mut circuit = opened_at(at(1_000));
    let now = at(31_000);
    let admitted = (0..1_000).filter(|dice| circuit.request_permit(now, *dice).is_ok()).count();
    assert_eq!(admitted, 1);
    let denial = Denial { reason: DenialReason::Probing, retry_at: at(33_000) };
    assert_eq!(circuit.request_permit(now, 0), Err(denial));
}

#[test]
fn an_abandoned_probe_makes_room_once() {
    let mut circuit = opened_at(at(1_000));
    let now = at(31_000);
    let first = circuit.request_permit(now, 0).unwrap();
    circuit.handle_evidence(first, Evidence::Abandoned, now);
    let second = circuit.request_permit(now, 0).unwrap();
    circuit.handle_evidence(first, Evidence::Abandoned, now);
    assert!(circuit.request_permit(now, 0).is_err(), "a second report freed another's slot");
    circuit.handle_evidence(second, Evidence::Success, now);
    assert_eq!(circuit.state_name(), StateName::Ramp);
}

#[test]
fn a_probe_whose_holder_vanished_expires() {
    let mut circuit = opened_at(at(1_000));
    let vanished = circuit.request_permit(at(31_000), 0).unwrap();
    assert_eq!(circuit.next_timer(), Some(at(33_000)));
    assert!(circuit.request_permit(at(32_999), 0).is_err());
    let probe = circuit.request_permit(at(33_000), 0).unwrap();
    circuit.handle_evidence(vanished, Evidence::Failure, at(33_000));
    assert_eq!((circuit.state_name(), circuit.old_evidence()), (StateName::HalfOpen, 1));
    circuit.handle_evidence(probe, Evidence::Slow, at(33_001));
    assert_eq!(circuit.state_name(), StateName::Ramp);
}

#[test]
fn a_failed_probe_reopens_without_lengthening() {
    let mut circuit = opened_at(at(1_000));
    let probe = circuit.request_permit(at(31_000), 0).unwrap();
    circuit.handle_evidence(probe, Evidence::Failure, at(31_000));
    assert!(matches!(circuit.state(), State::Open { reason: TripReason::ProbeFailed, .. }));
    assert_eq!(open_for(&circuit), Duration::from_secs(30));
}

#[test]
fn the_ramp_admits_the_share_of_its_step() {
    let mut circuit = ramping();
    for (step, percent) in RAMP_PERCENT.iter().enumerate() {
        let start = 31_000 + 400 * step as u64;
        let edge = u32::try_from((u64::from(*percent) << 32).div_ceil(100)).unwrap();
        for now in [at(start), at(start + 399)] {
            assert!(circuit.request_permit(now, edge - 1).is_ok(), "{percent} at {now:?}");
            let denial = circuit.request_permit(now, edge).unwrap_err();
            assert_eq!(denial, Denial { reason: DenialReason::Ramping, retry_at: at(start + 400) });
        }
    }
    assert!(circuit.request_permit(at(33_000), NEVER_ADMITTED).is_ok());
    assert_eq!(circuit.state_name(), StateName::Closed);
}

#[test]
fn one_failure_on_the_ramp_reopens_for_longer() {
    let mut circuit = ramping();
    fail(&mut circuit, at(31_500));
    assert!(matches!(circuit.state(), State::Open { reason: TripReason::RampFailed, .. }));
    assert_eq!(open_for(&circuit), Duration::from_secs(60));
}

#[test]
fn slowness_on_the_ramp_reopens() {
    let mut circuit = ramping();
    circuit.handle_successes(circuit.epoch(), 20, 20, at(31_500));
    assert!(matches!(circuit.state(), State::Open { reason: TripReason::SlowRatio, .. }));
}

#[test]
fn what_was_seen_before_the_outage_does_not_trip_after_it() {
    let settings = CircuitSettings { window: Duration::from_secs(600), ..CircuitSettings::default() };
    let mut circuit = Circuit::new(settings);
    (0..5).for_each(|_| fail(&mut circuit, at(0)));
    let probe = circuit.request_permit(at(30_000), 0).unwrap();
    circuit.handle_evidence(probe, Evidence::Success, at(30_000));
    circuit.handle_successes(circuit.epoch(), 1, 0, at(30_001));
    circuit.handle_elapsed(at(32_000));
    fail(&mut circuit, at(32_001));
    assert_eq!(circuit.state_name(), StateName::Closed);
}

#[test]
fn flapping_lengthens_to_the_bound_and_is_forgiven() {
    let mut circuit = circuit();
    let (mut now, mut seen) = (at(0), Vec::new());
    for _ in 0..6 {
        (0..5).for_each(|_| fail(&mut circuit, now));
        seen.push(open_for(&circuit).as_secs());
        now = circuit.next_timer().unwrap();
        let probe = circuit.request_permit(now, 0).unwrap();
        circuit.handle_evidence(probe, Evidence::Success, now);
        now = circuit.next_timer().unwrap();
        circuit.handle_elapsed(now);
    }
    assert_eq!(seen, [30, 60, 120, 240, 300, 300]);
    now = now + Duration::from_secs(60);
    (0..5).for_each(|_| fail(&mut circuit, now));
    assert_eq!(open_for(&circuit), Duration::from_secs(30));
}

#[test]
fn one_second_up_one_second_down_settles_to_few_openings() {
    let mut circuit = circuit();
    for tick in 0..6_000 {
        let (now, healthy) = (at(tick * 100), tick / 10 % 2 == 1);
        circuit.handle_probe(if healthy { ProbeResult::Answered } else { ProbeResult::Failed }, now);
        if let Ok(permit) = circuit.request_permit(now, 0) {
            circuit.handle_evidence(permit, if healthy { Evidence::Success } else { Evidence::Failure }, now);
        }
    }
    let openings = told(&mut circuit).iter().filter(|(_, to, _)| *to == StateName::Open).count();
    assert!((2..=16).contains(&openings), "{openings} openings in ten minutes");
    assert_eq!(circuit.lost_transitions(), 0);
}

#[test]
fn an_answered_background_probe_shortens_the_cooldown_but_not_to_nothing() {
    let mut circuit = opened_at(at(1_000));
    circuit.handle_probe(ProbeResult::Answered, at(1_999));
    assert_eq!(circuit.state_name(), StateName::Open);
    circuit.handle_probe(ProbeResult::Answered, at(2_000));
    assert_eq!(circuit.state_name(), StateName::HalfOpen);
    circuit.handle_probe(ProbeResult::Answered, at(2_001));
    assert_eq!(circuit.state_name(), StateName::HalfOpen, "a PING is not the data path");
}

#[test]
fn a_ping_over_a_sick_data_path_is_believed_less_each_time() {
    let mut circuit = opened_at(at(0));
    let mut waits = Vec::new();
    for _ in 0..7 {
        let State::Open { since, early, .. } = circuit.state() else { panic!("{:?}", circuit.state()) };
        waits.push(early.since(since).as_secs());
        circuit.handle_probe(ProbeResult::Answered, early);
        let probe = circuit.request_permit(early, 0).unwrap();
        circuit.handle_evidence(probe, Evidence::Failure, early);
        assert_eq!(open_for(&circuit), Duration::from_secs(30));
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
}

#[test]
fn failed_background_probes_are_evidence_in_every_state_but_open() {
    let mut circuit = circuit();
    (0..5).for_each(|_| circuit.handle_probe(ProbeResult::Failed, at(1)));
    assert_eq!(circuit.state_name(), StateName::Open);
    circuit.handle_probe(ProbeResult::Failed, at(2));
    assert_eq!(circuit.next_timer(), Some(at(30_001)));
    circuit.handle_elapsed(at(30_001));
    circuit.handle_probe(ProbeResult::Failed, at(30_002));
    assert!(matches!(circuit.state(), State::Open { reason: TripReason::ProbeFailed, .. }));
    let mut circuit = ramping();
    circuit.handle_probe(ProbeResult::Failed, at(31_001));
    assert!(matches!(circuit.state(), State::Open { reason: TripReason::RampFailed, .. }));
}

#[test]
fn old_epochs_are_counted_and_not_obeyed() {
    let mut circuit = circuit();
    let early = circuit.request_permit(at(1), 0).unwrap();
    (0..5).for_each(|_| fail(&mut circuit, at(1)));
    let probe = circuit.request_permit(at(30_001), 0).unwrap();
    circuit.handle_evidence(early, Evidence::Success, at(30_001));
    circuit.handle_evidence(early, Evidence::Failure, at(30_001));
    circuit.handle_successes(early.epoch, 7, 0, at(30_001));
    assert_eq!((circuit.state_name(), circuit.old_evidence()), (StateName::HalfOpen, 9));
    circuit.handle_evidence(probe, Evidence::Success, at(30_002));
    circuit.handle_evidence(probe, Evidence::Failure, at(30_003));
    assert_eq!((circuit.state_name(), circuit.old_evidence()), (StateName::Ramp, 10));
}

#[test]
fn held_open_denies_a_healthy_place_and_keeps_observing() {
    let mut circuit = circuit();
    circuit.set_override(Override::HoldOpen);
    assert_eq!(circuit.request_permit(at(1), 0), Err(HELD_OPEN));
    assert_eq!(circuit.gate().denies(at(1)), Some(HELD_OPEN));
    (0..5).for_each(|_| circuit.handle_probe(ProbeResult::Failed, at(1)));
    assert_eq!(circuit.state_name(), StateName::Open);
    circuit.set_override(Override::Auto);
    assert_eq!(circuit.request_permit(at(1), 0).unwrap_err().reason, DenialReason::Open);
}

#[test]
fn held_closed_admits_to_a_sick_place_and_keeps_observing() {
    let mut circuit = opened_at(at(0));
    circuit.set_override(Override::HoldClosed);
    let free = circuit.gate().admits_freely().unwrap();
    assert_eq!(circuit.request_permit(at(1), NEVER_ADMITTED), Ok(free));
    circuit.handle_evidence(free, Evidence::Failure, at(2));
    assert_eq!(circuit.state_name(), StateName::Open);
    circuit.handle_elapsed(at(30_000));
    let normal = circuit.request_permit(at(30_000), 0).unwrap();
    assert_eq!(normal.kind, PermitKind::Normal);
    circuit.handle_evidence(normal, Evidence::Success, at(30_001));
    assert_eq!(circuit.state_name(), StateName::Ramp, "a call that flowed is as good as a probe");
    assert!(circuit.request_permit(at(30_001), NEVER_ADMITTED).is_ok());
}

#[test]
fn the_gate_is_free_closed_shut_open_and_asks_in_between() {
    let mut circuit = circuit();
    assert_eq!(circuit.gate().admits_freely(), circuit.request_permit(at(0), 0).ok());
    circuit = opened_at(at(1_000));
    let denial = circuit.gate().denies(at(30_999)).unwrap();
    assert_eq!(denial.reason, DenialReason::Open);
    assert!(at(31_000).since(denial.retry_at) < Duration::from_nanos(256));
    assert_eq!(circuit.gate().denies(at(31_000)), None);
    circuit.handle_elapsed(at(31_000));
    assert_eq!(circuit.gate(), Gate::ASK);
    let _probe = circuit.request_permit(at(31_000), 0).unwrap();
    assert_eq!(circuit.gate().denies(at(31_001)).unwrap().reason, DenialReason::Probing);
    assert_eq!(ramping().gate(), Gate::ASK);
}

#[test]
fn untold_transitions_are_bounded_and_the_latest_are_kept() {
    let settings = CircuitSettings { forgive_after: Duration::ZERO, ramp: Duration::ZERO, ..Default::default() };
    let mut circuit = Circuit::new(settings);
    let mut now = at(0);
    for _ in 0..MOST_UNTOLD / 4 + 1 {
        (0..5).for_each(|_| fail(&mut circuit, now));
        now = circuit.next_timer().unwrap();
        let probe = circuit.request_permit(now, 0).unwrap();
        circuit.handle_evidence(probe, Evidence::Success, now);
        circuit.handle_elapsed(now);
    }
    assert_eq!(circuit.lost_transitions(), 4);
    let epochs: Vec<_> = std::iter::from_fn(|| circuit.poll_transition()).map(|t| t.epoch).collect();
    assert_eq!((epochs.len(), epochs.last().copied()), (MOST_UNTOLD, Some(circuit.epoch())));
    assert!(epochs.windows(2).all(|pair| pair[0] < pair[1]));
}
