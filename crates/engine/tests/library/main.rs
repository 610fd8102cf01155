//! The Rust library before real servers: a file a subject.
#![allow(clippy::unwrap_used)]

mod cache;
mod cancels;
#[cfg(feature = "redis")]
mod cluster;
mod common;
mod examples;
mod flags;
mod invalidations;
mod limiter;
mod locks;
#[cfg(feature = "redis")]
mod redis_rs;
mod whole;
