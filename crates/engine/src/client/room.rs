//! A handle's route, and how it is asked.
//!
//! A route is held by its name and looked up at each call, so that a handle lives on when settings are reloaded; a key of
//! another route is refused, because what may become of it is said there.
//!
//! Whoever drops a future that changes something has not undone the change: so changes run in tasks of their own, which
//! see to it that no copy from before stays.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use failsoft_core::role::Role;

use super::calls::Call;
use super::{Error, Failsoft};
use crate::caller::{Answered, Caller};
use crate::route::Route;
use crate::world::{RouteId, World};

/// The route of a handle.
#[derive(Clone)]
pub(crate) struct Room {
    client: Failsoft,
    route: Arc<str>,
    role: Role,
}

impl Room {
    /// The route called `named`, or the one whose keys are written so.
    pub(crate) fn of(client: &Failsoft, named: &str, role: Role) -> Result<Self, Error> {
        let (world, _) = client.engine().world();
        let listed = || world.routes().filter(|(keys, _)| !keys.is_empty());
        let by_name = listed().find(|(_, route)| *route.name == *named);
        let found = by_name.or_else(|| listed().find(|(keys, _)| *keys == named));
        let Some((_, route)) = found else {
            return Err(Error::misuse(no_such_route(named, role, listed())));
        };
        ensure_role(route, role)?;
        Ok(Self { client: client.clone(), route: route.name.clone(), role })
    }

    /// The route's name.
    pub(crate) fn name(&self) -> &str {
        &self.route
    }

    /// Begins a call.
    pub(crate) fn begin(&self) -> Result<Call, Error> {
        self.client.inner.calls.begin()
    }

    /// Whose route it is.
    pub(crate) fn client(&self) -> &Failsoft {
        &self.client
    }

    /// Who asks.
    pub(crate) fn caller(&self) -> &Caller {
        &self.client.inner.caller
    }

    /// The route in `world`, which is that of `key`.
    pub(crate) fn route_of(&self, world: &World, key: &[u8]) -> Result<RouteId, Error> {
        let id = world.route_of(key);
        let route = world.route(id);
        if route.name != self.route {
            let (own, other) = (&self.route, &route.name);
            return Err(Error::misuse(format!("the key is on route {other}, and this handle is of route {own}")));
        }
        ensure_role(route, self.role)?;
        Ok(id)
    }

    /// Refuses keys of other routes.
    pub(crate) fn ensure_own<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<(), Error> {
        let (world, _) = self.client.engine().world();
        keys.iter().try_for_each(|key| self.route_of(&world, key.as_ref()).map(drop))
    }

    /// For how long what is written on the route is kept, unless the caller says so.
    pub(crate) fn ttl(&self) -> Result<Duration, Error> {
        let (world, _) = self.client.engine().world();
        let found = world.routes().find(|(_, route)| route.name == self.route).map(|(_, route)| route.ttl);
        found.ok_or_else(|| Error::misuse(format!("there is no route {} any more", self.route)))
    }

    /// What a read of these words is answered.
    pub(crate) async fn read<W: AsRef<[u8]>>(&self, words: &[W]) -> Result<Answered, Error> {
        let _call = self.begin()?;
        Ok(self.caller().call(words).await)
    }

    /// What a change by these words is answered. It is carried through even if nobody waits for it.
    pub(crate) async fn change(&self, words: Vec<Vec<u8>>) -> Result<Vec<u8>, Error> {
        let caller = self.caller().clone();
        self.carry_through(async move { Ok(caller.call(&words).await.reply) }).await
    }

    /// What becomes of `work`, which is done even if nobody waits for it.
    pub(crate) async fn carry_through<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        self.client.carry_through(work).await
    }
}

fn ensure_role(route: &Route, role: Role) -> Result<(), Error> {
    if route.role == role {
        return Ok(());
    }
    let (name, own) = (&route.name, route.role);
    Err(Error::misuse(format!("route {name} has role \"{own}\"; this handle needs one with role \"{role}\"")))
}

fn no_such_route<'w>(named: &str, role: Role, listed: impl Iterator<Item = (&'w str, &'w Route)>) -> String {
    let fitting: Vec<&str> = listed.filter(|(_, route)| route.role == role).map(|(_, route)| &*route.name).collect();
    match fitting.as_slice() {
        [] => format!("there is no route `{named}`, and none with role \"{role}\""),
        fitting => format!("there is no route `{named}`; with role \"{role}\" there are: {}", fitting.join(", ")),
    }
}

/// A time to live in whole milliseconds, as commands have it.
pub(crate) fn millis(ttl: Duration) -> Result<Vec<u8>, Error> {
    // Beyond this Redis refuses, since the moment would not fit its clock.
    const MOST: u128 = i64::MAX as u128 / 2;
    match ttl.as_millis() {
        0 => Err(Error::misuse("a time to live is a millisecond at least")),
        millis if millis > MOST => Err(Error::misuse("a time to live of so many years is none")),
        millis => Ok(millis.to_string().into_bytes()),
    }
}

/// The words of a command, owned.
pub(crate) fn words<const N: usize>(words: [&[u8]; N]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.to_vec()).collect()
}
