//! Slots of which their owner has said that they belong to another primary: gone by until there is another view.
//!
//! A look at the deployment takes a while, and slots can be on their way back by then. A client that is sent from the
//! old owner to the new one each time meanwhile has part of a pipeline refused and the rest carried out at the moment when
//! the old owner becomes the owner again. So where a client has been sent it goes by itself the next time, as clients of a
//! cluster do. Only nodes that are known as primaries are gone to, and any new view is more than one node's word.

use failsoft_core::cluster::Slot;

use super::Place;

/// Slots remembered at most; others are followed one request after the other.
const MOST_MOVED: usize = 256;

/// What one client has been told about slots since its view was made.
#[derive(Clone, Debug, Default)]
pub struct Moved(Vec<(Slot, u16)>);

impl Moved {
    /// Whether nothing has been told.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is at `place` has been sent to `node`, an index in the view.
    pub fn note(&mut self, place: Place, node: u16) {
        let Place::Slot(slot) = place else { return };
        match self.0.binary_search_by_key(&slot, |(slot, _)| *slot) {
            Ok(at) => self.0[at].1 = node,
            Err(at) if self.0.len() < MOST_MOVED => self.0.insert(at, (slot, node)),
            Err(_) => {}
        }
    }

    /// Takes in what has been told since.
    pub fn extend(&mut self, later: &Self) {
        later.0.iter().for_each(|(slot, node)| self.note(Place::Slot(*slot), *node));
    }

    /// To which node, if to any, what is at `place` has been sent.
    #[inline]
    pub(crate) fn owner(&self, place: Place) -> Option<u16> {
        match place {
            Place::Slot(slot) if !self.is_empty() => {
                let at = self.0.binary_search_by_key(&slot, |(slot, _)| *slot).ok()?;
                Some(self.0[at].1)
            }
            Place::Slot(_) | Place::Anywhere => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn place(slot: u16) -> Place {
        Place::Slot(Slot::new(slot).unwrap())
    }

    #[test]
    fn the_last_word_about_a_slot_counts_and_only_about_that_slot() {
        let mut moved = Moved::default();
        assert_eq!(moved.owner(place(7)), None);
        moved.note(place(7), 1);
        moved.note(place(3), 2);
        moved.note(Place::Anywhere, 3);
        assert_eq!([3, 5, 7].map(|slot| moved.owner(place(slot))), [Some(2), None, Some(1)]);
        assert_eq!(moved.owner(Place::Anywhere), None);
        let mut later = Moved::default();
        later.note(place(7), 4);
        moved.extend(&later);
        assert_eq!([3, 7].map(|slot| moved.owner(place(slot))), [Some(2), Some(4)]);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_what_is_known_may_still_change() {
        let mut moved = Moved::default();
        (0..1_000).for_each(|slot| moved.note(place(slot), 1));
        assert_eq!(moved.0.len(), MOST_MOVED);
        moved.note(place(0), 2);
        assert_eq!([0, 255, 256].map(|slot| moved.owner(place(slot))), [Some(2), Some(1), None]);
    }
}
