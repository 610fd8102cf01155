//! The telemetry as its readers meet it: a whole world told, held against the catalogue and against Prometheus' own
//! tool.

#![allow(clippy::unwrap_used)]

mod alerts;
mod files;
mod page;
mod promtool;
mod world;
