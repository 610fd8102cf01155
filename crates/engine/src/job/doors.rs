//! The circuits, views and budgets that one request goes by, as the machine asks for leave.

use failsoft_core::circuit::{Permit, PermitKind};
use failsoft_core::cluster::RedirectKind;
use failsoft_core::journal::Trust;
use failsoft_core::journal::fate::Change;
use failsoft_core::mode::Mode;
use failsoft_core::outcome::Failure;
use failsoft_core::request::{Admission, Astray, Barred, Grant, Manner};
use failsoft_core::{Tier, Time};
use failsoft_resp::commands;

use super::Matter;
use super::trail::Trail;
use crate::context::Context;
use crate::route::{Route, Way};
use crate::settings::NodeAddress;
use crate::stand_in::StandIn;
use crate::topology::{Hint, Place, View, Views};
use crate::touched::Touched;
use crate::words::Words;
use crate::world::World;

/// What is said for a tier that has no member.
const NOBODY: Barred = Barred { because: Failure::CircuitOpen, retry_at: Time::NEVER };
/// What is said for a node that the operator does not want to be asked.
const HELD: Barred = Barred { because: Failure::HeldOpen, retry_at: Time::NEVER };

/// What is said for nodes that hold what has been invalidated, and have not heard of it.
const UNREPLAYED: Barred = Barred { because: Failure::Unreplayed, retry_at: Time::NEVER };

/// Leave to ask callers who make the values themselves.
const UNGUARDED: Permit = Permit { kind: PermitKind::Normal, epoch: 0 };

/// What one request goes by.
pub(super) struct Doors<'j> {
    world: &'j World,
    views: &'j Views,
    route: &'j Route,
    mode: Mode,
    place: Place,
    way: Way,
    /// The key, where there is just one.
    key: &'j [u8],
    stand_in: Option<StandIn>,
    /// The command, if it was kept.
    frame: &'j [u8],
    touched: &'j Touched,
    trail: &'j mut Trail,
}

impl<'j> Doors<'j> {
    pub(super) fn of(
        context: &'j Context,
        route: &'j Route,
        mode: Mode,
        matter: &Matter,
        frame: &'j [u8],
        touched: &'j Touched,
        trail: &'j mut Trail,
    ) -> Self {
        let key = frame.get(matter.key.start as usize..matter.key.end as usize).unwrap_or_default();
        let Matter { place, stand_in, way, .. } = *matter;
        let (world, views) = (&*context.world, &context.views);
        Self { world, views, route, mode, place, way, key, frame, touched, stand_in, trail }
    }

    fn views(&self) -> &Views {
        self.trail.views().unwrap_or(self.views)
    }
}

impl Admission for Doors<'_> {
    fn request_permit(&mut self, tier: Tier, _turn: u8, now: Time) -> Result<Grant, Barred> {
        let budget = self.route.max_replica_lag;
        let Views { redis, regional, moved } = self.views();
        match tier {
            Tier::Primary | Tier::Replica | Tier::Regional if self.mode == Mode::OriginOnly => Err(HELD),
            Tier::Primary | Tier::Replica | Tier::Regional if self.is_unbelieved(tier) => Err(UNREPLAYED),
            // Messages stay in order: behind those that have not been published yet.
            Tier::Primary if self.stand_in == Some(StandIn::Kept) && self.world.publishing().is_waiting() => {
                Err(Barred { because: Failure::Unreplayed, retry_at: Time::NEVER })
            }
            Tier::Primary => {
                let asked = match moved.owner(self.place) {
                    Some(node) => redis.request(node, Manner::Plain, now),
                    None => redis.request_primary(self.place, now),
                };
                if let Err(Barred { because: Failure::Unowned, .. }) = asked {
                    self.world.deployment().hint(Hint::Unowned);
                }
                asked
            }
            Tier::Replica => {
                let view = redis.clone();
                let (wish, asked) = self.trail.replicas(budget);
                view.request_replica(self.place, wish, asked, now)
            }
            Tier::Regional => {
                let view = regional.clone().ok_or(NOBODY)?;
                let place = self.place_in(&view)?;
                let (wish, asked) = self.trail.regional(budget);
                view.request_any(place, wish, asked, now)
            }
            Tier::Origin => match &self.route.source {
                Some(source) => {
                    let permit = source.origin.health().request_permit(now)?;
                    Ok(Grant { node: 0, permit, manner: Manner::Plain })
                }
                // Callers have no circuit: there is somebody who asks.
                None if self.route.aside.is_some() => Ok(Grant { node: 0, permit: UNGUARDED, manner: Manner::Plain }),
                None => Err(NOBODY),
            },
            Tier::Local | Tier::Default => Err(NOBODY),
        }
    }

    fn request_redirected(&mut self, now: Time) -> Result<Grant, Astray> {
        if self.is_unbelieved(Tier::Primary) {
            return Err(Astray::Barred(UNREPLAYED));
        }
        if !self.world.deployment().is_discovered() {
            return Err(Astray::Nowhere);
        }
        let followed = self.follow(now);
        self.world.deployment().stats().handle_redirected(followed.err());
        followed
    }

    fn request_repeat(&mut self, now: Time) -> bool {
        self.world.request_repeat(now)
    }
}

impl Doors<'_> {
    /// Whether what a node of `tier` holds of a key of this request is not to be believed yet.
    #[inline]
    pub(super) fn is_unbelieved(&self, tier: Tier) -> bool {
        let journal = self.world.journal();
        journal.is_busy() && self.is_unbelieved_by(tier, |key| journal.trust(key))
    }

    /// The same of what it has answered to a question that was put at `asked`.
    pub(super) fn is_superseded(&self, tier: Tier, asked: Time) -> bool {
        let journal = self.world.journal();
        journal.is_busy() && self.is_unbelieved_by(tier, |key| journal.trust_in_answer(key, asked))
    }

    fn is_unbelieved_by(&self, tier: Tier, trust: impl Fn(&[u8]) -> Trust) -> bool {
        if self.mode == Mode::PassThrough {
            return false;
        }
        let is_unbelieved = |key: &[u8]| match trust(key) {
            Trust::Everybody => false,
            Trust::Primary => tier != Tier::Primary,
            Trust::Nobody => true,
        };
        match self.way {
            Way::Through | Way::Made | Way::Nodes if !self.key.is_empty() => {
                self.route.journalled.is_some() && is_unbelieved(self.key)
            }
            Way::Through | Way::Made | Way::Nodes => {
                let words = Words::of(self.frame);
                keys_of(words.as_slices()).any(is_unbelieved)
            }
            // What it does depends on what is there, and what it answers may tell of it.
            Way::Write | Way::Script => {
                self.touched.change() == Change::Other && self.touched.keys().any(is_unbelieved)
            }
        }
    }

    /// Where the request belongs in the second deployment, which may divide its keys otherwise than the first.
    fn place_in(&self, regional: &View) -> Result<Place, Barred> {
        match (self.place, self.key) {
            (place @ Place::Slot(_), _) => Ok(place),
            (Place::Anywhere, b"") if regional.is_sharded() => Err(NOBODY),
            (Place::Anywhere, key) => Ok(regional.place_of(key)),
        }
    }

    fn follow(&mut self, now: Time) -> Result<Grant, Astray> {
        let (deployment, views) = (self.world.deployment(), self.views());
        let Some((redirect, asked)) = self.trail.detour().and_then(|detour| detour.redirect()) else {
            // A demoted primary does not say who has taken its place.
            return Err(Astray::Unknown);
        };
        let view = &views.redis;
        let manner = match redirect.kind {
            RedirectKind::Ask => Manner::Asking,
            RedirectKind::Moved => {
                if is_news(&deployment.view(), redirect.slot, &view.node(asked).options().address) {
                    deployment.hint(Hint::Moved);
                }
                Manner::Plain
            }
        };
        let target = redirect.target(&view.node(asked).options().address.endpoint()).ok_or(Astray::Unknown)?;
        let address = deployment.reach(&target).map_err(|_| Astray::Refused)?;
        let node = view.primary_at(&address).ok_or(Astray::Unknown)?;
        if node == asked {
            return Err(Astray::Unknown);
        }
        if self.trail.detour().is_some_and(|detour| detour.has_asked(node, manner)) {
            return Err(Astray::Back);
        }
        view.request(node, manner, now).map_err(Astray::Barred)
    }
}

fn keys_of<'w>(words: &'w [&'w [u8]]) -> impl Iterator<Item = &'w [u8]> {
    let spec = words.first().and_then(|name| commands::lookup(name, words.get(1).copied()));
    spec.into_iter()
        .flat_map(move |spec| commands::keys(spec, words))
        .filter_map(|position| words.get(position.index).copied())
}

/// Whether the slot is still believed to belong to whoever has just said that it does not.
fn is_news(view: &View, slot: failsoft_core::cluster::Slot, asked: &NodeAddress) -> bool {
    view.primary(Place::Slot(slot)).is_none_or(|owner| owner.options().address == *asked)
}
