//! Who may be asked in a walk: the view says who is there and may be believed, made-up circuits say who is shut.
//!
//! Circuits are as new, but for those that are said to be open: what those of a running sidecar have seen is its own, and
//! it alone [explains](super::explain_now) by them. Where nothing is known of a deployment, every tier is taken to have somebody.

use failsoft_core::circuit::{Circuit, CircuitSettings, ProbeResult, StateName};
use failsoft_core::outcome::Failure;
use failsoft_core::replication::Unfit;
use failsoft_core::request::{Admission, Astray, Barred, Grant, Manner};
use failsoft_core::{Tier, Time};

use super::condition::{Conditions, NodeCondition, OriginCondition};
use super::present::Present;
use super::walk::{Outlook, START, Scene, Sent};
use crate::route::Route;
use crate::topology::{Place, View};

/// Who may be asked.
pub(super) struct Doors {
    primary: Circuit,
    replica: Circuit,
    regional: Circuit,
    origin: Option<Circuit>,
    owner: Result<(), Failure>,
    replicas: Result<usize, Failure>,
    regionals: Result<usize, Failure>,
    /// How the owner of the key sends elsewhere, if it does; and whether somebody has been sent.
    sends: Option<Sent>,
    pub(super) sent: Sent,
    has_map: bool,
}

impl Doors {
    pub(super) fn new(scene: &Scene<'_, '_>, conditions: &Conditions, place: Place, route: &Route) -> Self {
        let doors = Self::supposed(scene, conditions, place, route);
        if route.is_held() {
            let held = Failure::HeldOpen;
            return Self { owner: Err(held), replicas: Err(held), regionals: Err(held), ..doors };
        }
        match scene.outlook {
            Outlook::Supposed(_) => doors,
            Outlook::Present(now) => {
                let Present { owner, replica, regional } = Present::of(&scene.views, place, route, now);
                Self { owner, replicas: replica.map(|()| 1), regionals: regional.map(|()| 1), ..doors }
            }
        }
    }

    fn supposed(scene: &Scene<'_, '_>, conditions: &Conditions, place: Place, route: &Route) -> Self {
        let Scene { world, views, .. } = scene;
        let nodes = |condition| circuit(world.deployment().circuit().clone(), condition == NodeCondition::Open);
        let origin = |origin: CircuitSettings| circuit(origin, conditions.origin == OriginCondition::Open);
        Self {
            primary: nodes(conditions.primary),
            replica: nodes(conditions.replica),
            regional: nodes(conditions.regional),
            origin: match (&route.source, &route.aside) {
                (Some(source), _) => Some(origin(source.origin.health().settings())),
                // Callers have no circuit: there is somebody who asks.
                (None, Some(_)) => Some(Circuit::new(CircuitSettings::default())),
                (None, None) => None,
            },
            owner: if is_known(&views.redis) { views.redis.owner_of(place).map(drop) } else { Ok(()) },
            replicas: Ok(count(&views.redis, |view| view.shard_of(place).map(|shard| view.replicas_of(shard).count()))),
            regionals: Ok(views.regional.as_ref().map_or(0, |view| {
                count(view, |view| view.shard_of(place).map(|shard| view.members_of(shard).count()))
            })),
            sends: match conditions.primary {
                NodeCondition::Moved => Some(Sent::ByMoved),
                NodeCondition::Ask => Some(Sent::ByAsk),
                NodeCondition::Up
                | NodeCondition::Miss
                | NodeCondition::Down
                | NodeCondition::Silent
                | NodeCondition::Open
                | NodeCondition::Loading
                | NodeCondition::Busy
                | NodeCondition::ReadOnly
                | NodeCondition::OutOfMemory
                | NodeCondition::NoAuth
                | NodeCondition::Error
                | NodeCondition::Lagging => None,
            },
            sent: Sent::Directly,
            has_map: world.deployment().is_discovered(),
        }
    }

    /// One of `many`, each of which is asked once.
    fn one_of(many: Result<usize, Failure>, turn: u8, circuit: &mut Circuit, now: Time) -> Result<Grant, Barred> {
        if usize::from(turn) >= many.map_err(barred)? {
            return Err(barred(Failure::Replica(Unfit::Absent)));
        }
        grant(u16::from(turn), Manner::Plain, circuit, now)
    }
}

impl Admission for Doors {
    fn request_permit(&mut self, tier: Tier, turn: u8, now: Time) -> Result<Grant, Barred> {
        match tier {
            Tier::Primary => {
                self.owner.map_err(barred)?;
                grant(0, Manner::Plain, &mut self.primary, now)
            }
            Tier::Replica => Self::one_of(self.replicas, turn, &mut self.replica, now),
            Tier::Regional => Self::one_of(self.regionals, turn, &mut self.regional, now),
            Tier::Origin => {
                let origin = self.origin.as_mut().ok_or(barred(Failure::CircuitOpen))?;
                grant(0, Manner::Plain, origin, now)
            }
            Tier::Local | Tier::Default => Err(barred(Failure::CircuitOpen)),
        }
    }

    fn request_redirected(&mut self, now: Time) -> Result<Grant, Astray> {
        if !self.has_map {
            return Err(Astray::Nowhere);
        }
        // Who has been demoted does not say who has taken its place.
        self.sent = self.sends.ok_or(Astray::Unknown)?;
        grant(0, self.sent.manner(), &mut self.primary, now).map_err(Astray::Barred)
    }

    fn request_repeat(&mut self, _now: Time) -> bool {
        true
    }
}

/// Whether anything is known of the deployment.
fn is_known(view: &View) -> bool {
    !view.shards().is_empty()
}

fn count(view: &View, of: impl FnOnce(&View) -> Option<usize>) -> usize {
    if is_known(view) { of(view).unwrap_or(0) } else { 1 }
}

fn grant(node: u16, manner: Manner, circuit: &mut Circuit, now: Time) -> Result<Grant, Barred> {
    Ok(Grant { node, permit: circuit.request_permit(now, 0)?, manner })
}

fn barred(because: Failure) -> Barred {
    Barred { because, retry_at: Time::NEVER }
}

/// A circuit that has seen nothing, or just enough to open.
fn circuit(settings: CircuitSettings, open: bool) -> Circuit {
    let failures = if open { settings.failures } else { 0 };
    let mut circuit = Circuit::new(settings);
    for _ in 0..failures {
        circuit.handle_probe(ProbeResult::Failed, START);
    }
    debug_assert_eq!(circuit.state_name() == StateName::Open, open, "the failures in a row that trip");
    circuit
}
