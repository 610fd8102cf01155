//! SQLite files, read by blocking threads over a few connections that cannot write.
//!
//! A file is opened read-only and never created: a missing one is told by its name at every load until it is there. A
//! file that was replaced under its name is noticed by its identity, so nobody goes on reading the old one. A load that
//! is given up interrupts its own statement and no other, which frees thread and connection at once.
//!
//! SQLite's column affinity takes `042` for 42 where a parameter that is not declared a whole number meets an INTEGER
//! column; declared `{id:int}`, only `42` finds row 42.

mod job;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use self::job::{Handle, Interrupter, Job};
use super::error::{OriginError, Waiting};
use super::query::{Form, Query, bytes_of};
use super::{Kind, Load, Origin, OriginOptions, Params};
use crate::value::Value;

/// A SQLite file.
pub(super) struct SqliteOrigin {
    shared: Arc<Shared>,
    max_value: usize,
}

/// What loads on other threads share.
struct Shared {
    path: PathBuf,
    places: Arc<Semaphore>,
    idle: Mutex<Vec<Handle>>,
    statements: Arc<AtomicU64>,
    closed: AtomicBool,
}

impl SqliteOrigin {
    /// `rest` is the address after `sqlite:`; two slashes before the path may stand or not.
    pub(super) fn new(rest: &str, options: &OriginOptions) -> Result<Self, OriginError> {
        let path = rest.strip_prefix("//").unwrap_or(rest);
        let refused = match path {
            "" => Some("sqlite needs a file"),
            path if path.contains(":memory:") => Some("a database in memory is always empty here"),
            path if path.contains('?') => Some("sqlite takes no options after `?`"),
            _ => None,
        };
        if let Some(reason) = refused {
            return Err(OriginError::Address(reason.to_owned()));
        }
        let most = options.max_connections.clamp(1, Semaphore::MAX_PERMITS);
        let shared = Shared {
            path: options.base_dir.join(path),
            places: Arc::new(Semaphore::new(most)),
            idle: Mutex::new(Vec::new()),
            statements: Arc::new(AtomicU64::new(0)),
            closed: AtomicBool::new(false),
        };
        Ok(Self { shared: Arc::new(shared), max_value: options.max_value })
    }

    async fn make(&self, query: &Query, params: Params<'_>, deadline: Instant) -> Result<Option<Value>, OriginError> {
        let Form::Sql(sql) = &query.form else { return Err(OriginError::OtherKind(Kind::Sqlite)) };
        let free = timeout_at(deadline, Arc::clone(&self.shared.places).acquire_owned()).await;
        let place = free.map_err(|_| OriginError::Timeout(Waiting::Connection))?.map_err(|_| OriginError::Closed)?;
        let Some(bound) = job::bound(sql, |name| bytes_of(params, name)) else { return Ok(None) };
        let interrupter = Interrupter::default();
        let job = Job {
            sql: Arc::clone(sql),
            bound,
            shape: query.shape,
            max_value: self.max_value,
            deadline: deadline.into_std(),
            interrupter: interrupter.clone(),
        };
        let _interrupts_when_dropped = interrupter.guard();
        let shared = Arc::clone(&self.shared);
        let running = tokio::task::spawn_blocking(move || {
            let outcome = job.run(&shared);
            drop(place);
            outcome
        });
        match timeout_at(deadline, running).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(OriginError::Lost),
            Err(_) => Err(OriginError::Timeout(Waiting::Answer)),
        }
    }
}

impl Origin for SqliteOrigin {
    fn load<'a>(&'a self, query: &'a Query, params: Params<'a>, timeout: Duration) -> Load<'a> {
        let deadline = Instant::now() + timeout;
        Box::pin(self.make(query, params, deadline))
    }

    fn kind(&self) -> Kind {
        Kind::Sqlite
    }

    fn statements(&self) -> u64 {
        self.shared.statements.load(Ordering::Relaxed)
    }

    fn close(&self) {
        let mut idle = self.shared.idle.lock();
        self.shared.closed.store(true, Ordering::Relaxed);
        self.shared.places.close();
        idle.clear();
    }
}
