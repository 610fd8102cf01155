//! The request machine by script: each line of a script is one thing the machine must want next, and what it is told.
//!
//! How a script is played stands in `stage`; what holds of all plans in all worlds, in `properties`.

#![allow(clippy::unwrap_used)]

mod model;
mod properties;
mod redirections;
mod stage;

use std::time::Duration;

use super::*;
use crate::circuit::Denial;
use crate::refusal::Refusal;
use crate::role::Role;
use Tier::{Default as Spare, Local, Origin, Primary, Regional, Replica};
use stage::Line::{Asked, Late, LookedCoherent, LookedFresh, LookedStale, Paused, RepeatDenied, Shut};
use stage::{DEADLINE, Stage, apology, plan, play, play_until, read, unavailable, write};

const ABSENT: Outcome = Outcome::Miss(MissCause::Absent);
const TOO_OLD: Outcome = Outcome::Miss(MissCause::TooOld);
const UNVERIFIED: Outcome = Outcome::Miss(MissCause::Unverified);
const NO_SUCH_ROW: Outcome = Outcome::Miss(MissCause::NoSuchRow);
const LEASED: Outcome = Outcome::Miss(MissCause::Leased);
const FILLED: Outcome = Outcome::Miss(MissCause::Filled);
const UNFILLED: Outcome = Outcome::Failed(Failure::Unfilled);
const GONE: Outcome = Outcome::Failed(Failure::ConnectRefused);
const SHED: Outcome = Outcome::Failed(Failure::Shed);
const ORIGIN_DOWN: Outcome = Outcome::Failed(Failure::OriginError);
const OPEN: Outcome = Outcome::Failed(Failure::CircuitOpen);
const SPENT: Outcome = Outcome::Failed(Failure::DeadlineSpent);
const SHUTTING_DOWN: Outcome = Outcome::Failed(Failure::ShuttingDown);
const HANDSHAKE: Outcome = Outcome::Failed(Failure::Handshake(Refusal::MaxClients));
const TIMEOUT: Outcome = Outcome::Silent(Silence::Timeout);
const LOST: Outcome = Outcome::Silent(Silence::ConnectionLost);
const GARBLED: Outcome = Outcome::Silent(Silence::ProtocolViolation);
const TRY_AGAIN: Outcome = Outcome::Refused(Refusal::TryAgain);

/// What a node that is away may bring: none of it is an answer, all of it lets the next tier answer.
const AWAY: [Outcome; 14] = [
    GONE,
    Outcome::Failed(Failure::ConnectTimeout),
    Outcome::Failed(Failure::Disconnected),
    Outcome::Failed(Failure::QueueFull),
    HANDSHAKE,
    TIMEOUT,
    LOST,
    GARBLED,
    Outcome::Refused(Refusal::Loading),
    Outcome::Refused(Refusal::Busy),
    Outcome::Refused(Refusal::MasterDown),
    Outcome::Refused(Refusal::ClusterDown),
    Outcome::Refused(Refusal::SlotUnserved),
    Outcome::Refused(Refusal::MaxClients),
];

/// What is an answer although it is an error.
const PASSED_ON: [Refusal; 10] = [
    Refusal::NoPermission,
    Refusal::WrongType,
    Refusal::CrossSlot,
    Refusal::NoScript,
    Refusal::ExecAbort,
    Refusal::ReadOnly,
    Refusal::OutOfMemory,
    Refusal::Misconfigured,
    Refusal::NoReplicas,
    Refusal::Other,
];

#[test]
fn a_healthy_request_is_one_question() {
    for role in Role::ALL {
        for intent in [Intent::Read, Intent::Write] {
            play(&plan(role, intent, &Tier::ALL), &[Asked(Primary, Outcome::Hit)], Ending::Value(Primary));
        }
    }
}

#[test]
fn an_outage_is_walked_down_tier_by_tier() {
    let plan = read(&Tier::ALL);
    for away in AWAY {
        let whole = [
            Asked(Primary, away),
            Asked(Replica, away),
            Asked(Regional, away),
            LookedFresh(TOO_OLD),
            Asked(Origin, ORIGIN_DOWN),
            LookedStale(TOO_OLD),
        ];
        play(&plan, &whole, Ending::Value(Spare));
        play_until(&plan, &whole[..1], Asked(Replica, Outcome::Hit), Ending::Value(Replica));
        play_until(&plan, &whole[..2], Asked(Regional, Outcome::Hit), Ending::Value(Regional));
        play_until(&plan, &whole[..3], LookedFresh(Outcome::Hit), Ending::Value(Local));
        play_until(&plan, &whole[..4], Asked(Origin, Outcome::Hit), Ending::Value(Origin));
        play_until(&plan, &whole[..5], LookedStale(Outcome::Hit), Ending::Value(Local));
    }
}

#[test]
fn where_nothing_makes_the_value_a_stale_copy_is_looked_for_at_once() {
    let plan = read(&[Replica, Local, Spare]);
    let down = [Asked(Primary, GONE), Asked(Replica, GONE)];
    play_until(&plan, &down, LookedStale(Outcome::Hit), Ending::Value(Local));
    play_until(&plan, &down, LookedStale(ABSENT), Ending::Value(Spare));
}

#[test]
fn what_was_last_known_of_a_flag_comes_before_its_origin() {
    let plan = Plan { attempts: 1, ..plan(Role::Flag, Intent::Read, &[Local, Origin, Spare]) };
    play(&plan, &[Asked(Primary, GONE), LookedStale(Outcome::Hit)], Ending::Value(Local));
    let unknown = [Asked(Primary, GONE), LookedStale(TOO_OLD)];
    play_until(&plan, &unknown, Asked(Origin, Outcome::Hit), Ending::Value(Origin));
    play_until(&plan, &unknown, Asked(Origin, ORIGIN_DOWN), Ending::Value(Spare));
}

#[test]
fn with_nothing_left_the_caller_hears_what_the_primary_said() {
    for away in AWAY {
        play(&read(&[]), &[Asked(Primary, away)], unavailable(Primary, away));
        play(&read(&[Replica]), &[Asked(Primary, away), Asked(Replica, TIMEOUT)], unavailable(Primary, away));
        let all_tried = [Asked(Primary, away), LookedFresh(ABSENT), Asked(Origin, ORIGIN_DOWN), LookedStale(ABSENT)];
        play(&read(&[Local, Origin]), &all_tried, unavailable(Primary, away));
    }
}

#[test]
fn absent_is_the_answer_where_nothing_makes_the_value() {
    play(&read(&[Replica, Regional, Local, Spare]), &[Asked(Primary, ABSENT)], Ending::Absent(Primary));
    let by_the_replica = [Asked(Primary, GONE), Asked(Replica, ABSENT)];
    play(&read(&[Replica, Regional, Local, Spare]), &by_the_replica, Ending::Absent(Replica));
    play(&write(Role::Cache), &[Asked(Primary, ABSENT)], Ending::Absent(Primary));
}

#[test]
fn what_the_primary_has_not_the_origin_makes_and_no_copy_is_looked_at() {
    for way_to_absent in [&[Asked(Primary, ABSENT)][..], &[Asked(Primary, GONE), Asked(Replica, ABSENT)]] {
        let plan = read(&Tier::ALL);
        play_until(&plan, way_to_absent, Asked(Origin, Outcome::Hit), Ending::Value(Origin));
        play_until(&plan, way_to_absent, Asked(Origin, NO_SUCH_ROW), Ending::Absent(Origin));
    }
}

#[test]
fn an_absent_value_the_origin_cannot_make_is_rescued_from_an_old_copy() {
    let failed = [Asked(Primary, ABSENT), Asked(Origin, ORIGIN_DOWN)];
    play_until(&read(&[Local, Origin, Spare]), &failed, LookedStale(Outcome::Hit), Ending::Value(Local));
    play_until(&read(&[Local, Origin, Spare]), &failed, LookedStale(TOO_OLD), Ending::Value(Spare));
    play(&read(&[Origin]), &failed, unavailable(Origin, ORIGIN_DOWN));
}

#[test]
fn a_copy_that_says_no_such_row_is_an_answer() {
    let plan = read(&[Local, Origin, Spare]);
    play(&plan, &[Asked(Primary, GONE), LookedFresh(NO_SUCH_ROW)], Ending::Absent(Local));
    let late = [Asked(Primary, GONE), LookedFresh(TOO_OLD), Asked(Origin, SHED), LookedStale(NO_SUCH_ROW)];
    play(&plan, &late, Ending::Absent(Local));
}

#[test]
fn an_overloaded_origin_costs_an_answer_only_when_no_copy_and_no_default_is_left() {
    for shed in [SHED, Outcome::Failed(Failure::QueueFull)] {
        let told = [Asked(Primary, GONE), LookedFresh(TOO_OLD), Asked(Origin, shed)];
        play_until(&read(&[Local, Origin]), &told, LookedStale(Outcome::Hit), Ending::Value(Local));
        play_until(&read(&[Local, Origin, Spare]), &told, LookedStale(TOO_OLD), Ending::Value(Spare));
        play_until(&read(&[Local, Origin]), &told, LookedStale(TOO_OLD), Ending::Overloaded(apology(Origin, shed)));
    }
}

#[test]
fn an_open_circuit_is_passed_over_without_asking() {
    let shut = |tier| Shut(tier, Time::NEVER);
    let all = [shut(Primary), shut(Replica), shut(Regional), LookedFresh(ABSENT), shut(Origin), LookedStale(ABSENT)];
    play(&read(&Tier::ALL), &all, Ending::Value(Spare));
    play(&read(&[Local, Origin]), &[shut(Primary), LookedFresh(Outcome::Hit)], Ending::Value(Local));
    play(&write(Role::Cache), &[shut(Primary)], unavailable(Primary, OPEN));
}

#[test]
fn a_caller_is_told_to_wait_for_the_earliest_circuit() {
    let script = [Shut(Primary, Time::from_millis(700)), Shut(Replica, Time::from_millis(300))];
    let wait = |millis| Duration::from_millis(millis);
    play(&read(&[Replica]), &script, Ending::Unavailable(Apology { retry_after: wait(300), ..apology(Primary, OPEN) }));
    let over = [Asked(Primary, GONE), Shut(Replica, Time::ZERO)];
    let soonest = Apology { retry_after: RETRY_AFTER_MIN, ..apology(Primary, GONE) };
    play(&read(&[Replica]), &over, Ending::Unavailable(soonest));
    let shed = [Shut(Primary, Time::from_millis(30)), Asked(Origin, SHED)];
    play(&read(&[Origin]), &shed, Ending::Overloaded(Apology { retry_after: wait(29), ..apology(Origin, SHED) }));
}

#[test]
fn an_error_about_the_command_passes_on_and_never_falls_back() {
    for refusal in PASSED_ON {
        let refused = Outcome::Refused(refusal);
        play(&read(&Tier::ALL), &[Asked(Primary, refused)], Ending::PassOn(Primary));
        play(&read(&Tier::ALL), &[Asked(Primary, GONE), Asked(Replica, refused)], Ending::PassOn(Replica));
        for role in Role::ALL {
            play(&write(role), &[Asked(Primary, refused)], Ending::PassOn(Primary));
        }
    }
}

#[test]
fn refused_credentials_go_as_the_operator_says() {
    for refusal in [Refusal::NoAuth, Refusal::WrongPass] {
        let strict = read(&Tier::ALL);
        let lenient = Plan { auth_policy: AuthPolicy::Fallback, ..strict };
        let refused = Outcome::Refused(refusal);
        play(&strict, &[Asked(Primary, refused)], Ending::PassOn(Primary));
        play(&lenient, &[Asked(Primary, refused), Asked(Replica, Outcome::Hit)], Ending::Value(Replica));
        let shaken = Outcome::Failed(Failure::Handshake(refusal));
        play(&strict, &[Asked(Primary, shaken)], unavailable(Primary, shaken));
        play(&strict, &[Asked(Primary, GONE), Asked(Replica, shaken)], unavailable(Replica, shaken));
        play(&lenient, &[Asked(Primary, shaken), Asked(Replica, Outcome::Hit)], Ending::Value(Replica));
    }
}

#[test]
fn a_write_is_asked_once_whatever_comes_back() {
    for role in Role::ALL {
        let plan = Plan { attempts: 4, ..write(role) };
        for silent in [TIMEOUT, LOST, GARBLED] {
            play(&plan, &[Asked(Primary, silent)], Ending::OutcomeUnknown(apology(Primary, silent)));
        }
        for failed in [GONE, SPENT, SHUTTING_DOWN, HANDSHAKE] {
            play(&plan, &[Asked(Primary, failed)], unavailable(Primary, failed));
        }
        let refused = [Refusal::Loading, Refusal::TryAgain, Refusal::NoAuth].map(Outcome::Refused);
        for refused in refused {
            let ending = match role {
                Role::Cache | Role::Unclassified => Ending::PassOn(Primary),
                Role::Session | Role::RateLimit | Role::Lock | Role::Idempotency | Role::Invalidation | Role::Flag => {
                    unavailable(Primary, refused)
                }
            };
            // TRYAGAIN says that nothing was done, and that it will be possible in a moment.
            let repeat = (refused == TRY_AGAIN).then_some(RepeatDenied);
            let script: Vec<_> = std::iter::once(Asked(Primary, refused)).chain(repeat).collect();
            play(&plan, &script, ending);
        }
    }
}

#[test]
fn an_unclassified_key_hears_redis_in_its_own_words() {
    let plan = plan(Role::Unclassified, Intent::Read, &Tier::ALL);
    for refusal in Refusal::ALL.into_iter().filter(|refusal| *refusal != Refusal::TryAgain) {
        play(&plan, &[Asked(Primary, Outcome::Refused(refusal))], Ending::PassOn(Primary));
    }
    play(&plan, &[Asked(Primary, TRY_AGAIN), RepeatDenied], Ending::PassOn(Primary));
    play(&plan, &[Asked(Primary, TIMEOUT)], unavailable(Primary, TIMEOUT));
}

#[test]
fn a_read_is_repeated_as_often_as_the_plan_allows() {
    for again in [LOST, TRY_AGAIN] {
        let one = read(&[Spare]);
        let two = Plan { attempts: 2, ..one };
        let three = Plan { attempts: 3, ..one };
        play(&one, &[Asked(Primary, again)], Ending::Value(Spare));
        play(&two, &[Asked(Primary, again), Paused, Asked(Primary, Outcome::Hit)], Ending::Value(Primary));
        play(&two, &[Asked(Primary, again), Paused, Asked(Primary, again)], Ending::Value(Spare));
        let thrice = [Asked(Primary, again), Paused, Asked(Primary, again), Paused, Asked(Primary, again)];
        play(&three, &thrice, Ending::Value(Spare));
        play(&two, &[Asked(Primary, again), RepeatDenied], Ending::Value(Spare));
    }
}

#[test]
fn a_primary_that_was_silent_or_away_is_not_asked_again() {
    let plan = Plan { attempts: 4, ..read(&[Spare]) };
    for away in AWAY.into_iter().filter(|away| *away != LOST) {
        play(&plan, &[Asked(Primary, away)], Ending::Value(Spare));
    }
}

#[test]
fn a_silent_replica_has_siblings_and_they_are_asked_at_once() {
    let plan = Plan { attempts: 2, ..read(&[Replica, Spare]) };
    for away in [GONE, TIMEOUT, GARBLED] {
        let begin = [Asked(Primary, GONE), Asked(Replica, away)];
        play_until(&plan, &begin, Asked(Replica, Outcome::Hit), Ending::Value(Replica));
        play_until(&plan, &begin, Asked(Replica, away), Ending::Value(Spare));
        play_until(&plan, &begin, RepeatDenied, Ending::Value(Spare));
    }
}

#[test]
fn the_origin_is_never_asked_twice() {
    let plan = Plan { attempts: 4, ..read(&[Origin]) };
    for outcome in [LOST, TIMEOUT, ORIGIN_DOWN] {
        play(&plan, &[Asked(Primary, GONE), Asked(Origin, outcome)], unavailable(Primary, GONE));
    }
}

#[test]
fn after_the_deadline_nobody_is_asked_but_what_is_at_hand_still_answers() {
    let plan = read(&Tier::ALL);
    let late = [Asked(Primary, TIMEOUT), Late(DEADLINE)];
    play(&plan, &[&late[..], &[LookedFresh(Outcome::Hit)]].concat(), Ending::Value(Local));
    let no_copy = [&late[..], &[LookedFresh(TOO_OLD), LookedStale(TOO_OLD)]].concat();
    play(&plan, &no_copy, Ending::Value(Spare));
    play(&read(&[Replica, Origin]), &late, unavailable(Primary, TIMEOUT));
    play(&read(&[]), &[Late(DEADLINE)], unavailable(Primary, SPENT));
    play(&write(Role::Lock), &[Late(DEADLINE)], unavailable(Primary, SPENT));
    let just_in_time = [Late(DEADLINE - Duration::from_nanos(1)), Asked(Primary, Outcome::Hit)];
    play(&plan, &just_in_time, Ending::Value(Primary));
}

#[test]
fn a_pause_that_would_outlast_the_deadline_is_not_begun() {
    let plan = Plan { attempts: 2, ..read(&[Spare]) };
    let begun_at = |millis| [Late(Time::from_millis(millis)), Asked(Primary, LOST)];
    play(&plan, &[&begun_at(988)[..], &[Paused, Asked(Primary, Outcome::Hit)]].concat(), Ending::Value(Primary));
    play(&plan, &begun_at(998), Ending::Value(Spare));
    let replica = Plan { attempts: 2, ..read(&[Replica, Spare]) };
    play(
        &replica,
        &[Late(Time::from_millis(998)), Asked(Primary, GONE), Asked(Replica, TIMEOUT)],
        Ending::Value(Spare),
    );
}

#[test]
fn what_a_tier_said_is_remembered_when_it_cannot_be_asked_again() {
    let plan = Plan { attempts: 2, ..read(&[]) };
    let script = [Asked(Primary, LOST), Paused, Shut(Primary, Time::NEVER)];
    let request = play(&plan, &script, unavailable(Primary, LOST));
    assert_eq!(request.trail().collect::<Vec<_>>(), [(Primary, LOST)]);
}

#[test]
fn the_trail_says_what_every_tier_said() {
    let script = [Asked(Primary, TIMEOUT), Shut(Replica, Time::NEVER), LookedFresh(TOO_OLD), Asked(Origin, SHED)];
    let request =
        play_until(&read(&[Replica, Local, Origin, Spare]), &script, LookedStale(ABSENT), Ending::Value(Spare));
    let trail = [(Primary, TIMEOUT), (Replica, OPEN), (Local, ABSENT), (Origin, SHED), (Spare, Outcome::Hit)];
    assert_eq!(request.trail().collect::<Vec<_>>(), trail);
}

#[test]
fn a_circuit_an_operator_holds_open_is_told_apart() {
    let held = Denial { reason: DenialReason::HeldOpen, retry_at: Time::NEVER };
    let reasons = [DenialReason::Open, DenialReason::Probing, DenialReason::Ramping].map(Failure::from);
    assert_eq!((Failure::from(held.reason), reasons), (Failure::HeldOpen, [Failure::CircuitOpen; 3]));
}

#[test]
fn a_resumed_request_goes_on_from_the_question_it_was_begun_with() {
    let plan = Plan { attempts: 2, ..read(&[Replica]) };
    let mut world = Stage::new(&[Asked(Replica, Outcome::Hit)]);
    let mut request = Request::resume(&plan, Time::ZERO, Primary);
    assert_eq!(request.deadline(), DEADLINE);
    request.handle_outcome(&plan, &mut world, GONE, Time::from_millis(5), 0);
    world.now = Time::from_millis(5);
    assert_eq!(world.run(&mut request, &plan), Ending::Value(Replica));
}

#[test]
fn an_outcome_nobody_waits_for_changes_nothing() {
    let plan = read(&[]);
    let mut request = play(&plan, &[Asked(Primary, Outcome::Hit)], Ending::Value(Primary));
    request.handle_outcome(&plan, &mut Stage::new(&[]), GONE, DEADLINE, 0);
    assert_eq!(request.poll_step(&plan, &mut Stage::new(&[]), DEADLINE), Step::End(Ending::Value(Primary)));
    let mut fresh = Request::new(&plan, Time::ZERO);
    fresh.handle_outcome(&plan, &mut Stage::new(&[]), Outcome::Hit, Time::ZERO, 0);
    assert!(matches!(fresh.poll_step(&plan, &mut Stage::new(&[]), Time::ZERO), Step::Ask(_)));
}

#[test]
fn polling_early_in_a_pause_gives_the_same_pause() {
    let plan = Plan { attempts: 2, ..read(&[]) };
    let mut world = Stage::new(&[]);
    let mut request = Request::resume(&plan, Time::ZERO, Primary);
    request.handle_outcome(&plan, &mut world, LOST, Time::ZERO, u64::MAX);
    let wait = Step::Wait(Time::from_millis(10));
    assert_eq!(request.poll_step(&plan, &mut world, Time::ZERO), wait);
    assert_eq!(request.poll_step(&plan, &mut world, Time::from_nanos(9_999_999)), wait);
    assert!(matches!(request.poll_step(&plan, &mut world, Time::from_millis(10)), Step::Ask(_)));
}

#[test]
fn a_coherent_copy_answers_before_anybody_is_asked() {
    let plan = read(&Tier::ALL).with_local_in_front();
    let request = play(&plan, &[LookedCoherent(Outcome::Hit)], Ending::Value(Local));
    assert!(request.was_answered_in_front());
    assert_eq!(request.trail().collect::<Vec<_>>(), [(Local, Outcome::Hit)]);
}

#[test]
fn without_a_coherent_copy_the_order_is_what_it_always_is() {
    let plan = read(&Tier::ALL).with_local_in_front();
    for nothing in [ABSENT, TOO_OLD, UNVERIFIED, NO_SUCH_ROW, SPENT] {
        let request = play(&plan, &[LookedCoherent(nothing), Asked(Primary, Outcome::Hit)], Ending::Value(Primary));
        assert!(!request.was_answered_in_front());
        assert_eq!(request.trail().collect::<Vec<_>>(), [(Primary, Outcome::Hit)]);
        let script = [
            LookedCoherent(nothing),
            Asked(Primary, GONE),
            Asked(Replica, GONE),
            Asked(Regional, GONE),
            LookedFresh(TOO_OLD),
            Asked(Origin, ORIGIN_DOWN),
            LookedStale(Outcome::Hit),
        ];
        assert!(!play(&plan, &script, Ending::Value(Local)).was_answered_in_front());
    }
}

#[test]
fn who_has_a_write_under_way_passes_the_front() {
    let plan = read(&Tier::ALL).with_local_in_front();
    let mut request = Request::new(&plan, Time::ZERO);
    request.pass_front();
    let mut stage = Stage::new(&[Asked(Primary, Outcome::Hit)]);
    assert_eq!(stage.run(&mut request, &plan), Ending::Value(Primary));
}

#[test]
fn a_request_about_which_the_primary_has_been_asked_does_not_look_in_front() {
    let plan = read(&Tier::ALL).with_local_in_front();
    let mut stage = Stage::new(&[Asked(Replica, Outcome::Hit)]);
    let mut request = Request::resume(&plan, Time::ZERO, Primary);
    request.handle_outcome(&plan, &mut stage, GONE, Time::ZERO, 0);
    assert_eq!(stage.run(&mut request, &plan), Ending::Value(Replica));
}

#[test]
fn a_caller_that_is_to_make_the_value_hears_it_from_the_node_that_has_said_so() {
    let plan = read(&[Replica, Local, Origin]);
    play(&plan, &[Asked(Primary, ABSENT), Asked(Origin, LEASED)], Ending::Absent(Primary));
    let away = [Asked(Primary, GONE), Asked(Replica, GONE), LookedFresh(TOO_OLD), Asked(Origin, LEASED)];
    play(&plan, &away, Ending::Absent(Origin));
}

#[test]
fn what_another_has_written_is_looked_for_anew_from_the_primary_on() {
    let plan = read(&[Replica, Local, Origin]).with_replica_first().with_local_in_front();
    let waited = [LookedCoherent(ABSENT), Asked(Replica, ABSENT), Asked(Primary, ABSENT), Asked(Origin, FILLED)];
    let then = |lines: &[stage::Line]| [&waited, lines].concat();
    play(&plan, &then(&[Asked(Primary, Outcome::Hit)]), Ending::Value(Primary));
    play(&plan, &then(&[Asked(Primary, ABSENT)]), Ending::Absent(Primary));
    let kept_here = [Asked(Primary, GONE), Asked(Replica, GONE), LookedFresh(Outcome::Hit)];
    play(&plan, &then(&kept_here), Ending::Value(Local));
    let lost = [Asked(Primary, GONE), Asked(Replica, GONE), LookedFresh(TOO_OLD), LookedStale(TOO_OLD)];
    play(&plan, &then(&lost), unavailable(Primary, GONE));
}

#[test]
fn a_caller_whose_turn_does_not_come_is_served_an_old_copy() {
    let plan = read(&[Local, Origin]);
    for outcome in [UNFILLED, SHED] {
        let script = [Asked(Primary, ABSENT), Asked(Origin, outcome), LookedStale(Outcome::Hit)];
        play(&plan, &script, Ending::Value(Local));
    }
    let shed = Ending::Overloaded(apology(Origin, SHED));
    play(&plan, &[Asked(Primary, ABSENT), Asked(Origin, SHED), LookedStale(TOO_OLD)], shed);
}
