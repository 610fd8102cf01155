//! One Redis process, running or not, in a folder of its own: started, killed, stopped, and asked.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, RedisResult, cmd};
use tokio::time::{Instant, sleep};

use super::error::DemoError;
use super::process::Process;

/// Bound on a server's way up, and on whatever it is asked, on a busy machine.
pub(super) const UP_WITHIN: Duration = Duration::from_secs(20);
/// How often it is looked whether something has come about.
pub(super) const POLL: Duration = Duration::from_millis(10);
/// The file of its snapshot.
const DATA: &str = "dump.rdb";

/// One Redis process.
#[derive(Debug)]
pub(super) struct Server {
    address: SocketAddr,
    folder: PathBuf,
    program: PathBuf,
    process: Process,
}

impl Server {
    /// Starts it with these lines beside those that every server has, and this file of a cluster's nodes if it is of one.
    /// Nothing is saved of its own accord.
    pub(super) fn launch(
        program: &Path,
        folder: PathBuf,
        address: SocketAddr,
        lines: &str,
        nodes_file: Option<&str>,
    ) -> Result<Self, DemoError> {
        let text = format!(
            "bind {}\nport {}\ndir \"{}\"\nsave \"\"\nappendonly no\nrepl-diskless-sync-delay 0\n{lines}",
            address.ip(),
            address.port(),
            folder.display()
        );
        let write = |name: &str, text: &str| fs::write(folder.join(name), text);
        let written = fs::create_dir(&folder).and_then(|()| write("redis.conf", &text));
        let written = written.and_then(|()| nodes_file.map_or(Ok(()), |nodes| write("nodes.conf", nodes)));
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

    pub(super) fn resume(&mut self) -> Result<(), DemoError> {
        self.process.resume()
    }

    /// Forgets the snapshot: what is started after this is empty.
    pub(super) fn forget(&self) -> Result<(), DemoError> {
        fs::remove_file(self.folder.join(DATA)).map_err(DemoError::io("remove the snapshot"))
    }

    /// Starts it after it was killed, without waiting for it.
    pub(super) fn start_again(&mut self) -> Result<(), DemoError> {
        self.process = run(&self.program, &self.folder)?;
        Ok(())
    }

    /// Waits until it answers with its data loaded.
    pub(super) async fn wait_until_up(&mut self) -> Result<(), DemoError> {
        let give_up = Instant::now() + UP_WITHIN;
        while self.ask::<()>(&["PING"]).await.is_err() {
            self.process.check_running()?;
            if Instant::now() >= give_up {
                let (what, log) = ("redis-server", self.process.last_words());
                return Err(DemoError::NotReady { what, seconds: UP_WITHIN.as_secs(), log });
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    /// One command and its reply, on a connection of its own.
    pub(super) async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        cmd(words[0]).arg(&words[1..]).query_async(&mut self.connection().await?).await
    }

    /// Asks until `is_so` of the reply; errors are taken for "not yet".
    pub(super) async fn until<T: FromRedisValue>(
        &self,
        what: &'static str,
        words: &[&str],
        is_so: impl Fn(T) -> bool,
    ) -> Result<(), DemoError> {
        let give_up = Instant::now() + UP_WITHIN;
        while !self.ask(words).await.is_ok_and(&is_so) {
            if Instant::now() >= give_up {
                return Err(DemoError::NotReady { what, seconds: UP_WITHIN.as_secs(), log: self.process.last_words() });
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    pub(super) async fn connection(&self) -> RedisResult<MultiplexedConnection> {
        let patience = Some(UP_WITHIN);
        let config = AsyncConnectionConfig::new().set_connection_timeout(patience).set_response_timeout(patience);
        Client::open(format!("redis://{}", self.address))?.get_multiplexed_async_connection_with_config(&config).await
    }
}

fn run(program: &Path, folder: &Path) -> Result<Process, DemoError> {
    let settings = folder.join("redis.conf");
    Process::start("redis-server", program, &[settings.as_os_str()], folder.join("redis.log"))
}
