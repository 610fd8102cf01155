//! What failsoft promises, held against what was seen. Nothing is promised of the program beside it.

use std::fmt;

use super::plan::{CAP, Phase, Until};
use super::report::{Act, Report};

/// The least share of reads that must be answered in every phase.
const ANSWERED: f64 = 0.999;

/// A promise that was not kept, and how.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Broken {
    phase: Phase,
    how: How,
}

#[derive(Debug, Clone, PartialEq)]
enum How {
    Unanswered { unanswered: u64, reads: u64, first: String },
    NothingRead,
    Wrong { wrong: u64, first: String },
    OriginPressed { peak: u64 },
    OriginUnseen,
    NotHealed,
}

/// Every promise that was broken, phase by phase.
pub(super) fn broken(report: &Report) -> Vec<Broken> {
    let of = |act: &Act| {
        let found = [answered(act), right(act), spared(act), healed(act)];
        found.into_iter().flatten().map(|how| Broken { phase: act.phase, how }).collect::<Vec<_>>()
    };
    report.acts.iter().flat_map(of).collect()
}

fn answered(act: &Act) -> Option<How> {
    let tally = &act.failsoft;
    if tally.reads() == 0 {
        return Some(How::NothingRead);
    }
    (tally.answered_share() < ANSWERED).then(|| How::Unanswered {
        unanswered: tally.unanswered,
        reads: tally.reads(),
        first: tally.first_error.clone().unwrap_or_default(),
    })
}

fn right(act: &Act) -> Option<How> {
    let tally = &act.failsoft;
    (tally.wrong > 0).then(|| How::Wrong { wrong: tally.wrong, first: tally.first_wrong.clone().unwrap_or_default() })
}

fn spared(act: &Act) -> Option<How> {
    match act.origin_peak {
        None => Some(How::OriginUnseen),
        Some(peak) => (peak > u64::from(CAP)).then_some(How::OriginPressed { peak }),
    }
}

fn healed(act: &Act) -> Option<How> {
    match act.phase.until {
        Until::TimeIsUp => None,
        Until::RedisIsTrusted => (!act.is_redis_trusted).then_some(How::NotHealed),
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken in \"{}\": ", self.phase.name)?;
        match &self.how {
            How::Unanswered { unanswered, reads, first } => {
                write!(f, "{unanswered} of {reads} reads were not answered (first: {first})")
            }
            How::NothingRead => f.write_str("nothing was read at all"),
            How::Wrong { wrong, first } => write!(f, "{wrong} answers were wrong (first: {first})"),
            How::OriginPressed { peak } => {
                write!(f, "the database was asked {peak} times in a second, the cap is {CAP}")
            }
            How::OriginUnseen => f.write_str("the sidecar did not say how often the database was asked"),
            How::NotHealed => f.write_str("not every key had a primary again that failsoft trusts"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::commands::demo::plan::Deed;
    use crate::commands::demo::reader::Answer;
    use crate::commands::demo::tally::Tally;

    const KILLED: Phase = Phase { name: "killed", deed: Deed::KillRest, until: Until::TimeIsUp };
    const RESTARTED: Phase = Phase { name: "restarted", deed: Deed::Restart, until: Until::RedisIsTrusted };

    fn act(phase: Phase, unanswered: u64) -> Act {
        let mut failsoft = Tally::default();
        (0..1000 - unanswered).for_each(|_| failsoft.count(Answer::Right, Duration::ZERO));
        (0..unanswered).for_each(|_| failsoft.count(Answer::Unanswered("refused".into()), Duration::ZERO));
        Act {
            phase,
            lasted: Duration::from_secs(1),
            is_redis_trusted: true,
            redirects: None,
            failsoft,
            tiers: None,
            origin_peak: Some(500),
            aside: Tally::default(),
            aside_peak: 4000,
        }
    }

    fn words(act: Act) -> Vec<String> {
        broken(&Report { rate: 1000, acts: vec![act] }).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_promise_kept_to_the_letter_is_kept() {
        assert_eq!(words(act(KILLED, 1)), [""; 0]);
        assert_eq!(words(Act { is_redis_trusted: false, ..act(KILLED, 0) }), [""; 0]);
    }

    #[test]
    fn each_promise_is_broken_by_one_more() {
        let in_phase = |how: &str| vec![format!("broken in \"restarted\": {how}")];
        let unanswered = words(act(RESTARTED, 2));
        assert_eq!(unanswered, in_phase("2 of 1000 reads were not answered (first: refused)"));
        let pressed = words(Act { origin_peak: Some(501), ..act(RESTARTED, 0) });
        assert_eq!(pressed, in_phase("the database was asked 501 times in a second, the cap is 500"));
        let unseen = words(Act { origin_peak: None, ..act(RESTARTED, 0) });
        assert_eq!(unseen, in_phase("the sidecar did not say how often the database was asked"));
        let ill = words(Act { is_redis_trusted: false, ..act(RESTARTED, 0) });
        assert_eq!(ill, in_phase("not every key had a primary again that failsoft trusts"));
        let silent = words(Act { failsoft: Tally::default(), ..act(RESTARTED, 0) });
        assert_eq!(silent, in_phase("nothing was read at all"));
        let mut one_wrong = act(RESTARTED, 0);
        one_wrong.failsoft.count(Answer::Wrong("nobody".into()), Duration::ZERO);
        assert_eq!(words(one_wrong), in_phase("1 answers were wrong (first: nobody)"));
    }
}
