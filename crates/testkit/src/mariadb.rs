//! A real MariaDB of its own, without durability, from a data directory made once and copied.

use std::fs;
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
use crate::scratch::{Scratch, give};
use crate::sql::{Client, Database};
use crate::template;

const INSTALL: &str = "MariaDB (Debian: apt install mariadb-server)";

/// Run at every start, and harmless the second time.
const PREPARE: &str = "CREATE DATABASE IF NOT EXISTS failsoft;\n\
    CREATE USER IF NOT EXISTS 'failsoft'@'127.0.0.1' IDENTIFIED BY 'failsoft';\n\
    GRANT ALL ON *.* TO 'failsoft'@'127.0.0.1';\n";

/// Sizes of a small test; the data directory is copied for every server, so its files are small too.
const SIZES: [&str; 2] = ["--innodb-log-file-size=4M", "--innodb-buffer-pool-size=16M"];

/// A MariaDB; what it can do is [`Database`].
#[derive(Debug)]
pub struct MariaDb(Database);

impl MariaDb {
    /// Starts it and waits until it answers.
    ///
    /// # Panics
    /// When MariaDB is not installed, or does not come up; its log is in the message.
    pub async fn start() -> Self {
        let account = Account::unless_unprivileged(&["mysql", "nobody"]);
        let scratch = Scratch::owned_by("mariadb", account.as_ref());
        let data = scratch.path().join("data");
        let version = version().await;
        template::copy(&version, account.as_ref(), &data, async |path| initialise(path, account.as_ref()).await).await;
        let port = FreePort::reserve();
        let launch = Launch {
            program: programs::find("mariadbd", INSTALL),
            arguments: arguments(scratch.path(), &port),
            account,
            directory: scratch.path().to_owned(),
            log: scratch.path().join("mariadb.log"),
        };
        let database = Database {
            process: Mutex::new(Arc::new(launch.start())),
            launch,
            client: client(&port),
            url: format!("mysql://failsoft:failsoft@{}/failsoft", port.addr()),
            stop: Signal::TERM,
            port,
            _scratch: scratch,
        };
        database.wait_until_answering().await;
        Self(database)
    }
}

impl Deref for MariaDb {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.0
    }
}

fn arguments(directory: &Path, port: &FreePort) -> Vec<String> {
    let prepare = directory.join("prepare.sql");
    fs::write(&prepare, PREPARE).expect("the temporary directory is writable");
    let at = |name: &str| directory.join(name).display().to_string();
    let placed = [
        "--no-defaults".to_owned(),
        format!("--datadir={}", at("data")),
        format!("--socket={}", at("socket")),
        format!("--pid-file={}", at("pid")),
        format!("--tmpdir={}", directory.display()),
        format!("--init-file={}", prepare.display()),
        format!("--port={}", port.number()),
    ];
    let settings = [
        "--bind-address=127.0.0.1",
        "--skip-name-resolve",
        "--skip-log-bin",
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-doublewrite=0",
        "--innodb-use-native-aio=0",
    ];
    let settings = settings.into_iter().chain(SIZES).map(str::to_owned);
    placed.into_iter().chain(settings).collect()
}

fn client(port: &FreePort) -> Client {
    let mut arguments: Vec<String> =
        ["--no-defaults", "--batch", "--raw", "--skip-column-names"].map(Into::into).into();
    arguments.extend(["--host=127.0.0.1", "--user=failsoft", "--password=failsoft"].map(Into::into));
    arguments.extend([format!("--port={}", port.number()), "failsoft".to_owned()]);
    Client { program: programs::find("mariadb", INSTALL), arguments }
}

async fn initialise(data: &Path, account: Option<&Account>) {
    fs::create_dir(data).expect("the temporary directory is writable");
    give(data, account);
    let mut command = dying_with_us(&programs::find("mariadb-install-db", INSTALL));
    command.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
    command.args(SIZES).arg(format!("--datadir={}", data.display()));
    if let Some(account) = account {
        // It changes users itself, after what only root may do.
        command.arg(format!("--user={}", account.name));
    }
    let output = run(command, "", Duration::from_secs(60)).await;
    assert!(output.status.success(), "cannot prepare MariaDB: {}{}", output.stdout, output.stderr);
}

/// Names the template, so that another version makes another one.
async fn version() -> String {
    let mut command = dying_with_us(&programs::find("mariadbd", INSTALL));
    command.args(["--no-defaults", "--version"]);
    let printed = run(command, "", Duration::from_secs(20)).await.stdout;
    let number = printed.split("Ver ").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap_or("unknown");
    format!("mariadb-{number}-1")
}
