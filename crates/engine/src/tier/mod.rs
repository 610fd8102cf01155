//! The tiers that are not Redis nodes: this process' memory, and the origins.

pub mod local;
pub mod origin;
