//! What failsoft counts and how it is told.
//!
//! Counting must cost next to nothing where requests flow, so the primitives ([`counter`], [`histogram`]) are plain
//! atomics in the rooms that count. Names, labels and help texts stand in one [`catalogue`] and are attached only when
//! somebody asks: as Prometheus' text by the [`exposition`], as a tree for people and programs by [`state`].

pub mod catalogue;
pub mod counter;
pub mod exposition;
pub mod figures;
pub mod histogram;
pub mod readiness;
mod reference;
pub mod route;
pub mod state;
pub mod tally;
#[cfg(test)]
mod tests;
mod totals;

pub use reference::reference;

/// Which failsoft this is.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
