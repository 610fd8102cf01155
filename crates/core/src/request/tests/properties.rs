//! What holds of every request, whatever the plan and whatever happens: where it may look, how often, until when, and
//! what it may call an answer; and that it ends as the plainer story in `model` does.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;

use super::model::{self, Fate, Turn};
use crate::circuit::{Denial, DenialReason, Permit, PermitKind};
use crate::outcome::{Failure, MissCause, Outcome, Silence};
use crate::plan::{AuthPolicy, Bounds, Intent, LocalPlace, Plan};
use crate::refusal::Refusal;
use crate::request::{Admission, Ask, Barred, Ending, Grant, Manner, Request, Step};
use crate::role::{Role, Stance};
use crate::stale::Acceptance;
use crate::{Tier, TierSet, Time};

const MOST_ATTEMPTS: u8 = 4;
/// Three tiers of nodes with a pause after each question, twice, one load, four looks, one end; and some to spare.
const MOST_STEPS: usize = 2 * 3 * 2 * MOST_ATTEMPTS as usize + 9;
const MOST_LOOKS: usize = 4;
const FILLED: Outcome = Outcome::Miss(MissCause::Filled);
const LEASED: Outcome = Outcome::Miss(MissCause::Leased);
const ABSENT: Outcome = Outcome::Miss(MissCause::Absent);
const NODES: [Tier; 3] = [Tier::Primary, Tier::Replica, Tier::Regional];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn it_ends_as_the_story_does_and_at_the_same_moment(plan in plans(), fate in fates()) {
        let walk = Walk::of(&plan, &fate);
        prop_assert_eq!((walk.ending, walk.now), model::ending(&plan, &fate));
    }

    #[test]
    fn nobody_is_asked_outside_the_plan_or_more_often_than_it_says(plan in plans(), fate in fates()) {
        let walk = Walk::of(&plan, &fate);
        for tier in Tier::ALL {
            let times = walk.questions().filter(|(asked, _, _)| *asked == tier).count();
            let rounds = if walk.questions().any(|(_, outcome, _)| outcome == FILLED) { 2 } else { 1 };
            let most = match tier {
                Tier::Primary | Tier::Replica | Tier::Regional => usize::from(plan.attempts) * rounds,
                Tier::Local => MOST_LOOKS - 2 + rounds,
                Tier::Origin => 1,
                Tier::Default => 0,
            };
            prop_assert!(times <= if plan.tiers.contains(tier) { most } else { 0 }, "{} asked {} times", tier, times);
        }
    }

    #[test]
    fn nobody_is_asked_once_the_deadline_is_spent(plan in plans(), fate in fates()) {
        let deadline = Time::ZERO + plan.deadline;
        for event in Walk::of(&plan, &fate).events {
            match event {
                Event::Knocked(_, now) | Event::Repeated(now) => prop_assert!(now < deadline),
                Event::Asked(ask, now, _) => {
                    prop_assert!(now < deadline && ask.by <= deadline && ask.by <= now + plan.timeout(ask.tier));
                }
                Event::Waited(pause, until) => {
                    prop_assert!(until < deadline);
                    prop_assert!((Duration::from_millis(1)..=Duration::from_millis(10)).contains(&pause));
                }
                Event::Looked(..) => {}
            }
        }
    }

    #[test]
    fn an_answer_is_what_the_tier_has_just_said(plan in plans(), fate in fates()) {
        let walk = Walk::of(&plan, &fate);
        let last = walk.questions().last().map(|(tier, outcome, _)| (tier, outcome));
        match walk.ending {
            Ending::Value(Tier::Default) => prop_assert!(plan.tiers.contains(Tier::Default)),
            Ending::Value(tier) => prop_assert_eq!(last, Some((tier, Outcome::Hit))),
            Ending::Absent(tier) if last == Some((Tier::Origin, LEASED)) || last == Some((Tier::Origin, ABSENT)) => {
                let absent = |(said, outcome, _)| NODES.contains(&said) && matches!(outcome, Outcome::Miss(_));
                let told = walk.questions().find(|question| absent(*question)).map_or(Tier::Origin, |(said, _, _)| said);
                prop_assert_eq!(tier, told);
            }
            Ending::Absent(tier) => prop_assert!(matches!(last, Some((said, Outcome::Miss(_))) if said == tier)),
            Ending::PassOn(tier) => prop_assert!(matches!(last, Some((said, Outcome::Refused(_))) if said == tier)),
            Ending::OutcomeUnknown(apology) => {
                prop_assert_eq!(plan.intent, Intent::Write);
                prop_assert_eq!(last, Some((apology.tier, apology.because)));
            }
            Ending::Overloaded(apology) => {
                prop_assert_eq!(apology.tier, Tier::Origin);
                prop_assert!(matches!(apology.because, Outcome::Failed(Failure::Shed | Failure::QueueFull)));
            }
            Ending::Unavailable(apology) => {
                let blames = match apology.because {
                    Outcome::Hit | Outcome::Miss(_) => false,
                    Outcome::Silent(_) => plan.intent == Intent::Read,
                    Outcome::Refused(_) | Outcome::Failed(_) => true,
                };
                prop_assert!(blames, "{:?}", apology);
            }
        }
    }

    #[test]
    fn an_apology_names_what_the_trail_shows(plan in plans(), fate in fates()) {
        let walk = Walk::of(&plan, &fate);
        match walk.ending {
            Ending::Unavailable(apology) | Ending::Overloaded(apology) | Ending::OutcomeUnknown(apology) => {
                prop_assert!(walk.request.trail().any(|said| said == (apology.tier, apology.because)));
            }
            Ending::Value(tier) | Ending::Absent(tier) | Ending::PassOn(tier) => {
                prop_assert_eq!(walk.request.trail().map(|(said_by, _)| said_by).find(|said_by| *said_by == tier), Some(tier));
            }
        }
    }

    #[test]
    fn a_copy_of_what_is_absent_is_looked_at_only_when_the_origin_failed(plan in plans(), fate in fates()) {
        let walk = Walk::of(&plan, &fate);
        let events = &walk.events;
        let is_absence = |event: &Event| matches!(event, Event::Asked(ask, _, Outcome::Miss(_)) if NODES.contains(&ask.tier));
        let Some(absent) = events.iter().position(is_absence) else { return Ok(()) };
        let mut origin_was_tried = false;
        for event in &events[absent + 1..] {
            match event {
                Event::Knocked(tier, _) => {
                    prop_assert_eq!(*tier, Tier::Origin);
                    origin_was_tried = true;
                }
                Event::Looked(acceptance, _, now) => {
                    prop_assert!(plan.tiers.contains(Tier::Origin));
                    prop_assert!(origin_was_tried || *now >= Time::ZERO + plan.deadline);
                    prop_assert_eq!(*acceptance, Acceptance::StaleUpTo(plan.max_stale));
                }
                // What is found after that is what has just been written.
                Event::Asked(_, _, FILLED) => break,
                Event::Asked(ask, ..) => prop_assert_eq!(ask.tier, Tier::Origin),
                Event::Repeated(_) | Event::Waited(..) => prop_assert!(false, "repeated after an answer"),
            }
        }
    }

    #[test]
    fn what_another_has_filled_is_looked_for_at_the_primary_first(plan in plans(), fate in fates()) {
        let preferring = Plan { preferred: Some(Tier::Replica).filter(|tier| plan.tiers.contains(*tier)), ..plan };
        let walk = Walk::of(&preferring, &fate);
        let Some(filled) = walk.events.iter().position(|event| matches!(event, Event::Asked(_, _, FILLED))) else {
            return Ok(());
        };
        if walk.now >= Time::ZERO + plan.deadline {
            return Ok(());
        }
        prop_assert!(matches!(walk.events[filled + 1], Event::Knocked(Tier::Primary, _)));
        let is_origin = |event: &Event| matches!(event, Event::Knocked(Tier::Origin, _));
        prop_assert!(!walk.events[filled + 1..].iter().any(is_origin));
    }

    #[test]
    fn a_coherent_copy_is_looked_for_once_and_before_anything_else(plan in plans(), fate in fates()) {
        let walk = Walk::of(&plan, &fate);
        for (at, event) in walk.events.iter().enumerate() {
            let is_in_front = matches!(event, Event::Looked(Acceptance::Coherent, ..));
            prop_assert_eq!(is_in_front, at == 0 && plan.local == LocalPlace::InFront);
        }
        let hit = matches!(walk.events[..], [Event::Looked(Acceptance::Coherent, Outcome::Hit, _)]);
        prop_assert_eq!(walk.request.was_answered_in_front(), hit);
    }

    #[test]
    fn a_write_is_asked_of_the_primary_alone_and_again_only_after_try_again(plan in plans(), fate in fates()) {
        let (tiers, local) = (TierSet::of(&[Tier::Primary]), LocalPlace::Behind);
        let plan = Plan { tiers, intent: Intent::Write, local, ..plan };
        let walk = Walk::of(&plan, &fate);
        let asked: Vec<_> = walk.questions().collect();
        prop_assert!(asked.iter().all(|(tier, _, _)| *tier == Tier::Primary));
        let try_again = Outcome::Refused(Refusal::TryAgain);
        prop_assert!(asked.iter().rev().skip(1).all(|(_, outcome, _)| *outcome == try_again));
        let was_silent = matches!(asked.last(), Some((_, Outcome::Silent(_), _)));
        prop_assert_eq!(matches!(walk.ending, Ending::OutcomeUnknown(_)), was_silent);
    }

    #[test]
    fn a_role_that_fails_closed_goes_nowhere_but_to_the_primary_and_for_sessions_to_replicas(
        role in select(Role::ALL.to_vec()).prop_filter("fails closed", |role| role.stance() == Stance::Closed),
        intent in select(vec![Intent::Read, Intent::Write]),
        (available, bounds) in (tier_sets(), bounds()),
        fate in fates(),
    ) {
        let walk = Walk::of(&Plan::new(role, intent, available, bounds).with_local_in_front(), &fate);
        let may_ask = |tier| {
            let of_session = role == Role::Session && intent == Intent::Read && available.contains(Tier::Replica);
            tier == Tier::Primary || (tier == Tier::Replica && of_session)
        };
        for event in &walk.events {
            match event {
                Event::Knocked(tier, _) => prop_assert!(may_ask(*tier)),
                Event::Asked(ask, ..) => prop_assert!(may_ask(ask.tier)),
                Event::Looked(..) => prop_assert!(false, "looked in local memory for a {}", role),
                Event::Repeated(_) | Event::Waited(..) => {}
            }
        }
        prop_assert!(walk.request.trail().all(|(tier, _)| may_ask(tier)));
    }

    #[test]
    fn a_read_with_a_default_is_always_answered(plan in plans(), fate in fates()) {
        let tiers = plan.tiers.with(Tier::Default);
        let plan = Plan { tiers, intent: Intent::Read, auth_policy: AuthPolicy::Fallback, ..plan };
        let ending = Walk::of(&plan, &fate).ending;
        prop_assert!(matches!(ending, Ending::Value(_) | Ending::Absent(_) | Ending::PassOn(_)), "{:?}", ending);
    }
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Knocked(Tier, Time),
    Asked(Ask, Time, Outcome),
    Looked(Acceptance, Outcome, Time),
    Waited(Duration, Time),
    Repeated(Time),
}

/// One request, from beginning to end.
struct Walk {
    request: Request,
    events: Vec<Event>,
    ending: Ending,
    now: Time,
}

impl Walk {
    fn of(plan: &Plan, fate: &Fate) -> Self {
        let mut world = World { fate, events: vec![], repeats: fate.repeats, looks: 0, dice: 0 };
        let mut request = Request::new(plan, Time::ZERO);
        let mut now = Time::ZERO;
        for _ in 0..MOST_STEPS {
            let (outcome, took) = match request.poll_step(plan, &mut world, now) {
                Step::End(ending) => return Self { request, events: world.events, ending, now },
                Step::Wait(until) => {
                    assert!(until > now, "a wait for {until:?} at {now:?}");
                    world.events.push(Event::Waited(until.since(now), until));
                    now = until;
                    continue;
                }
                Step::Learn(_) => panic!("nobody is sent anywhere here"),
                Step::Look(acceptance) => world.look(acceptance, now),
                Step::Ask(ask) => world.ask(ask, now),
            };
            now = now + took;
            let dice = world.dice;
            request.handle_outcome(plan, &mut world, outcome, now, dice);
        }
        panic!("no end after {MOST_STEPS} steps: {:?}", world.events)
    }

    fn questions(&self) -> impl Iterator<Item = (Tier, Outcome, Time)> + '_ {
        self.events.iter().filter_map(|event| match *event {
            Event::Asked(ask, now, outcome) => Some((ask.tier, outcome, now)),
            Event::Looked(_, outcome, now) => Some((Tier::Local, outcome, now)),
            Event::Knocked(..) | Event::Waited(..) | Event::Repeated(_) => None,
        })
    }
}

struct World<'f> {
    fate: &'f Fate,
    events: Vec<Event>,
    repeats: u8,
    looks: usize,
    dice: u64,
}

impl World<'_> {
    fn look(&mut self, acceptance: Acceptance, now: Time) -> (Outcome, Duration) {
        let turn = self.fate.turn(Tier::Local, self.looks);
        self.looks += 1;
        self.events.push(Event::Looked(acceptance, turn.outcome, now));
        (turn.outcome, turn.took)
    }

    fn ask(&mut self, ask: Ask, now: Time) -> (Outcome, Duration) {
        let turn = self.fate.turn(ask.tier, usize::from(ask.grant.node));
        self.dice = turn.dice;
        self.events.push(Event::Asked(ask, now, turn.outcome));
        (turn.outcome, turn.took)
    }
}

impl Admission for World<'_> {
    fn request_permit(&mut self, tier: Tier, turn: u8, now: Time) -> Result<Grant, Barred> {
        self.events.push(Event::Knocked(tier, now));
        match self.fate.turn(tier, turn.into()).denied {
            Some((reason, retry_at)) => Err(Denial { reason, retry_at }.into()),
            None => Ok(Grant {
                node: turn.into(),
                permit: Permit { kind: PermitKind::Normal, epoch: 0 },
                manner: Manner::Plain,
            }),
        }
    }

    fn request_repeat(&mut self, now: Time) -> bool {
        self.events.push(Event::Repeated(now));
        let left = self.repeats.checked_sub(1);
        self.repeats = left.unwrap_or(0);
        left.is_some()
    }
}

fn plans() -> impl Strategy<Value = Plan> {
    let role = prop_oneof![3 => Just(Role::Cache), 1 => select(Role::ALL.to_vec())];
    let intent = prop_oneof![5 => Just(Intent::Read), 1 => Just(Intent::Write)];
    (role, intent, tier_sets(), bounds(), any::<bool>()).prop_map(|(role, intent, available, bounds, in_front)| {
        let plan = Plan::new(role, intent, available, bounds);
        if in_front { plan.with_local_in_front() } else { plan }
    })
}

fn tier_sets() -> impl Strategy<Value = TierSet> {
    proptest::sample::subsequence(Tier::ALL.to_vec(), 0..=Tier::ALL.len()).prop_map(|tiers| TierSet::of(&tiers))
}

fn bounds() -> impl Strategy<Value = Bounds> {
    let policy = select(vec![AuthPolicy::Error, AuthPolicy::Fallback]);
    (0..=MOST_ATTEMPTS, millis(0..300), millis(0..200), millis(0..300), millis(0..1_000), policy).prop_map(
        |(attempts, deadline, node_timeout, origin_timeout, max_stale, auth_policy)| Bounds {
            attempts,
            deadline,
            node_timeout,
            origin_timeout,
            max_stale,
            auth_policy,
        },
    )
}

fn fates() -> impl Strategy<Value = Fate> {
    let node = || prop::collection::vec(turns(node_outcomes()), usize::from(MOST_ATTEMPTS));
    let looks = prop::collection::vec(turns(local_outcomes()), MOST_LOOKS);
    let load = prop::collection::vec(turns(origin_outcomes()), 1);
    (node(), node(), node(), looks, load, 0..6u8).prop_map(|(primary, replica, regional, looks, load, repeats)| Fate {
        turns: [primary, replica, regional, looks, load, vec![]],
        repeats,
    })
}

fn turns(outcomes: impl Strategy<Value = Outcome>) -> impl Strategy<Value = Turn> {
    let took = prop_oneof![4 => millis(0..20), 1 => millis(20..300)];
    (prop::option::weighted(0.2, denials()), outcomes, took, any::<u64>())
        .prop_map(|(denied, outcome, took, dice)| Turn { denied, outcome, took, dice })
}

fn denials() -> impl Strategy<Value = (DenialReason, Time)> {
    let reasons = [DenialReason::Open, DenialReason::Probing, DenialReason::Ramping, DenialReason::HeldOpen];
    let until = prop_oneof![3 => (0..1_000u64).prop_map(Time::from_millis), 1 => Just(Time::NEVER)];
    (select(reasons.to_vec()), until)
}

fn node_outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        1 => Just(Outcome::Hit),
        1 => Just(Outcome::Miss(MissCause::Absent)),
        2 => refusals().prop_map(Outcome::Refused),
        1 => refusals().prop_map(|refusal| Outcome::Failed(Failure::Handshake(refusal))),
        2 => select(vec![Failure::ConnectRefused, Failure::Disconnected, Failure::QueueFull]).prop_map(Outcome::Failed),
        2 => silences(),
    ]
}

fn origin_outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        2 => Just(Outcome::Hit),
        1 => Just(Outcome::Miss(MissCause::NoSuchRow)),
        1 => select(vec![LEASED, ABSENT]),
        3 => Just(FILLED),
        4 => select(vec![Failure::Shed, Failure::QueueFull, Failure::OriginError, Failure::OriginTimeout])
            .prop_map(Outcome::Failed),
        1 => silences(),
    ]
}

fn local_outcomes() -> impl Strategy<Value = Outcome> {
    let misses = [MissCause::Absent, MissCause::TooOld, MissCause::NoSuchRow, MissCause::Unverified];
    prop_oneof![1 => Just(Outcome::Hit), 2 => select(misses.to_vec()).prop_map(Outcome::Miss)]
}

fn silences() -> impl Strategy<Value = Outcome> {
    select(vec![Silence::Timeout, Silence::ConnectionLost, Silence::ProtocolViolation]).prop_map(Outcome::Silent)
}

fn refusals() -> impl Strategy<Value = Refusal> {
    select(Refusal::ALL.to_vec())
}

fn millis(range: std::ops::Range<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_millis)
}
