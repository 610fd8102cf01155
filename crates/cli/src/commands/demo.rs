//! `failsoft demo`: the whole story on this machine, told in numbers.
//!
//! What is played is in `plan`, where it is played in `stage`; here it is started, ended and judged. The table (or the
//! JSON) goes to stdout, everything else to stderr. The exit code is for scripts: 0 every promise was kept, 1 one was
//! broken, 2 the demo could not be played, 130 somebody pressed Ctrl-C. Whatever happens, no process and no file stays.

mod aside;
mod cluster;
mod director;
mod error;
mod fill;
mod keep;
mod live;
mod load;
mod pacer;
mod page;
mod pair;
mod peak;
mod plan;
mod ports;
mod process;
mod programs;
mod progress;
mod promises;
mod reader;
mod report;
mod reshard;
mod server;
mod settings;
mod stage;
mod table;
mod tally;
mod through;
mod users;
mod watch;
mod zipf;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::report::fail;
use error::DemoError;
use plan::{Plan, Play};
use report::Report;
use stage::Stage;

const BROKEN: u8 = 1;
const INTERRUPTED: u8 = 130;

const AFTER_HELP: &str = "\
What happens: a private Redis cluster (three primaries, a replica each), a SQLite database of 10,000
users and the sidecar are started on free ports of 127.0.0.1. Some users are read far more often than
others (Zipf), at a steady rate, by an ordinary Redis client that knows nothing of clusters. Meanwhile
a primary is killed, slots move, another primary is paused, then all nodes are killed, and emptied.
The very same reads go to a plain cache-aside program beside it: a cluster client with 200 ms of
patience, then a database that can do 500 queries a second.

Promised, and checked in every phase: at least 99.9 % of the reads are answered, none wrongly, and
the database is never asked more often than its cap. A broken promise is exit code 1.

  failsoft demo                     about a minute
  failsoft demo --standalone        one primary and a replica that nobody promotes
  failsoft demo --keep              then play on: kill, pause and resume it yourself
  failsoft demo --json | jq .       for programs
How to read the table: docs/demo.md";

/// What `demo` is told.
#[derive(Debug, Clone, Copy, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct DemoArgs {
    /// How long each of the phases lasts, at least.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=600))]
    seconds: u16,
    /// Reads per second, through failsoft and as many again beside it.
    #[arg(long, value_name = "READS", default_value_t = 4000, value_parser = clap::value_parser!(u32).range(100..=50_000))]
    rate: u32,
    /// Play before one primary with a replica instead of a cluster.
    #[arg(long)]
    standalone: bool,
    /// Leave everything running after the table, and say how to poke at it, until Ctrl-C.
    #[arg(long)]
    keep: bool,
    /// Print JSON instead of the table.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: DemoArgs) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(error, "the operating system gave no runtime; look at `ulimit -n`"),
    };
    let ended = runtime.block_on(async {
        // Listened for before anything is started: a signal nobody listens for would end this process untidily.
        let mut signals = Signals::listen()?;
        tokio::select! {
            ended = perform(&args) => ended,
            () = signals.any() => Ok(ExitCode::from(INTERRUPTED)),
        }
    });
    ended.unwrap_or_else(|error| fail(&error, error.hint()))
}

async fn perform(args: &DemoArgs) -> Result<ExitCode, DemoError> {
    let play = if args.standalone { Play::Standalone } else { Play::Cluster };
    let plan = Plan { play, phase: Duration::from_secs(args.seconds.into()), rate: args.rate };
    let stage = Stage::set(play).await?;
    let (stage, report) = director::play(&plan, stage).await?;
    tell(&report, args.json).map_err(DemoError::io("write to stdout"))?;
    let code = verdict(&report, &stage);
    if args.keep {
        eprintln!("\n{}", keep::how_to_poke(&stage));
        std::future::pending::<()>().await;
    }
    Ok(code)
}

fn tell(report: &Report, json: bool) -> io::Result<()> {
    let text = if json { format!("{:#}", report.json()) } else { table::of(report) };
    writeln!(io::stdout().lock(), "{text}")
}

fn verdict(report: &Report, stage: &Stage) -> ExitCode {
    let broken = promises::broken(report);
    if broken.is_empty() {
        eprintln!("Every promise was kept in all {} phases.", report.acts.len());
        return ExitCode::SUCCESS;
    }
    for promise in &broken {
        eprintln!("error: {promise}");
    }
    eprintln!("hint: the sidecar's last words were\n{}", stage.sidecar_log_tail());
    ExitCode::from(BROKEN)
}

/// The signals that end the demo before its time.
struct Signals([Signal; 3]);

impl Signals {
    fn listen() -> Result<Self, DemoError> {
        let listen = |kind| signal(kind).map_err(DemoError::io("listen for signals"));
        Ok(Self([listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?, listen(SignalKind::hangup())?]))
    }

    async fn any(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
