//! Tells the log of nodes that are named and may not be spoken to: each once, and not more than a few.
//!
//! Whoever sends requests to such an address does so with every request, and may name two in turn, or all there are. What is
//! not told any more is still counted (`failsoft_topology_off_limits_total`).

use super::address::OffLimits;

/// Addresses that are told of, of one deployment.
const MOST_TOLD: usize = 16;

/// What the log has been told.
#[derive(Debug, Default)]
pub(super) struct Told(Vec<OffLimits>);

/// Whether there is anything to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    None,
    Another,
    TooMany,
}

impl Told {
    /// Somebody has named a node that may not be spoken to.
    pub(super) fn tell(&mut self, off_limits: OffLimits) {
        match self.news(&off_limits) {
            News::None => return,
            News::Another => tracing::warn!("{off_limits}"),
            News::TooMany => tracing::warn!(
                "nodes are said to be at more than {MOST_TOLD} addresses that are not connected to; the others are only counted"
            ),
        }
        self.0.push(off_limits);
    }

    fn news(&self, off_limits: &OffLimits) -> News {
        match self.0.len() {
            _ if self.0.contains(off_limits) => News::None,
            ..MOST_TOLD => News::Another,
            MOST_TOLD => News::TooMany,
            _ => News::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use failsoft_core::cluster::Endpoint;

    use super::*;
    use crate::settings::Forbidden;

    fn off_limits(port: u16) -> OffLimits {
        OffLimits { announced: Endpoint::new("169.254.169.254", port), why: Forbidden::LinkLocal }
    }

    #[test]
    fn who_names_two_addresses_in_turn_or_all_there_are_does_not_fill_the_log() {
        let mut told = Told::default();
        let mut lines = |port| {
            let news = told.news(&off_limits(port));
            told.tell(off_limits(port));
            news
        };
        assert_eq!([1, 2, 1, 2].map(&mut lines), [News::Another, News::Another, News::None, News::None]);
        let many: Vec<_> = (3..1_000).map(&mut lines).collect();
        assert_eq!(many.iter().filter(|news| **news == News::Another).count(), MOST_TOLD - 2);
        assert_eq!(many.iter().filter(|news| **news == News::TooMany).count(), 1);
        assert_eq!(told.0.len(), MOST_TOLD + 1);
    }
}
