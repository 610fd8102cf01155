//! Whether a replica may answer a read, and which of several is asked first.
//!
//! A replica is fit if it was heard of lately, is not being sent everything anew, hears its primary, and cannot be older
//! than the reader allows. While the primary is lost its link is down because of that, so the link says nothing; the age
//! still does, and grows from the last time the primary was heard. A replica that has been promoted while its old
//! primary is lost holds at least what it held as a replica. What is not known is taken for unfit: a primary that was
//! never heard bounds nobody's age.
//!
//! Of those that are fit the one that would be promoted first is asked first, so that nobody reads what is then lost
//! more often than must be; at the same priority the younger. Priority 0 (never to be promoted) comes last.

use std::cmp::Ordering;
use std::fmt;
use std::time::Duration;

use super::history::History;
use super::report::{Link, Part, Position, Report};
use crate::Time;

/// What a node has said, and when it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// When it was asked.
    pub asked: Time,
    /// What it has said.
    pub report: Report,
}

/// Whether the primary of a replica is there, as far as the reader knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is believed and asked.
    Well,
    /// It is not believed, its circuit is not closed, or this reader has just asked it in vain.
    Lost,
}

/// A replica that may answer. The lesser is asked first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fit {
    /// How old what it holds is at most.
    pub age: Duration,
    /// See [`Report::priority`].
    pub priority: u32,
}

/// Why a replica may not answer, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unfit {
    /// There is none.
    Absent,
    /// It has not said how it is, or not lately.
    Unheard,
    /// It says that it is a primary itself.
    NotReplica,
    /// Its link to the primary is down, and the primary is there.
    CutOff,
    /// It is being sent everything anew.
    Syncing,
    /// How far the primary was when is not known, or is not in the same stream.
    Unmeasured,
    /// It may be older than the reader allows.
    Lagging,
}

impl Unfit {
    /// Every reason.
    pub const ALL: [Self; 7] =
        [Self::Absent, Self::Unheard, Self::NotReplica, Self::CutOff, Self::Syncing, Self::Unmeasured, Self::Lagging];

    /// The name used in logs, metric labels and error details.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Absent => "no_replica",
            Self::Unheard => "replica_unheard",
            Self::NotReplica => "not_a_replica",
            Self::CutOff => "replica_cut_off",
            Self::Syncing => "replica_syncing",
            Self::Unmeasured => "replica_unmeasured",
            Self::Lagging => "replica_lagging",
        }
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether a replica of which `replica` was heard may answer a reader who allows its values to be `budget` old.
///
/// # Errors
/// Why it may not.
pub fn judge(
    replica: Option<&Heard>,
    primary: Option<&History>,
    presence: Presence,
    budget: Duration,
    now: Time,
) -> Result<Fit, Unfit> {
    let heard = replica.filter(|heard| now.since(heard.asked) <= budget).ok_or(Unfit::Unheard)?;
    let position = position(&heard.report, presence)?;
    let age = age(primary, position, now).ok_or(Unfit::Unmeasured)?;
    if age > budget { Err(Unfit::Lagging) } else { Ok(Fit { age, priority: heard.report.priority }) }
}

fn position(report: &Report, presence: Presence) -> Result<Position, Unfit> {
    match (report.part, presence) {
        (Part::Replica(Link::Syncing), _) => Err(Unfit::Syncing),
        (Part::Replica(Link::Down), Presence::Well) => Err(Unfit::CutOff),
        (Part::Replica(Link::Up), _) | (Part::Replica(Link::Down), Presence::Lost) => {
            report.position.ok_or(Unfit::Unmeasured)
        }
        (Part::Primary { promoted_at: Some(position) }, Presence::Lost) => Ok(position),
        (Part::Primary { promoted_at: _ }, _) => Err(Unfit::NotReplica),
    }
}

fn age(primary: Option<&History>, position: Position, now: Time) -> Option<Duration> {
    Some(now.since(primary?.as_of(position)?))
}

impl Fit {
    fn rank(&self) -> (bool, u32, Duration) {
        (self.priority == 0, self.priority, self.age)
    }
}

impl Ord for Fit {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for Fit {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::report::Stream;
    use super::*;

    const STREAM: Stream = Stream::new([b'a'; 40]);
    const SECOND: Duration = Duration::from_secs(1);

    fn second(second: u64) -> Time {
        Time::from_millis(second * 1_000)
    }

    fn at(offset: u64) -> Option<Position> {
        Some(Position { stream: STREAM, offset })
    }

    fn heard(asked: u64, part: Part, offset: u64) -> Heard {
        Heard { asked: second(asked), report: Report { part, position: at(offset), priority: 100 } }
    }

    /// At second 10 the primary was at 100, at second 20 at 200.
    fn primary() -> History {
        let mut history = History::new(second(10), at(100).unwrap());
        history.handle_position(second(20), at(200).unwrap());
        history
    }

    fn verdict(replica: Heard, presence: Presence) -> Result<Duration, Unfit> {
        judge(Some(&replica), Some(&primary()), presence, 5 * SECOND, second(21)).map(|fit| fit.age)
    }

    const UP: Part = Part::Replica(Link::Up);
    const DOWN: Part = Part::Replica(Link::Down);

    #[test]
    fn a_replica_is_as_old_as_the_last_moment_that_it_has_caught_up_with() {
        assert_eq!(verdict(heard(21, UP, 200), Presence::Well), Ok(SECOND));
        assert_eq!(verdict(heard(21, UP, 199), Presence::Well), Err(Unfit::Lagging));
        assert_eq!(verdict(heard(21, UP, 99), Presence::Well), Err(Unfit::Unmeasured));
        let generous = judge(Some(&heard(21, UP, 199)), Some(&primary()), Presence::Well, 11 * SECOND, second(21));
        assert_eq!(generous.unwrap().age, 11 * SECOND);
    }

    #[test]
    fn a_link_that_is_down_counts_only_while_the_primary_is_there() {
        assert_eq!(verdict(heard(21, DOWN, 200), Presence::Well), Err(Unfit::CutOff));
        assert_eq!(verdict(heard(21, DOWN, 200), Presence::Lost), Ok(SECOND));
        for presence in [Presence::Well, Presence::Lost] {
            assert_eq!(verdict(heard(21, Part::Replica(Link::Syncing), 200), presence), Err(Unfit::Syncing));
        }
    }

    #[test]
    fn the_age_grows_while_the_primary_is_gone() {
        let replica = |now| heard(now, DOWN, 10_000);
        let age = |now| judge(Some(&replica(now)), Some(&primary()), Presence::Lost, 30 * SECOND, second(now));
        assert_eq!(age(49).unwrap().age, 29 * SECOND);
        assert_eq!(age(50).unwrap().age, 30 * SECOND);
        assert_eq!(age(51), Err(Unfit::Lagging));
    }

    #[test]
    fn who_was_not_heard_lately_or_has_nothing_to_be_measured_by_is_not_asked() {
        assert_eq!(judge(None, Some(&primary()), Presence::Lost, SECOND, second(21)), Err(Unfit::Unheard));
        assert_eq!(verdict(heard(15, UP, 200), Presence::Well), Err(Unfit::Unheard));
        let unmeasured = judge(Some(&heard(21, UP, 200)), None, Presence::Lost, SECOND, second(21));
        assert_eq!(unmeasured, Err(Unfit::Unmeasured));
    }

    #[test]
    fn a_replica_that_has_been_promoted_holds_what_it_held() {
        let promoted = heard(21, Part::Primary { promoted_at: at(200) }, 1);
        assert_eq!(verdict(promoted, Presence::Lost), Ok(SECOND));
        assert_eq!(verdict(promoted, Presence::Well), Err(Unfit::NotReplica));
        let stranger = heard(21, Part::Primary { promoted_at: None }, 200);
        assert_eq!(verdict(stranger, Presence::Lost), Err(Unfit::NotReplica));
    }

    #[test]
    fn the_one_that_would_be_promoted_first_is_asked_first() {
        let fit = |priority, seconds| Fit { age: SECOND * seconds, priority };
        let mut fits = [fit(0, 1), fit(100, 3), fit(10, 9), fit(100, 2), fit(0, 0)];
        fits.sort();
        assert_eq!(fits, [fit(10, 9), fit(100, 2), fit(100, 3), fit(0, 0), fit(0, 1)]);
    }

    #[test]
    fn each_reason_has_its_name() {
        let names: std::collections::BTreeSet<_> = Unfit::ALL.map(Unfit::name).into();
        assert_eq!(names.len(), Unfit::ALL.len());
    }

    proptest! {
        /// A primary writes a byte at a time; a replica has taken in what was written until some moment. Whatever was
        /// asked when, nobody who is let through is older than was allowed.
        #[test]
        fn nobody_older_than_the_budget_answers(
            asked in proptest::collection::btree_set(1_u64..500, 1..40),
            written in proptest::collection::vec(1_u64..500, 1..200),
            caught_up_with in 1_u64..500,
            budget in 0_u64..100,
            lost: bool,
        ) {
            let offset = |moment: u64| written.iter().filter(|at| **at <= moment).count() as u64;
            let mut samples = asked.iter().map(|moment| (second(*moment), at(offset(*moment)).unwrap()));
            let (first, position) = samples.next().unwrap();
            let mut history = History::new(first, position);
            samples.for_each(|(asked, position)| history.handle_position(asked, position));
            let now = 500;
            let replica = heard(now, UP, offset(caught_up_with));
            let presence = if lost { Presence::Lost } else { Presence::Well };
            if let Ok(fit) = judge(Some(&replica), Some(&history), presence, budget as u32 * SECOND, second(now)) {
                // It holds all that was written by then, so it was as the primary was at the next moment but one write.
                let next = written.iter().filter(|at| **at > caught_up_with).min().copied();
                let truth = next.map_or(0, |next| now - (next - 1));
                prop_assert!(fit.age >= truth as u32 * SECOND, "{:?} < {truth} s", fit.age);
                prop_assert!(fit.age <= budget as u32 * SECOND);
            }
        }
    }
}
