//! What roles offer beyond plain commands: typed, with a rule of their own, and the same in the sidecar and the library.
//!
//! Each is a script that runs where its key is, so that its steps cannot be divided by anybody else's, and what has to be
//! true around it: whose role the key's route has, what is asked how, and what an answer that did not come means. None of
//! them is ever answered from anywhere but the primary, except a rate limit whose route says so.

pub(crate) mod count;
mod counters;
mod fence;
pub mod flag;
pub mod fleet;
pub mod idempotency;
mod lease;
pub mod limit;
mod limits;
mod line;
pub mod lock;
mod nonce;
mod refusal;
mod script;
mod share;
mod table;

use failsoft_core::role::Role;

pub use self::fence::{Fences, RESULTS};
pub use self::lease::{Grant, LONGEST_KEY};
pub use self::limits::{LimitStats, Limits};
pub use self::nonce::Nonce;
pub use self::refusal::{Kind, Refusal};
pub use self::table::MOST_KEYS;

use crate::world::{RouteId, World};

/// The route of `key`, if it has the role that `command` needs.
///
/// # Errors
/// Which role it has instead, or that it has no route.
pub(crate) fn route_for(world: &World, key: &[u8], role: Role, command: &str) -> Result<RouteId, Refusal> {
    let id = world.route_of(key);
    let route = world.route(id);
    if route.role == role && id != RouteId::PLAIN {
        return Ok(id);
    }
    let found = match id {
        RouteId::PLAIN => "no route".to_owned(),
        _ => format!("route {} with role {}", route.name, route.role),
    };
    Err(Refusal::error(format!("key is on {found}; FAILSOFT {command} needs a route with role {role}")))
}
