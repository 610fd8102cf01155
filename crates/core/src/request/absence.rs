//! What it means that a tier has no such value.
//!
//! Absent from where it is made means absent; absent from a node means so only where nothing makes it. Where the callers
//! make the values, one that is to make this one hears it as the node's word, if a node has said it; one for whom another
//! has made it begins anew at the primary. A copy in front, or a replica, may not have yet what has just been written, so
//! that neither is asked before the primary then, and what the nodes had said before is no news any more.

use super::{Ending, Front, MissCause, Outcome, Plan, Request, Tier, TierSet};

impl Request {
    /// The node that has said that there is no such value, if one has.
    pub fn absent(&self) -> Option<Tier> {
        self.absent
    }

    pub(super) fn handle_miss(&mut self, plan: &Plan, tier: Tier, cause: MissCause) {
        match (tier, cause) {
            (Tier::Origin, MissCause::Filled) => self.begin_anew(),
            (Tier::Origin, MissCause::Leased | MissCause::Absent) => {
                self.end(Ending::Absent(self.absent.unwrap_or(tier)));
            }
            (Tier::Origin, _) | (Tier::Local, MissCause::NoSuchRow) => self.end(Ending::Absent(tier)),
            (Tier::Primary | Tier::Replica | Tier::Regional, _) => {
                self.absent = Some(tier);
                if !plan.tiers.contains(Tier::Origin) || self.asked.contains(Tier::Origin) {
                    self.end(Ending::Absent(tier));
                }
            }
            (Tier::Local | Tier::Default, _) => {}
        }
    }

    fn begin_anew(&mut self) {
        self.asked = TierSet::of(&[Tier::Origin]);
        self.absent = None;
        self.front = Front::Passed;
        self.trail = [None; Tier::ALL.len()];
        self.note(Tier::Origin, Outcome::Miss(MissCause::Filled));
    }
}
