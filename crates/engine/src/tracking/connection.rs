//! One tracking connection, from its greeting to its end.
//!
//! The first answer is Redis' consent; every other is a sign of life. News come in between. All are taken in the order in
//! which they came, so that a sign of life vouches only for news that have been acted upon. Anything that does not fit
//! ends the connection, and with it the epoch: what was missed cannot be known.

use failsoft_core::coherence::{Beat, GIVE_UP, Heartbeat};
use failsoft_resp::encode::{self, Protocol};
use failsoft_resp::limits::Limits;
use failsoft_resp::reply::ReplyScanner;
use tokio::time::{sleep_until, timeout};

use super::Tracking;
use super::push::{Frame, read};
use super::stats::Dropped;
use crate::node::handshake;
use crate::tier::local::Holder;
use crate::wire::Wire;

/// Bytes of one message that are waited for. Redis tells of all that changed in one turn of its loop at once; beyond this
/// it is cheaper to begin anew.
const MESSAGE_BOUND: usize = 64 << 20;
/// Bytes read at a time.
const READ_CHUNK: usize = 16 << 10;
/// A buffer that grew beyond this for one large message is given back.
const BUFFER_KEPT: usize = 1 << 20;

struct Connection<'t> {
    tracking: &'t Tracking,
    holder: Holder,
    wire: Wire,
    scanner: ReplyScanner,
    incoming: Vec<u8>,
    heartbeat: Heartbeat,
    consent: Consent,
}

/// Whether Redis has agreed to tell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Consent {
    Asked,
    Given,
}

/// Connects, and is told until it is lost.
pub(super) async fn follow(tracking: &Tracking, holder: Holder) -> Dropped {
    let wire = match handshake::connect(tracking.primary.options(), Protocol::Resp3).await {
        Ok(wire) => wire,
        Err(failure) => return Dropped::Unconnected(failure),
    };
    let mut connection = Connection {
        tracking,
        holder,
        wire,
        scanner: ReplyScanner::new(Limits::REPLIES),
        incoming: Vec::new(),
        heartbeat: Heartbeat::new(tracking.now()),
        consent: Consent::Asked,
    };
    connection.run().await
}

impl Connection<'_> {
    async fn run(&mut self) -> Dropped {
        let mut greeting = Vec::new();
        self.tracking.prefixes.ask(&mut greeting);
        let mut step = self.send(&greeting).await;
        loop {
            match step {
                Ok(()) => step = self.step().await,
                Err(dropped) => return dropped,
            }
        }
    }

    async fn step(&mut self) -> Result<(), Dropped> {
        match self.heartbeat.poll_beat(self.tracking.now()) {
            Beat::GiveUp => Err(Dropped::Silent),
            Beat::Ask => self.ask_for_life().await,
            Beat::Wait(until) => {
                self.incoming.reserve(READ_CHUNK);
                let due = self.tracking.clock.instant(until);
                tokio::select! {
                    read = self.wire.read(&mut self.incoming) => match read {
                        Ok(1..) => self.take(),
                        Ok(0) | Err(_) => Err(Dropped::Lost),
                    },
                    () = sleep_until(due) => Ok(()),
                }
            }
        }
    }

    async fn ask_for_life(&mut self) -> Result<(), Dropped> {
        let mut ping = Vec::new();
        encode::command(&mut ping, [&b"PING"[..]]);
        self.send(&ping).await
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Dropped> {
        match timeout(GIVE_UP, self.wire.write_all(bytes)).await {
            Ok(sent) => sent.map_err(|_| Dropped::Lost),
            Err(_) => Err(Dropped::Silent),
        }
    }

    /// Acts upon what has become whole.
    fn take(&mut self) -> Result<(), Dropped> {
        let incoming = std::mem::take(&mut self.incoming);
        let mut taken = 0;
        while let Some(len) = self.scanner.scan(&incoming[taken..]).map_err(|_| Dropped::Protocol)? {
            self.handle_frame(&incoming[taken..taken + len])?;
            taken += len;
        }
        if incoming.len() - taken > MESSAGE_BOUND {
            return Err(Dropped::TooLarge);
        }
        self.incoming = incoming;
        self.incoming.drain(..taken);
        if self.incoming.len() < BUFFER_KEPT && self.incoming.capacity() > BUFFER_KEPT {
            self.incoming.shrink_to(READ_CHUNK);
        }
        Ok(())
    }

    fn handle_frame(&mut self, frame: &[u8]) -> Result<(), Dropped> {
        match (read(frame), self.consent) {
            (Frame::Done, Consent::Asked) => {
                self.consent = Consent::Given;
                self.tracking.handle_begun(self.holder);
                Ok(())
            }
            (Frame::Refused(refusal), _) => Err(Dropped::Refused(refusal)),
            (Frame::Alive, Consent::Given) => {
                let until = self.heartbeat.handle_answer().ok_or(Dropped::Protocol)?;
                self.tracking.handle_alive(self.holder, until);
                Ok(())
            }
            (Frame::Changed(keys), _) => {
                self.tracking.handle_changed(keys);
                Ok(())
            }
            (Frame::AllChanged, _) => {
                self.tracking.handle_all_changed();
                Ok(())
            }
            (Frame::OtherNews, _) => Ok(()),
            (Frame::Done, Consent::Given) | (Frame::Alive, Consent::Asked) | (Frame::Unexpected, _) => {
                Err(Dropped::Protocol)
            }
        }
    }
}
