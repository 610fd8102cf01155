//! The table of what a node of a cluster or behind sentinels may bring, in `docs/topology.md`, says what the core does, because
//! it is the core that is asked.
//!
//! Change the core, then run `FAILSOFT_REWRITE=1 cargo test -p failsoft-tidy signals`.

use std::time::Duration;

use failsoft_core::circuit::{Evidence, Permit, PermitKind};
use failsoft_core::outcome::{Doubt, Failure, Silence};
use failsoft_core::plan::{AuthPolicy, Bounds, Intent, Plan};
use failsoft_core::refusal::Refusal;
use failsoft_core::request::{Admission, Astray, Barred, Ending, Grant, Manner, Request, Step};
use failsoft_core::role::Role;
use failsoft_core::{Outcome, Tier, TierSet, Time};

use super::marked::Marks;

const MARKS: Marks = Marks { begin: "<!-- signals: begin -->\n", end: "<!-- signals: end -->\n" };

/// What the owner of a key brings, or why it is not asked.
struct Signal {
    what: &'static str,
    event: Event,
}

enum Event {
    /// It is asked, and brings this. If it sends the request elsewhere, that is what comes of it.
    Brings(Outcome, Result<Manner, Astray>),
    /// It is not asked.
    Barred(Failure),
}

fn signals() -> [Signal; 18] {
    let refused = |refusal| Event::Brings(Outcome::Refused(refusal), Err(Astray::Unknown));
    let failed = |failure| Event::Brings(Outcome::Failed(failure), Err(Astray::Nowhere));
    let silent = |silence| Event::Brings(Outcome::Silent(silence), Err(Astray::Nowhere));
    let moved = |astray| Event::Brings(Outcome::Refused(Refusal::Moved), astray);
    let signal = |what, event| Signal { what, event };
    [
        signal("`MOVED` to a primary that is known", moved(Ok(Manner::Plain))),
        signal("`MOVED` to anybody else", moved(Err(Astray::Unknown))),
        signal("`MOVED` or `ASK` back to who has sent it away", moved(Err(Astray::Back))),
        signal("`MOVED` to where nobody may be spoken to", moved(Err(Astray::Refused))),
        signal("`ASK`", Event::Brings(Outcome::Refused(Refusal::Ask), Ok(Manner::Asking))),
        signal("`TRYAGAIN`", refused(Refusal::TryAgain)),
        signal("`CLUSTERDOWN Hash slot not served`", refused(Refusal::SlotUnserved)),
        signal("`CLUSTERDOWN The cluster is down`", refused(Refusal::ClusterDown)),
        signal("`LOADING`", refused(Refusal::Loading)),
        signal("`MASTERDOWN`", refused(Refusal::MasterDown)),
        signal("`READONLY`", refused(Refusal::ReadOnly)),
        signal("connection refused", failed(Failure::ConnectRefused)),
        signal("time-out", silent(Silence::Timeout)),
        signal("connection lost", silent(Silence::ConnectionLost)),
        signal("not asked: its circuit is open", Event::Barred(Failure::CircuitOpen)),
        signal("not asked: it sees no majority", Event::Barred(Failure::Minority)),
        signal("not asked: the others call it down", Event::Barred(Failure::DeclaredDown)),
        signal("not asked: nobody owns the slot, or it has not said that it does", Event::Barred(Failure::Unowned)),
    ]
}

fn table() -> String {
    let mut table = String::from("| the owner of the key | a read of a cache | a write | its circuit | the map |\n");
    table += "| --- | --- | --- | --- | --- |\n";
    for signal in signals() {
        let [read, write] = [Intent::Read, Intent::Write].map(|intent| story(intent, &signal.event));
        let (circuit, map) = (for_the_circuit(&signal.event), for_the_map(&signal.event));
        table += &format!("| {} | {read} | {write} | {circuit} | {map} |\n", signal.what);
    }
    table
}

/// What a request does about it: the core's steps, in words. Whoever is asked next answers.
fn story(intent: Intent, event: &Event) -> String {
    let plan = plan(intent);
    let mut deployment = Deployment { event };
    let mut request = Request::new(&plan, Time::ZERO);
    let (mut now, mut words, mut asked) = (Time::ZERO, Vec::new(), 0);
    loop {
        match request.poll_step(&plan, &mut deployment, now) {
            Step::Ask(ask) => {
                let outcome = match event {
                    Event::Brings(outcome, _) if asked == 0 => *outcome,
                    Event::Brings(..) | Event::Barred(_) => Outcome::Hit,
                };
                asked += 1;
                if asked > 1 || matches!(event, Event::Barred(_)) {
                    words.push(whom(ask.tier, ask.grant));
                }
                request.handle_outcome(&plan, &mut deployment, outcome, now, 0);
            }
            Step::Learn(_) => words.push("the map is learned"),
            Step::Wait(until) => {
                words.push("a pause");
                now = until;
            }
            Step::Look(_) => words.push("local memory"),
            Step::End(Ending::Value(_) | Ending::Absent(_)) => return words.join(", then "),
            Step::End(Ending::PassOn(_)) => return "the error".to_owned(),
            Step::End(Ending::Unavailable(_)) => return "`UNAVAILABLE`".to_owned(),
            Step::End(Ending::Overloaded(_)) => return "`OVERLOADED`".to_owned(),
            Step::End(Ending::OutcomeUnknown(_)) => return "`OUTCOMEUNKNOWN`".to_owned(),
        }
    }
}

const ELSEWHERE: u16 = 1;

fn whom(tier: Tier, grant: Grant) -> &'static str {
    match (tier, grant.node, grant.manner) {
        (Tier::Primary, ELSEWHERE, Manner::Plain) => "the node it names, at once",
        (Tier::Primary, ELSEWHERE, Manner::Asking) => "the node it names, at once, with `ASKING`",
        (Tier::Primary, _, _) => "the owner",
        (Tier::Replica, _, _) => "a replica",
        (Tier::Regional | Tier::Local | Tier::Origin | Tier::Default, _, _) => "the next tier",
    }
}

fn plan(intent: Intent) -> Plan {
    let bounds = Bounds {
        attempts: 2,
        deadline: Duration::from_secs(1),
        node_timeout: Duration::from_millis(200),
        origin_timeout: Duration::from_secs(1),
        max_stale: Duration::ZERO,
        auth_policy: AuthPolicy::Error,
    };
    let role = match intent {
        Intent::Read => Role::Cache,
        Intent::Write => Role::Session,
    };
    Plan::new(role, intent, TierSet::of(&[Tier::Primary, Tier::Replica]), bounds)
}

/// A deployment in which one thing happens.
struct Deployment<'e> {
    event: &'e Event,
}

fn grant(node: u16, manner: Manner) -> Grant {
    Grant { node, permit: Permit { kind: PermitKind::Normal, epoch: 0 }, manner }
}

impl Admission for Deployment<'_> {
    fn request_permit(&mut self, tier: Tier, _turn: u8, _now: Time) -> Result<Grant, Barred> {
        match (tier, self.event) {
            (Tier::Primary, Event::Barred(because)) => Err(Barred { because: *because, retry_at: Time::NEVER }),
            (_, Event::Barred(_) | Event::Brings(..)) => Ok(grant(0, Manner::Plain)),
        }
    }

    fn request_redirected(&mut self, _now: Time) -> Result<Grant, Astray> {
        match self.event {
            Event::Brings(_, Ok(manner)) => Ok(grant(ELSEWHERE, *manner)),
            Event::Brings(_, Err(astray)) => Err(*astray),
            Event::Barred(_) => Err(Astray::Nowhere),
        }
    }

    fn request_repeat(&mut self, _now: Time) -> bool {
        true
    }
}

fn for_the_circuit(event: &Event) -> &'static str {
    match event {
        Event::Brings(outcome, _) => match outcome.evidence() {
            Evidence::Success => "well",
            Evidence::Slow => "slow",
            Evidence::Failure => "a failure",
            Evidence::Abandoned => "",
        },
        Event::Barred(_) => "",
    }
}

fn for_the_map(event: &Event) -> &'static str {
    match event {
        Event::Brings(outcome, _) => match outcome.doubt() {
            Some(Doubt::Moved | Doubt::Lost) => "looked at anew",
            None => "",
        },
        Event::Barred(_) => "looked at often until it is over",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_what_the_core_does() {
        MARKS.hold_to("docs/topology.md", &table(), "signals");
    }

    #[test]
    fn every_signal_has_a_line_of_its_own() {
        let names: std::collections::BTreeSet<_> = signals().into_iter().map(|signal| signal.what).collect();
        assert_eq!(names.len(), signals().len());
    }
}
