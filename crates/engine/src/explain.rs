//! What would become of a command, found out by letting it go its way in a world where nobody is asked.
//!
//! The command is classified, routed and carried through its plan by the functions that serve clients; only what comes
//! back from each tier is made up, as [`Conditions`] say, and time is simulated. So an explanation cannot disagree with
//! what the sidecar does, and it never connects to anything: whom a key belongs to it takes from what is believed of the
//! deployment when it is asked. A failsoft that serves explains by its own circuits and its own memory instead.
//!
//! Answers are taken to come at once, except that a silent peer takes all the time it is given; how long a walk can
//! last at most is told apart. The budget for repeats is taken to have something in it.

mod condition;
mod doors;
mod present;
pub mod text;
mod walk;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use failsoft_core::cluster::Slot;
use failsoft_core::mode::Mode;
use failsoft_core::outcome::MissCause;
use failsoft_core::plan::Plan;
use failsoft_core::request::Ending;
use failsoft_core::{Outcome, Tier, Time};
use failsoft_resp::commands::{self, Class, Spec, Spread};

pub use self::condition::{Conditions, LocalCondition, NodeCondition, OriginCondition, WhenError};
pub use self::walk::{Event, Sent, Stage};

use crate::classify::{Course, Read, Unjudged, classify};
use crate::route::{Route, Way};
use crate::scatter::{Part, take_apart};
use crate::settings::nearest::nearest;
use crate::topology::{Place, View};
use crate::verb::ManyVerb;
use crate::words::Words;
use crate::world::{RouteId, World};
use walk::{Outlook, Scene, Subject, ask_whole, walk};

/// What would become of a command.
pub struct Explanation<'w> {
    /// What it is, if it is known.
    pub spec: Option<&'static Spec>,
    /// How it is treated, if it is known.
    pub class: Option<Class>,
    /// What becomes of it.
    pub told: Told<'w>,
    /// What was believed of the deployment.
    pub view: Arc<View>,
    /// Where in it the command belongs, if to one slot.
    pub located: Option<Located>,
}

/// A slot, and what decided for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// Which it is.
    pub slot: Slot,
    /// The part of the key that counts, where that is not all of it.
    pub tag: Option<Vec<u8>>,
}

/// What becomes of a command.
pub enum Told<'w> {
    /// The sidecar answers it without any node.
    Here,
    /// It is one of failsoft's own commands.
    Own,
    /// The primary is asked on a connection of the client's own: it gives its connection a state, or occupies it.
    Dedicated,
    /// Redis refuses it: it has too few arguments, or too many.
    WrongArity,
    /// It is not in the table of commands, but perhaps this one was meant.
    Unknown {
        /// The known command with the nearest name.
        nearest: Option<&'static str>,
        /// Unknown commands are put to the primary.
        walk: Walk<'w>,
    },
    /// It is about the cluster, which to its clients is failsoft: no node is asked.
    AboutCluster,
    /// It is refused in Redis' words: its keys belong to several shards, and it cannot be taken apart.
    CrossSlot,
    /// Its keys lie in several slots: each part goes its way.
    Scattered {
        /// In the order of the slots.
        parts: Vec<ScatteredPart<'w>>,
    },
    /// Every shard is asked, or one after the other; each goes this way.
    Everywhere(Walk<'w>),
    /// It goes one way.
    Walked(Walk<'w>),
    /// The primary is asked for all keys; those that it does not answer go ways of their own.
    TakenApart {
        /// What came of asking the primary.
        whole: Stage,
        /// The way of each key that is left.
        keys: Vec<Walk<'w>>,
    },
}

/// What would become of a command on those of its keys that lie in one slot.
pub struct ScatteredPart<'w> {
    /// Where they lie.
    pub located: Located,
    /// Which they are.
    pub keys: Vec<Vec<u8>>,
    /// What becomes of it.
    pub told: Told<'w>,
}

/// One request's way.
pub struct Walk<'w> {
    /// The key it is about, if it is one.
    pub key: Option<Vec<u8>>,
    /// The route, as it is carried out.
    pub route: &'w Route,
    /// Its place among the listed routes; `None` if none matches.
    pub place: Option<usize>,
    /// Its pattern.
    pub pattern: Option<&'w str>,
    /// What the pattern binds in the key.
    pub bound: Vec<(String, Vec<u8>)>,
    /// Which of the route's plans it follows.
    pub way: Way,
    /// The mode that the route is in.
    pub mode: Mode,
    /// What happens, in order.
    pub stages: Vec<Stage>,
    /// Tiers of the plan that are neither asked nor passed over for a failure.
    pub unasked: Vec<(Tier, Unasked)>,
    /// How it ends.
    pub ending: Ending,
    /// The reply, where it does not depend on what is stored.
    pub reply: Option<Vec<u8>>,
    /// How long it takes at most under these conditions.
    pub at_most: Duration,
    /// What happens when every tier fails in turn.
    pub when_all_fail: Vec<Stage>,
    /// How it ends then.
    pub ending_when_all_fail: Ending,
}

impl Walk<'_> {
    /// The plan that it follows.
    pub fn plan(&self) -> &Plan {
        self.route.plan_in(self.mode, self.way)
    }
}

/// Why a tier of the plan is not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unasked {
    /// A tier before it has answered.
    NotNeeded,
    /// A node has said that the key is absent: what other copies say no longer counts.
    AbsentAbove,
}

/// Explains the command of these `words` in `world`.
pub fn explain<'w>(world: &'w World, words: &[&[u8]], conditions: &Conditions) -> Explanation<'w> {
    explain_in(&Scene { world, views: world.views(), outlook: Outlook::Supposed(conditions) }, words)
}

/// Explains the command of these `words` in `world` as it is at this moment: who is let through answers.
pub fn explain_now<'w>(world: &'w World, words: &[&[u8]], now: Time) -> Explanation<'w> {
    explain_in(&Scene { world, views: world.views(), outlook: Outlook::Present(now) }, words)
}

fn explain_in<'w>(scene: &Scene<'w, '_>, words: &[&[u8]]) -> Explanation<'w> {
    let spec = words.first().and_then(|name| commands::lookup(name, words.get(1).copied()));
    let view = scene.views.redis.clone();
    let course = classify(scene.world, &view, words);
    let key = spec.and_then(|spec| commands::keys(spec, words).next()).map(|key| words[key.index]);
    Explanation {
        spec,
        class: spec.map(|spec| commands::class_of(spec, words)),
        told: told(scene, spec, words, course),
        view,
        located: match place_of(&course) {
            Place::Slot(slot) => Some(Located::new(slot, key)),
            Place::Anywhere => None,
        },
    }
}

impl Located {
    /// In `slot`, for `key`'s sake if that is in it.
    fn new(slot: Slot, key: Option<&[u8]>) -> Self {
        let tag = key.filter(|key| Slot::of(key) == slot && Slot::tag(key) != *key);
        Self { slot, tag: tag.map(|key| Slot::tag(key).to_vec()) }
    }
}

fn place_of(course: &Course) -> Place {
    match *course {
        Course::Dedicated { place, .. } | Course::ReadMany { place, .. } | Course::Change { place, .. } => place,
        Course::Read(Read { place, .. }) => place,
        Course::Here
        | Course::Own(_)
        | Course::Unjudged(_)
        | Course::Scatter { .. }
        | Course::CrossSlot
        | Course::AboutCluster(_) => Place::Anywhere,
    }
}

fn told<'w>(scene: &Scene<'w, '_>, spec: Option<&'static Spec>, words: &[&[u8]], course: Course) -> Told<'w> {
    let (route, place) = (RouteId::PLAIN, place_of(&course));
    let subject = Subject { words: words.to_vec(), spec, route, way: Way::Write, verb: None, key: None, place };
    match course {
        Course::Here => Told::Here,
        Course::Own(_) => Told::Own,
        Course::AboutCluster(_) => Told::AboutCluster,
        Course::CrossSlot => Told::CrossSlot,
        Course::Scatter { spec, .. } => match spec.spread {
            Spread::Keys(_) => scattered(scene, spec, words),
            Spread::Shards(_) | Spread::Cursor | Spread::Whole => Told::Everywhere(everywhere(scene, &subject)),
        },
        Course::Dedicated { .. } => Told::Dedicated,
        Course::Unjudged(Unjudged::Arity(_)) => Told::WrongArity,
        Course::Unjudged(Unjudged::Unknown) => {
            Told::Unknown { nearest: nearest_command(words), walk: walk(scene, &subject, None) }
        }
        Course::Read(Read { route, way, verb, key, place: _ }) => {
            let subject = Subject { route, way, verb, key: key.map(|index| words[index]), ..subject };
            Told::Walked(walk(scene, &subject, None))
        }
        Course::Change { route, way, .. } => {
            let key = spec.and_then(|spec| first_key_on(scene.world, route, spec, words));
            Told::Walked(walk(scene, &Subject { route, key, way, ..subject }, None))
        }
        Course::ReadMany { route, verb, place: _ } => {
            taken_apart(scene, &Subject { route, way: Way::Nodes, ..subject }, verb)
        }
    }
}

/// Slot by slot, as [`scatter`](crate::scatter) does.
fn scattered<'w>(scene: &Scene<'w, '_>, spec: &Spec, words: &[&[u8]]) -> Told<'w> {
    let explained = |part: Part| {
        let words = Words::of(&part.frame);
        let keys = commands::keys(spec, words.as_slices()).map(|key| words.as_slices()[key.index].to_vec());
        let keys: Vec<_> = keys.collect();
        ScatteredPart {
            located: Located::new(part.slot, keys.first().map(Vec::as_slice)),
            keys,
            told: explain_in(scene, words.as_slices()).told,
        }
    };
    Told::Scattered { parts: take_apart(spec, words).into_iter().map(explained).collect() }
}

/// No node of it is named: each shard has its own.
fn everywhere<'w>(scene: &Scene<'w, '_>, subject: &Subject<'_>) -> Walk<'w> {
    let mut walk = walk(scene, subject, None);
    walk.stages.iter_mut().chain(&mut walk.when_all_fail).for_each(|stage| stage.whom = None);
    walk
}

fn nearest_command(words: &[&[u8]]) -> Option<&'static str> {
    let written = String::from_utf8_lossy(words.first()?).to_ascii_lowercase();
    nearest(&written, commands::all().map(|spec| spec.name).filter(|name| !name.contains('|')))
}

/// The key that a command on several keys is routed by.
fn first_key_on<'k>(world: &World, route: RouteId, spec: &Spec, words: &[&'k [u8]]) -> Option<&'k [u8]> {
    commands::keys(spec, words).map(|position| words[position.index]).find(|key| world.route_of(key) == route)
}

/// The whole question first; then, as [`gather`](crate::gather) does, the keys that it has left without an answer.
fn taken_apart<'w>(scene: &Scene<'w, '_>, subject: &Subject<'_>, verb: ManyVerb) -> Told<'w> {
    let Scene { world, .. } = scene;
    let conditions = scene.conditions_of(subject);
    let keys: Vec<&[u8]> = subject.words[1..].to_vec();
    let whole = ask_whole(scene, subject);
    let misses = match whole.tier {
        Tier::Replica => conditions.replica == NodeCondition::Miss,
        Tier::Primary | Tier::Regional | Tier::Local | Tier::Origin | Tier::Default => {
            conditions.primary == NodeCondition::Miss
        }
    };
    let asked = match (&whole.event, verb) {
        (Event::Asked { outcome: Outcome::Hit, .. }, _) if !misses => {
            return Told::TakenApart { whole, keys: Vec::new() };
        }
        (Event::Asked { outcome: Outcome::Hit, .. }, ManyVerb::MGet) => Some(Outcome::Miss(MissCause::Absent)),
        (Event::Asked { outcome: Outcome::Hit | Outcome::Miss(_), .. }, ManyVerb::Exists) => None,
        (Event::Asked { outcome, .. }, _) => Some(*outcome),
        (Event::Learned { .. } | Event::Looked { .. } | Event::Paused(_) | Event::PassedOver(_) | Event::Served, _) => {
            None
        }
    };
    let name: &[u8] = match verb {
        ManyVerb::MGet => b"GET",
        ManyVerb::Exists => b"EXISTS",
    };
    let single = |key| Subject {
        words: vec![name, key],
        spec: commands::lookup(name, None),
        route: world.route_of(key),
        way: Way::Through,
        verb: Some(verb.single()),
        key: Some(key),
        place: scene.views.redis.place_of(key),
    };
    let keys = keys.into_iter().map(|key| walk(scene, &single(key), asked)).collect();
    Told::TakenApart { whole, keys }
}
