//! A history of leases, written down while everything is broken, and what must not be in it.
//!
//! Who was granted what is told by holders, each with the moments between which it happened; what a resource let through,
//! by the resource, in its own order. So a finding needs no guess about what happened when: a grant is *before* another
//! only if it had been told before the other was asked for. All moments are of one clock, which nobody sets.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Time since the history began.
pub type Moment = Duration;

/// A lease that a holder was told to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// What is leased.
    pub name: String,
    /// Who has it.
    pub holder: usize,
    /// With which token.
    pub token: u64,
    /// When it was asked for.
    pub asked: Moment,
    /// When the answer had come.
    pub told: Moment,
}

/// Something that a holder wanted of the resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// What is leased.
    pub name: String,
    /// Who came.
    pub holder: usize,
    /// With which token.
    pub token: u64,
    /// Whether it was let through.
    pub verdict: Verdict,
}

/// What a resource says to somebody with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Done.
    Accepted,
    /// A greater token has been here.
    TurnedAway,
}

/// A time in which somebody believed to be alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Belief {
    /// What is leased.
    pub name: String,
    /// Who believed it.
    pub holder: usize,
    /// From then on.
    pub from: Moment,
    /// Until then: the lease was given back, or could not be proven any more.
    pub until: Moment,
}

/// Something that is to be done once, and was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What.
    pub name: String,
    /// When leave for it was asked for.
    pub asked: Moment,
}

/// Something whose result was acknowledged as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// What.
    pub name: String,
    /// When the acknowledgement had come.
    pub told: Moment,
}

/// What has happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Events {
    /// In any order.
    pub grants: Vec<Grant>,
    /// In the order in which the resource decided.
    pub uses: Vec<Use>,
    /// In any order.
    pub beliefs: Vec<Belief>,
    /// In any order.
    pub runs: Vec<Run>,
    /// In any order.
    pub commits: Vec<Commit>,
}

/// What must not happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Two grants of one name had the same token.
    SameToken(Grant, Grant),
    /// A grant had a smaller token than one that had been told before it was asked for.
    WentBack(Grant, Grant),
    /// The resource let somebody through after somebody with a greater token.
    LetThrough(Use),
    /// The resource let somebody through with a token that this holder was never told.
    Unfounded(Use),
    /// Two holders believed at the same time to be alone. No lock that ends by itself can exclude this; what it must not
    /// become is any of the others.
    TwoHolders(Belief, Belief),
    /// Something was begun after its result had been acknowledged.
    RanAgain(Run, Commit),
}

/// Events while they are being written down.
#[derive(Debug)]
pub struct History {
    start: Instant,
    events: Mutex<Events>,
}

impl Default for History {
    fn default() -> Self {
        Self { start: Instant::now(), events: Mutex::default() }
    }
}

impl History {
    /// The present moment.
    pub fn now(&self) -> Moment {
        self.start.elapsed()
    }

    /// Writes something down.
    pub fn note(&self, write: impl FnOnce(&mut Events)) {
        write(&mut self.events.lock());
    }

    /// What has been written down.
    pub fn events(&self) -> Events {
        self.events.lock().clone()
    }
}

impl Events {
    /// Everything that must not be in it.
    pub fn findings(&self) -> Vec<Finding> {
        [self.tokens(), self.resource(), self.beliefs(), self.runs()].concat()
    }

    fn tokens(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        for grants in by_name(&self.grants, |grant| &grant.name).into_values() {
            let mut by_token: BTreeMap<u64, &Grant> = BTreeMap::new();
            for grant in &grants {
                if let Some(other) = by_token.insert(grant.token, grant) {
                    found.push(Finding::SameToken(other.clone(), (*grant).clone()));
                }
            }
            found.extend(went_back(grants));
        }
        found
    }

    fn resource(&self) -> Vec<Finding> {
        let told: BTreeSet<_> = self.grants.iter().map(|grant| (&grant.name, grant.holder, grant.token)).collect();
        let mut greatest: BTreeMap<&String, u64> = BTreeMap::new();
        let mut found = Vec::new();
        for used in self.uses.iter().filter(|used| used.verdict == Verdict::Accepted) {
            let greatest = greatest.entry(&used.name).or_default();
            if used.token < *greatest {
                found.push(Finding::LetThrough(used.clone()));
            }
            if !told.contains(&(&used.name, used.holder, used.token)) {
                found.push(Finding::Unfounded(used.clone()));
            }
            *greatest = used.token.max(*greatest);
        }
        found
    }

    fn beliefs(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        for mut beliefs in by_name(&self.beliefs, |belief| &belief.name).into_values() {
            beliefs.sort_by_key(|belief| belief.from);
            let mut last: Option<&Belief> = None;
            for belief in beliefs {
                if let Some(other) = last.filter(|other| other.until > belief.from && other.holder != belief.holder) {
                    found.push(Finding::TwoHolders(other.clone(), belief.clone()));
                }
                last = last.filter(|other| other.until > belief.until).or(Some(belief));
            }
        }
        found
    }

    fn runs(&self) -> Vec<Finding> {
        let mut first: BTreeMap<&String, &Commit> = BTreeMap::new();
        for commit in &self.commits {
            let known = first.entry(&commit.name).or_insert(commit);
            if commit.told < known.told {
                *known = commit;
            }
        }
        let again = self.runs.iter().filter_map(|run| {
            let commit = first.get(&run.name).filter(|commit| commit.told <= run.asked)?;
            Some(Finding::RanAgain(run.clone(), (*commit).clone()))
        });
        again.collect()
    }
}

/// Grants in the order in which they were asked for, against the greatest token that had been told by then.
fn went_back(mut asked: Vec<&Grant>) -> Vec<Finding> {
    let mut told = asked.clone();
    asked.sort_by_key(|grant| grant.asked);
    told.sort_by_key(|grant| grant.told);
    let mut told = told.into_iter().peekable();
    let mut greatest: Option<&Grant> = None;
    let mut found = Vec::new();
    for grant in asked {
        while let Some(before) = told.next_if(|before| before.told <= grant.asked) {
            greatest = greatest.filter(|greatest| greatest.token >= before.token).or(Some(before));
        }
        if let Some(before) = greatest.filter(|before| before.token >= grant.token) {
            found.push(Finding::WentBack(before.clone(), grant.clone()));
        }
    }
    found
}

fn by_name<'e, T>(events: &'e [T], name: impl Fn(&'e T) -> &'e String) -> BTreeMap<&'e String, Vec<&'e T>> {
    let mut groups: BTreeMap<&String, Vec<&T>> = BTreeMap::new();
    for event in events {
        groups.entry(name(event)).or_default().push(event);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Duration::from_millis(millis)
    }

    fn grant(holder: usize, token: u64, asked: u64, told: u64) -> Grant {
        Grant { name: "a".to_owned(), holder, token, asked: at(asked), told: at(told) }
    }

    fn used(holder: usize, token: u64, verdict: Verdict) -> Use {
        Use { name: "a".to_owned(), holder, token, verdict }
    }

    fn belief(holder: usize, from: u64, until: u64) -> Belief {
        Belief { name: "a".to_owned(), holder, from: at(from), until: at(until) }
    }

    /// Two holders after each other, a third who comes late and is turned away.
    fn good() -> Events {
        Events {
            grants: vec![grant(1, 10, 0, 1), grant(2, 20, 5, 6), grant(3, 15, 2, 7)],
            uses: vec![
                used(1, 10, Verdict::Accepted),
                used(1, 10, Verdict::Accepted),
                used(2, 20, Verdict::Accepted),
                used(3, 15, Verdict::TurnedAway),
                used(1, 10, Verdict::TurnedAway),
            ],
            beliefs: vec![belief(1, 1, 5), belief(2, 6, 9), belief(2, 8, 12)],
            runs: vec![Run { name: "r".to_owned(), asked: at(1) }, Run { name: "r".to_owned(), asked: at(4) }],
            commits: vec![Commit { name: "r".to_owned(), told: at(5) }, Commit { name: "r".to_owned(), told: at(9) }],
        }
    }

    fn only(break_it: impl FnOnce(&mut Events)) -> Finding {
        let mut events = good();
        break_it(&mut events);
        let found = events.findings();
        assert_eq!(found.len(), 1, "{found:?}");
        found.into_iter().next().unwrap()
    }

    #[test]
    fn a_good_history_has_no_findings() {
        assert_eq!(good().findings(), []);
        assert_eq!(Events::default().findings(), []);
    }

    #[test]
    fn a_token_that_goes_back_is_found() {
        let found = only(|events| events.grants.push(grant(4, 14, 8, 9)));
        assert_eq!(found, Finding::WentBack(grant(2, 20, 5, 6), grant(4, 14, 8, 9)));
        let mut events = good();
        events.grants.push(grant(4, 14, 5, 9));
        assert_eq!(events.findings(), [], "asked for while the greater one was under way");
    }

    #[test]
    fn a_token_that_is_given_twice_is_found_also_where_neither_was_first() {
        let found = only(|events| events.grants.push(grant(4, 20, 5, 9)));
        assert_eq!(found, Finding::SameToken(grant(2, 20, 5, 6), grant(4, 20, 5, 9)));
    }

    #[test]
    fn a_resource_that_does_not_look_at_tokens_is_found() {
        let found = only(|events| events.uses.push(used(1, 10, Verdict::Accepted)));
        assert_eq!(found, Finding::LetThrough(used(1, 10, Verdict::Accepted)));
    }

    #[test]
    fn a_token_that_was_made_up_or_is_somebody_elses_is_found() {
        for stranger in [used(9, 99, Verdict::Accepted), used(1, 20, Verdict::Accepted)] {
            assert_eq!(only(|events| events.uses.push(stranger.clone())), Finding::Unfounded(stranger));
        }
    }

    #[test]
    fn two_who_believe_at_the_same_time_are_found_also_behind_a_third() {
        let found = only(|events| events.beliefs[0].until = at(7));
        assert_eq!(found, Finding::TwoHolders(belief(1, 1, 7), belief(2, 6, 9)));
        let mut events = Events { beliefs: vec![belief(1, 0, 100), belief(2, 1, 2), belief(3, 50, 60)], ..good() };
        events.runs.clear();
        assert_eq!(events.findings().len(), 2);
    }

    #[test]
    fn what_runs_again_after_its_commit_is_found_and_not_what_ran_twice_before() {
        let again = Run { name: "r".to_owned(), asked: at(6) };
        let found = only(|events| events.runs.push(again.clone()));
        assert_eq!(found, Finding::RanAgain(again, Commit { name: "r".to_owned(), told: at(5) }));
    }

    #[test]
    fn names_have_nothing_to_do_with_each_other() {
        let mut events = good();
        events.grants.push(Grant { name: "b".to_owned(), ..grant(1, 10, 20, 21) });
        events.uses.push(Use { name: "b".to_owned(), ..used(1, 10, Verdict::Accepted) });
        events.beliefs.push(Belief { name: "b".to_owned(), ..belief(1, 6, 9) });
        events.runs.push(Run { name: "s".to_owned(), asked: at(9) });
        assert_eq!(events.findings(), []);
    }
}
