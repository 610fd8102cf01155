//! Of which keys a command makes copies void.

use failsoft::classify::{Course, Unjudged, Voids};
use failsoft_resp::Command;
use failsoft_resp::commands::{self, Access};

use super::Dispatcher;
use crate::session::replies::Touched;

impl Dispatcher {
    /// Any word of a command that is not known may be a key that it changes.
    pub(super) fn touched_by_unknown(&self, command: &Command<'_>) -> Touched {
        let world = &self.context.world;
        let routed = |word: &&[u8]| world.route(world.route_of(word)).reads_through();
        Touched::Keys(command.args().skip(1).filter(routed).map(Box::from).collect())
    }

    pub(super) fn touched(&self, command: &Command<'_>, voids: Voids) -> Touched {
        let world = &self.context.world;
        match voids {
            Voids::Nothing => Touched::Nothing,
            Voids::Everything => Touched::Everything,
            Voids::Keys(spec) => Touched::Keys(
                commands::keys(spec, command)
                    .filter(|position| position.access == Access::Write)
                    .map(|position| command.arg(position.index))
                    .filter(|key| world.route(world.route_of(key)).reads_through())
                    .map(Box::from)
                    .collect(),
            ),
        }
    }

    /// Of which keys a command on the client's own connection makes copies void. Whichever database it is on: a copy too
    /// many is lost rather than one too few.
    pub(in crate::session) fn touched_by(&self, command: &Command<'_>, course: Course) -> Touched {
        match course {
            Course::Change { voids, .. } | Course::Dedicated { voids, .. } | Course::Scatter { voids, .. } => {
                self.touched(command, voids)
            }
            Course::Unjudged(Unjudged::Unknown) => self.touched_by_unknown(command),
            Course::Here
            | Course::CrossSlot
            | Course::AboutCluster(_)
            | Course::Unjudged(Unjudged::Arity(_))
            | Course::Read(_)
            | Course::ReadMany { .. } => Touched::Nothing,
        }
    }

    /// Makes copies void.
    pub(in crate::session) fn invalidate(&self, touched: &Touched) {
        touched.invalidate(&self.context.world);
    }
}
