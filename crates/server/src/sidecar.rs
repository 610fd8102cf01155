//! The sidecar as a whole: threads, listeners, shutdown.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use failsoft::Engine;
use failsoft::assemble::AssembleError;
use failsoft::settings::{Settings, ThisProcess};
use failsoft::shutdown::Shutdown;
use failsoft::tls::{ServerTls, TlsError};
use thiserror::Error;

use crate::listener::Listener;
use crate::listener::doors::{Doors, SocketFile, open_admin};
use crate::shared::Shared;
use crate::{admin, descriptors, worker};

/// Why the sidecar cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address} ({setting}): {error}")]
    Listen {
        /// The setting that names it.
        setting: &'static str,
        /// The address, or the path.
        address: String,
        /// What the operating system said.
        error: io::Error,
    },
    /// The settings cannot be carried out.
    #[error(transparent)]
    Assemble(#[from] AssembleError),
    /// A file for TLS towards clients cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No thread could be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

/// A running sidecar.
pub struct Sidecar {
    shared: Arc<Shared>,
    shutdown: Shutdown,
    drain: Duration,
    doors: String,
    socket_file: Option<SocketFile>,
    admin_address: SocketAddr,
    workers: Vec<JoinHandle<()>>,
    admin: tokio::task::JoinHandle<()>,
}

impl Sidecar {
    /// Starts a sidecar; the admin interface and the probes run on the present runtime.
    ///
    /// Redis and the origins need not be there.
    pub fn start(settings: Settings) -> Result<Self, StartError> {
        let server = settings.server().clone();
        let threads = threads(server.threads());
        let max_clients =
            descriptors::room_for_clients(server.max_clients(), threads, settings.redis().max_dedicated());
        let doors = Doors::open(&server, threads)?;
        let said = doors.to_string();
        let admin_listener = open_admin(server.admin())?;
        let admin_address = admin_listener.local_addr().unwrap_or(server.admin());
        let tls = server.tls().map(|files| ServerTls::load(files, &ThisProcess)).transpose()?;
        let shared = Arc::new(Shared::new(Arc::new(Engine::new(settings, threads)?), max_clients, tls));
        let shutdown = Shutdown::default();
        shared.engine().start_probes();
        let admin = tokio::spawn(admin::serve(admin_listener, shared.clone(), shutdown.clone()));
        let workers = (doors.of_threads.into_iter().enumerate())
            .map(|(index, listeners)| spawn_worker(index, listeners, &shared, &shutdown, server.drain()))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            shared,
            shutdown,
            drain: server.drain(),
            doors: said,
            socket_file: doors.file,
            admin_address,
            workers,
            admin,
        })
    }

    /// Everywhere clients connect, for people.
    pub fn doors(&self) -> &str {
        &self.doors
    }

    /// Where the admin interface is.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// What the threads share.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Stops accepting, lets what is in flight finish within the drain bound, and closes everything.
    pub async fn stop(self) {
        self.shutdown.begin();
        self.shared.engine().end_waiting();
        // Who comes from here on is to find nobody, rather than a socket that is not answered.
        drop(self.socket_file);
        let joined = tokio::task::spawn_blocking(move || {
            for worker in self.workers {
                if worker.join().is_err() {
                    tracing::error!("a worker has died");
                }
            }
        });
        // The workers bound their draining themselves; twice that is for a thread that hangs.
        if tokio::time::timeout(self.drain * 2, joined).await.is_err() {
            tracing::error!("a worker did not stop in time");
        }
        self.shared.engine().close();
        self.admin.abort();
    }
}

/// One thread per core unless the settings say otherwise.
fn threads(setting: usize) -> usize {
    match setting {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    }
}

fn spawn_worker(
    index: usize,
    listeners: Vec<Listener>,
    shared: &Arc<Shared>,
    shutdown: &Shutdown,
    drain: Duration,
) -> Result<JoinHandle<()>, StartError> {
    let (shared, shutdown) = (shared.clone(), shutdown.clone());
    std::thread::Builder::new()
        .name(format!("failsoft-{index}"))
        .spawn(move || worker::run(index, listeners, &shared, &shutdown, drain))
        .map_err(StartError::Thread)
}
