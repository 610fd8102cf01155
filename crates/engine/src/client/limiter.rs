//! How often somebody may: decided by Redis for everybody, and while it is away as the route says.

use std::fmt;

use failsoft_core::limit::Limit;

use super::Error;
use super::locks::of_refusal;
use super::room::Room;
use crate::primitive::limit::{self, Decision};

/// Rate limits on one route with role rate-limit.
#[derive(Clone)]
pub struct Limiter {
    room: Room,
}

impl Limiter {
    pub(super) fn new(room: Room) -> Self {
        Self { room }
    }

    /// Whether what `key` stands for may happen once more under `limit`.
    ///
    /// # Errors
    /// Redis is away and the route fails closed ([`Error::Unavailable`]); it may have been counted.
    pub async fn check(&self, key: impl AsRef<[u8]>, limit: Limit) -> Result<Decision, Error> {
        self.check_cost(key, limit, 1).await
    }

    /// The same of something that counts `cost` times.
    ///
    /// # Errors
    /// As [`check`](Self::check); a cost of zero, or above the limit's burst.
    pub async fn check_cost(&self, key: impl AsRef<[u8]>, limit: Limit, cost: u32) -> Result<Decision, Error> {
        let key = Box::<[u8]>::from(key.as_ref());
        self.room.ensure_own(&[&key])?;
        let caller = self.room.caller().clone();
        let request = async move { limit::request(&caller.context(), &key, limit, cost).await.map_err(of_refusal) };
        self.room.carry_through(request).await
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").field("route", &self.room.name()).finish()
    }
}
