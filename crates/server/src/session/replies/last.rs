//! What is known of a client's last answer: of the one that was asked for last, whichever came last.
//!
//! Kept for everybody, asked for by few, so what goes as it should costs a comparison and two words.

use failsoft::facts::Facts;

/// What is known of the last answer.
#[derive(Debug, Default)]
pub(super) struct Last {
    ticket: u64,
    is_of_primary: bool,
    facts: Facts,
}

impl Last {
    /// The request at `ticket` has been answered by the primary at once.
    #[inline]
    pub(super) fn note_of_primary(&mut self, ticket: u64) {
        if ticket >= self.ticket {
            (self.ticket, self.is_of_primary) = (ticket, true);
        }
    }

    /// The request at `ticket` has been answered so. What failsoft says by itself is no answer to a request.
    pub(super) fn note(&mut self, ticket: u64, facts: Facts) {
        if ticket >= self.ticket && facts.ending.is_some() {
            *self = Self { ticket, is_of_primary: false, facts };
        }
    }

    /// What is known of it; nothing before the first.
    pub(super) fn facts(&self) -> Facts {
        if self.is_of_primary { Facts::OF_PRIMARY } else { self.facts }
    }
}

#[cfg(test)]
mod tests {
    use failsoft_core::Tier;
    use failsoft_core::request::Ending;

    use super::*;

    fn absent() -> Facts {
        Facts::of_ending(Ending::Absent(Tier::Origin))
    }

    #[test]
    fn the_last_is_the_one_that_was_asked_for_last() {
        let mut last = Last::default();
        assert_eq!(last.facts(), Facts::default());
        last.note(2, absent());
        last.note_of_primary(1);
        last.note(3, Facts::default());
        assert_eq!(last.facts(), absent());
        last.note_of_primary(2);
        assert_eq!(last.facts(), Facts::OF_PRIMARY);
    }
}
