//! One thing that a client with a connection of its own is owed, and what is known of it until it is paid.

use failsoft_core::Time;
use failsoft_resp::pubsub::Channels;

use super::effect::{Effect, Manner};
use failsoft::touched::Touched;

/// One thing that is owed.
pub(super) struct Debt {
    pub(super) owed: Owed,
    pub(super) effect: Effect,
    pub(super) asked: Time,
    pub(super) patience: Patience,
    pub(super) doubt: Doubt,
    /// Where its bytes begin in the stream to the node.
    pub(super) start: u64,
    pub(super) touched: Touched,
    pub(super) again: Option<Again>,
}

/// A command that may be asked of another node, as long as it is all that the client has asked for on this connection.
pub(super) enum Again {
    /// It has been given the connection for it.
    Alone(Box<[u8]>),
    /// The same in a transaction that has been opened for it.
    Opening(Box<[u8]>),
}

/// What the client is to be given for one reply.
pub(super) enum Owed {
    /// The reply.
    Reply,
    /// These bytes, whatever the reply.
    Instead(Vec<u8>),
    /// Nothing: failsoft has asked for itself.
    Nothing(Own),
    /// Nothing any more: failsoft has answered when the command came.
    Told,
    /// One reply for each of several channels; how many are left is known once they begin.
    Confirmations { channels: Channels, named: Option<usize>, left: Option<usize> },
    /// Nothing any more: the client has been told that there was no answer in time.
    Late,
    /// These bytes, without any reply.
    Local(Vec<u8>),
    /// The reply to RESET.
    Reset,
}

/// What failsoft asks for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Own {
    /// What may fail: a heartbeat, a name.
    Courtesy,
    /// What must not fail: the client's commands rely on it.
    Condition,
    /// HELLO, in whose reply the client's number is.
    Id,
}

/// For how long a reply is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// As long as the node may be silent.
    Timeout,
    /// As long as it takes: the command blocks.
    Endless,
}

/// What is to be feared if there is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Nothing: it changes nothing.
    Nothing,
    /// It may have happened.
    Happened,
}

/// What is to be written down of a client's command that is sent.
pub(super) struct Entry {
    pub(super) effect: Effect,
    pub(super) manner: Manner,
    pub(super) patience: Patience,
    pub(super) doubt: Doubt,
    pub(super) touched: Touched,
    pub(super) start: u64,
    pub(super) asked: Time,
    pub(super) again: Option<Again>,
}

/// A debt that the node will not pay any more.
pub(super) enum Unpaid {
    /// The client is given this all the same.
    Known(Vec<u8>),
    /// Nobody can say what the reply would have been.
    Lost { start: u64, doubt: Doubt, touched: Touched },
}

impl Debt {
    /// Of something that the client has not asked the node for.
    pub(super) fn without_command(owed: Owed, start: u64, asked: Time) -> Self {
        let (patience, doubt, touched) = (Patience::Timeout, Doubt::Nothing, Touched::Nothing);
        Self { owed, effect: Effect::None, asked, patience, doubt, start, touched, again: None }
    }

    /// Whether the client can be told that its answer takes too long, and nothing else be the matter: the command says
    /// nothing about the connection.
    pub(super) fn may_be_late(&self) -> bool {
        let is_plain = matches!(self.owed, Owed::Reply) && self.effect == Effect::None;
        is_plain && self.patience == Patience::Timeout || matches!(self.owed, Owed::Local(_))
    }

    /// Whether anybody still waits for it.
    pub(super) fn is_waited_for(&self) -> bool {
        !matches!(self.owed, Owed::Late)
    }

    /// The client waits no longer; the place stays for the reply that may still come.
    pub(super) fn give_up_waiting(&mut self) -> Unpaid {
        if let Owed::Local(bytes) = &mut self.owed {
            return Unpaid::Known(std::mem::take(bytes));
        }
        self.owed = Owed::Late;
        let mut touched = Touched::Nothing;
        touched.add(&self.touched);
        Unpaid::Lost { start: self.start, doubt: self.doubt, touched }
    }

    /// What is left of it when nothing more will come.
    pub(super) fn unpaid(self) -> Option<Unpaid> {
        match self.owed {
            Owed::Local(bytes) | Owed::Instead(bytes) => Some(Unpaid::Known(bytes)),
            Owed::Nothing(_) | Owed::Told | Owed::Late => None,
            Owed::Reply | Owed::Confirmations { .. } | Owed::Reset => {
                Some(Unpaid::Lost { start: self.start, doubt: self.doubt, touched: self.touched })
            }
        }
    }
}
