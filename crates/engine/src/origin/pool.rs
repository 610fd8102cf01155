//! Connections to a database server, made when first needed, at most so many, and the loads that borrow them.
//!
//! An own pool, because a borrowed one gets three things wrong for failing over: it keeps trying a refused port until
//! the time is up (here a refused connection is told at once), it asks an idle connection whether it lives (here a dead
//! one is found by the load, which is then repeated on a new connection: it only reads), and giving up a load aborts
//! the connection being made (here it is made to the end and kept, else a server that takes longer to greet than a load
//! may last would never be reached).
//!
//! A connection goes back only when its reply has been read to the end. Every other way out closes it, so a dropped or
//! timed-out load can neither block nor feed the next one. A row is read whole before the bound on values is applied.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use super::error::{OriginError, StatementFault, Waiting};
use super::fetched::{self, Row};
use super::query::{Form, Query};
use super::sql::Sql;
use super::{Kind, Load, Origin, OriginOptions, Params};
use crate::value::{Shape, Value};

/// Idle for longer than this, a connection is closed rather than used: firewalls forget connections silently.
const MOST_IDLE: Duration = Duration::from_secs(240);

/// What differs between the databases that are spoken to over a session.
pub(super) trait Driver: Send + Sync + 'static {
    type Connection: Send + 'static;
    const KIND: Kind;

    fn connect(&self) -> impl Future<Output = Result<Self::Connection, OriginError>> + Send;

    /// The rows for a key, at most a few; `None` when no row can have this key.
    fn rows<'a>(
        &'a self,
        connection: &'a mut Self::Connection,
        asked: Asked<'a>,
    ) -> impl Future<Output = Result<Option<Vec<Row>>, OriginError>> + Send + 'a;
}

/// One load, as a driver sees it.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) sql: &'a Sql,
    pub(super) shape: Shape,
    pub(super) params: Params<'a>,
    /// To be counted up for every statement that is run for a key.
    pub(super) statements: &'a AtomicU64,
}

/// An origin behind sessions.
pub(super) struct SessionOrigin<D: Driver> {
    pool: Arc<Pool<D>>,
    max_value: usize,
    statements: AtomicU64,
}

impl<D: Driver> SessionOrigin<D> {
    pub(super) fn new(driver: D, options: &OriginOptions) -> Self {
        let pool = Pool {
            driver,
            connect_timeout: options.connect_timeout,
            places: Arc::new(Semaphore::new(options.max_connections.clamp(1, Semaphore::MAX_PERMITS))),
            idle: Mutex::new(Vec::new()),
            closed: AtomicBool::new(false),
        };
        Self { pool: Arc::new(pool), max_value: options.max_value, statements: AtomicU64::new(0) }
    }

    async fn make(&self, query: &Query, params: Params<'_>, deadline: Instant) -> Result<Option<Value>, OriginError> {
        let Form::Sql(sql) = &query.form else { return Err(OriginError::OtherKind(D::KIND)) };
        let asked = Asked { sql, shape: query.shape, params, statements: &self.statements };
        match self.rows(asked, deadline).await? {
            Some(rows) => fetched::value(query.shape, rows, self.max_value),
            None => Ok(None),
        }
    }

    async fn rows(&self, asked: Asked<'_>, deadline: Instant) -> Result<Option<Vec<Row>>, OriginError> {
        loop {
            let mut lent = self.pool.lend(deadline).await?;
            let driver = &self.pool.driver;
            let outcome = match timeout_at(deadline, driver.rows(&mut lent.connection, asked)).await {
                Ok(outcome) => outcome,
                Err(_) => return Err(OriginError::Timeout(Waiting::Answer)),
            };
            match outcome {
                Err(OriginError::Lost) if lent.is_reused => self.pool.forget_idle(),
                Err(OriginError::Lost) => return Err(OriginError::Lost),
                outcome => {
                    lent.give_back();
                    return outcome;
                }
            }
        }
    }
}

impl<D: Driver> Origin for SessionOrigin<D> {
    fn load<'a>(&'a self, query: &'a Query, params: Params<'a>, timeout: Duration) -> Load<'a> {
        let deadline = Instant::now() + timeout;
        Box::pin(self.make(query, params, deadline))
    }

    fn kind(&self) -> Kind {
        D::KIND
    }

    fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    fn close(&self) {
        self.pool.close();
    }
}

struct Pool<D: Driver> {
    driver: D,
    connect_timeout: Duration,
    places: Arc<Semaphore>,
    idle: Mutex<Vec<(D::Connection, Instant)>>,
    closed: AtomicBool,
}

/// A connection out of the pool, with its place. Dropped: closed.
struct Lent<D: Driver> {
    connection: D::Connection,
    is_reused: bool,
    pool: Arc<Pool<D>>,
    place: OwnedSemaphorePermit,
}

impl<D: Driver> Lent<D> {
    fn give_back(self) {
        self.pool.keep(self.connection);
        drop(self.place);
    }
}

impl<D: Driver> Pool<D> {
    async fn lend(self: &Arc<Self>, deadline: Instant) -> Result<Lent<D>, OriginError> {
        let free = timeout_at(deadline, Arc::clone(&self.places).acquire_owned()).await;
        let place = free.map_err(|_| OriginError::Timeout(Waiting::Connection))?.map_err(|_| OriginError::Closed)?;
        if let Some(connection) = self.take_idle() {
            return Ok(Lent { connection, is_reused: true, pool: Arc::clone(self), place });
        }
        match timeout_at(deadline, self.connected(place)).await {
            Ok(Ok(lent)) => lent,
            Ok(Err(_)) => Err(OriginError::Closed),
            Err(_) => Err(OriginError::Timeout(Waiting::Connection)),
        }
    }

    /// Connects in a task of its own; if nobody waits any more when that is done, the connection is kept for others.
    fn connected(self: &Arc<Self>, place: OwnedSemaphorePermit) -> oneshot::Receiver<Result<Lent<D>, OriginError>> {
        let (tell, told) = oneshot::channel();
        let pool = Arc::clone(self);
        tokio::spawn(async move {
            let made = timeout(pool.connect_timeout, pool.driver.connect()).await;
            let made = made.unwrap_or(Err(OriginError::Timeout(Waiting::Connection)));
            let lent = made.map(|connection| Lent { connection, is_reused: false, pool, place });
            if let Err(Ok(unwanted)) = tell.send(lent) {
                unwanted.give_back();
            }
        });
        told
    }

    fn take_idle(&self) -> Option<D::Connection> {
        let mut idle = self.idle.lock();
        let (connection, since) = idle.pop()?;
        if since.elapsed() < MOST_IDLE {
            return Some(connection);
        }
        idle.clear();
        None
    }

    fn keep(&self, connection: D::Connection) {
        let mut idle = self.idle.lock();
        if !self.closed.load(Ordering::Relaxed) {
            idle.push((connection, Instant::now()));
        }
    }

    /// One connection turned out dead: the server was restarted or the network cut, and the others are no better.
    fn forget_idle(&self) {
        self.idle.lock().clear();
    }

    fn close(&self) {
        let mut idle = self.idle.lock();
        self.closed.store(true, Ordering::Relaxed);
        self.places.close();
        idle.clear();
    }
}

/// An error of the driver's that the database has not sent: the connection is of no more use.
pub(super) fn broken(error: &sqlx::Error) -> OriginError {
    match error {
        sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Decode(_)
        | sqlx::Error::Encode(_)
        | sqlx::Error::TypeNotFound { .. } => {
            OriginError::Query(StatementFault::Running { code: "unreadable column".to_owned() })
        }
        _ => OriginError::Lost,
    }
}
