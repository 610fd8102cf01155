//! A transaction before a cluster, from MULTI until it is known at which shard it will be.
//!
//! MULTI names no key, so it is agreed to here, and the client gets a connection of its own with the first command that
//! does: to the owner of that key's slot, where the transaction is then opened. What is queued before that (PING,
//! PUBLISH) is kept and queued at the same place. Without any key, EXEC decides: it may be any shard. Keys of another
//! slot are refused in Redis' words, as a cluster would refuse the EXEC.
//!
//! A command that is refused here spoils the transaction, as one that Redis refuses would: nothing of it is done, and
//! EXEC says so.

use failsoft::classify::{CROSSSLOT, Course, Read, Unjudged, classify};
use failsoft::node::{Leave, Speaker};
use failsoft::topology::Place;
use failsoft_core::Time;
use failsoft_resp::commands::{Class, Spec, Spread};
use failsoft_resp::{Command, encode};

use super::{DISCARDED, Dispatcher, Next, OK, Want};

/// Commands without keys that are kept for one transaction, and their bytes; with more of them its place is any.
const MOST_KEPT: usize = 64;
const MOST_KEPT_BYTES: usize = 64 << 10;

const QUEUED: &[u8] = b"+QUEUED\r\n";
const NOTHING_QUEUED: &[u8] = b"*0\r\n";
const NESTED: &[u8] = b"-ERR MULTI calls can not be nested\r\n";
const TOO_LATE_TO_WATCH: &[u8] = b"-ERR WATCH inside MULTI is not allowed\r\n";
pub(super) const NOT_OF_ONE_SHARD: &[u8] =
    b"-ERR a transaction is carried out by one shard, and this command concerns the cluster\r\n";
const NOT_NOW: &[u8] = b"-ERR AUTH is not allowed in a transaction\r\n";

/// A transaction of which it is not known yet where it will be.
#[derive(Default)]
pub(in crate::session) struct Opened {
    /// Commands that are to be queued first.
    frames: Vec<Box<[u8]>>,
    is_spoiled: bool,
}

impl Opened {
    fn has_room_for(&self, frame: &[u8]) -> bool {
        let bytes: usize = self.frames.iter().map(|frame| frame.len()).sum();
        self.frames.len() < MOST_KEPT && bytes + frame.len() <= MOST_KEPT_BYTES
    }
}

impl Dispatcher {
    /// The transaction that is to be opened on the client's own connection before anything else is sent.
    pub(in crate::session) fn opened(&self) -> Option<&Opened> {
        self.opened.as_deref()
    }

    /// It has been opened there: what is to be queued first, which the client has been told already.
    pub(in crate::session) fn take_opened(&mut self) -> Vec<Box<[u8]>> {
        self.opened.take().map(|opened| opened.frames).unwrap_or_default()
    }

    /// It is to be opened elsewhere, where the same is to be queued first.
    pub(in crate::session) fn open_again(&mut self, frames: Vec<Box<[u8]>>) {
        self.opened = Some(Box::new(Opened { frames, is_spoiled: false }));
    }

    /// Takes a command of a client that believes itself in a transaction.
    pub(super) fn dispatch_opened(&mut self, command: &Command<'_>, now: Time) -> Next {
        let course = classify(&self.context.world, &self.context.views.redis, command);
        let name = command.arg(0).to_ascii_uppercase();
        match (name.as_slice(), self.is_spoiled()) {
            (b"RESET" | b"QUIT", _) => {
                self.opened = None;
                return self.dispatch_sound(command, now);
            }
            (b"DISCARD", _) => self.end_opened(OK),
            (b"EXEC", true) => self.end_opened(DISCARDED),
            (b"EXEC", false) if self.opened.as_ref().is_some_and(|opened| opened.frames.is_empty()) => {
                self.end_opened(NOTHING_QUEUED);
            }
            (b"EXEC", false) => match self.refusal.take() {
                Some(refusal) => self.end_opened(&refusal),
                None => return self.take_place(Place::Anywhere),
            },
            (b"MULTI", _) => self.say(NESTED),
            (b"WATCH", _) => self.say(TOO_LATE_TO_WATCH),
            _ => return self.queue_opened(command, course),
        }
        Next::Continue
    }

    fn queue_opened(&mut self, command: &Command<'_>, course: Course) -> Next {
        match course {
            Course::CrossSlot => self.spoil_opened(CROSSSLOT),
            Course::Scatter { spec, .. } => self.spoil_opened(refusal_of(spec)),
            Course::AboutCluster(_) => self.spoil_opened(NOT_OF_ONE_SHARD),
            Course::Own(spec) => self.spoil_opened(&not_in_transaction(spec)),
            _ if let Some(told) = self.refuse_held(command) => self.spoil_opened(&told),
            _ if self.is_spoiled() => self.say(QUEUED),
            _ if self.is_for_ears(command) => self.spoil_opened(Self::not_queued()),
            course if let Some(told) = self.impossible(command, course) => self.spoil_opened(told),
            Course::Here if self.names_own_user(command) => self.spoil_opened(NOT_NOW),
            Course::Read(Read { place: place @ Place::Slot(_), .. })
            | Course::ReadMany { place: place @ Place::Slot(_), .. }
            | Course::Change { place: place @ Place::Slot(_), .. }
            | Course::Dedicated { place, .. } => return self.take_place(place),
            // Redis has to judge it at once, or nobody does.
            Course::Unjudged(Unjudged::Unknown | Unjudged::Arity(_)) => return self.take_place(Place::Anywhere),
            Course::Here | Course::Read(_) | Course::ReadMany { .. } | Course::Change { .. } => {
                return self.keep_opened(command);
            }
        }
        Next::Continue
    }

    /// The client gets a connection there, on which the transaction is opened; then the command is shown again.
    fn take_place(&mut self, place: Place) -> Next {
        match self.refusal.take() {
            None => {
                let (speaker, leave, class) = (Speaker::Failsoft, Leave::OfCircuit, Class::Transaction);
                Next::Dedicate(Want { speaker, leave, class, place })
            }
            Some(refusal) => {
                self.spoil_opened(&refusal);
                Next::Continue
            }
        }
    }

    fn keep_opened(&mut self, command: &Command<'_>) -> Next {
        let Some(opened) = self.opened.as_mut().filter(|opened| opened.has_room_for(command.frame())) else {
            return self.take_place(Place::Anywhere);
        };
        opened.frames.push(command.frame().into());
        self.say(QUEUED);
        Next::Continue
    }

    fn is_spoiled(&self) -> bool {
        self.opened.as_ref().is_some_and(|opened| opened.is_spoiled)
    }

    pub(super) fn spoil_opened(&mut self, told: &[u8]) {
        self.say(told);
        if let Some(opened) = &mut self.opened {
            **opened = Opened { frames: Vec::new(), is_spoiled: true };
        }
    }

    fn end_opened(&mut self, told: &[u8]) {
        self.say(told);
        self.opened = None;
    }
}

/// What is said to one of failsoft's own commands in a transaction, which Redis would be asked to carry out.
pub(in crate::session) fn not_in_transaction(spec: &Spec) -> Vec<u8> {
    let mut told = Vec::new();
    let name = spec.name.replace('|', " ").to_uppercase();
    encode::error(&mut told, &format!("ERR {name} is not allowed in a transaction: Redis does not know it"));
    told
}

/// What is said to a command that is taken apart where it cannot be.
pub(super) fn refusal_of(spec: &Spec) -> &'static [u8] {
    match spec.spread {
        Spread::Keys(_) => CROSSSLOT,
        Spread::Shards(_) | Spread::Cursor | Spread::Whole => NOT_OF_ONE_SHARD,
    }
}
