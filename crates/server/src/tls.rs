//! TLS towards clients: the handshake before a session begins.
//!
//! A client that does not get through it within its time is let go, and so is one that does not speak TLS here; it is
//! never served in the clear instead. What has gone wrong is counted each time and said now and then: a scanner must not
//! fill the log.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use failsoft::telemetry::counter::CounterMap;
use failsoft::telemetry::figures::TLS_DONE;
use failsoft::tls::{ClientFault, ServerTls, client_fault};
use failsoft::wire::tls::TlsStream;
use failsoft::wire::{Socket, Wire};
use parking_lot::Mutex;
use tokio::time::timeout;

/// How long a client may take for the handshake.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(5);
/// How long nothing is said about further clients that have not come in; they are counted.
const SILENCE: Duration = Duration::from_secs(10);

/// What is known of the doors that speak TLS, of all threads.
#[derive(Debug, Default)]
pub(crate) struct Doorkeeper {
    tls: Option<ServerTls>,
    handshakes: CounterMap,
    told: Mutex<Option<Instant>>,
}

impl Doorkeeper {
    pub(crate) fn new(tls: Option<ServerTls>) -> Self {
        Self { tls, ..Self::default() }
    }

    /// What TLS is made with, if any door speaks it.
    pub(crate) fn tls(&self) -> Option<&ServerTls> {
        self.tls.as_ref()
    }

    /// Handshakes that are over, by result, if any door speaks TLS.
    pub(crate) fn handshakes(&self) -> Option<Vec<(&'static str, u64)>> {
        self.tls.is_some().then(|| self.handshakes.snapshot())
    }

    /// Shakes hands with a client that has come in where TLS is spoken; `None` if it is to be let go.
    pub(crate) async fn secure(&self, socket: Socket) -> Option<Wire> {
        let config = self.tls.as_ref()?.config();
        let shaken = timeout(HANDSHAKE_PATIENCE, TlsStream::accept(socket, config)).await;
        match shaken.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into())) {
            Ok(stream) => {
                self.handshakes.increment(TLS_DONE);
                Some(Wire::Tls(Box::new(stream)))
            }
            Err(error) => {
                self.handle_fault(client_fault(&error), &error);
                None
            }
        }
    }

    fn handle_fault(&self, fault: ClientFault, error: &std::io::Error) {
        self.handshakes.increment(fault.name());
        if self.may_tell() {
            tracing::warn!(reason = fault.name(), %error, "a client has not come in over TLS; others are only counted for a while");
        }
    }

    /// A client speaks TLS where it is not spoken.
    pub(crate) fn handle_misplaced_hello(&self) {
        if self.may_tell() {
            tracing::warn!("a client speaks TLS at a door that does not; the one that does is server.tls_listen");
        }
    }

    fn may_tell(&self) -> bool {
        let mut told = self.told.lock();
        let may = told.is_none_or(|told| told.elapsed() > SILENCE);
        if may {
            *told = Some(Instant::now());
        }
        may
    }
}
