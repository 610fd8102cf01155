//! What is to become of a command: who answers it, on which route, in which way.
//!
//! The one place that looks at commands as commands. The sidecar carries out what is said here and `failsoft explain`
//! prints it, so that the two cannot disagree. Nothing is allocated: this is on the way of every request.
//!
//! A command that is not known (a module's, or a newer server's) or has the wrong number of arguments is not judged
//! here: it goes to the primary once, which answers or refuses it in its own words.

mod sharded;

use failsoft_core::role::Role;
use failsoft_resp::commands::{self, Access, Arguments, Class, Spec};

use crate::route::Way;
use crate::topology::{Place, View};
use crate::touched::is_noted;
use crate::verb::{ManyVerb, Verb};
use crate::world::{RouteId, World};

/// What is to become of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// It is about the connection it came on: answered without any node.
    Here,
    /// It gives its connection a state, or occupies it: asked of the primary on a connection of the client's own.
    Dedicated {
        /// What makes it so.
        class: Class,
        /// Whose copies it makes void.
        voids: Voids,
        /// Where it belongs.
        place: Place,
    },
    /// It is not judged: asked of the primary, once, as a write.
    Unjudged(Unjudged),
    /// A read, asked on one way of one route.
    Read(Read),
    /// A read of several keys, taken apart if the primary cannot answer it whole.
    ReadMany {
        /// The route of the first key that something else than Redis may answer, or that no node is to be asked about.
        route: RouteId,
        /// How it is taken apart.
        verb: ManyVerb,
        /// Where it belongs.
        place: Place,
    },
    /// It concerns several shards, and is taken apart: see [`scatter`](crate::scatter).
    Scatter {
        /// What it is.
        spec: &'static Spec,
        /// Whose copies it makes void.
        voids: Voids,
    },
    /// Its keys belong to several shards, and it cannot be taken apart.
    CrossSlot,
    /// It is about the cluster, or what a node of one is told: failsoft answers, which is the cluster to its clients.
    AboutCluster(&'static Spec),
    /// It is one of failsoft's own: see [`own`](crate::own).
    Own(&'static Spec),
    /// Anything else: asked of the primary, once.
    Change {
        /// The route of the first key that has one, or of one that no node is to be asked about.
        route: RouteId,
        /// Whose copies it makes void.
        voids: Voids,
        /// Which of the route's plans it follows.
        way: Way,
        /// Where it belongs.
        place: Place,
    },
}

/// A read that is asked as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// The route it is on.
    pub route: RouteId,
    /// Which of the route's plans it follows.
    pub way: Way,
    /// How it is answered without Redis, if it can be.
    pub verb: Option<Verb>,
    /// Which argument is its key, if it has just one.
    pub key: Option<usize>,
    /// Where it belongs.
    pub place: Place,
}

/// Why a command is left for Redis to judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unjudged {
    /// It is not in the table of commands.
    Unknown,
    /// It has too few arguments, or too many.
    Arity(&'static Spec),
}

impl Unjudged {
    /// The way that it goes: of what an unknown command's error means only its author knows.
    pub fn way(self) -> Way {
        match self {
            Self::Unknown => Way::Script,
            Self::Arity(_) => Way::Write,
        }
    }
}

/// What is said of keys that do not lie together, in the words of Redis.
pub const CROSSSLOT: &[u8] = b"-CROSSSLOT Keys in request don't hash to the same slot\r\n";

/// Whose copies a command makes void.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voids {
    /// Nobody's.
    Nothing,
    /// Those of the keys it may change.
    Keys(&'static Spec),
    /// All.
    Everything,
}

/// What is to become of `command` in `world`, as far as `view` shows.
pub fn classify<A: Arguments + ?Sized>(world: &World, view: &View, command: &A) -> Course {
    let name = command.at(0).unwrap_or_default();
    let Some(spec) = commands::lookup(name, command.at(1)) else {
        return match commands::lookup(name, None) {
            // A subcommand of a newer server: what it does to its connection it would do to everybody's.
            Some(container) if container.class == Class::Connection => Course::Here,
            Some(container) if container.class == Class::Own => Course::Own(container),
            // It may be one that changes the cluster, in a newer server.
            Some(container) if container.name == "cluster" && view.is_sharded() => Course::AboutCluster(container),
            Some(_) | None => Course::Unjudged(Unjudged::Unknown),
        };
    };
    if !commands::arity_ok(spec, command.count()) {
        // Redis does not know it, and would not say what is wrong.
        let is_own = spec.class == Class::Own;
        return if is_own { Course::Own(spec) } else { Course::Unjudged(Unjudged::Arity(spec)) };
    }
    if view.is_sharded()
        && let Some(course) = sharded::course(world, spec, command)
    {
        return course;
    }
    match commands::class_of(spec, command) {
        Class::Connection => Course::Here,
        Class::Own => Course::Own(spec),
        // Without a transaction there is nothing to end: that is known here.
        Class::Transaction if matches!(spec.name, "exec" | "discard" | "unwatch") => Course::Here,
        // What is about clients must not take everybody's connection for the caller's. And what ends a script that
        // keeps Redis busy cannot be sent on the connection that the script came on.
        class @ Class::Server
            if matches!(
                spec.name,
                "client|kill" | "client|list" | "client|unblock" | "script|kill" | "function|kill"
            ) =>
        {
            Course::Dedicated { class, voids: Voids::Nothing, place: Place::Anywhere }
        }
        Class::Read => read(world, view, spec, command),
        Class::Write => change(world, view, spec, command, Way::Write),
        Class::Publish => publish(world, view, spec, command),
        Class::Script => change(world, view, spec, command, Way::Script),
        Class::Server => {
            let (route, place) = (RouteId::PLAIN, place(view, spec, command));
            Course::Change { route, voids: voids_of_server(spec), way: Way::Write, place }
        }
        class @ (Class::Transaction | Class::PubSub | Class::Blocking | Class::Monitor) => {
            Course::Dedicated { class, voids: touches(world, spec, command).1, place: place(view, spec, command) }
        }
    }
}

/// Where a command belongs: where its first key does.
fn place<A: Arguments + ?Sized>(view: &View, spec: &Spec, command: &A) -> Place {
    if !view.is_sharded() {
        return Place::Anywhere;
    }
    let first = commands::keys(spec, command).next().and_then(|position| command.at(position.index));
    first.map_or_else(|| sharded::place_without_keys(spec, command), |key| view.place_of(key))
}

fn read<A: Arguments + ?Sized>(world: &World, view: &View, spec: &Spec, command: &A) -> Course {
    let mut keys = commands::keys(spec, command);
    let (Some(first), second) = (keys.next(), keys.next()) else {
        return Course::Read(of_nodes(RouteId::PLAIN, None, Place::Anywhere));
    };
    let key = command.at(first.index).unwrap_or_default();
    let place = view.place_of(key);
    if second.is_some() || many_verb(command).is_some() {
        return read_many(world, place, spec, command);
    }
    let route = world.route_of(key);
    let verb = world.route(route).reads_through_now().then(|| verb(command)).flatten();
    match verb {
        Some(_) => Course::Read(Read { route, way: Way::Through, verb, key: Some(first.index), place }),
        None => Course::Read(of_nodes(route, Some(first.index), place)),
    }
}

fn of_nodes(route: RouteId, key: Option<usize>, place: Place) -> Read {
    Read { route, way: Way::Nodes, verb: None, key, place }
}

fn verb<A: Arguments + ?Sized>(command: &A) -> Option<Verb> {
    Verb::of(command.at(0)?, command.count())
}

/// Also true of a command on one key that could have named more.
fn many_verb<A: Arguments + ?Sized>(command: &A) -> Option<ManyVerb> {
    ManyVerb::of(command.at(0)?, command.count())
}

/// A read of several keys is taken apart only if one of them may be answered by something else than Redis.
fn read_many<A: Arguments + ?Sized>(world: &World, place: Place, spec: &Spec, command: &A) -> Course {
    let routes =
        || commands::keys(spec, command).filter_map(|position| Some(world.route_of(command.at(position.index)?)));
    // Keys that no node is to be asked about must not be asked about in company either.
    let held = routes().find(|route| world.route(*route).is_held());
    let whole = held.or_else(|| routes().find(|route| world.route(*route).reads_through_now()));
    match (whole, many_verb(command)) {
        (Some(route), Some(verb)) => Course::ReadMany { route, verb, place },
        (_, _) => Course::Read(of_nodes(held.unwrap_or_else(|| route_of_all(routes())), None, place)),
    }
}

/// The route that all keys are on. Keys of several routes are read as those of none: what one route allows (a replica's
/// word) another may forbid.
fn route_of_all(mut routes: impl Iterator<Item = RouteId>) -> RouteId {
    let first = routes.next().unwrap_or(RouteId::PLAIN);
    if routes.all(|route| route == first) { first } else { RouteId::PLAIN }
}

fn change<A: Arguments + ?Sized>(world: &World, view: &View, spec: &'static Spec, command: &A, way: Way) -> Course {
    let (route, voids) = touches(world, spec, command);
    Course::Change { route, voids, way, place: place(view, spec, command) }
}

/// The route of the first key that has one, or of one that no node is to be asked about; and whether copies of keys
/// become void.
fn touches<A: Arguments + ?Sized>(world: &World, spec: &'static Spec, command: &A) -> (RouteId, Voids) {
    let mut route = RouteId::PLAIN;
    let mut voids = Voids::Nothing;
    for position in commands::keys(spec, command) {
        let own = world.route_of(command.at(position.index).unwrap_or_default());
        if route == RouteId::PLAIN || world.route(own).is_held() && !world.route(route).is_held() {
            route = own;
        }
        if position.access == Access::Write && is_noted(world.route(own)) {
            voids = Voids::Keys(spec);
        }
    }
    (route, voids)
}

/// A channel is no key, so that of all routes only those of invalidation take it.
fn publish<A: Arguments + ?Sized>(world: &World, view: &View, spec: &'static Spec, command: &A) -> Course {
    let route = world.route_of(command.at(1).unwrap_or_default());
    let route = if world.route(route).role == Role::Invalidation { route } else { RouteId::PLAIN };
    Course::Change { route, voids: Voids::Nothing, way: Way::Write, place: place(view, spec, command) }
}

fn voids_of_server(spec: &Spec) -> Voids {
    match spec.name {
        "flushall" | "flushdb" | "swapdb" => Voids::Everything,
        _ => Voids::Nothing,
    }
}
