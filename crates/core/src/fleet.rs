//! How many instances of failsoft there are, as far as one of them can know.
//!
//! While Redis is there each instance leaves a sign of life there at every beat and counts those of the others. While it
//! is away the last size holds: a limit divided by it is divided by the same number everywhere.
//!
//! More instances are believed at once, fewer only when that has been counted at every one of the last beats. After an
//! outage the first to be back finds the others' signs too old and counts itself alone: believed at once, and Redis
//! gone again, each would give the whole limit away.

/// Beats in a row that must all count fewer before fewer are believed. Longer than a sign of life lasts.
pub const BEATS_TO_SHRINK: u32 = 4;

/// A fleet's size, as it is believed to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetSize {
    least: u32,
    learned: Option<u32>,
    fewer: Option<Fewer>,
}

/// Beats in a row that have counted fewer than is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fewer {
    beats: u32,
    /// The greatest number among them.
    most: u32,
}

impl FleetSize {
    /// Nothing has been counted; there are taken to be `least` then, and never fewer.
    pub fn new(least: u32) -> Self {
        Self { least: least.max(1), learned: None, fewer: None }
    }

    /// How many there are taken to be.
    pub fn size(&self) -> u32 {
        self.learned.unwrap_or(1).max(self.least)
    }

    /// What has been learned by counting, if anything has.
    pub fn learned(&self) -> Option<u32> {
        self.learned
    }

    /// What is taken for the least from here on.
    pub fn set_least(&mut self, least: u32) {
        self.least = least.max(1);
    }

    /// A beat has counted `count` signs of life, its own included.
    pub fn handle_counted(&mut self, count: u32) {
        let count = count.max(1);
        let Some(learned) = self.learned.filter(|learned| count < *learned) else {
            self.learned = Some(count);
            self.fewer = None;
            return;
        };
        let run = self.fewer.unwrap_or(Fewer { beats: 0, most: 0 });
        let run = Fewer { beats: run.beats + 1, most: run.most.max(count) };
        let is_believed = run.beats >= BEATS_TO_SHRINK;
        self.learned = Some(if is_believed { run.most } else { learned });
        self.fewer = (!is_believed).then_some(run);
    }

    /// A beat could not count.
    pub fn handle_missed(&mut self) {
        self.fewer = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_are_believed_at_once_and_fewer_when_it_lasts() {
        let mut fleet = FleetSize::new(1);
        assert_eq!((fleet.size(), fleet.learned()), (1, None));
        fleet.handle_counted(7);
        assert_eq!(fleet.size(), 7);
        for count in [3, 5, 2] {
            fleet.handle_counted(count);
            assert_eq!(fleet.size(), 7);
        }
        fleet.handle_counted(3);
        assert_eq!(fleet.size(), 5, "the most of those counted meanwhile");
    }

    #[test]
    fn the_first_to_be_back_after_an_outage_is_not_alone() {
        let mut fleet = FleetSize::new(1);
        fleet.handle_counted(10);
        for _ in 0..20 {
            (1..BEATS_TO_SHRINK).for_each(|_| fleet.handle_counted(1));
            fleet.handle_missed();
        }
        assert_eq!(fleet.size(), 10);
        fleet.handle_counted(10);
        (1..BEATS_TO_SHRINK).for_each(|_| fleet.handle_counted(1));
        assert_eq!(fleet.size(), 10);
    }

    #[test]
    fn there_are_never_fewer_than_the_operator_says() {
        let mut fleet = FleetSize::new(4);
        assert_eq!(fleet.size(), 4);
        fleet.handle_counted(2);
        assert_eq!((fleet.size(), fleet.learned()), (4, Some(2)));
        fleet.set_least(1);
        assert_eq!(fleet.size(), 2);
    }
}
