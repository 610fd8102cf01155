//! A real Redis primary and its replica, and everything that is done to them.
//!
//! Nothing is saved on its own accord: the one snapshot is taken when both caches are full, so that "restarted" comes
//! back with data and "restored empty" without. Nobody promotes the replica: who answers while the primary is away is
//! what the demo is about.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, RedisResult, cmd};
use tokio::time::{Instant, sleep};

use super::error::DemoError;
use super::process::Process;
use super::{aside, programs, through, users};

/// Bound on a server's way up, on a busy machine.
const UP_WITHIN: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);
const DATA: &str = "dump.rdb";

/// Values live between half and one and a half minutes, so that some run out in every phase.
const SHORTEST_TTL_MS: u64 = 30_000;
const TTL_SPREAD_MS: u64 = 60_000;

/// Both servers.
#[derive(Debug)]
pub(super) struct RedisPair {
    pub(super) primary: Server,
    pub(super) replica: Server,
}

/// One Redis process, running or not, in a folder of its own.
#[derive(Debug)]
pub(super) struct Server {
    address: SocketAddr,
    folder: PathBuf,
    program: PathBuf,
    process: Process,
}

impl RedisPair {
    /// Starts both, with nothing in them.
    pub(super) async fn start(folder: &Path, primary: SocketAddr, replica: SocketAddr) -> Result<Self, DemoError> {
        let program = programs::find("redis-server")?;
        let follow = format!("replicaof {} {}\nreplica-serve-stale-data yes\n", primary.ip(), primary.port());
        let mut pair = Self {
            primary: Server::launch(&program, folder.join("primary"), primary, "")?,
            replica: Server::launch(&program, folder.join("replica"), replica, &follow)?,
        };
        pair.primary.wait_until_up().await?;
        pair.replica.wait_until_up().await?;
        Ok(pair)
    }

    /// Puts every user into both caches (failsoft's keys and those of the program beside it) and takes the snapshot.
    pub(super) async fn fill(&self) -> Result<(), DemoError> {
        self.try_fill().await.map_err(DemoError::redis("fill Redis"))
    }

    async fn try_fill(&self) -> RedisResult<()> {
        let mut connection = self.primary.connection().await?;
        for first in (1..=users::COUNT).step_by(1000) {
            let mut pipeline = redis::pipe();
            for id in first..(first + 1000).min(users::COUNT + 1) {
                let (value, ttl_ms) = (users::json(id), ttl_ms(id));
                pipeline.pset_ex(through::key(id), &value, ttl_ms).ignore();
                pipeline.pset_ex(aside::key(id), &value, ttl_ms).ignore();
            }
            pipeline.exec_async(&mut connection).await?;
        }
        let patience_ms = UP_WITHIN.as_millis() as u64;
        let _replicas_that_have_it: u32 = cmd("WAIT").arg(1).arg(patience_ms).query_async(&mut connection).await?;
        cmd("SAVE").exec_async(&mut connection).await
    }

    /// Starts both again after they were killed, with what the snapshot holds.
    pub(super) async fn restart(&mut self) -> Result<(), DemoError> {
        self.primary.start_again().await?;
        self.replica.start_again().await
    }

    /// Kills the primary and starts it with nothing in it.
    pub(super) async fn empty(&mut self) -> Result<(), DemoError> {
        self.primary.kill()?;
        fs::remove_file(self.primary.folder.join(DATA)).map_err(DemoError::io("remove the snapshot"))?;
        self.primary.start_again().await
    }
}

impl Server {
    fn launch(program: &Path, folder: PathBuf, address: SocketAddr, more: &str) -> Result<Self, DemoError> {
        let text = format!(
            "bind {}\nport {}\ndir \"{}\"\nsave \"\"\nappendonly no\nrepl-diskless-sync-delay 0\n{more}",
            address.ip(),
            address.port(),
            folder.display()
        );
        let written = fs::create_dir(&folder).and_then(|()| fs::write(folder.join("redis.conf"), text));
        written.map_err(DemoError::io("write redis.conf"))?;
        let process = run(program, &folder)?;
        Ok(Self { address, folder, program: program.to_owned(), process })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The command that starts it again by hand.
    pub(super) fn command_line(&self) -> String {
        format!("{} {}", self.program.display(), self.folder.join("redis.conf").display())
    }

    pub(super) fn kill(&mut self) -> Result<(), DemoError> {
        self.process.kill()
    }

    pub(super) fn pause(&mut self) -> Result<(), DemoError> {
        self.process.pause()
    }

    async fn start_again(&mut self) -> Result<(), DemoError> {
        self.process = run(&self.program, &self.folder)?;
        self.wait_until_up().await
    }

    async fn wait_until_up(&mut self) -> Result<(), DemoError> {
        let give_up = Instant::now() + UP_WITHIN;
        while !self.is_up().await {
            self.process.check_running()?;
            if Instant::now() >= give_up {
                let (what, log) = ("redis-server", self.process.last_words());
                return Err(DemoError::NotReady { what, seconds: UP_WITHIN.as_secs(), log });
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    async fn is_up(&self) -> bool {
        let answer = async { Cmd::new().arg("PING").exec_async(&mut self.connection().await?).await };
        answer.await.is_ok()
    }

    async fn connection(&self) -> RedisResult<MultiplexedConnection> {
        let patience = Some(UP_WITHIN);
        let config = AsyncConnectionConfig::new().set_connection_timeout(patience).set_response_timeout(patience);
        Client::open(format!("redis://{}", self.address))?.get_multiplexed_async_connection_with_config(&config).await
    }
}

fn run(program: &Path, folder: &Path) -> Result<Process, DemoError> {
    let settings = folder.join("redis.conf");
    Process::start("redis-server", program, &[settings.as_os_str()], folder.join("redis.log"))
}

/// Spread evenly and the same in every run.
fn ttl_ms(id: u32) -> u64 {
    SHORTEST_TTL_MS + u64::from(id) * 7_919 % TTL_SPREAD_MS
}
