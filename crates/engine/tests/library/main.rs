//! The Rust library before real servers: a file a subject.
#![allow(clippy::unwrap_used)]

mod cache;
mod cancels;
mod common;
mod examples;
mod invalidations;
mod locks;
#[cfg(feature = "redis")]
mod redis_rs;
mod whole;
