//! Where the play is played: a folder with a database in it, two Redis servers, and the sidecar as a process of its own.
//!
//! Dropping it leaves nothing: processes go first (the fields' order), then the folder.

use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::error::DemoError;
use super::page::Scraper;
use super::plan::Phase;
use super::process::Process;
use super::redis_pair::RedisPair;
use super::settings::{self, Addresses};
use super::{ports, programs, users};

const LIVE_WITHIN: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);

/// Everything that runs, and where.
#[derive(Debug)]
pub(super) struct Stage {
    sidecar: Process,
    pub(super) redis: RedisPair,
    pub(super) at: Addresses,
    folder: TempDir,
}

impl Stage {
    /// Starts everything and waits until it is ready, with both caches full.
    pub(super) async fn set() -> Result<Self, DemoError> {
        // Asked first: without it there is nothing to tidy up.
        programs::find("redis-server")?;
        let folder = tempfile::Builder::new().prefix("failsoft-demo-").tempdir();
        let folder = folder.map_err(DemoError::io("make a temporary folder"))?;
        let [listen, admin, primary, replica] = ports::free()?;
        let at = Addresses { listen, admin, primary, replica };
        users::create(&folder.path().join("users.db"))?;
        let redis = RedisPair::start(folder.path(), primary, replica).await?;
        redis.fill().await?;
        let mut stage = Self { sidecar: sidecar(folder.path(), &at)?, redis, at, folder };
        stage.wait_until_live().await?;
        Ok(stage)
    }

    /// What opens a phase.
    pub(super) async fn open(&mut self, phase: Phase) -> Result<(), DemoError> {
        match phase {
            Phase::Warm | Phase::Healthy | Phase::Recovered => Ok(()),
            Phase::PrimaryKilled => self.redis.primary.kill(),
            Phase::BothKilled => self.redis.replica.kill(),
            Phase::Restarted => self.redis.restart().await,
            Phase::PrimaryPaused => self.redis.primary.pause(),
            Phase::RestoredEmpty => self.redis.empty().await,
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

    async fn wait_until_live(&mut self) -> Result<(), DemoError> {
        let scraper = Scraper::new(self.at.admin)?;
        let give_up = Instant::now() + LIVE_WITHIN;
        while !scraper.is_live().await {
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

fn sidecar(folder: &Path, at: &Addresses) -> Result<Process, DemoError> {
    let settings = settings_path(folder);
    fs::write(&settings, settings::text(at)).map_err(DemoError::io("write the sidecar's settings"))?;
    let ourselves = std::env::current_exe().map_err(DemoError::io("find this program's own path"))?;
    let arguments = [OsStr::new("serve"), OsStr::new("-c"), settings.as_os_str()];
    Process::start("the sidecar", &ourselves, &arguments, folder.join("failsoft.log"))
}

fn settings_path(folder: &Path) -> PathBuf {
    folder.join("failsoft.toml")
}
