//! The places an answer may come from, and sets of them.
//!
//! The order of the variants is the order in which they are asked. A set is one byte, so that a request can carry
//! the tiers it has already asked without touching the heap.

use std::fmt;

/// A place an answer may come from, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Tier {
    /// The Redis node that owns the key.
    Primary,
    /// A node that replicates the primary.
    Replica,
    /// A second, read-only deployment.
    Regional,
    /// This process' own memory.
    Local,
    /// The database or service the value is made from.
    Origin,
    /// The value the route names for when all else has failed.
    Default,
}

impl Tier {
    /// Every tier, in the order in which they are asked.
    pub const ALL: [Self; 6] = [Self::Primary, Self::Replica, Self::Regional, Self::Local, Self::Origin, Self::Default];

    /// The name used in settings, logs, metric labels and error details.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Replica => "replica",
            Self::Regional => "regional",
            Self::Local => "local",
            Self::Origin => "origin",
            Self::Default => "default",
        }
    }

    /// A dense index for tables with one slot a tier.
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of tiers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TierSet(u8);

impl TierSet {
    /// No tier.
    pub const EMPTY: Self = Self(0);

    /// The set of the given tiers.
    pub const fn of(tiers: &[Tier]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < tiers.len() {
            bits |= 1 << tiers[i] as u8;
            i += 1;
        }
        Self(bits)
    }

    /// This set and `tier`.
    #[must_use]
    pub const fn with(self, tier: Tier) -> Self {
        Self(self.0 | 1 << tier as u8)
    }

    /// This set without `tier`.
    #[must_use]
    pub const fn without(self, tier: Tier) -> Self {
        Self(self.0 & !(1 << tier as u8))
    }

    /// Whether `tier` is in the set.
    pub const fn contains(self, tier: Tier) -> bool {
        self.0 & 1 << tier as u8 != 0
    }

    /// The members, in the order in which they are asked.
    pub fn iter(self) -> impl Iterator<Item = Tier> {
        Tier::ALL.into_iter().filter(move |tier| self.contains(*tier))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in_and_lists_it_in_asking_order() {
        let set = TierSet::of(&[Tier::Origin, Tier::Primary]).with(Tier::Local).without(Tier::Primary);
        assert_eq!(set.iter().collect::<Vec<_>>(), [Tier::Local, Tier::Origin]);
        assert!(!set.contains(Tier::Primary));
    }
}
