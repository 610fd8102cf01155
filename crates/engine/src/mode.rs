//! The modes of routes: read at the beginning of every request, switched by operators while requests flow.
//!
//! Each route has a [`ModeSwitch`], one byte, shared by the worlds in which the route goes by the same name: so what was
//! switched at run time survives a reload, unless that changes the setting itself. A request goes by the mode that it
//! began with. Every switch is told in the log, with who did it, and counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};

use failsoft_core::mode::Mode;
use failsoft_core::role::Role;
use thiserror::Error;

use crate::route::Route;
use crate::settings::nearest::nearest;
use crate::settings::why_only_redis;
use crate::world::World;

/// The mode of one route.
#[derive(Debug)]
pub struct ModeSwitch(AtomicU8);

/// What somebody wants switched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// To which mode.
    pub mode: Mode,
    /// Of which route; of all that may have the mode if none is named.
    pub route: Option<String>,
}

/// What has come of a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switched {
    /// Routes that have the mode now.
    pub routes: usize,
    /// Routes that had another before.
    pub changed: usize,
}

/// Why a wish is not fulfilled.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SwitchError {
    /// There is no such route.
    #[error("there is no route '{written}'{}", guess(.nearest.as_deref()))]
    NoRoute {
        /// What was written.
        written: String,
        /// What was probably meant.
        nearest: Option<String>,
    },
    /// Plain Redis is as it is.
    #[error("'{0}' stands for the keys that no route takes, which go to Redis as they are: it has no mode")]
    Plain(String),
    /// Nothing but Redis may answer for the route's keys.
    #[error("route {route} cannot be origin-only, for its role is {role}: {why}")]
    FailsClosed {
        /// The route.
        route: String,
        /// Its role.
        role: Role,
        /// A sentence.
        why: &'static str,
    },
    /// No route may have the mode.
    #[error("no route can be {0}: there is none whose keys anything but Redis may answer for")]
    NoneMay(Mode),
}

fn guess(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean '{name}'?"))
}

impl ModeSwitch {
    /// In this mode.
    pub fn new(mode: Mode) -> Self {
        Self(AtomicU8::new(mode as u8))
    }

    /// The present mode.
    #[inline]
    pub fn get(&self) -> Mode {
        let [auto, origin_only, pass_through] = Mode::ALL;
        match self.0.load(Ordering::Relaxed) {
            byte if byte == origin_only as u8 => origin_only,
            byte if byte == pass_through as u8 => pass_through,
            _ => auto,
        }
    }

    fn swap(&self, mode: Mode) -> Mode {
        let before = Self(AtomicU8::new(self.0.swap(mode as u8, Ordering::Relaxed)));
        before.get()
    }
}

/// Why routes of `role` may not be in `mode`, in one sentence; `None` if they may.
pub fn why_not(mode: Mode, role: Role) -> Option<&'static str> {
    match mode {
        Mode::OriginOnly => why_only_redis(role),
        Mode::Auto | Mode::PassThrough => None,
    }
}

/// The listed routes with their modes, first listed first.
pub fn modes(world: &World) -> impl Iterator<Item = (&str, Mode)> {
    listed(world).map(|route| (&*route.name, route.mode.get()))
}

fn listed(world: &World) -> impl Iterator<Item = &Route> {
    let routes = world.routes().map(|(_, route)| route);
    routes.filter(|route| !std::ptr::eq(*route, world.plain()))
}

/// Fulfils `wish` for `who`, in words for the log.
///
/// # Errors
/// Why nothing was switched.
pub fn switch(world: &World, wish: &Wish, who: &str) -> Result<Switched, SwitchError> {
    let routes: Vec<&Route> = match &wish.route {
        Some(name) => vec![named(world, name, wish.mode)?],
        None => listed(world).filter(|route| why_not(wish.mode, route.role).is_none()).collect(),
    };
    if routes.is_empty() {
        return Err(SwitchError::NoneMay(wish.mode));
    }
    let changed = routes.iter().filter(|route| set(route, wish.mode, who)).count();
    Ok(Switched { routes: routes.len(), changed })
}

/// The listed route of this name.
///
/// # Errors
/// Why there is none.
pub fn find<'w>(world: &'w World, name: &str) -> Result<&'w Route, SwitchError> {
    if *world.plain().name == *name {
        return Err(SwitchError::Plain(name.to_owned()));
    }
    listed(world).find(|route| *route.name == *name).ok_or_else(|| {
        let nearest = nearest(name, listed(world).map(|route| &*route.name)).map(str::to_owned);
        SwitchError::NoRoute { written: name.to_owned(), nearest }
    })
}

fn named<'w>(world: &'w World, name: &str, mode: Mode) -> Result<&'w Route, SwitchError> {
    let route = find(world, name)?;
    match why_not(mode, route.role) {
        Some(why) => Err(SwitchError::FailsClosed { route: name.to_owned(), role: route.role, why }),
        None => Ok(route),
    }
}

/// Whether it was in another before.
fn set(route: &Route, mode: Mode, who: &str) -> bool {
    let before = route.mode.swap(mode);
    tell(route, before, mode, who);
    before != mode
}

/// Tells of the routes whose modes a reload has changed.
pub(crate) fn tell_reloaded(before: &World, after: &World) {
    let known: BTreeMap<&str, Mode> = modes(before).collect();
    for route in listed(after) {
        let was = known.get(&*route.name).copied().unwrap_or_default();
        tell(route, was, route.mode.get(), "settings");
    }
}

fn tell(route: &Route, from: Mode, to: Mode, who: &str) {
    if from != to {
        route.stats.handle_mode_changed();
        tracing::warn!(route = %route.name, %from, %to, who, "the mode of a route was switched");
    }
}
