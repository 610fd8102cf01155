//! Peers that misbehave by script: a server to put behind a proxy under test, and a client to put before it.

mod client;
mod script;
mod server;

pub use client::{Closed, HostileClient, HowClosed};
pub use script::{Act, Script};
pub use server::HostileServer;
