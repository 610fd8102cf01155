//! A real Redis primary and its replica, and everything that is done to them.
//!
//! The one snapshot is taken when both caches are full, so that "restarted" comes back with data and "restored empty"
//! without. Nobody promotes the replica: who answers while the primary is away is what this play is about.

use std::net::SocketAddr;
use std::path::Path;

use redis::{RedisResult, cmd};

use super::error::DemoError;
use super::fill;
use super::plan::Deed;
use super::programs;
use super::server::{Server, UP_WITHIN};
use super::users;

/// Both servers.
#[derive(Debug)]
pub(super) struct Pair {
    primary: Server,
    replica: Server,
}

impl Pair {
    /// Starts both, and puts every user into both caches.
    pub(super) async fn start(folder: &Path, [primary, replica]: [SocketAddr; 2]) -> Result<Self, DemoError> {
        let program = programs::find("redis-server")?;
        let follow = format!("replicaof {} {}\nreplica-serve-stale-data yes\n", primary.ip(), primary.port());
        let mut pair = Self {
            primary: Server::launch(&program, folder.join("primary"), primary, "", None)?,
            replica: Server::launch(&program, folder.join("replica"), replica, &follow, None)?,
        };
        pair.primary.wait_until_up().await?;
        pair.replica.wait_until_up().await?;
        pair.fill().await.map_err(DemoError::redis("fill Redis"))?;
        Ok(pair)
    }

    async fn fill(&self) -> RedisResult<()> {
        let mut connection = self.primary.connection().await?;
        fill::put(&mut connection, &fill::keys(1..=users::COUNT)).await?;
        let patience_ms = UP_WITHIN.as_millis() as u64;
        let _replicas_that_have_it: u32 = cmd("WAIT").arg(1).arg(patience_ms).query_async(&mut connection).await?;
        cmd("SAVE").exec_async(&mut connection).await
    }

    pub(super) async fn suffer(&mut self, deed: Deed) -> Result<(), DemoError> {
        match deed {
            // There is one owner of everything.
            Deed::Nothing | Deed::MoveSlots => Ok(()),
            Deed::KillPrimary => self.primary.kill(),
            Deed::PausePrimary => self.primary.pause(),
            Deed::KillRest => self.replica.kill(),
            Deed::Restart => {
                start_again(&mut self.primary).await?;
                start_again(&mut self.replica).await
            }
            Deed::Empty => {
                self.primary.kill()?;
                self.primary.forget()?;
                start_again(&mut self.primary).await
            }
        }
    }

    /// Both, with what they are.
    pub(super) fn servers(&self) -> Vec<(&'static str, &Server)> {
        vec![("primary", &self.primary), ("replica", &self.replica)]
    }
}

async fn start_again(server: &mut Server) -> Result<(), DemoError> {
    server.start_again()?;
    server.wait_until_up().await
}
