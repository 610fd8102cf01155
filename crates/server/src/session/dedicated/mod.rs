//! A client that has given its connection a state, and so has one to the primary that is its alone.
//!
//! MULTI, WATCH, SUBSCRIBE, MONITOR, a blocking pop, SELECT, AUTH, CLIENT TRACKING: what these do, they do to the
//! connection they are sent on. When such a command comes, the session waits until everything before it has been
//! answered, takes a connection for the client, and from there on sends it everything in the order in which it comes.
//! When the state is gone and everything has been answered, the client goes back to the shared connections. So the
//! order of what is done, and of what is answered, is that of the requests, also across the switch.
//!
//! There is no other tier here: what hangs on a connection's state only that connection's node can answer. If the
//! connection is lost, what was outstanding is answered with an error, and the client is closed as Redis would have closed
//! it; a client that leaves takes its connection with it, whatever it was waiting for.

mod astray;
mod debt;
mod desk;
mod effect;
pub(crate) mod identity;
mod ledger;
mod state;

use std::future::poll_fn;
use std::time::Duration;

use failsoft::node::Dedicated;
use failsoft_core::Time;
use failsoft_core::outcome::Silence;
use tokio::io::{Interest, Ready};
use tokio::time::sleep_until;

pub(super) use self::astray::Astray;
use self::astray::Preface;
use self::desk::{Desk, Onward, Taken};
use super::dispatch::{Next, Want};
use super::patience::{Engagement, Hearing};
use super::{Ended, Left, MAX_PIPELINE, READ_PAUSE, SCRATCH, Session};

/// How often a node that only sends messages is asked whether it is still there.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How often it is looked whether the node of a client that waits without a bound is still well.
const GLANCE: Duration = Duration::from_secs(1);
/// How long a client whose connection was lost may take to read what it is told about it.
const LAST_WORDS: Duration = Duration::from_secs(5);

impl Session {
    /// Serves the client on a connection of its own until it needs none any more.
    pub(super) async fn serve_dedicated(&mut self, want: Want) -> Result<(), Ended> {
        self.replies.take_outgoing(&mut self.outgoing);
        let Some((primary, preface, hops)) = self.find_berth(want).await else {
            return Ok(());
        };
        let protocol = self.dispatcher.protocol();
        match primary.dedicate(self.worker, protocol, want.speaker, want.leave).await {
            Ok(line) => Own::new(self, line, want, preface, hops).serve().await,
            Err(undedicated) => {
                let mut sorry = Vec::new();
                undedicated.apologise(primary.tier(), self.shared.clock().now(), &mut sorry);
                self.dispatcher.refuse_dedication(sorry);
                Ok(())
            }
        }
    }
}

/// A session while its client has a connection of its own.
struct Own<'s> {
    session: &'s mut Session,
    desk: Desk,
    /// How many bytes had passed between failsoft and the node when that was last looked at.
    moved: u64,
    /// How often what the client has asked for has been asked of another node.
    hops: u8,
}

impl<'s> Own<'s> {
    fn new(session: &'s mut Session, line: Dedicated, want: Want, preface: Preface, hops: u8) -> Self {
        let (identities, now) = (session.shared.identities().clone(), session.shared.clock().now());
        let desk = Desk::new(line, want, preface, &session.dispatcher, identities, now);
        Self { session, desk, moved: 0, hops }
    }

    async fn serve(mut self) -> Result<(), Ended> {
        loop {
            let onward = match self.exchange() {
                Ok(onward) => onward,
                Err(silence) => return Err(self.give_up(silence).await),
            };
            if self.session.write()?.is_cut_off {
                return Err(Ended::Upstream);
            }
            if let Some((command, redirect)) = self.desk.astray.take() {
                let asked = self.desk.line.node().options().address.clone();
                self.session.stray(&command, redirect, asked, self.hops);
                self.release();
                return Ok(());
            }
            if matches!(onward, Onward::AsNew | Onward::Unopened) {
                return Ok(());
            }
            if self.desk.ledger.is_free() && self.session.ending.is_none() {
                self.release();
                return Ok(());
            }
            if let Some(ended) = self.has_ended() {
                return Err(ended);
            }
            if let Err(silence) = self.wait().await? {
                return Err(self.give_up(silence).await);
            }
        }
    }

    /// Takes what has come from both sides, and sends what can be sent.
    fn exchange(&mut self) -> Result<Onward, Silence> {
        let now = self.session.shared.clock().now();
        let Session { dispatcher, outgoing, .. } = &mut *self.session;
        let onward = self.desk.take_replies(dispatcher, outgoing, now)?;
        if onward == Onward::Guessing {
            self.session.ending.get_or_insert(Ended::Guessing);
        }
        if !matches!(onward, Onward::AsNew | Onward::Unopened | Onward::Astray) {
            self.refresh_world();
            self.take_commands(now);
            self.note_stir(now);
            self.keep_time(now)?;
            self.desk.line.flush()?;
        }
        Ok(onward)
    }

    fn take_commands(&mut self, now: Time) {
        if self.session.ending.is_some() {
            return;
        }
        let mut incoming = std::mem::take(&mut self.session.incoming);
        let (consumed, left) = self.take_commands_of(&incoming, now);
        incoming.drain(..consumed);
        self.session.incoming = incoming;
        self.session.left = left;
        if consumed > 0 || left == Left::Held {
            self.session.patience.handle_whole();
        }
        if left == Left::Begun {
            self.session.watch_frame();
            if self.session.is_finished {
                self.session.ending = Some(Ended::ByClient);
            }
        }
    }

    fn take_commands_of(&mut self, bytes: &[u8], now: Time) -> (usize, Left) {
        let mut consumed = 0;
        let desk = &mut self.desk;
        let Session { scanner, dispatcher, outgoing, ending, replies, .. } = &mut *self.session;
        while consumed < bytes.len() && desk.ledger.len() < MAX_PIPELINE && desk.line.unsent() < READ_PAUSE {
            if desk.is_introducing() || replies.backlog().requests > 0 {
                break;
            }
            scanner.set_limits(dispatcher.limits());
            match scanner.scan(&bytes[consumed..]) {
                Ok(None) => return (consumed, Left::Begun),
                Ok(Some(command)) if command.is_empty() => consumed += command.consumed(),
                Ok(Some(command)) => match desk.take_command(&command, dispatcher, outgoing, now) {
                    Taken::Held => break,
                    Taken::Elsewhere => match dispatcher.dispatch(&command, now) {
                        Next::Continue => consumed += command.consumed(),
                        Next::Dedicate(_) | Next::Settle | Next::Close | Next::CloseGuesser => break,
                    },
                    Taken::Yes => consumed += command.consumed(),
                    Taken::Last => {
                        *ending = Some(Ended::ByClient);
                        return (bytes.len(), Left::Held);
                    }
                },
                Err(error) => {
                    desk.ledger.enter_local(dispatcher.complaint(error), outgoing);
                    *ending = Some(Ended::Protocol);
                    return (bytes.len(), Left::Held);
                }
            }
        }
        (consumed, if consumed == bytes.len() { Left::Begun } else { Left::Held })
    }

    /// Whether this is the end: everything has been said that will be said.
    fn has_ended(&self) -> Option<Ended> {
        if self.session.is_finished && self.may_be_left() {
            return Some(Ended::ByClient);
        }
        let unwritten = self.session.unwritten() + self.session.replies.backlog().bytes;
        self.session.ending.filter(|_| self.is_over() && unwritten == 0)
    }

    /// Whether nothing more is to come from the node: a stream that does not end is not waited for.
    fn is_over(&self) -> bool {
        let is_settled = self.desk.ledger.len() == 0 && self.session.replies.backlog().requests == 0;
        self.session.ending.is_some() && (is_settled || self.may_be_left())
    }

    /// Whether the client, if it leaves, need not wait for what it is owed.
    fn may_be_left(&self) -> bool {
        let now = self.session.shared.clock().now();
        self.desk.ledger.may_be_left_at(self.desk.line.node().options().timeout).is_some_and(|at| at <= now)
    }

    /// Waits for something to happen, and does the reading.
    async fn wait(&mut self) -> Result<Result<(), Silence>, Ended> {
        let due = self.due();
        let engagement = self.engagement();
        let instant = self.session.shared.clock().instant(due);
        let has_room = self.has_room();
        let reads = self.session.takes_more() && self.session.incoming.len() < READ_PAUSE.max(self.wanted());
        let interest = interest(reads, self.session.unwritten() > 0);
        let from_node = if has_room { Interest::READABLE } else { Interest::ERROR };
        let hearing = if reads { Hearing::Open } else { Hearing::Shut };
        let Session { wire, bell, patience, replies, .. } = &mut *self.session;
        patience.note(engagement);
        tokio::select! {
            biased;
            ready = self.desk.line.ready(from_node) => {
                return Ok(ready.and_then(|ready| self.handle_ready(ready, has_room)));
            }
            ready = wire.ready(interest) => match ready {
                Ok(ready) if reads && (ready.is_readable() || ready.is_read_closed()) => self.read()?,
                Ok(ready) if ready.is_error() => return Err(Ended::Broken),
                Ok(_) => {}
                Err(_) => return Err(Ended::Broken),
            },
            () = sleep_until(instant) => return Ok(if has_room { self.desk.line.receive() } else { Ok(()) }),
            // What belongs to other shards has been answered.
            () = poll_fn(|cx| replies.poll_news(cx)) => {}
            ended = poll_fn(|cx| patience.poll(hearing, cx)) => return Err(ended),
            word = poll_fn(|cx| bell.poll(cx)) => self.session.handle_word(word),
        }
        Ok(Ok(()))
    }

    /// Something has happened to the connection to the node.
    fn handle_ready(&mut self, ready: Ready, has_room: bool) -> Result<(), Silence> {
        let readable = ready.is_readable() || ready.is_read_closed();
        match has_room {
            true if readable => self.desk.line.receive(),
            // It stays ready for ever: going round again would never let go of the thread, nor look at the client.
            false if ready.is_error() => Err(Silence::ConnectionLost),
            true | false => Ok(()),
        }
    }

    /// Whose turn it is: who waits for messages, or for a command that blocks, is not idle.
    fn engagement(&self) -> Engagement {
        let ledger = &self.desk.ledger;
        let waits = ledger.len() > 0 || ledger.is_endless() || ledger.only_listens();
        if waits || self.session.unwritten() > 0 { Engagement::UnderWay } else { Engagement::Free }
    }

    /// A command larger than what may wait has to be read to its end.
    fn wanted(&self) -> usize {
        match self.session.left {
            Left::Begun => self.session.shared.limits().max_query_buffer,
            Left::Held => 0,
        }
    }

    fn read(&mut self) -> Result<(), Ended> {
        let Session { wire, incoming, .. } = &mut *self.session;
        let read = SCRATCH.with_borrow_mut(|scratch| {
            let read = wire.read_now(&mut scratch.as_mut_slice());
            read.inspect(|read| incoming.extend_from_slice(&scratch[..*read]))
        });
        match read {
            Ok(0) => self.session.is_finished = true,
            Ok(_) => {
                if self.session.incoming.len() > self.session.shared.limits().max_query_buffer {
                    return Err(Ended::QueryBuffer);
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return Err(Ended::Broken),
        }
        Ok(())
    }

    /// When something has to be done although nothing happens.
    fn due(&self) -> Time {
        let ledger = &self.desk.ledger;
        let now = self.session.shared.clock().now();
        let stalled = ledger.due(self.desk.line.node().options().timeout);
        let heartbeat = ledger.only_listens().then(|| ledger.heard() + HEARTBEAT);
        let glance = ledger.is_endless().then(|| now + GLANCE);
        let leaves = self.session.is_finished || self.session.ending.is_some();
        let left = ledger.may_be_left_at(self.desk.line.node().options().timeout).filter(|at| leaves && *at > now);
        [stalled, heartbeat, glance, left].into_iter().flatten().min().unwrap_or(Time::NEVER)
    }

    /// A value that takes long to pass is no silence, nor is it one that the client takes nothing more in.
    fn note_stir(&mut self, now: Time) {
        let moved = self.desk.line.moved();
        let is_held_up = self.session.unwritten() >= READ_PAUSE;
        if moved != self.moved || is_held_up {
            self.moved = moved;
            self.desk.ledger.handle_stir(now);
        }
    }

    /// Whether there is room for more of what the node has to say, and anybody to hear it.
    fn has_room(&self) -> bool {
        self.session.unwritten() < READ_PAUSE && !self.is_over()
    }

    /// Does what time asks for. Everything that has come has been heard by now.
    fn keep_time(&mut self, now: Time) -> Result<(), Silence> {
        let Session { dispatcher, outgoing, .. } = &mut *self.session;
        self.desk.give_up_overdue(dispatcher, outgoing, now)?;
        let ledger = &self.desk.ledger;
        if ledger.is_endless() && self.desk.line.node().health().is_open() {
            return Err(Silence::Timeout);
        }
        if ledger.only_listens() && ledger.heard() + HEARTBEAT <= now {
            self.desk.ping(now);
        }
        Ok(())
    }

    /// Takes up new settings. A client must not be left at a node that is not the primary any more, and one that is not
    /// a user any more must not go on listening.
    fn refresh_world(&mut self) {
        if self.session.is_outdated {
            let was_stranger = self.session.dispatcher.is_stranger();
            self.session.refresh_world(self.session.replies.backlog());
            if !was_stranger && self.session.dispatcher.is_stranger() {
                self.session.ending.get_or_insert(Ended::Revoked);
            }
            if !self.session.dispatcher.is_primary(self.desk.line.node()) {
                self.session.ending.get_or_insert(Ended::Moved);
            }
        }
    }

    /// The connection is lost: the client is told what has become of what it asked, and closed.
    async fn give_up(mut self, silence: Silence) -> Ended {
        let Session { dispatcher, outgoing, .. } = &mut *self.session;
        self.desk.give_up(silence, dispatcher, outgoing);
        drop(self.desk);
        let session = self.session;
        let told = async {
            while session.write().is_ok() && session.unwritten() > 0 {
                if session.wire.ready(Interest::WRITABLE).await.is_err() {
                    break;
                }
            }
        };
        // Whether or not the client hears it, this is the end.
        let _ = tokio::time::timeout(LAST_WORDS, told).await;
        Ended::Upstream
    }

    /// The client goes back to the shared connections.
    fn release(self) {
        self.desk.tell_last(&self.session.dispatcher);
        let Desk { line, ledger, .. } = self.desk;
        if ledger.state().is_pristine() {
            line.release();
        }
    }
}

fn interest(reads: bool, writes: bool) -> Interest {
    match (reads, writes) {
        (true, true) => Interest::READABLE | Interest::WRITABLE,
        (true, false) => Interest::READABLE,
        (false, true) => Interest::WRITABLE,
        (false, false) => Interest::ERROR,
    }
}
