//! A real PostgreSQL of its own, without durability, from a data directory made once and copied.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::process::Signal;

use crate::account::Account;
use crate::port::FreePort;
use crate::process::{Launch, dying_with_us, run};
use crate::programs;
use crate::scratch::Scratch;
use crate::sql::{Client, Database};
use crate::template;

const INSTALL: &str = "PostgreSQL (Debian: apt install postgresql)";

/// Everything a test can lose anyway is switched off; the sizes are those of a small test.
const SETTINGS: [&str; 8] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "shared_buffers=16MB",
    "max_wal_senders=0",
    "wal_level=minimal",
];

/// A PostgreSQL; what it can do is [`Database`].
#[derive(Debug)]
pub struct Postgres(Database);

impl Postgres {
    /// Starts it and waits until it answers.
    ///
    /// # Panics
    /// When PostgreSQL is not installed, or does not come up; its log is in the message.
    pub async fn start() -> Self {
        let account = Account::unless_unprivileged(&["postgres", "nobody"]);
        let scratch = Scratch::owned_by("postgres", account.as_ref());
        let data = scratch.path().join("data");
        let version = version().await;
        template::copy(&version, account.as_ref(), &data, async |path| initialise(path, account.as_ref()).await).await;
        let port = FreePort::reserve();
        let url = format!("postgres://postgres@{}/failsoft", port.addr());
        let launch = Launch {
            program: program("postgres"),
            arguments: arguments(&data, &port),
            account,
            directory: scratch.path().to_owned(),
            log: scratch.path().join("postgres.log"),
        };
        let database = Database {
            process: Mutex::new(Arc::new(launch.start())),
            launch,
            client: client(&url),
            url,
            stop: Signal::INT,
            port,
            _scratch: scratch,
        };
        database.wait_until_answering().await;
        Self(database)
    }
}

impl Deref for Postgres {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.0
    }
}

fn arguments(data: &Path, port: &FreePort) -> Vec<String> {
    let fixed = ["-D".to_owned(), data.display().to_string(), "-p".to_owned(), port.number().to_string()];
    let settings = SETTINGS.iter().flat_map(|setting| ["-c".to_owned(), (*setting).to_owned()]);
    fixed.into_iter().chain(settings).collect()
}

fn client(url: &str) -> Client {
    let options = ["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--field-separator=\t"];
    let more = ["--set=ON_ERROR_STOP=1", "--dbname", url];
    Client {
        program: program("psql"),
        arguments: options.iter().chain(&more).map(|argument| (*argument).to_owned()).collect(),
    }
}

/// Makes a data directory with a database `failsoft` and a user `postgres` nobody asks for a password.
async fn initialise(data: &Path, account: Option<&Account>) {
    let mut command = dying_with_us(&program("initdb"));
    command.args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C"]);
    // Small log segments make a small directory, which every server has to copy.
    command.args(["--no-instructions", "--wal-segsize=1", "-D"]).arg(data);
    run_as(command, account, "").await;
    let mut single = dying_with_us(&program("postgres"));
    single.arg("--single").arg("-D").arg(data).args(["-c", "fsync=off", "postgres"]);
    run_as(single, account, "CREATE DATABASE failsoft\n").await;
}

async fn run_as(mut command: std::process::Command, account: Option<&Account>, input: &str) {
    if let Some(account) = account {
        account.apply(&mut command);
    }
    // Somewhere any user may be.
    command.current_dir("/");
    let output = run(command, input, Duration::from_secs(60)).await;
    assert!(output.status.success(), "cannot prepare PostgreSQL: {}{}", output.stdout, output.stderr);
}

/// Names the template, so that another version makes another one.
async fn version() -> String {
    let mut command = dying_with_us(&program("initdb"));
    command.arg("--version");
    let printed = run(command, "", Duration::from_secs(20)).await.stdout;
    let number = printed.split_whitespace().nth(2).unwrap_or("unknown");
    format!("postgres-{number}-1")
}

/// PostgreSQL's programs are taken from the directory of `initdb`: a lone `postgres` may be of another version.
fn program(name: &str) -> std::path::PathBuf {
    let initdb = programs::find("initdb", INSTALL);
    let beside = initdb.with_file_name(name);
    if beside.is_file() { beside } else { programs::find(name, INSTALL) }
}
