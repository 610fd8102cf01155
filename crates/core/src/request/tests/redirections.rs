//! Being sent elsewhere: whom the machine asks when a primary says that it is not the one.

use std::collections::VecDeque;
use std::time::Duration;

use super::stage::{plan, read, write};
use crate::circuit::{Permit, PermitKind};
use crate::outcome::{Failure, Outcome, Silence};
use crate::plan::{Intent, Plan};
use crate::refusal::Refusal;
use crate::request::{Admission, Astray, Barred, Ending, Grant, MOST_HOPS, Manner, Request, Step};
use crate::role::Role;
use crate::{Tier, Time};

const MOVED: Outcome = Outcome::Refused(Refusal::Moved);
const ASK: Outcome = Outcome::Refused(Refusal::Ask);
const READ_ONLY: Outcome = Outcome::Refused(Refusal::ReadOnly);
const TRY_AGAIN: Outcome = Outcome::Refused(Refusal::TryAgain);
/// The node that the map names.
const OWNER: u16 = 0;

/// A deployment whose answers to "and whom then?" are written down beforehand.
struct Deployment {
    redirections: VecDeque<Result<Grant, Astray>>,
}

impl Admission for Deployment {
    fn request_permit(&mut self, _tier: Tier, _turn: u8, _now: Time) -> Result<Grant, Barred> {
        Ok(to(OWNER, Manner::Plain))
    }

    fn request_redirected(&mut self, _now: Time) -> Result<Grant, Astray> {
        self.redirections.pop_front().expect("asked for a redirection once too often")
    }

    fn request_repeat(&mut self, _now: Time) -> bool {
        true
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Asked(Tier, u16, Manner),
    Learned,
    Paused,
}
use Deed::{Asked, Learned, Paused};

const FIRST: Deed = Asked(Tier::Primary, OWNER, Manner::Plain);

fn to(node: u16, manner: Manner) -> Grant {
    Grant { node, permit: Permit { kind: PermitKind::Normal, epoch: 0 }, manner }
}

/// What the machine does when it is told `outcomes` one after the other, and what it ends with.
fn follow(plan: &Plan, outcomes: &[Outcome], redirections: &[Result<Grant, Astray>]) -> (Vec<Deed>, Ending) {
    let mut deployment = Deployment { redirections: redirections.iter().copied().collect() };
    let (mut request, mut now) = (Request::new(plan, Time::ZERO), Time::ZERO);
    let (mut outcomes, mut deeds) = (outcomes.iter(), Vec::new());
    loop {
        match request.poll_step(plan, &mut deployment, now) {
            Step::End(ending) => {
                assert_eq!(outcomes.next(), None, "ended too early, after {deeds:?}");
                return (deeds, ending);
            }
            Step::Ask(ask) => {
                deeds.push(Asked(ask.tier, ask.grant.node, ask.grant.manner));
                let outcome = *outcomes.next().unwrap_or_else(|| panic!("nothing to say to {deeds:?}"));
                request.handle_outcome(plan, &mut deployment, outcome, now, 0);
            }
            Step::Learn(until) => {
                assert!(until > now);
                deeds.push(Learned);
                now = now + Duration::from_millis(1);
            }
            Step::Wait(until) => {
                deeds.push(Paused);
                now = until;
            }
            Step::Look(_) => panic!("no plan here has local memory"),
        }
    }
}

fn plans() -> impl Iterator<Item = Plan> {
    let intents = [Intent::Read, Intent::Write];
    intents.into_iter().flat_map(|intent| Role::ALL.map(|role| plan(role, intent, &[Tier::Primary])))
}

#[test]
fn a_moved_slot_costs_one_more_question_whatever_is_wanted_of_it() {
    for plan in plans() {
        let (deeds, ending) = follow(&plan, &[MOVED, Outcome::Hit], &[Ok(to(3, Manner::Plain))]);
        assert_eq!(deeds, [FIRST, Asked(Tier::Primary, 3, Manner::Plain)]);
        assert_eq!(ending, Ending::Value(Tier::Primary));
    }
}

#[test]
fn a_slot_on_the_move_is_asked_for_in_the_manner_the_redirection_asks_for() {
    let (deeds, _) = follow(&write(Role::Session), &[ASK, Outcome::Hit], &[Ok(to(2, Manner::Asking))]);
    assert_eq!(deeds, [FIRST, Asked(Tier::Primary, 2, Manner::Asking)]);
}

#[test]
fn who_is_not_known_is_learned_once_and_the_map_decides() {
    for plan in plans() {
        let (deeds, ending) = follow(&plan, &[MOVED, Outcome::Hit], &[Err(Astray::Unknown)]);
        assert_eq!(deeds, [FIRST, Learned, FIRST]);
        assert_eq!(ending, Ending::Value(Tier::Primary));
    }
    let (deeds, ending) = follow(&write(Role::Session), &[MOVED, MOVED], &[Err(Astray::Unknown), Err(Astray::Unknown)]);
    assert_eq!(deeds, [FIRST, Learned, FIRST]);
    assert!(matches!(ending, Ending::Unavailable(apology) if apology.because == MOVED), "{ending:?}");
}

#[test]
fn a_cluster_that_sends_in_circles_is_left_after_a_few_hops() {
    let hops = usize::from(MOST_HOPS);
    let moved = vec![MOVED; hops + 1];
    let redirections: Vec<_> = (1..=MOST_HOPS).map(|node| Ok(to(node.into(), Manner::Plain))).collect();
    for plan in plans() {
        let (deeds, ending) = follow(&plan, &moved, &redirections);
        assert_eq!(deeds.len(), hops + 1);
        assert!(matches!(ending, Ending::Unavailable(_)), "{ending:?}");
    }
}

#[test]
fn who_is_sent_back_learns_the_map_and_asks_again() {
    let other = Asked(Tier::Primary, 1, Manner::Plain);
    let (there, back) = (Ok(to(1, Manner::Plain)), Err(Astray::Back));
    for plan in plans() {
        let (deeds, ending) = follow(&plan, &[MOVED, MOVED, Outcome::Hit], &[there, back]);
        assert_eq!((deeds, ending), (vec![FIRST, other, Learned, FIRST], Ending::Value(Tier::Primary)));
        let twice = [MOVED, MOVED, MOVED, MOVED, Outcome::Hit];
        let (deeds, ending) = follow(&plan, &twice, &[there, back, there, back]);
        assert_eq!(deeds, [FIRST, other, Learned, FIRST, other, Learned, FIRST]);
        assert_eq!(ending, Ending::Value(Tier::Primary), "nothing was done, however often it was sent to and fro");
    }
}

#[test]
fn who_is_sent_back_for_ever_is_told_so_after_a_few_times() {
    let moved = vec![MOVED; usize::from(MOST_HOPS) + 1];
    let (there, back) = (Ok(to(1, Manner::Plain)), Err(Astray::Back));
    for redirections in [vec![back; MOST_HOPS.into()], [there, back].repeat(MOST_HOPS.into())] {
        for plan in plans() {
            let (deeds, ending) = follow(&plan, &moved, &redirections);
            assert_eq!(deeds.iter().filter(|deed| **deed != Learned).count(), moved.len());
            assert!(matches!(ending, Ending::Unavailable(apology) if apology.because == MOVED), "{ending:?}");
        }
    }
}

#[test]
fn who_is_sent_back_when_the_time_is_up_does_not_wait() {
    let (plan, late) = (write(Role::Session), Time::ZERO + write(Role::Session).deadline);
    let mut deployment = Deployment { redirections: VecDeque::from([Err(Astray::Back)]) };
    let mut request = Request::new(&plan, Time::ZERO);
    assert!(matches!(request.poll_step(&plan, &mut deployment, Time::ZERO), Step::Ask(_)));
    request.handle_outcome(&plan, &mut deployment, MOVED, late, 0);
    let step = request.poll_step(&plan, &mut deployment, late);
    assert!(matches!(step, Step::End(Ending::Unavailable(_))), "{step:?}");
}

#[test]
fn a_change_that_was_overtaken_is_not_put_to_the_node_it_was_sent_to() {
    let (plan, now) = (write(Role::Session), Time::ZERO);
    for sent in [Ok(to(1, Manner::Plain)), Err(Astray::Back)] {
        let mut deployment = Deployment { redirections: VecDeque::from([sent]) };
        let mut request = Request::new(&plan, now);
        assert!(matches!(request.poll_step(&plan, &mut deployment, now), Step::Ask(_)));
        request.give_way(&plan, now);
        request.handle_outcome(&plan, &mut deployment, MOVED, now, 0);
        let step = request.poll_step(&plan, &mut deployment, now);
        assert!(matches!(step, Step::Ask(_) | Step::Learn(_)), "what has not been sent elsewhere goes on: {step:?}");
        request.give_way(&plan, now);
        let step = request.poll_step(&plan, &mut deployment, now);
        assert!(matches!(step, Step::End(Ending::Unavailable(apology)) if apology.because == MOVED), "{step:?}");
    }
}

#[test]
fn where_the_redirection_must_not_be_followed_a_read_goes_to_the_next_tier_and_a_write_has_not_happened() {
    for astray in [Astray::Refused, Astray::Barred(Barred { because: Failure::CircuitOpen, retry_at: Time::NEVER })] {
        let (deeds, ending) = follow(&read(&[Tier::Replica]), &[MOVED, Outcome::Hit], &[Err(astray)]);
        assert_eq!(deeds, [FIRST, Asked(Tier::Replica, OWNER, Manner::Plain)]);
        assert_eq!(ending, Ending::Value(Tier::Replica));
        let (_, ending) = follow(&write(Role::Session), &[MOVED], &[Err(astray)]);
        assert!(matches!(ending, Ending::Unavailable(apology) if apology.because == MOVED), "{ending:?}");
    }
}

#[test]
fn no_caller_ever_hears_of_a_redirection_where_there_is_a_map() {
    for plan in plans() {
        for redirection in [MOVED, ASK] {
            let (_, ending) = follow(&plan, &[redirection], &[Err(Astray::Refused)]);
            assert!(matches!(ending, Ending::Unavailable(_)), "{ending:?}");
        }
    }
}

#[test]
fn where_there_is_no_map_a_write_hears_what_the_node_said() {
    let plan = plan(Role::Unclassified, Intent::Write, &[]);
    for said in [MOVED, ASK, READ_ONLY] {
        assert_eq!(follow(&plan, &[said], &[Err(Astray::Nowhere)]).1, Ending::PassOn(Tier::Primary), "{said:?}");
    }
}

#[test]
fn a_write_to_a_demoted_primary_waits_for_the_map_and_goes_to_the_new_one() {
    let (deeds, ending) = follow(&write(Role::Session), &[READ_ONLY, Outcome::Hit], &[Err(Astray::Unknown)]);
    assert_eq!((deeds, ending), (vec![FIRST, Learned, FIRST], Ending::Value(Tier::Primary)));
    let (_, ending) =
        follow(&write(Role::Session), &[READ_ONLY, READ_ONLY], &[Err(Astray::Unknown), Err(Astray::Unknown)]);
    assert_eq!(ending, Ending::PassOn(Tier::Primary), "nobody else is known: the word stands");
}

#[test]
fn a_redirection_by_a_replica_is_not_followed() {
    let plan = read(&[Tier::Replica]);
    let (deeds, ending) = follow(&plan, &[Outcome::Silent(Silence::Timeout), MOVED], &[]);
    assert_eq!(deeds, [FIRST, Asked(Tier::Replica, OWNER, Manner::Plain)]);
    assert!(matches!(ending, Ending::Unavailable(_)), "{ending:?}");
}

#[test]
fn what_is_in_the_middle_of_a_move_is_tried_again_after_a_pause_a_write_too() {
    for plan in plans() {
        let (deeds, ending) = follow(&plan, &[TRY_AGAIN, Outcome::Hit], &[]);
        assert_eq!((deeds, ending), (vec![FIRST, Paused, FIRST], Ending::Value(Tier::Primary)));
    }
}

#[test]
fn a_write_that_was_sent_on_and_not_answered_may_have_happened() {
    let (_, ending) =
        follow(&write(Role::Session), &[MOVED, Outcome::Silent(Silence::Timeout)], &[Ok(to(1, Manner::Plain))]);
    assert!(matches!(ending, Ending::OutcomeUnknown(_)), "{ending:?}");
}

#[test]
fn a_read_that_prefers_replicas_asks_them_first_and_the_primary_when_they_do_not_answer() {
    let plan = read(&[Tier::Replica]).with_replica_first();
    let replica = Asked(Tier::Replica, OWNER, Manner::Plain);
    assert_eq!(follow(&plan, &[Outcome::Hit], &[]).0, [replica]);
    let gone = Outcome::Failed(Failure::ConnectRefused);
    assert_eq!(follow(&plan, &[gone, Outcome::Hit], &[]).0, [replica, FIRST]);
    assert_eq!(write(Role::Session).with_replica_first(), write(Role::Session));
}

#[test]
fn a_change_whose_repeat_would_be_overtaken_ends_instead() {
    let (plan, now) = (write(Role::Lock), Time::ZERO);
    let mut deployment = Deployment { redirections: VecDeque::new() };
    let mut request = Request::new(&plan, now);
    assert!(matches!(request.poll_step(&plan, &mut deployment, now), Step::Ask(_)));
    request.forgo_repeat(&plan, now);
    request.handle_outcome(&plan, &mut deployment, TRY_AGAIN, now, 0);
    assert!(matches!(request.poll_step(&plan, &mut deployment, now), Step::Wait(_)), "what is under way goes on");
    request.forgo_repeat(&plan, now);
    let Step::End(Ending::Unavailable(apology)) = request.poll_step(&plan, &mut deployment, now) else {
        panic!("it has not ended")
    };
    assert_eq!((apology.tier, apology.because), (Tier::Primary, TRY_AGAIN));
}
