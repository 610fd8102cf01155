//! One client and its upstream: two readers that judge frames, two delay lines that carry them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::faults::{Mode, OneShot};
use super::line::{self, Ending, Inlet};
use super::state::State;
use crate::door::{delivered, prepare};
use crate::frame::{Framer, Speaker};

/// Serves one client to its end. Both sockets have a zero linger time: returning early resets them.
pub(super) async fn serve(mut client: TcpStream, state: Arc<State>) {
    let mut mode = state.watch_mode();
    // Nothing is passed on in these modes, so there is nothing to connect for; what was read is lost.
    if matches!(*mode.borrow_and_update(), Mode::AcceptSilent) {
        return swallow_until_passing(&mut client, &mut mode).await;
    }
    let _ = mode.wait_for(|mode| !matches!(mode, Mode::HalfOpen)).await;
    let Ok(mut upstream) = TcpStream::connect(state.upstream()).await else { return };
    prepare(&upstream);
    let ending = relay(&mut client, &mut upstream, &state).await;
    drop(upstream);
    match ending {
        Ending::Reset => delivered(&client).await,
        // Closing with unread requests would turn the orderly end into a reset, so they are read.
        Ending::Finish => {
            let finished = client.shutdown().await;
            while finished.is_ok() && matches!(client.read(&mut [0; 4096]).await, Ok(1..)) {}
        }
    }
}

async fn swallow_until_passing(client: &mut TcpStream, mode: &mut watch::Receiver<Mode>) {
    let mut buffer = [0; 4096];
    loop {
        tokio::select! {
            read = client.read(&mut buffer) => if !matches!(read, Ok(1..)) { return },
            _ = mode.wait_for(|mode| *mode != Mode::AcceptSilent) => return,
        }
    }
}

/// Relays until upstream has said its last, or somebody resets.
async fn relay(client: &mut TcpStream, upstream: &mut TcpStream, state: &Arc<State>) -> Ending {
    let (client_in, mut client_out) = client.split();
    let (upstream_in, mut upstream_out) = upstream.split();
    let (request_inlet, request_outlet) = line::new(state);
    let (reply_inlet, reply_outlet) = line::new(state);
    let is_told = AtomicBool::new(false);
    let requests = async {
        Reader::new(client_in, Speaker::Client, request_inlet, state, &is_told).run().await;
        std::future::pending().await
    };
    let replies = async {
        Reader::new(upstream_in, Speaker::Server, reply_inlet, state, &is_told).run().await;
        std::future::pending().await
    };
    let to_upstream = async {
        if request_outlet.write_to(&mut upstream_out).await == Ending::Reset || upstream_out.shutdown().await.is_err() {
            return Ending::Reset;
        }
        std::future::pending().await
    };
    tokio::select! {
        ending = requests => ending,
        ending = replies => ending,
        ending = to_upstream => ending,
        ending = reply_outlet.write_to(&mut client_out) => ending,
    }
}

/// Reads one direction, frame by frame, and decides about each.
struct Reader<'a, R> {
    source: R,
    speaker: Speaker,
    framer: Option<Framer>,
    inlet: Inlet,
    state: &'a State,
    mode: watch::Receiver<Mode>,
    loss: Loss,
    /// Whether this client has asked to be told of changes.
    is_told: &'a AtomicBool,
}

/// Whether bytes of this direction have been lost, after which none may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    None,
    /// By a mode; once that is over, the connection is.
    ByMode,
    /// By a one-shot: the connection stays open and mute.
    ForGood,
}

/// What a reader does after a frame.
enum Next {
    GoOn,
    End(Ending),
}

impl<'a, R: AsyncRead + Unpin> Reader<'a, R> {
    fn new(source: R, speaker: Speaker, inlet: Inlet, state: &'a State, is_told: &'a AtomicBool) -> Self {
        let framer = Some(Framer::new(speaker));
        Self { source, speaker, framer, inlet, state, mode: state.watch_mode(), loss: Loss::None, is_told }
    }

    async fn run(mut self) {
        let ending = self.read_to_the_end().await;
        self.inlet.end(ending).await;
    }

    async fn read_to_the_end(&mut self) -> Ending {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let mode = *self.mode.borrow_and_update();
            if mode == Mode::Pass && self.loss == Loss::ByMode {
                return Ending::Reset;
            }
            tokio::select! {
                changed = self.mode.changed() => if changed.is_err() { return Ending::Reset },
                read = self.source.read(&mut buffer), if mode != Mode::HalfOpen => match read {
                    Err(_) => return Ending::Reset,
                    Ok(0) => return self.last_bytes().await,
                    Ok(read) => if let Next::End(ending) = self.take(&buffer[..read]).await { return ending },
                },
            }
        }
    }

    /// The end of the source; part of a frame is passed on as it is.
    async fn last_bytes(&mut self) -> Ending {
        let rest = self.framer.as_mut().map(Framer::take_rest).unwrap_or_default();
        self.pass(rest, Duration::ZERO).await;
        Ending::Finish
    }

    async fn take(&mut self, bytes: &[u8]) -> Next {
        if let Some(framer) = &mut self.framer {
            framer.push(bytes);
        } else {
            self.pass(bytes.to_vec(), Duration::ZERO).await;
        }
        while let Some(framer) = &mut self.framer {
            match framer.next_frame() {
                Ok(None) => break,
                Ok(Some(frame)) => {
                    if let Next::End(ending) = self.judge(frame).await {
                        return Next::End(ending);
                    }
                }
                Err(_) => {
                    let rest = framer.take_rest();
                    self.framer = None;
                    self.pass(rest, Duration::ZERO).await;
                }
            }
        }
        Next::GoOn
    }

    async fn judge(&mut self, frame: Vec<u8>) -> Next {
        if self.speaker == Speaker::Server && self.is_told.load(Ordering::SeqCst) {
            self.state.news_pass().await;
        }
        match self.speaker {
            Speaker::Client => {
                self.state.count_request();
                if asks_to_be_told(&frame) {
                    self.is_told.store(true, Ordering::SeqCst);
                }
                self.pass(frame, Duration::ZERO).await;
            }
            Speaker::Server if frame.first() == Some(&b'>') => self.pass(frame, Duration::ZERO).await,
            Speaker::Server => {
                if let Some(fault) = self.state.count_reply() {
                    return self.strike(frame, fault).await;
                }
                self.pass(frame, Duration::ZERO).await;
            }
        }
        Next::GoOn
    }

    async fn strike(&mut self, mut reply: Vec<u8>, fault: OneShot) -> Next {
        let mut later = Duration::ZERO;
        let mut next = Next::GoOn;
        match fault {
            OneShot::Truncate { keep } => {
                reply.truncate(keep);
                next = Next::End(Ending::Finish);
            }
            OneShot::Reset { after } => {
                reply.truncate(after);
                next = Next::End(Ending::Reset);
            }
            OneShot::Garbage => reply[0] = b'?',
            OneShot::Duplicate => reply.extend_from_within(..),
            OneShot::Extra(bytes) => reply.extend(bytes),
            OneShot::Replace(bytes) => reply = bytes,
            OneShot::Delay(delay) => later = delay,
            OneShot::Lose => self.loss = Loss::ForGood,
        }
        self.pass(reply, later).await;
        next
    }

    /// Passes bytes on, or loses them, as the mode will have it.
    async fn pass(&mut self, bytes: Vec<u8>, later: Duration) {
        let through = match (*self.mode.borrow(), self.speaker) {
            (Mode::Pass | Mode::HalfOpen, _) => true,
            (Mode::DropRequests, Speaker::Server) | (Mode::DropReplies, Speaker::Client) => true,
            (Mode::DropRequests | Mode::DropReplies | Mode::AcceptSilent | Mode::Refuse, _) => false,
        };
        if bytes.is_empty() {
            return;
        }
        match self.loss {
            Loss::None if through => self.inlet.send(bytes, later).await,
            Loss::None => self.loss = Loss::ByMode,
            Loss::ByMode | Loss::ForGood => {}
        }
    }
}

fn asks_to_be_told(request: &[u8]) -> bool {
    request.to_ascii_uppercase().windows(8).any(|word| word == b"TRACKING")
}
