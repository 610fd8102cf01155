//! What a node owes one client on the client's own connection, in order.
//!
//! Replies say nothing about what they answer, so every command that is sent takes its place here, with what the client
//! is to be given for its reply and what it does to the connection. Answers of failsoft's own stand in the same line, so
//! that the client hears them in the order in which it asked. What comes without having been asked for is passed on as
//! it comes.
//!
//! Where replies cannot be told apart any more (MONITOR, replication, a subscription inside a transaction) nothing is
//! counted, and everything is passed on: the connection is the client's alone, and stays so until it resets or leaves.

mod settle;

use std::collections::VecDeque;
use std::time::Duration;

use failsoft_core::Time;
use failsoft_core::cluster::Redirect;
use failsoft_resp::pubsub::{Channels, Frame, frame_of};

use super::debt::{Debt, Doubt, Entry, Owed, Own, Patience, Unpaid};
use super::effect::{Effect, Manner, ReplyMode};
use super::state::State;
use failsoft::touched::Touched;

/// A node that is silent for so many times its timeout is given up, and everything that it owes.
const STALL: u32 = 2;

/// What is owed to one client.
pub(super) struct Ledger {
    debts: VecDeque<Debt>,
    state: State,
    /// The state once everything that has been asked is answered, as far as can be said.
    outlook: State,
    following: Following,
    mode: ReplyMode,
    queueing: Queueing,
    resetting: bool,
    /// When the node was last seen not to be silent.
    heard: Time,
    redirections: Redirections,
}

/// What a client is told where the node says that another one is to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Redirections {
    /// Just that.
    PassedOn,
    /// That it was not done: to the client there is one Redis.
    Hidden,
}

/// Whether what is sent is queued in a transaction.
enum Queueing {
    No,
    /// It is, and when the transaction is carried out copies of these are void.
    Yes(Touched),
}

/// How replies are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Following {
    /// Each is counted.
    Counted,
    /// Whatever comes is passed on, frame by frame.
    Stream,
    /// Whatever comes is passed on, byte by byte.
    Foreign,
}

/// What a reply has brought about.
pub(super) struct Settled {
    pub(super) heard: Heard,
    /// Whose copies are void by now.
    pub(super) touched: Touched,
}

/// What a reply has told of the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing that matters beyond the reply.
    Nothing,
    /// This has come about.
    Done(Effect),
    /// The connection is as new.
    Reset,
    /// What the node calls the client.
    Id(i64),
    /// It has not believed the client who it is.
    WrongPassword,
    /// It has not opened the transaction of which the client was told that it is open.
    NotOpened(Vec<u8>),
    /// What was asked is not its own to answer.
    SentElsewhere,
    /// The same of this command, which is all that the client has asked for: it may be asked of whom the reply names.
    Astray(Box<[u8]>, Redirect),
}

impl Heard {
    fn alone(self) -> Settled {
        Settled { heard: self, touched: Touched::Nothing }
    }
}

/// A reply to nothing, or one that failsoft cannot go on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unfit;

impl Ledger {
    /// Of a connection in the database `home`, on which nothing has been asked.
    pub(super) fn new(home: u32, now: Time) -> Self {
        let state = State::new(home);
        Self {
            debts: VecDeque::new(),
            outlook: state.clone(),
            state,
            following: Following::Counted,
            mode: ReplyMode::On,
            queueing: Queueing::No,
            resetting: false,
            heard: now,
            redirections: Redirections::PassedOn,
        }
    }

    /// The same before a deployment whose nodes the client does not know.
    pub(super) fn hiding_redirections(mut self) -> Self {
        self.redirections = Redirections::Hidden;
        self
    }

    /// The connection's state, as far as it has been confirmed.
    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// No later client may be given the connection.
    pub(super) fn spoil(&mut self) {
        self.state.spoil();
    }

    /// How much is owed.
    pub(super) fn len(&self) -> usize {
        self.debts.len()
    }

    /// Whether what is sent now is queued in a transaction.
    pub(super) fn is_queueing(&self) -> bool {
        matches!(self.queueing, Queueing::Yes(_))
    }

    /// Whether the client needs no connection of its own, once what is owed has been paid.
    pub(super) fn will_be_free(&self) -> bool {
        self.following == Following::Counted && self.outlook.is_gone()
    }

    /// Whether the client has asked for everything to be as new: what follows is not for this connection.
    pub(super) fn is_resetting(&self) -> bool {
        self.resetting
    }

    /// Whether the client needs no connection of its own.
    pub(super) fn is_free(&self) -> bool {
        self.debts.is_empty() && self.following == Following::Counted && self.state.is_gone()
    }

    /// Whether the node could be gone without anybody noticing, because only it speaks.
    pub(super) fn only_listens(&self) -> bool {
        let counted = self.following == Following::Counted && self.mode == ReplyMode::On;
        counted && self.debts.is_empty() && self.state.listens() && !self.is_queueing()
    }

    /// Whether the node's silence says nothing.
    pub(super) fn is_endless(&self) -> bool {
        let blocked = self.debts.front().is_some_and(|debt| debt.patience == Patience::Endless);
        blocked || self.following != Following::Counted
    }

    /// From when on a client that leaves need not wait for what is owed: at once for a stream, which has no end. Who is
    /// blocked goes too, but not before what may have been there already has had the time to come: Redis has taken it
    /// from its list.
    pub(super) fn may_be_left_at(&self, timeout: Duration) -> Option<Time> {
        if self.following != Following::Counted {
            return Some(Time::ZERO);
        }
        let blocked = self.debts.front().filter(|debt| debt.patience == Patience::Endless)?;
        Some(blocked.asked.max(self.heard) + timeout)
    }

    /// How replies are followed.
    pub(super) fn following(&self) -> Following {
        self.following
    }

    /// Whether replies are passed on byte by byte.
    pub(super) fn is_foreign(&self) -> bool {
        self.following == Following::Foreign
    }

    /// How replies will be followed once a command that is answered in this manner has been sent.
    pub(super) fn following_after(&self, manner: Manner) -> Following {
        match manner {
            Manner::Stream => Following::Stream,
            Manner::Foreign => Following::Foreign,
            Manner::PerChannel(..) if self.is_queueing() || self.mode != ReplyMode::On => Following::Stream,
            Manner::ReplyMode(_) if self.is_queueing() => Following::Stream,
            Manner::PerChannel(..) | Manner::Once | Manner::Told | Manner::ReplyMode(_) | Manner::Reset => {
                Following::Counted
            }
        }
    }

    /// By when the next reply must have come, if the node may be silent for `timeout`.
    pub(super) fn due(&self, timeout: Duration) -> Option<Time> {
        let first = self.debts.front().filter(|_| !self.is_endless())?;
        let since = |debt: &Debt| debt.asked.max(self.heard);
        let stalled = matches!(first.owed, Owed::Late).then(|| since(first) + timeout * STALL);
        let waiting = self.debts.iter().find(|debt| !matches!(debt.owed, Owed::Late | Owed::Local(_)));
        waiting.map(|debt| since(debt) + timeout).into_iter().chain(stalled).min()
    }

    /// Takes what the client need not wait for any longer, in order; replies that still come are given to nobody.
    ///
    /// # Errors
    /// [`Unfit`]: something that cannot be done without is overdue, or the node has been silent for much longer.
    pub(super) fn take_overdue(&mut self, timeout: Duration, now: Time) -> Result<Vec<Unpaid>, Unfit> {
        let heard = self.heard;
        let is_due = |debt: &Debt, timeout| debt.asked.max(heard) + timeout <= now;
        let is_stalled = self.debts.front().is_some_and(|debt| is_due(debt, timeout * STALL));
        if is_stalled || self.is_queueing() || self.state.is_multi() {
            return Err(Unfit);
        }
        let is_overdue = |debt: &Debt| is_due(debt, timeout);
        let mut overdue = self.debts.iter().filter(|debt| debt.is_waited_for()).take_while(|debt| is_overdue(debt));
        // Looked at before any is given up: otherwise what was given up would be told to nobody, and the client take the
        // next answer for its own.
        if !overdue.all(Debt::may_be_late) {
            return Err(Unfit);
        }
        let waited_for = self.debts.iter_mut().filter(|debt| debt.is_waited_for());
        Ok(waited_for.take_while(|debt| is_overdue(debt)).map(Debt::give_up_waiting).collect())
    }

    /// A part of a reply has come, or of a request has gone; or nobody listens to the node for the moment.
    pub(super) fn handle_stir(&mut self, now: Time) {
        self.heard = now;
    }

    /// When the node was last seen not to be silent.
    pub(super) fn heard(&self) -> Time {
        self.heard
    }

    /// Writes down a command that has been sent; returns whose copies are void by now, because there will be no reply by
    /// which to know when they are.
    pub(super) fn enter(&mut self, entry: Entry) -> Touched {
        let Entry { effect, manner, patience, doubt, touched, start, asked, again } = entry;
        let (touched, doubt) = self.queue(touched, doubt, &effect);
        let owed = match manner {
            Manner::Once => Owed::Reply,
            Manner::PerChannel(channels, named) if self.following_after(manner) == Following::Counted => {
                Owed::Confirmations { channels, named, left: None }
            }
            Manner::ReplyMode(mode) if self.following_after(manner) == Following::Counted => {
                self.set_mode(mode, start, asked);
                return touched;
            }
            Manner::PerChannel(..) | Manner::ReplyMode(_) | Manner::Stream | Manner::Foreign => {
                self.follow(self.following_after(manner));
                return touched;
            }
            Manner::Told => Owed::Told,
            Manner::Reset => Owed::Reset,
        };
        self.resetting |= matches!(owed, Owed::Reset);
        self.look_ahead(&effect, &owed);
        if self.is_answered(&owed) && self.following == Following::Counted {
            self.debts.push_back(Debt { owed, effect, asked, patience, doubt, start, touched, again });
            return Touched::Nothing;
        }
        touched
    }

    /// Whether the client waits for nothing.
    fn is_all_told(&self) -> bool {
        self.debts.iter().all(|debt| matches!(debt.owed, Owed::Late))
    }

    /// Writes down that `bytes` are to be given next, after all that is owed already.
    pub(super) fn enter_local(&mut self, bytes: Vec<u8>, out: &mut Vec<u8>) {
        let owed = Owed::Local(bytes);
        match (self.is_answered(&owed), owed) {
            (true, Owed::Local(bytes)) if self.is_all_told() || self.following != Following::Counted => {
                out.extend_from_slice(&bytes);
            }
            (true, owed) => self.debts.push_back(Debt::without_command(owed, 0, Time::ZERO)),
            (false, _) => {}
        }
    }

    /// Writes down that the client is given `bytes` for the reply to what has been sent at `start`.
    pub(super) fn enter_instead(&mut self, bytes: Vec<u8>, start: u64, asked: Time) {
        let owed = Owed::Instead(bytes);
        if self.is_answered(&owed) {
            self.debts.push_back(Debt::without_command(owed, start, asked));
        }
    }

    /// Writes down a command of failsoft's own.
    pub(super) fn enter_own(&mut self, own: Own, start: u64, asked: Time) {
        self.debts.push_back(Debt::without_command(Owed::Nothing(own), start, asked));
    }

    /// Takes a reply, and appends what the client is given for it to `out`.
    ///
    /// # Errors
    /// [`Unfit`]: the connection is of no more use.
    pub(super) fn handle_reply(&mut self, reply: &[u8], now: Time, out: &mut Vec<u8>) -> Result<Settled, Unfit> {
        self.heard = now;
        if self.following != Following::Counted {
            return Ok(self.pass_on(reply, out));
        }
        match (frame_of(reply), self.debts.front_mut().map(|debt| &mut debt.owed)) {
            (Frame::Confirmation(of, total), Some(Owed::Confirmations { channels, named, left })) => {
                let there = self.state.subscriptions().of(*channels).max(1);
                let missing = left.get_or_insert(named.unwrap_or(there));
                *missing = missing.saturating_sub(1);
                let is_paid = *missing == 0;
                out.extend_from_slice(reply);
                self.confirm(of, total, is_paid, out);
                Ok(Heard::Nothing.alone())
            }
            (Frame::Message, _) if reply[0] == b'>' || self.state.subscriptions().any() => {
                out.extend_from_slice(reply);
                Ok(Heard::Nothing.alone())
            }
            (Frame::Message | Frame::Confirmation(..) | Frame::Reply, None) => Err(Unfit),
            (Frame::Message | Frame::Confirmation(..) | Frame::Reply, Some(_)) => self.settle(reply, out),
        }
    }

    /// Takes what will not be paid any more, in order.
    pub(super) fn take_unpaid(&mut self) -> impl Iterator<Item = Unpaid> + '_ {
        self.debts.drain(..).filter_map(Debt::unpaid)
    }

    /// What a queued command changes, it changes with its transaction.
    fn queue(&mut self, touched: Touched, doubt: Doubt, effect: &Effect) -> (Touched, Doubt) {
        match (&mut self.queueing, effect) {
            (Queueing::No, Effect::Multi) => self.queueing = Queueing::Yes(Touched::Nothing),
            (Queueing::No, _) => {}
            (Queueing::Yes(queued), Effect::EndOfTransaction) => {
                let queued = std::mem::replace(queued, Touched::Nothing);
                self.queueing = Queueing::No;
                return (queued, Doubt::Happened);
            }
            (Queueing::Yes(queued), _) => {
                queued.add(&touched);
                return (touched, Doubt::Nothing);
            }
        }
        (touched, doubt)
    }

    /// Whether the next command is answered at all.
    fn is_answered(&mut self, owed: &Owed) -> bool {
        match (self.mode, owed) {
            (ReplyMode::On, _) | (_, Owed::Reset) => self.mode = ReplyMode::On,
            (ReplyMode::Off, _) => return false,
            (ReplyMode::Skip, _) => {
                self.mode = ReplyMode::On;
                return false;
            }
        }
        true
    }

    /// A command without a reply leaves no trace by which to know when it has been carried out, so who uses this keeps
    /// the connection.
    fn set_mode(&mut self, mode: ReplyMode, start: u64, asked: Time) {
        self.make_murky();
        match (self.mode, mode) {
            (_, ReplyMode::On) => {
                self.mode = ReplyMode::On;
                if self.following == Following::Counted {
                    self.debts.push_back(Debt::without_command(Owed::Reply, start, asked));
                }
            }
            (_, ReplyMode::Off) | (ReplyMode::Off, ReplyMode::Skip) => self.mode = ReplyMode::Off,
            (ReplyMode::On | ReplyMode::Skip, ReplyMode::Skip) => self.mode = ReplyMode::Skip,
        }
    }

    /// What is not RESP any more does not become it again.
    fn follow(&mut self, following: Following) {
        self.make_murky();
        if self.mode == ReplyMode::Skip {
            self.mode = ReplyMode::On;
        }
        if self.following != Following::Foreign {
            self.following = following;
        }
    }

    fn make_murky(&mut self) {
        self.state.make_murky();
        self.outlook.make_murky();
    }

    fn look_ahead(&mut self, effect: &Effect, owed: &Owed) {
        match owed {
            Owed::Confirmations { .. } => self.outlook.make_murky(),
            Owed::Reply
            | Owed::Instead(_)
            | Owed::Nothing(_)
            | Owed::Told
            | Owed::Late
            | Owed::Local(_)
            | Owed::Reset => self.outlook.handle_done(effect),
        }
    }

    fn confirm(&mut self, of: Channels, total: usize, is_paid: bool, out: &mut Vec<u8>) {
        self.state.handle_confirmation(of, total);
        if is_paid {
            self.debts.pop_front();
            self.move_on(out);
        }
    }

    /// Gives what failsoft has to say next, and looks ahead anew once nothing is owed.
    fn move_on(&mut self, out: &mut Vec<u8>) {
        while let Some(Debt { owed: Owed::Local(bytes), .. }) = self.debts.front() {
            out.extend_from_slice(bytes);
            self.debts.pop_front();
        }
        if self.debts.is_empty() {
            self.outlook = self.state.clone();
        }
    }

    /// What cannot be counted is passed on; only the end of it all is looked for.
    fn pass_on(&mut self, reply: &[u8], out: &mut Vec<u8>) -> Settled {
        out.extend_from_slice(reply);
        let is_reset = self.resetting && reply == b"+RESET\r\n";
        if is_reset { Heard::Reset.alone() } else { Heard::Nothing.alone() }
    }
}
