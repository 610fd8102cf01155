//! The sidecar: anything that speaks Redis' protocol connects to it as if it were Redis.
//!
//! One current-thread runtime per core, each with its own listener socket (`SO_REUSEPORT`) and its own connections to
//! the nodes, so that a request never crosses threads. A further runtime does what is nobody's request: probes, the
//! admin interface, settings.

mod admin;
mod certificates;
mod descriptors;
mod listener;
pub mod reload;
mod session;
mod shared;
mod sidecar;
mod tls;
mod worker;

pub use shared::{ServerStats, Shared};
pub use sidecar::{Sidecar, StartError};
