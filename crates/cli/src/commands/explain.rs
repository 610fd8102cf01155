//! `failsoft explain`: says what would become of a command, and why.
//!
//! The plan comes from the function that routes (see [`failsoft::explain`]); here it is only put into words, or into
//! JSON. Nothing is connected to, but for one look at a deployment that is more than its settings say. The exit code is 0
//! when there was something to explain and 2 when there was not.

mod json;
mod look;
mod place;
mod shard;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use failsoft::Engine;
use failsoft::explain::text::{self, Scenery};
use failsoft::explain::{Conditions, Explanation, Located, Told, explain};
use failsoft::settings;

use self::look::{Asked, Looked};
use self::place::lines_of_routes;
use crate::report::{COULD_NOT, fail};

/// What `explain` is told.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ExplainArgs {
    /// The settings file
    #[arg(short, long, value_name = "FILE", default_value = "failsoft.toml")]
    config: PathBuf,
    /// How a tier is taken to be; may be given for each tier
    #[arg(short, long, value_name = "TIER=CONDITION")]
    when: Vec<String>,
    /// Do not look at the real cluster or sentinels: explain what the settings alone say
    #[arg(long)]
    offline: bool,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
    /// The command, as a client would send it
    #[arg(required = true, value_name = "COMMAND", allow_negative_numbers = true)]
    words: Vec<OsString>,
}

const AFTER_HELP: &str = "\
Conditions:
  primary, replica,  up, miss, down, silent, open, loading, busy, readonly, oom, noauth, error,
  regional           moved, ask; replica and regional also lagging
  local              fresh, stale, absent
  origin             up, miss, down, timeout, open, shed
What is not said is up, and local memory holds nothing.
Whom a key belongs to in a cluster, or behind sentinels, is found out by asking them once.

  failsoft explain -c failsoft.toml GET user:42 --when primary=down --when local=stale";

/// What is explained, with what it was explained from.
struct Explained<'e> {
    /// The settings file.
    file: &'e Path,
    /// The line of each route in it.
    lines: &'e [usize],
    /// The command.
    words: &'e [&'e [u8]],
    /// What was written after `--when`.
    when: &'e [String],
    /// What would become of it.
    explanation: &'e Explanation<'e>,
    /// What is known of the nodes that it names.
    looked: &'e Looked,
}

impl Scenery for Explained<'_> {
    fn source(&self, place: usize) -> Option<String> {
        let line = self.lines.get(place).map_or_else(String::new, |line| format!(":{line}"));
        Some(format!("{}{line}", self.file.display()))
    }

    /// Nothing where one primary with its replicas is all that the settings name.
    fn shard(&self, located: Option<&Located>) -> Vec<String> {
        match self.looked.asked {
            Asked::Needless => Vec::new(),
            Asked::Offline | Asked::Understood | Asked::InVain(_) => {
                shard::lines(&self.explanation.view, located, self.looked)
            }
        }
    }

    fn shards(&self) -> Vec<Vec<String>> {
        let view = &self.explanation.view;
        view.shards().iter().map(|told| shard::lines_of(view, told, self.looked)).collect()
    }
}

/// Runs the command.
pub(crate) fn run(args: &ExplainArgs) -> ExitCode {
    prepare(args).and_then(|(conditions, engine)| perform(args, &conditions, &engine)).unwrap_or_else(|failed| failed)
}

/// What is needed first; or what has been said already, as an exit code.
fn prepare(args: &ExplainArgs) -> Result<(Conditions, Engine), ExitCode> {
    let mut conditions = Conditions::default();
    for written in &args.when {
        conditions.set(written).map_err(|error| fail(&error, error.hint()))?;
    }
    let loaded = settings::load(&args.config).map_err(|problems| {
        eprintln!("{problems}");
        ExitCode::from(COULD_NOT)
    })?;
    let engine = Engine::new(loaded.settings, 1);
    let engine = engine.map_err(|error| fail(error, "run `failsoft check -c FILE`: it names the line"))?;
    Ok((conditions, engine))
}

fn perform(args: &ExplainArgs, conditions: &Conditions, engine: &Engine) -> Result<ExitCode, ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| fail(error, "the operating system gave no runtime; look at `ulimit -n`"))?;
    let mut looked = Looked::before_any(engine);
    if !args.offline {
        runtime.block_on(looked.look(engine));
    }
    let (world, _) = engine.world();
    let words: Vec<&[u8]> = args.words.iter().map(|word| word.as_encoded_bytes()).collect();
    let explanation = explain(&world, &words, conditions);
    if matches!(explanation.told, Told::WrongArity) {
        return Err(refuse_arity(&explanation, &words));
    }
    if looked.has_asked() {
        runtime.block_on(looked.greet(shard::nodes_of(&explanation)));
    }
    let (file, lines, when) = (args.config.as_path(), &lines_of_routes(&args.config), &args.when);
    let (words, explanation, looked) = (&words, &explanation, &looked);
    let explained = Explained { file, lines, words, when, explanation, looked };
    print(&explained, args.json).map_err(|_stdout_is_gone| ExitCode::from(COULD_NOT))?;
    Ok(ExitCode::SUCCESS)
}

fn print(explained: &Explained<'_>, as_json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match as_json {
        true => writeln!(out, "{:#}", json::of(explained)),
        false => {
            let Explained { words, when, explanation, .. } = *explained;
            let text = text::of(&text::Explained { words, when, explanation, scenery: explained });
            out.write_all(text.as_bytes())
        }
    }
}

fn refuse_arity(explanation: &Explanation<'_>, words: &[&[u8]]) -> ExitCode {
    let name = text::name_of(explanation, words);
    let arity = explanation.spec.map_or(0, |spec| spec.arity);
    let wanted = usize::from(arity.unsigned_abs()).saturating_sub(1);
    let wanted = match (arity < 0, wanted) {
        (true, _) => format!("at least {wanted}"),
        (false, 0) => "none".to_owned(),
        (false, _) => format!("{wanted}"),
    };
    let hint = format!("{name} takes {wanted}; a client that sends this is refused by Redis, in its words");
    fail(format_args!("wrong number of arguments for {name}"), hint)
}
