//! A transaction that was agreed to before it was known where: opened here, and tried with its first command.
//!
//! The client has been told that it is open, and what is queued, so the replies to that are for nobody. The first command is
//! sent alone: if this node is not the one for it, nothing has happened, and all of it can be done at another.

use failsoft::classify::Course;
use failsoft::topology::Place;
use failsoft_core::Time;
use failsoft_resp::Command;

use super::Desk;
use crate::session::dedicated::debt::{Again, Doubt, Entry, Patience};
use crate::session::dedicated::effect::{Effect, Manner};
use crate::session::dispatch::Dispatcher;
use failsoft::touched::Touched;

/// How far a transaction is that was agreed to before it was known where.
pub(super) struct Opening {
    pub(super) frames: Vec<Box<[u8]>>,
    /// The first command has been sent that tells whether this is the place.
    is_asked: bool,
}

impl Desk {
    /// What is to be kept of a command to ask it of another node if this one is the wrong one.
    pub(super) fn again(&mut self, command: &Command<'_>, course: Course, dispatcher: &Dispatcher) -> Option<Again> {
        match &mut self.opening {
            Some(opening) if !opening.is_asked => {
                opening.is_asked = true;
                return Some(Again::Opening(command.frame().into()));
            }
            // It has been answered, or this one would be held.
            Some(_) | None => self.opening = None,
        }
        let is_placed = matches!(course, Course::Dedicated { place: Place::Slot(_), .. });
        let is_first = !self.ledger.is_queueing() && self.ledger.state().is_gone();
        let may_be = is_placed && is_first && dispatcher.is_discovered();
        may_be.then(|| Again::Alone(command.frame().into()))
    }

    /// What the client was told to be queued before it was known where is queued now.
    pub(super) fn handle_opened(&mut self, dispatcher: &mut Dispatcher, now: Time) {
        if dispatcher.opened().is_none() {
            return;
        }
        let frames = dispatcher.take_opened();
        frames.iter().for_each(|frame| self.tell(frame, Effect::None, now));
        self.opening = Some(Opening { frames, is_asked: false });
    }

    /// Sends what the client has been given an answer to.
    pub(super) fn tell(&mut self, frame: &[u8], effect: Effect, now: Time) {
        let (manner, patience, doubt, touched) = (Manner::Told, Patience::Timeout, Doubt::Nothing, Touched::Nothing);
        let start = self.line.send(frame);
        self.ledger.enter(Entry { effect, manner, patience, doubt, touched, start, asked: now, again: None });
    }
}
