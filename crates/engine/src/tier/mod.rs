//! The tiers that are not Redis nodes: this process' memory, and where values are made: the origins, or the callers.

pub mod aside;
mod gate;
pub mod local;
pub mod origin;
