//! Which nodes a deployment has, and which of them a request belongs to.
//!
//! A [`Deployment`] is standalone, watched over by sentinels, or a cluster. Whatever it is, a request sees a [`View`] of it:
//! shards with a primary and replicas, found by the slot of a key. What keeps views true works in the background; no
//! request asks a node about the topology itself.

pub mod address;
mod choice;
pub mod cluster;
mod deployment;
mod forbidden;
mod looks;
mod maker;
mod moved;
mod place;
mod probe_keys;
mod replies;
mod seen;
pub mod sentinel;
mod stats;
mod view;
mod watch;

pub use self::choice::Measured;
pub(crate) use self::choice::{Asked, Wish};
pub(crate) use self::deployment::Rank;
pub use self::deployment::{Deployment, Hint};
pub use self::looks::Look;
pub(crate) use self::maker::Maker;
pub use self::moved::Moved;
pub use self::place::Place;
pub use self::stats::TopologyStats;
pub use self::view::{Shard, View, Views};
pub use self::watch::NotSeen;
