//! failsoft keeps services answering when Redis is slow, full, moving, split or gone.
//!
//! This crate carries out what `failsoft-core` decides: connections to nodes, the local tier, origins, settings and
//! telemetry. The sidecar is built on it; a Rust program may use it directly.
//!
//! A request is a [`job`]: the pure machine of the core with the bytes it must not know. A job runs in a [`world`]
//! (everything known as of one version of the settings), asks [`node`]s and [`tier`]s, and ends in a reply.

pub mod apology;
pub mod assemble;
pub mod caller;
pub mod classify;
pub mod client;
pub mod clock;
pub mod context;
pub mod delivery;
pub mod engine;
mod errand;
pub mod explain;
pub mod facts;
pub mod gather;
pub mod gauge;
pub mod health;
pub mod job;
pub mod journal;
pub mod listening;
pub mod mode;
pub mod node;
pub mod origin;
pub mod own;
pub mod primitive;
pub mod publishing;
pub mod route;
pub mod runner;
pub mod scatter;
pub mod settings;
pub mod shutdown;
pub mod stand_in;
pub mod telemetry;
pub mod tier;
pub mod tls;
pub mod topology;
pub mod touched;
pub mod tracking;
pub mod value;
pub mod verb;
pub mod wire;
mod words;
pub mod world;
pub mod write_back;

pub use engine::Engine;
