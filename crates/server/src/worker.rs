//! One thread of the data plane: a runtime, a listener, and the sessions of the clients it has accepted.

use std::sync::Arc;
use std::time::Duration;

use failsoft::shutdown::Shutdown;
use failsoft::wire::Wire;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::listener::{Acceptor, Arrival, Listener, Speech};
use crate::session::{Ended, Session};
use crate::shared::Shared;

/// Serves clients on the calling thread until shutdown, then lets those who are there finish within `drain`.
pub(crate) fn run(worker: usize, listeners: Vec<Listener>, shared: &Arc<Shared>, shutdown: &Shutdown, drain: Duration) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return tracing::error!(%error, worker, "cannot start a worker"),
    };
    runtime.block_on(serve(worker, listeners, shared, shutdown, drain));
}

async fn serve(worker: usize, listeners: Vec<Listener>, shared: &Arc<Shared>, shutdown: &Shutdown, drain: Duration) {
    let mut acceptor = match Acceptor::new(listeners) {
        Ok(acceptor) => acceptor,
        Err(error) => return tracing::error!(%error, worker, "cannot listen"),
    };
    shared.engine().start_worker(worker);
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            arrival = acceptor.accept(shared) => welcome(worker, arrival, shared, shutdown, &mut sessions),
            Some(_) = sessions.join_next() => {}
            () = shutdown.begun() => break,
        }
    }
    drop(acceptor);
    let finished = async { while sessions.join_next().await.is_some() {} };
    if timeout(drain, finished).await.is_err() {
        tracing::warn!(worker, clients = sessions.len(), "clients were cut off: the drain bound was reached");
    }
}

fn welcome(worker: usize, arrival: Arrival, shared: &Arc<Shared>, shutdown: &Shutdown, sessions: &mut JoinSet<()>) {
    if !shared.client_gauge().try_enter() {
        return arrival.turn_away();
    }
    if let Some(Err(error)) = shared.limits().tcp_keepalive.map(|after| arrival.socket.keep_alive(after)) {
        tracing::debug!(%error, "cannot ask whether clients are still there");
    }
    let (shared, shutdown) = (shared.clone(), shutdown.clone());
    sessions.spawn(async move {
        let _place = Place(&shared);
        let ended = match secure(arrival, &shared, &shutdown).await {
            Ok(wire) => Session::new(shared.clone(), worker, shared.next_client(), wire, shutdown).run().await,
            Err(ended) => ended,
        };
        shared.stats().closed.increment(ended.name());
    });
}

async fn secure(arrival: Arrival, shared: &Shared, shutdown: &Shutdown) -> Result<Wire, Ended> {
    match arrival.speech {
        Speech::Plain => Ok(Wire::Plain(arrival.socket)),
        Speech::Tls => tokio::select! {
            secured = shared.doorkeeper().secure(arrival.socket) => secured.ok_or(Ended::Handshake),
            () = shutdown.begun() => Err(Ended::Shutdown),
        },
    }
}

/// A client's place among those that may be connected; given back however the session ends.
struct Place<'s>(&'s Shared);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.client_gauge().leave();
    }
}
