//! Sets of slots as Redis writes them: ranges with both ends.
//!
//! A [`Slot`] is no integer to the standard library, so its ranges can be asked for what they contain but not walked;
//! this walks them, counts them, and puts them together again.

use std::ops::RangeInclusive;

use super::Slot;

/// The slots in `ranges`, range after range.
pub fn slots(ranges: &[RangeInclusive<Slot>]) -> impl Iterator<Item = Slot> + '_ {
    let numbers = ranges.iter().flat_map(|range| range.start().number()..=range.end().number());
    numbers.filter_map(Slot::new)
}

/// How many slots are in `ranges`, each counted as often as it occurs.
pub fn count(ranges: &[RangeInclusive<Slot>]) -> usize {
    ranges.iter().map(|range| (range.end().index() + 1).saturating_sub(range.start().index())).sum()
}

/// Whether any of `ranges` contains `slot`.
pub fn contain(ranges: &[RangeInclusive<Slot>], slot: Slot) -> bool {
    ranges.iter().any(|range| range.contains(&slot))
}

/// Whether a slot is in both.
pub fn overlap(some: &[RangeInclusive<Slot>], others: &[RangeInclusive<Slot>]) -> bool {
    let meet = |one: &RangeInclusive<Slot>, other: &RangeInclusive<Slot>| {
        one.start().max(other.start()) <= one.end().min(other.end())
    };
    some.iter().any(|one| others.iter().any(|other| meet(one, other)))
}

/// Adds a slot that is beyond all that are in `ranges`, to the last range if it follows directly.
pub fn push(ranges: &mut Vec<RangeInclusive<Slot>>, slot: Slot) {
    match ranges.last_mut() {
        Some(last) if last.end().index() + 1 == slot.index() => *last = *last.start()..=slot,
        Some(_) | None => ranges.push(slot..=slot),
    }
}

/// Reads `7` or `0-5460`.
pub(super) fn parse(text: &str) -> Option<RangeInclusive<Slot>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (Slot::parse(first)?, Slot::parse(last)?);
    (first <= last).then_some(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<RangeInclusive<Slot>> {
        text.split_whitespace().map(|word| parse(word).unwrap()).collect()
    }

    #[test]
    fn ranges_are_walked_counted_and_put_together_again() {
        let ranges = of("0-2 7 16382-16383");
        let numbers = slots(&ranges).map(Slot::number).collect::<Vec<_>>();
        assert_eq!(numbers, [0, 1, 2, 7, 16_382, 16_383]);
        assert_eq!(count(&ranges), 6);
        let mut again = Vec::new();
        slots(&ranges).for_each(|slot| push(&mut again, slot));
        assert_eq!(again, ranges);
    }

    #[test]
    fn a_slot_in_both_is_found_at_either_end() {
        assert!(overlap(&of("0-2 7"), &of("3-6 7-9")));
        assert!(overlap(&of("5-9"), &of("0-5")));
        assert!(!overlap(&of("0-2 7"), &of("3-6 8")));
        assert!(!overlap(&[], &of("0-16383")));
        assert!(contain(&of("0-2 7"), Slot::new(7).unwrap()));
        assert!(!contain(&of("0-2 7"), Slot::new(6).unwrap()));
    }

    #[test]
    fn what_is_no_range_is_not_read_as_one() {
        for text in ["", "-", "1-", "-1", "2-1", "0-16384", "1-2-3", "a", "1 ", "0x1"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
