//! What the tests of the library share: a program's values, and engines that are built in code.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use failsoft::client::{Builder, Failsoft};
use failsoft_testkit::redis::Redis;
use serde::{Deserialize, Serialize};

/// For whatever must come at last on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A value of a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct User {
    /// Its name.
    pub(crate) name: String,
    /// A number in it.
    pub(crate) logins: u32,
}

/// The user who is called so.
pub(crate) fn user(name: &str) -> User {
    User { name: name.to_owned(), logins: 3 }
}

/// A builder before `redis`, with time enough for a busy machine.
pub(crate) fn before(redis: &Redis) -> Builder {
    Failsoft::builder().redis([redis.url()]).timeout(Duration::from_secs(2)).deadline(Duration::from_secs(5))
}

/// The same, quick to find out that Redis is away.
pub(crate) fn hasty(redis: &Redis) -> Builder {
    Failsoft::builder()
        .redis([redis.url()])
        .setting("breaker.failures", 2)
        .setting("breaker.probe_cooldown", "50ms")
        .deadline(Duration::from_secs(5))
}

/// How often something was done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    /// Once more; how often before.
    pub(crate) fn up(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst)
    }

    /// How often.
    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}
