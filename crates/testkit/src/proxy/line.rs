//! One direction's delay line: frames go in with the time they are due, and leave in order, shaped.
//!
//! Separate from reading, so that latency delays without throttling. The line is bounded; when it is full, reading
//! waits, and the sender feels it as it would feel a slow network.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::state::State;

/// Frames under way in one direction.
const CAPACITY: usize = 4096;

/// How a line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// In order: nothing more comes, what has come is valid.
    Finish,
    /// At once, with a reset.
    Reset,
}

enum Parcel {
    Bytes { due: Instant, bytes: Vec<u8> },
    End { due: Instant, ending: Ending },
}

/// Where frames go in.
pub(super) struct Inlet {
    state: Arc<State>,
    parcels: mpsc::Sender<Parcel>,
    last_due: Instant,
}

/// Where they come out.
pub(super) struct Outlet {
    state: Arc<State>,
    parcels: mpsc::Receiver<Parcel>,
}

pub(super) fn new(state: &Arc<State>) -> (Inlet, Outlet) {
    let (sender, receiver) = mpsc::channel(CAPACITY);
    let inlet = Inlet { state: Arc::clone(state), parcels: sender, last_due: Instant::now() };
    (inlet, Outlet { state: Arc::clone(state), parcels: receiver })
}

impl Inlet {
    /// Sends bytes off, `later` than the toxics in force would have it.
    pub(super) async fn send(&mut self, bytes: Vec<u8>, later: Duration) {
        let due = self.due(self.state.delay() + later);
        // An outlet that is gone has ended the connection; there is nobody to tell.
        let _ = self.parcels.send(Parcel::Bytes { due, bytes }).await;
    }

    /// Ends the line after what was sent.
    pub(super) async fn end(mut self, ending: Ending) {
        let slow = match ending {
            Ending::Finish => self.state.toxics().slow_close,
            Ending::Reset => Duration::ZERO,
        };
        let due = self.due(slow);
        let _ = self.parcels.send(Parcel::End { due, ending }).await;
    }

    /// Never before what went in earlier: TCP keeps order.
    fn due(&mut self, delay: Duration) -> Instant {
        self.last_due = self.last_due.max(Instant::now() + delay);
        self.last_due
    }
}

impl Outlet {
    /// Writes what comes, when it is due, until the end or until the receiver is gone.
    pub(super) async fn write_to<W: AsyncWrite + Unpin>(mut self, writer: &mut W) -> Ending {
        while let Some(parcel) = self.parcels.recv().await {
            match parcel {
                Parcel::Bytes { due, bytes } => {
                    wait_until(due).await;
                    if self.write(writer, &bytes).await.is_err() {
                        return Ending::Reset;
                    }
                }
                Parcel::End { due, ending } => {
                    wait_until(due).await;
                    return ending;
                }
            }
        }
        Ending::Reset
    }

    async fn write<W: AsyncWrite + Unpin>(&self, writer: &mut W, bytes: &[u8]) -> std::io::Result<()> {
        let toxics = self.state.toxics();
        let paced = toxics.bandwidth.map(|rate| usize::try_from(rate / 50).unwrap_or(usize::MAX));
        let piece = toxics.slice.into_iter().chain(paced).min().unwrap_or(usize::MAX).max(1);
        for part in bytes.chunks(piece) {
            writer.write_all(part).await?;
            match toxics.bandwidth {
                Some(rate) => sleep(Duration::from_secs_f64(part.len() as f64 / rate.max(1) as f64)).await,
                // Lets a reader in this runtime see the slice before the next one joins it.
                None if toxics.slice.is_some() => tokio::task::yield_now().await,
                None => {}
            }
        }
        Ok(())
    }
}

/// The timer rounds up to a millisecond, which undelayed bytes must not pay.
async fn wait_until(due: Instant) {
    if due > Instant::now() {
        sleep_until(due).await;
    }
}
