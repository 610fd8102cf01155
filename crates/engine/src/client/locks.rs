//! Who alone may: a guard with a fencing token, extended by itself, that knows when it can no longer be believed.
//!
//! A lease is believed by this process' own monotonic clock, from when it was asked for: not by what Redis last said, and
//! not by the wall clock. It is extended at a third of its time; when that does not succeed until it is over, the guard
//! says that it is lost. Work that must not go on then waits for [`Lock::lost`] beside itself; and a resource that checks
//! the [`token`](Lock::token) is safe even from work that did not notice. What a lock of Redis can and cannot promise stands
//! in `docs/locks.md`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use failsoft_core::Time;
use failsoft_core::fencing::{Lease, Token};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until};

use super::Error;
use super::calls::Call;
use super::room::Room;
use crate::clock::dice;
use crate::context::Context;
use crate::primitive::{Grant, Nonce, Refusal, lock};
use crate::shutdown::Shutdown;

/// What part of its time a lease has run when it is extended, and how often more it is tried until it is over.
const EXTENSIONS: u32 = 3;
/// The longest pause of somebody who waits for a lock between two questions; the shortest is a tenth.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Locks on one route with role lock.
#[derive(Clone)]
pub struct Locks {
    room: Room,
}

/// A lock that is held. Dropping it releases it, in the background; [`release`](Self::release) waits for it.
pub struct Lock {
    token: Token,
    held: Arc<Held>,
    /// Whom to tell that it is released; dropped where nobody is to be told.
    wish: Option<oneshot::Sender<Told>>,
}

type Told = oneshot::Sender<Result<(), Error>>;

/// What guard and keeper share.
struct Held {
    room: Room,
    lease: Mutex<Lease>,
    lost: Shutdown,
}

/// The task that extends a lock, and releases it in the end.
struct Keeper {
    held: Arc<Held>,
    key: Box<[u8]>,
    token: Token,
    ttl: Duration,
    wish: oneshot::Receiver<Told>,
    _call: Call,
}

/// Why a keeper has stopped extending.
enum Ended {
    Wished(Option<Told>),
    Lost,
    ShutDown,
}

impl Locks {
    pub(super) fn new(room: Room) -> Self {
        Self { room }
    }

    /// Takes the lock on `key` unless somebody else holds it (`None`). It lasts for `ttl` beyond the death of this process;
    /// while the process lives and reaches Redis, until it is released.
    ///
    /// # Errors
    /// Nothing is held; or it is not known whether anything is ([`Error::OutcomeUnknown`]), and then nobody holds it until `ttl`
    /// has passed.
    pub async fn try_acquire(&self, key: impl AsRef<[u8]>, ttl: Duration) -> Result<Option<Lock>, Error> {
        let (room, key) = (self.room.clone(), Box::<[u8]>::from(key.as_ref()));
        room.ensure_own(&[&key])?;
        // A lock that was granted to somebody who has gone is dropped where it was granted, and so released.
        let acquire = async move {
            let call = room.begin()?;
            let context = room.caller().context();
            let granted = lock::acquire(&context, &key, ttl, &Nonce::random()).await.map_err(of_refusal)?;
            Ok(granted.map(|grant| Lock::keep(&room, call, key, ttl, grant)))
        };
        self.room.carry_through(acquire).await
    }

    /// The same, asked again and again for as long as `patience` while somebody else holds it. Nobody keeps a queue: who
    /// waits longest is not served first.
    ///
    /// # Errors
    /// As [`try_acquire`](Self::try_acquire).
    pub async fn acquire(
        &self,
        key: impl AsRef<[u8]>,
        ttl: Duration,
        patience: Duration,
    ) -> Result<Option<Lock>, Error> {
        // No moment is so far off: for ever.
        let (key, by) = (key.as_ref(), Instant::now().checked_add(patience));
        loop {
            if let Some(lock) = self.try_acquire(key, ttl).await? {
                return Ok(Some(lock));
            }
            let pause = LONGEST_PAUSE.mul_f64(0.1 + 0.9 * (dice() % 1_000) as f64 / 1_000.0);
            if by.is_some_and(|by| Instant::now() + pause > by) {
                return Ok(None);
            }
            sleep(pause).await;
        }
    }
}

impl Lock {
    fn keep(room: &Room, call: Call, key: Box<[u8]>, ttl: Duration, grant: Grant) -> Self {
        let held = Arc::new(Held { room: room.clone(), lease: Mutex::new(grant.lease), lost: Shutdown::default() });
        let (wish, wished) = oneshot::channel();
        let keeper = Keeper { held: held.clone(), key, token: grant.token, ttl, wish: wished, _call: call };
        tokio::spawn(keeper.keep());
        Self { token: grant.token, held, wish: Some(wish) }
    }

    /// Its fencing token: greater than that of every earlier holder. A resource that remembers the greatest it has seen, and
    /// turns away whoever comes with a smaller one, is safe from holders who have lost the lock without noticing.
    pub fn token(&self) -> u64 {
        self.token.number()
    }

    /// Whether the lease is proven at this moment.
    pub fn is_proven(&self) -> bool {
        let now = self.held.room.caller().context().now();
        !self.held.lost.has_begun() && self.held.lease.lock().is_proven(now)
    }

    /// Returns when the lease can no longer be proven: somebody else may hold the lock from here on.
    pub async fn lost(&self) {
        self.held.lost.begun().await;
    }

    /// Releases it.
    ///
    /// # Errors
    /// [`Error::NotHeld`]: it had ended already. Or it is not known to be released, and ends by itself.
    pub async fn release(mut self) -> Result<(), Error> {
        let (sender, told) = oneshot::channel();
        let wished = self.wish.take().map(|wish| wish.send(sender));
        match wished {
            Some(Ok(())) => told.await.unwrap_or(Err(Error::ShutDown)),
            // The keeper has ended: with the client, which has released it.
            Some(Err(_)) | None => Err(Error::ShutDown),
        }
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock").field("token", &self.token).field("is_proven", &self.is_proven()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Locks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Locks").field("route", &self.room.name()).finish()
    }
}

impl Keeper {
    async fn keep(mut self) {
        let mut next = self.next_try();
        let ended = loop {
            match self.rest(next).await {
                Some(ended) => break ended,
                None => next = self.extend().await,
            }
        };
        let told = match ended {
            Ended::Wished(told) => told,
            Ended::Lost | Ended::ShutDown => {
                self.held.lost.begin();
                match ended {
                    Ended::ShutDown => None,
                    Ended::Lost | Ended::Wished(_) => self.wished().await,
                }
            }
        };
        let released = lock::release(&self.context(), &self.key, self.token).await.map_err(of_refusal);
        self.held.lost.begin();
        // Who has dropped the guard does not want to know.
        told.map(|told| told.send(released));
    }

    /// Waits until it is time to extend; why it is not to be extended any more, if so.
    async fn rest(&mut self, next: Time) -> Option<Ended> {
        let context = self.context();
        let until = self.proven_until();
        let shutdown = self.held.room.client().shutdown_word().clone();
        tokio::select! {
            wish = &mut self.wish => Some(Ended::Wished(wish.ok())),
            () = shutdown.begun() => Some(Ended::ShutDown),
            () = sleep_until(context.clock.instant(until)) => Some(Ended::Lost),
            () = sleep_until(context.clock.instant(next)), if next < until => None,
        }
    }

    /// Asks for more time, and for no longer than there is some left; when to ask again.
    async fn extend(&self) -> Time {
        let (context, until) = (self.context(), self.proven_until());
        let extended = tokio::select! {
            extended = lock::extend(&context, &self.key, self.token, self.ttl) => extended,
            () = sleep_until(context.clock.instant(until)) => return Time::NEVER,
        };
        match extended {
            Ok(lease) => {
                *self.held.lease.lock() = lease;
                self.next_try()
            }
            // What is left of it is still proven, unless it is over for good.
            Err(refusal) => match of_refusal(refusal) {
                Error::NotHeld(_) => {
                    *self.held.lease.lock() = Lease::new(Time::ZERO, Duration::ZERO);
                    Time::NEVER
                }
                _ => context.now() + until.since(context.now()) / EXTENSIONS,
            },
        }
    }

    fn next_try(&self) -> Time {
        self.held.lease.lock().asked() + self.ttl / EXTENSIONS
    }

    fn proven_until(&self) -> Time {
        self.held.lease.lock().proven_until()
    }

    /// The wish to release it, or that it was dropped; also when the client is shut down.
    async fn wished(&mut self) -> Option<Told> {
        let shutdown = self.held.room.client().shutdown_word().clone();
        tokio::select! {
            wish = &mut self.wish => wish.ok(),
            () = shutdown.begun() => None,
        }
    }

    fn context(&self) -> Context {
        self.held.room.caller().context()
    }
}

/// What a refusal of a primitive is to a caller of the library.
#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
pub(super) fn of_refusal(refusal: Refusal) -> Error {
    Error::of_reply(refusal.to_string().as_bytes())
}
