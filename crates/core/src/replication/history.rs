//! Where a node was in its stream of changes, and when.
//!
//! A replica that has taken in `n` bytes holds everything that its primary held at any moment at which the primary's
//! stream was no longer than `n`. So the last such moment that is known bounds the replica's age from above. A moment is
//! that at which the node was asked, not that at which it answered: the answer was true at some time after the question.
//!
//! The history is bounded. When it is full, that older sample goes whose neighbours are closest for their age, so that
//! the recent past is kept as it was heard, and the distant one at distances that grow with it. A sample that is missing
//! makes a bound looser, never wrong.

use super::report::{Position, Stream};
use crate::Time;

/// Moments that are remembered of one node.
pub const MOST_SAMPLES: usize = 128;
/// The newest of them, which are kept as they were heard.
const RECENT: usize = 32;

/// Where a node was in its stream, and when; oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    stream: Stream,
    samples: Vec<Sample>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sample {
    asked: Time,
    offset: u64,
}

impl History {
    /// Begins with what a node that was asked at `asked` has said.
    pub fn new(asked: Time, position: Position) -> Self {
        let sample = Sample { asked, offset: position.offset };
        Self { stream: position.stream, samples: vec![sample] }
    }

    /// A node that was asked at `asked` is at `position`. Where that is another stream, or earlier in the same, it has
    /// begun anew, and what was known of it is worth nothing.
    pub fn handle_position(&mut self, asked: Time, position: Position) {
        let last = self.last();
        if position.stream != self.stream || position.offset < last.offset {
            *self = Self::new(asked, position);
        } else if asked > last.asked {
            self.make_room();
            self.samples.push(Sample { asked, offset: position.offset });
        }
    }

    /// The last moment of which all is known to be in what a node at `position` holds.
    pub fn as_of(&self, position: Position) -> Option<Time> {
        if position.stream != self.stream {
            return None;
        }
        let held = self.samples.partition_point(|sample| sample.offset <= position.offset);
        self.samples[..held].last().map(|sample| sample.asked)
    }

    /// How many moments are remembered.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether none is: never.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    fn last(&self) -> Sample {
        *self.samples.last().expect("a history begins with a sample and keeps its newest")
    }

    fn make_room(&mut self) {
        if self.samples.len() < MOST_SAMPLES {
            return;
        }
        let newest = self.last().asked;
        let older = 1..MOST_SAMPLES - RECENT;
        let missed_least = older.min_by(|a, b| self.gap(*a, newest).total_cmp(&self.gap(*b, newest)));
        self.samples.remove(missed_least.unwrap_or_default());
    }

    /// How much would be missing without a sample, as a share of how long ago that is.
    fn gap(&self, index: usize, now: Time) -> f64 {
        let (before, after) = (self.samples[index - 1].asked, self.samples[index + 1].asked);
        after.since(before).as_secs_f64() / now.since(after).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const STREAM: Stream = Stream::new([b'a'; 40]);
    const SECOND: Duration = Duration::from_secs(1);

    fn second(second: u64) -> Time {
        Time::from_millis(second * 1_000)
    }

    fn at(offset: u64) -> Position {
        Position { stream: STREAM, offset }
    }

    fn history(samples: &[(u64, u64)]) -> History {
        let mut samples = samples.iter().map(|(moment, offset)| (second(*moment), at(*offset)));
        let (asked, position) = samples.next().unwrap();
        let mut history = History::new(asked, position);
        samples.for_each(|(asked, position)| history.handle_position(asked, position));
        history
    }

    #[test]
    fn what_a_replica_holds_is_as_new_as_the_last_moment_at_which_the_primary_was_no_further() {
        let history = history(&[(1, 100), (2, 200), (3, 200), (4, 300)]);
        let as_of = |offset| history.as_of(at(offset));
        assert_eq!(as_of(99), None, "it may hold nothing of what the primary held");
        assert_eq!(as_of(100), Some(second(1)));
        assert_eq!(as_of(299), Some(second(3)));
        assert_eq!(as_of(10_000), Some(second(4)));
        assert_eq!(history.as_of(Position { stream: Stream::new([b'b'; 40]), offset: 10_000 }), None);
    }

    #[test]
    fn another_stream_or_an_earlier_place_in_it_is_a_new_beginning() {
        let other = Position { stream: Stream::new([b'b'; 40]), offset: 500 };
        let mut moved = history(&[(1, 100), (2, 200)]);
        moved.handle_position(second(3), other);
        assert_eq!((moved.len(), moved.as_of(other)), (1, Some(second(3))));
        let mut emptied = history(&[(1, 100), (2, 200)]);
        emptied.handle_position(second(3), at(10));
        assert_eq!(emptied.as_of(at(150)), Some(second(3)));
        assert_eq!(emptied.as_of(at(9)), None);
    }

    #[test]
    fn a_day_of_seconds_is_remembered_to_an_eighth() {
        const DAY: u64 = 86_400;
        let history = history(&(1..=DAY).map(|second| (second, second)).collect::<Vec<_>>());
        for age in [1_u32, 5, 30, 60, 600, 3_600, 20_000, 80_000] {
            let as_of = history.as_of(at(DAY - u64::from(age))).unwrap();
            let bound = second(DAY).since(as_of);
            assert!(bound >= SECOND * age && bound <= SECOND * (age + 1 + age / 8), "{age} s were taken for {bound:?}");
        }
    }

    proptest! {
        /// The model remembers everything. A bound may be looser than its, and for what is recent is the same.
        #[test]
        fn a_bound_is_never_younger_than_the_truth(steps in proptest::collection::vec((0_u64..5, 0_u64..3), 1..400)) {
            let (mut moment, mut offset) = (1, 1);
            let mut all = vec![(moment, offset)];
            for (seconds, bytes) in steps {
                (moment, offset) = (moment + seconds, offset + bytes);
                all.push((moment, offset));
            }
            let history = history(&all);
            prop_assert!(history.len() <= MOST_SAMPLES);
            let recent = &history.samples[history.len() - history.len().min(RECENT)];
            for held in 0..=offset + 1 {
                let truth = all.iter().rfind(|(_, offset)| *offset <= held).map(|(moment, _)| second(*moment));
                let bound = history.as_of(at(held));
                prop_assert!(bound <= truth);
                if held >= recent.offset {
                    prop_assert_eq!(bound, truth, "what is recent is remembered as it was");
                }
            }
        }
    }
}
