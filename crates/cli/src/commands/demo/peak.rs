//! The highest number of events in any one second, from a counter that was looked at now and then.
//!
//! A look takes time: the counter had its value at some moment between asking and hearing. Two looks count as one
//! second only if the later was heard at most a second after the earlier was asked, so the figure is never higher
//! than the truth. It may be lower by what happens between two looks.

use std::time::{Duration, Instant};

/// A counter's value, and when it was had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) asked: Instant,
    pub(super) heard: Instant,
    pub(super) count: u64,
}

/// The most events of any second that ends at `from` or later and at `to` or earlier. `None` without two looks.
pub(super) fn peak(looks: &[Look], from: Instant, to: Instant) -> Option<u64> {
    let mut first = 0;
    let mut highest = None;
    for look in looks {
        while look.heard - looks[first].asked > Duration::from_secs(1) && looks[first].asked < look.asked {
            first += 1;
        }
        if look.heard >= from && look.heard <= to && looks[first].asked < look.asked {
            highest = highest.max(Some(look.count.saturating_sub(looks[first].count)));
        }
    }
    highest
}

/// As [`peak`], for events whose moments are known; without events, 0.
pub(super) fn peak_of_events(moments: &[Instant], from: Instant, to: Instant) -> u64 {
    let mut first = 0;
    let mut highest = 0;
    for (at, moment) in moments.iter().enumerate() {
        while *moment - moments[first] >= Duration::from_secs(1) {
            first += 1;
        }
        if *moment >= from && *moment <= to {
            highest = highest.max(at - first + 1);
        }
    }
    highest as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks that take 10 ms each, every 250 ms.
    fn looks(start: Instant, counts: &[u64]) -> Vec<Look> {
        let look = |(at, count): (u32, &u64)| {
            let asked = start + Duration::from_millis(250) * at;
            Look { asked, heard: asked + Duration::from_millis(10), count: *count }
        };
        (0..).zip(counts).map(look).collect()
    }

    #[test]
    fn a_second_is_never_longer_than_a_second() {
        let start = Instant::now();
        let looks = looks(start, &[0, 100, 200, 300, 400, 500, 500, 500]);
        let end = start + Duration::from_secs(2);
        // Four steps of 250 ms and the 10 ms of a look are more than a second: three steps count.
        assert_eq!(peak(&looks, start, end), Some(300));
        assert_eq!(peak(&looks, start + Duration::from_millis(1700), end), Some(100));
        assert_eq!(peak(&looks[..1], start, end), None);
    }

    #[test]
    fn a_gap_of_more_than_a_second_tells_nothing() {
        let start = Instant::now();
        let at = |ms, count| {
            let asked = start + Duration::from_millis(ms);
            Look { asked, heard: asked, count }
        };
        assert_eq!(peak(&[at(0, 0), at(1500, 900)], start, start + Duration::from_secs(2)), None);
    }

    #[test]
    fn events_are_counted_exactly() {
        let start = Instant::now();
        let moments: Vec<Instant> = [0, 100, 200, 1099, 1100].map(|ms| start + Duration::from_millis(ms)).to_vec();
        let end = start + Duration::from_secs(2);
        assert_eq!(peak_of_events(&moments, start, end), 3);
        assert_eq!(peak_of_events(&moments, start + Duration::from_secs(1), end), 3);
        assert_eq!(peak_of_events(&[], start, end), 0);
    }
}
