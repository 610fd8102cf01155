//! What failsoft counts and how it is told: the primitives that the rooms count with.
//!
//! Counting must cost next to nothing where requests flow, so the primitives are plain atomics; names, labels and help
//! texts are attached only when somebody asks.

pub mod counter;
pub mod histogram;
pub mod route;
