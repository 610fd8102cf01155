//! The table of roles: what every role answers to every class of commands in every condition of Redis, and what becomes of
//! the data.
//!
//! A [`Stage`](stage::Stage) is real servers in one [`Condition`], and a sidecar before them with one route for each
//! [`Role`]. Each [`Class`] of commands is asked of each role on keys of its own, all at once; then Redis is healed, and
//! what it holds is looked at. What comes of that are [`Cell`]s. They have to agree with the page, and, whatever the page
//! says, with [`rules`](rules::complaints) that are written by hand.
#![allow(clippy::unwrap_used, unreachable_pub)]

pub mod asking;
pub mod cell;
pub mod class;
pub mod condition;
pub mod data;
pub mod page;
pub mod reply;
pub mod role;
pub mod rules;
pub mod stage;

pub use cell::{Cell, Effect, Truth};
pub use class::Class;
pub use condition::Condition;
pub use reply::Reply;
pub use role::Role;
