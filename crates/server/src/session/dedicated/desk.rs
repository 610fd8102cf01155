//! What is done with one command and with one reply of a client that has a connection of its own.
//!
//! A command is sent on with its place in the [`Ledger`], or answered by failsoft in its turn, or held: what needs no
//! connection of its own waits until the client has gone back to the shared ones, where it is routed as its key says.

mod opening;
mod own;

use std::sync::Arc;

use failsoft::apology::{Code, apologise};
use failsoft::classify::{Course, Unjudged};
use failsoft::node::{Dedicated, Speaker};
use failsoft::touched::{Touched, fate_of_reply};
use failsoft_core::cluster::Redirect;
use failsoft_core::journal::Lateness;
use failsoft_core::journal::fate::Fate;
use failsoft_core::outcome::{Failure, Silence};
use failsoft_core::request::{Apology, RETRY_AFTER_DEFAULT};
use failsoft_core::{Outcome, Time};
use failsoft_resp::commands::{Class, Spec};
use failsoft_resp::encode;
use failsoft_resp::{Command, Protocol};

use self::opening::Opening;
use super::astray::Preface;
use super::debt::{Doubt, Entry, Own, Patience, Unpaid};
use super::effect::{Effect, Manner};
use super::identity::{Identities, Identity};
use super::ledger::{Following, Heard, Ledger, Unfit};
use crate::session::access::Login;
use crate::session::dispatch::{Berth, Dispatcher, Queue, Want, Whereabouts};
use crate::session::greeting::names_user;

/// A command that no Redis knows: it is refused, and the transaction that it is in with it.
const SPOILER: &[u8] = b"*1\r\n$16\r\nfailsoft-refused\r\n";
const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";
/// What becomes of a change of which nobody knows whether it was made.
const LOST: Fate = Fate::Journalled(Lateness::Possible);
/// One of failsoft's own users cannot take over what another has begun.
const NOT_NOW: &[u8] = b"-ERR AUTH has to come before MULTI, SUBSCRIBE, SELECT and their like: send RESET first\r\n";

/// One client's connection with what is owed on it.
pub(super) struct Desk {
    pub(super) line: Dedicated,
    pub(super) ledger: Ledger,
    /// The client has yet to say who it is; nothing else is sent before the node has believed it, and if it does not,
    /// nothing else is ever sent.
    introducing: bool,
    home: u32,
    protocol: Protocol,
    identities: Arc<Identities>,
    /// There once the node has said what it calls the client.
    identity: Option<Identity>,
    berth: Berth,
    /// What the connection was made for has been asked.
    has_served: bool,
    /// The client's last answer is one that has come here.
    is_last: bool,
    /// What is to be asked of another node, and who has named it.
    pub(super) astray: Option<(Box<[u8]>, Redirect)>,
    /// A transaction has been opened here, and the node has not taken a command with a key: what it was opened with.
    opening: Option<Opening>,
}

/// What has become of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It has its place.
    Yes,
    /// It is to be shown again later.
    Held,
    /// It was the last.
    Last,
    /// It is for another shard or for failsoft itself, and has nothing to do with the state of this connection.
    Elsewhere,
}

/// Whether the client goes on with its own connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Onward {
    /// It does.
    Same,
    /// It has reset everything: the connection is not needed, and not to be used again.
    AsNew,
    /// It has tried too many wrong passwords.
    Guessing,
    /// The transaction that it believes itself in could not be opened.
    Unopened,
    /// What it has asked for is to be asked of another node.
    Astray,
}

impl Desk {
    /// A desk for a client that has come with `want`.
    pub(super) fn new(
        line: Dedicated,
        want: Want,
        preface: Preface,
        dispatcher: &Dispatcher,
        identities: Arc<Identities>,
        now: Time,
    ) -> Self {
        let home = line.node().options().database;
        let introducing = want.speaker == Speaker::Client;
        let protocol = dispatcher.protocol();
        let ledger = Ledger::new(home, now);
        let ledger = if dispatcher.is_discovered() { ledger.hiding_redirections() } else { ledger };
        let berth = match want.class {
            Class::Transaction => Berth::Pinned(want.place),
            Class::Read
            | Class::Write
            | Class::Script
            | Class::Server
            | Class::PubSub
            | Class::Publish
            | Class::Blocking
            | Class::Monitor
            | Class::Connection
            | Class::Own => Berth::Free(want.place),
        };
        let (identity, astray, opening) = (None, None, None);
        let mut desk = Self {
            line,
            ledger,
            introducing,
            home,
            protocol,
            identities,
            identity,
            berth,
            has_served: false,
            is_last: false,
            astray,
            opening,
        };
        if introducing {
            desk.ledger.spoil();
        } else {
            desk.introduce_client(dispatcher, now);
            if want.class == Class::Blocking {
                // WAIT is about what this connection has seen written; it has seen everything up to its last command.
                desk.ask(Own::Courtesy, &[b"PING"], now);
            }
            if preface == Preface::Asking {
                desk.ask(Own::Courtesy, &[b"ASKING"], now);
            }
            if dispatcher.opened().is_some() {
                desk.tell(MULTI, Effect::Multi, now);
            }
        }
        desk
    }

    /// Whether the client has said who it is and the node has not answered yet: all that follows waits.
    pub(super) fn is_introducing(&self) -> bool {
        self.introducing && self.ledger.len() > 0
    }

    /// Takes one command.
    pub(super) fn take_command(
        &mut self,
        command: &Command<'_>,
        dispatcher: &mut Dispatcher,
        out: &mut Vec<u8>,
        now: Time,
    ) -> Taken {
        let (spec, course) = dispatcher.classify(command);
        let needs_own = dispatcher.wants_own(command, course).is_some();
        if self.is_introducing()
            || self.introducing && !names_user(command)
            || dispatcher.opened().is_some()
            || self.opening.is_some() && self.ledger.len() > 0
            || self.has_to_be_alone(command, spec)
            || self.ledger.is_resetting()
            || self.ledger.will_be_free() && !needs_own
            // What it needs one for next may be at another shard.
            || self.ledger.will_be_free() && self.has_served && dispatcher.is_sharded()
        {
            return Taken::Held;
        }
        if let Some(told) = dispatcher.judge(command) {
            self.turn_away(told, out, now);
            return Taken::Yes;
        }
        if let Course::Own(spec) = course {
            return self.take_own(spec, dispatcher, out, now);
        }
        let is_for_ears = dispatcher.is_for_ears(command);
        let told = dispatcher.impossible(command, course).or_else(|| dispatcher.refuse_protocol(command));
        if let Some(told) = told.or((is_for_ears && self.ledger.is_queueing()).then(Dispatcher::not_queued)) {
            self.turn_away(told.to_vec(), out, now);
            return Taken::Yes;
        }
        if let Some(told) = dispatcher.refuse_held(command) {
            self.turn_away(told, out, now);
            return Taken::Yes;
        }
        if is_for_ears {
            return if self.ledger.len() > 0 { Taken::Held } else { Taken::Elsewhere };
        }
        let queue = if self.ledger.is_queueing() { Queue::Open } else { Queue::Closed };
        match dispatcher.whereabouts(course, self.berth, queue, &self.line) {
            Whereabouts::Here => {}
            Whereabouts::Elsewhere if self.ledger.len() > 0 => return Taken::Held,
            Whereabouts::Elsewhere => return Taken::Elsewhere,
            Whereabouts::Nowhere(told) => {
                self.turn_away(told.to_vec(), out, now);
                return Taken::Yes;
            }
        }
        match spec.map(|spec| spec.name) {
            Some("quit") => {
                self.ledger.enter_local(b"+OK\r\n".to_vec(), out);
                Taken::Last
            }
            Some("client|setinfo") if !self.ledger.is_queueing() => {
                self.ledger.enter_local(dispatcher.answer_here(command), out);
                Taken::Yes
            }
            Some("auth" | "hello") if dispatcher.names_own_user(command) => {
                self.turn_away(NOT_NOW.to_vec(), out, now);
                Taken::Yes
            }
            Some(_) | None => {
                self.send(command, spec, course, dispatcher, now);
                Taken::Yes
            }
        }
    }

    /// Nothing tells the replies to what was asked before from a stream that follows them; and the client may name itself
    /// by its number before the node has told the one it goes by there.
    fn has_to_be_alone(&self, command: &Command<'_>, spec: Option<&Spec>) -> bool {
        let manner = spec.map_or(Manner::Once, |spec| Manner::of(spec, command));
        let is_stream = self.ledger.following_after(manner) != Following::Counted;
        self.ledger.len() > 0 && (is_stream || names_clients(spec) && self.identity.is_none())
    }

    /// Takes every reply that has come.
    ///
    /// # Errors
    /// Why the connection is of no more use.
    pub(super) fn take_replies(
        &mut self,
        dispatcher: &mut Dispatcher,
        out: &mut Vec<u8>,
        now: Time,
    ) -> Result<Onward, Silence> {
        if self.ledger.is_foreign() {
            out.extend_from_slice(self.line.take_raw());
            return Ok(Onward::Same);
        }
        let mut onward = Onward::Same;
        while let Some(reply) = self.line.next_reply()? {
            let fate = fate_of_reply(reply);
            let settled = self.ledger.handle_reply(reply, now, out).map_err(|Unfit| Silence::ProtocolViolation)?;
            dispatcher.handle_ended(&settled.touched, self.line.node().name(), fate);
            match settled.heard {
                Heard::Nothing => {}
                Heard::Id(id) => self.handle_id(id, dispatcher),
                Heard::WrongPassword => match dispatcher.note_wrong_password() {
                    Login::OnceTooOften => onward = Onward::Guessing,
                    Login::Wrong | Login::Welcome => {}
                },
                Heard::Done(effect) => self.handle_done(effect, dispatcher, now),
                Heard::SentElsewhere => dispatcher.note_moved(),
                Heard::Astray(command, redirect) => {
                    if let Some(opening) = self.opening.take() {
                        dispatcher.open_again(opening.frames);
                    }
                    self.astray = Some((command, redirect));
                    return Ok(Onward::Astray);
                }
                Heard::NotOpened(told) => {
                    dispatcher.refuse_dedication(told);
                    return Ok(Onward::Unopened);
                }
                Heard::Reset => {
                    dispatcher.reset();
                    return Ok(Onward::AsNew);
                }
            }
        }
        Ok(onward)
    }

    /// Tells the client, for each thing that is owed, that it will not come.
    pub(super) fn give_up(&mut self, silence: Silence, dispatcher: &Dispatcher, out: &mut Vec<u8>) {
        if self.ledger.len() > 0 {
            self.line.handle_silence(silence);
        }
        let unpaid = self.ledger.take_unpaid().collect();
        self.apologise(unpaid, silence, dispatcher, out);
    }

    /// Tells the client what it need not wait for any longer.
    ///
    /// # Errors
    /// The connection is of no more use.
    pub(super) fn give_up_overdue(
        &mut self,
        dispatcher: &Dispatcher,
        out: &mut Vec<u8>,
        now: Time,
    ) -> Result<(), Silence> {
        let timeout = self.line.node().options().timeout;
        if self.ledger.due(timeout).is_none_or(|due| due > now) {
            return Ok(());
        }
        let overdue = self.ledger.take_overdue(timeout, now).map_err(|Unfit| Silence::Timeout)?;
        self.line.handle_silence(Silence::Timeout);
        self.apologise(overdue, Silence::Timeout, dispatcher, out);
        Ok(())
    }

    fn apologise(&self, unpaid: Vec<Unpaid>, silence: Silence, dispatcher: &Dispatcher, out: &mut Vec<u8>) {
        let (line, tier) = (&self.line, self.line.node().tier());
        for unpaid in unpaid {
            let (start, doubt, touched) = match unpaid {
                Unpaid::Known(bytes) => {
                    out.extend_from_slice(&bytes);
                    continue;
                }
                Unpaid::Lost { start, doubt, touched } => (start, doubt, touched),
            };
            dispatcher.handle_ended(&touched, line.node().name(), LOST);
            let (code, because) = match (line.may_have_sent(start), doubt) {
                (true, Doubt::Happened) => (Code::OutcomeUnknown, Outcome::Silent(silence)),
                (true, Doubt::Nothing) => (Code::Unavailable, Outcome::Silent(silence)),
                (false, Doubt::Happened | Doubt::Nothing) => {
                    (Code::Unavailable, Outcome::Failed(Failure::Disconnected))
                }
            };
            apologise(code, Apology { tier, because, retry_after: RETRY_AFTER_DEFAULT }, out);
        }
    }

    /// Asks whether the node is still there.
    pub(super) fn ping(&mut self, now: Time) {
        self.ask(Own::Courtesy, &[b"PING"], now);
    }

    fn send(&mut self, command: &Command<'_>, spec: Option<&Spec>, course: Course, dispatcher: &Dispatcher, now: Time) {
        (self.has_served, self.is_last) = (true, true);
        let touched = dispatcher.touched_by(command, course);
        dispatcher.handle_begun(&touched);
        let (effect, manner) = match (spec, course) {
            // Redis ends the transaction also by an EXEC that it cannot read.
            (None, Course::Unjudged(Unjudged::Arity(spec))) if spec.name == "exec" => {
                (Effect::EndOfTransaction, Manner::Once)
            }
            (None, _) => (Effect::None, Manner::Once),
            (Some(spec), _) => (Effect::of(spec, command), Manner::of(spec, command)),
        };
        if effect.leaves_traces(spec) {
            self.ledger.spoil();
        }
        let (patience, doubt) = self.expectations(course, &touched);
        let translated = names_clients(spec).then(|| self.identities.translate(command)).flatten();
        let start = self.line.send(translated.as_deref().unwrap_or(command.frame()));
        let again = self.again(command, course, dispatcher);
        let entry = Entry { effect, manner, patience, doubt, touched, start, asked: now, again };
        let unanswered = self.ledger.enter(entry);
        // Nobody will ever hear what has become of it, nor wants to.
        dispatcher.handle_ended(&unanswered, self.line.node().name(), Fate::Answered);
    }

    /// Tells the client that a command was not carried out. In a transaction that has to spoil the whole of it, as a
    /// command that Redis refuses would.
    fn turn_away(&mut self, told: Vec<u8>, out: &mut Vec<u8>, now: Time) {
        self.has_served = true;
        if self.ledger.is_queueing() {
            let start = self.line.send(SPOILER);
            self.ledger.enter_instead(told, start, now);
        } else {
            self.ledger.enter_local(told, out);
        }
    }

    fn expectations(&self, course: Course, touched: &Touched) -> (Patience, Doubt) {
        let harmless = if touched.is_nothing() { Doubt::Nothing } else { Doubt::Happened };
        match course {
            Course::Dedicated { class: Class::Blocking, .. } if !self.ledger.is_queueing() => {
                (Patience::Endless, Doubt::Happened)
            }
            Course::Dedicated { .. } | Course::Here | Course::Own(_) | Course::CrossSlot | Course::AboutCluster(_) => {
                (Patience::Timeout, harmless)
            }
            Course::Read(_) | Course::ReadMany { .. } => (Patience::Timeout, Doubt::Nothing),
            Course::Change { .. } | Course::Scatter { .. } | Course::Unjudged(_) => {
                (Patience::Timeout, Doubt::Happened)
            }
        }
    }

    fn handle_done(&mut self, effect: Effect, dispatcher: &mut Dispatcher, now: Time) {
        match effect {
            Effect::Hello { protocol, user, name } => {
                if let Some(protocol) = protocol {
                    self.set_protocol(protocol, dispatcher);
                }
                if let Some(name) = name {
                    dispatcher.set_name(&name);
                }
                self.handle_user(user, dispatcher, now);
            }
            Effect::User => self.handle_user(true, dispatcher, now),
            Effect::Name(name) => {
                dispatcher.set_name(&name);
                self.line.set_name(&name);
            }
            Effect::Multi => self.handle_opened(dispatcher, now),
            Effect::None
            | Effect::EndOfTransaction
            | Effect::Watch
            | Effect::Unwatch
            | Effect::Select(_)
            | Effect::Switch(..) => {}
        }
    }

    fn handle_id(&mut self, id: i64, dispatcher: &Dispatcher) {
        self.line.set_id(id);
        self.identity = Some(self.identities.identify(dispatcher.client(), id));
    }

    fn set_protocol(&mut self, protocol: Protocol, dispatcher: &mut Dispatcher) {
        self.protocol = protocol;
        self.line.set_protocol(protocol);
        dispatcher.set_protocol(protocol);
    }

    /// The node has believed the client who it is: now the rest can be said that it has told failsoft before.
    fn handle_user(&mut self, user: bool, dispatcher: &mut Dispatcher, now: Time) {
        if user {
            dispatcher.note_recognised();
        }
        if !user || !std::mem::replace(&mut self.introducing, false) {
            return;
        }
        if self.protocol == Protocol::Resp3 {
            self.ask(Own::Condition, &[b"HELLO", b"3"], now);
        }
        if self.home != 0 {
            self.ask(Own::Condition, &[b"SELECT", self.home.to_string().as_bytes()], now);
        }
        self.introduce_client(dispatcher, now);
    }

    /// Gives the connection its client's name, and asks what the node calls it. By HELLO, which every user may say: a
    /// CLIENT ID that the client's user may not would stand in Redis' ACL LOG.
    fn introduce_client(&mut self, dispatcher: &Dispatcher, now: Time) {
        let protocol: &[u8] = if self.protocol == Protocol::Resp3 { b"3" } else { b"2" };
        if self.line.name() != dispatcher.name() {
            self.line.set_name(dispatcher.name());
            self.ask(Own::Id, &[b"HELLO", protocol, b"SETNAME", dispatcher.name()], now);
        } else if self.line.id() == 0 {
            self.ask(Own::Id, &[b"HELLO", protocol], now);
        } else {
            self.handle_id(self.line.id(), dispatcher);
        }
    }

    fn ask(&mut self, own: Own, words: &[&[u8]], now: Time) {
        let mut frame = Vec::new();
        encode::command(&mut frame, words.iter().copied());
        let start = self.line.send(&frame);
        self.ledger.enter_own(own, start, now);
    }
}

/// Whether the command may speak of clients by their numbers.
fn names_clients(spec: Option<&Spec>) -> bool {
    spec.is_some_and(|spec| matches!(spec.name, "client|kill" | "client|list" | "client|unblock" | "client|tracking"))
}
