//! Where the play is played: a folder with a database in it, Redis, and the sidecar as a process of its own.
//!
//! Dropping it leaves nothing: processes go first (the fields' order), then the folder.

use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::cluster::Cluster;
use super::error::DemoError;
use super::page::Scraper;
use super::pair::Pair;
use super::plan::{Deed, Play};
use super::process::Process;
use super::server::Server;
use super::settings::{self, Addresses};
use super::{ports, programs, users};

const LIVE_WITHIN: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);

/// Everything that runs, and where.
#[derive(Debug)]
pub(super) struct Stage {
    sidecar: Process,
    redis: Redis,
    pub(super) at: Addresses,
    folder: TempDir,
}

/// The Redis that things happen to.
#[derive(Debug)]
enum Redis {
    Cluster(Cluster),
    Pair(Box<Pair>),
}

impl Stage {
    /// Starts everything and waits until it is ready, with both caches full.
    pub(super) async fn set(play: Play) -> Result<Self, DemoError> {
        // Asked first: without it there is nothing to tidy up.
        programs::find("redis-server")?;
        let folder = tempfile::Builder::new().prefix("failsoft-demo-").tempdir();
        let folder = folder.map_err(DemoError::io("make a temporary folder"))?;
        let found = ports::free(2 + play.addresses())?;
        let at = Addresses { listen: found[0], admin: found[1], redis: found[2..].to_vec() };
        users::create(&folder.path().join("users.db"))?;
        let redis = match play {
            Play::Cluster => Redis::Cluster(Cluster::start(folder.path(), &at.redis).await?),
            Play::Standalone => Redis::Pair(Box::new(Pair::start(folder.path(), [at.redis[0], at.redis[1]]).await?)),
        };
        let mut stage = Self { sidecar: sidecar(folder.path(), &at, play)?, redis, at, folder };
        stage.wait_until_live().await?;
        Ok(stage)
    }

    /// What opens a phase.
    pub(super) async fn open(&mut self, deed: Deed) -> Result<(), DemoError> {
        match &mut self.redis {
            Redis::Cluster(cluster) => cluster.suffer(deed).await,
            Redis::Pair(pair) => pair.suffer(deed).await,
        }
    }

    /// Every Redis server, with what it was at the beginning.
    pub(super) fn servers(&self) -> Vec<(&'static str, &Server)> {
        match &self.redis {
            Redis::Cluster(cluster) => cluster.servers(),
            Redis::Pair(pair) => pair.servers(),
        }
    }

    pub(super) fn database(&self) -> PathBuf {
        self.folder.path().join("users.db")
    }

    pub(super) fn admin(&self) -> SocketAddr {
        self.at.admin
    }

    pub(super) fn settings_path(&self) -> PathBuf {
        settings_path(self.folder.path())
    }

    pub(super) fn sidecar_log_path(&self) -> &Path {
        self.sidecar.log_path()
    }

    pub(super) fn sidecar_log_tail(&self) -> String {
        self.sidecar.last_words()
    }

    /// An error if the sidecar has ended.
    pub(super) fn check_sidecar(&mut self) -> Result<(), DemoError> {
        self.sidecar.check_running()
    }

    /// It serves, and knows its Redis.
    async fn wait_until_live(&mut self) -> Result<(), DemoError> {
        let scraper = Scraper::new(self.at.admin)?;
        let give_up = Instant::now() + LIVE_WITHIN;
        while scraper.figures().await.is_none_or(|figures| figures.is_redis_trusted != Some(true)) {
            self.check_sidecar()?;
            if Instant::now() >= give_up {
                let (what, log) = ("the sidecar", self.sidecar_log_tail());
                return Err(DemoError::NotReady { what, seconds: LIVE_WITHIN.as_secs(), log });
            }
            sleep(POLL).await;
        }
        Ok(())
    }
}

fn sidecar(folder: &Path, at: &Addresses, play: Play) -> Result<Process, DemoError> {
    let settings = settings_path(folder);
    fs::write(&settings, settings::text(at, play)).map_err(DemoError::io("write the sidecar's settings"))?;
    let ourselves = std::env::current_exe().map_err(DemoError::io("find this program's own path"))?;
    let arguments = [OsStr::new("serve"), OsStr::new("-c"), settings.as_os_str()];
    Process::start("the sidecar", &ourselves, &arguments, folder.join("failsoft.log"))
}

fn settings_path(folder: &Path) -> PathBuf {
    folder.join("failsoft.toml")
}
