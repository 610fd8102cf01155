//! A bounded number of things that go on at once.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How many are inside, and how many may be.
#[derive(Debug)]
pub struct Gauge {
    inside: AtomicUsize,
    bound: usize,
    refused: AtomicUsize,
}

impl Gauge {
    /// Room for `bound`.
    pub fn new(bound: usize) -> Self {
        Self { inside: AtomicUsize::new(0), bound, refused: AtomicUsize::new(0) }
    }

    /// Enters, unless it is full; whoever has entered must [`leave`](Self::leave).
    pub fn try_enter(&self) -> bool {
        if self.inside.fetch_add(1, Ordering::AcqRel) < self.bound {
            return true;
        }
        self.leave();
        self.refused.fetch_add(1, Ordering::Relaxed);
        false
    }

    /// Leaves.
    pub fn leave(&self) {
        self.inside.fetch_sub(1, Ordering::AcqRel);
    }

    /// How many are inside.
    pub fn inside(&self) -> usize {
        self.inside.load(Ordering::Acquire)
    }

    /// How many may be inside.
    pub fn bound(&self) -> usize {
        self.bound
    }

    /// How many found it full.
    pub fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_holds_and_one_past_it_is_refused() {
        let gauge = Gauge::new(2);
        assert!(gauge.try_enter() && gauge.try_enter());
        assert!(!gauge.try_enter());
        gauge.leave();
        assert!(gauge.try_enter());
        assert_eq!((gauge.inside(), gauge.refused()), (2, 1));
    }
}
