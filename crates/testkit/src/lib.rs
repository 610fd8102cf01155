//! Development only: real servers on free loopback ports, broken on purpose.
//!
//! Every integration test of the project is written on this crate. Its tools start the real thing (Redis, alone,
//! as a cluster or under sentinels, PostgreSQL, MariaDB, the `failsoft` binary) or stand in for a bad peer (a fault proxy, a hostile server,
//! a hostile client, a counting HTTP origin), and each of them can be made to fail in one named way.
//!
//! Three promises hold throughout:
//! - **Nothing is left behind.** Dropping a handle kills and reaps its process, also while a test panics;
//!   where the kernel offers it, a killed test process takes its servers with it.
//! - **Nothing sleeps to wait for a state.** Starters return when the server answers; [`wait::eventually`]
//!   polls the rest.
//! - **A tool that cannot do its work panics with one sentence** naming what was missing, since a test
//!   helper has nobody to hand an error to. What a test may want to examine comes back as a value.
//!
//! ```no_run
//! use failsoft_testkit::{proxy::{FaultProxy, Mode}, redis::Redis};
//!
//! # async fn example() {
//! let redis = Redis::start().await;
//! let proxy = FaultProxy::start(redis.addr()).await;
//! proxy.set_mode(Mode::DropReplies).await;
//! redis.kill().await;
//! # }
//! ```

mod account;
pub mod certificates;
pub mod clock;
pub mod cluster;
mod door;
mod frame;
pub mod hostile;
pub mod http;
pub mod leases;
pub mod mariadb;
pub mod network;
pub mod origin;
pub mod port;
pub mod postgres;
mod process;
mod programs;
pub mod proxy;
pub mod redis;
mod scratch;
pub mod scripts;
pub mod sentinel;
pub mod sidecar;
pub mod sql;
mod template;
mod together;
pub mod wait;

pub use process::{Exit, Output};
