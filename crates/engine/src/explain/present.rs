//! How every tier is at this moment, for a command whose way is explained by a failsoft that serves: from its circuits, its
//! views and its memory, without asking anybody and without taking anybody's leave.

use failsoft_core::outcome::Failure;
use failsoft_core::replication::Presence;
use failsoft_core::stale::Acceptance;
use failsoft_core::{Tier, Time};

use super::condition::{Conditions, LocalCondition, OriginCondition};
use crate::route::Route;
use crate::topology::{Place, View, Views, Wish};
use crate::world::World;

/// Whose leave would be had now, tier by tier.
pub(super) struct Present {
    /// The owner's of the key.
    pub(super) owner: Result<(), Failure>,
    /// One of its replicas'.
    pub(super) replica: Result<(), Failure>,
    /// Anybody's in the second deployment.
    pub(super) regional: Result<(), Failure>,
}

impl Present {
    pub(super) fn of(views: &Views, place: Place, route: &Route, now: Time) -> Self {
        let wish = Wish { budget: route.max_replica_lag, presence: Presence::Well };
        let owner = owner(&views.redis, place);
        let regional = match &views.regional {
            Some(view) => owner_or_replica(view, place, wish, now),
            None => Err(Failure::CircuitOpen),
        };
        Self { owner, replica: views.redis.could_ask_replica(place, wish, now), regional }
    }
}

fn owner(view: &View, place: Place) -> Result<(), Failure> {
    let owner = view.owner(place)?;
    if owner.health().is_open() { Err(Failure::CircuitOpen) } else { Ok(()) }
}

fn owner_or_replica(view: &View, place: Place, wish: Wish, now: Time) -> Result<(), Failure> {
    owner(view, place).or_else(|failure| view.could_ask_replica(place, wish, now).map_err(|_| failure))
}

/// Who is let through answers; what local memory holds, and whether the origin is asked, is as it is.
pub(super) fn conditions(world: &World, route: &Route, key: Option<&[u8]>, now: Time) -> Conditions {
    let is_shut = route.source.as_ref().is_some_and(|source| source.origin.health().is_open());
    Conditions {
        local: key.map_or(LocalCondition::Absent, |key| local(world, route, key, now)),
        origin: if is_shut { OriginCondition::Open } else { OriginCondition::Up },
        ..Conditions::default()
    }
}

fn local(world: &World, route: &Route, key: &[u8], now: Time) -> LocalCondition {
    let holds = |acceptance| route.through.tiers.contains(Tier::Local) && world.local().holds(key, acceptance, now);
    if holds(Acceptance::Coherent) {
        LocalCondition::Fresh
    } else if holds(Acceptance::Fresh) {
        LocalCondition::Unverified
    } else if holds(Acceptance::StaleUpTo(route.through.max_stale)) {
        LocalCondition::Stale
    } else {
        LocalCondition::Absent
    }
}
