//! `failsoft explain`: says what would become of a command, and why, without connecting to anything.
//!
//! The plan comes from the function that routes (see [`failsoft::explain`]); here it is only put into words, or into
//! JSON. The exit code is 0 when there was something to explain and 2 when there was not.

mod json;
mod place;
mod text;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use failsoft::Engine;
use failsoft::explain::{Conditions, Explanation, Told, explain};
use failsoft::settings;

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
    /// Print a JSON object
    #[arg(long)]
    json: bool,
    /// The command, as a client would send it
    #[arg(required = true, value_name = "COMMAND", allow_negative_numbers = true)]
    words: Vec<OsString>,
}

const AFTER_HELP: &str = "\
Conditions:
  primary, replica   up, miss, down, silent, open, loading, busy, readonly, oom, noauth, error
  local              fresh, stale, absent
  origin             up, miss, down, timeout, open, shed
What is not said is up, and local memory holds nothing.

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
}

/// Runs the command.
pub(crate) fn run(args: ExplainArgs) -> ExitCode {
    let ExplainArgs { config, when, json, words } = args;
    let mut conditions = Conditions::default();
    for written in &when {
        if let Err(error) = conditions.set(written) {
            return fail(&error, error.hint());
        }
    }
    let settings = match settings::load(&config) {
        Ok(loaded) => loaded.settings,
        Err(problems) => {
            eprintln!("{problems}");
            return ExitCode::from(COULD_NOT);
        }
    };
    let engine = match Engine::new(settings, 1) {
        Ok(engine) => engine,
        Err(error) => return fail(error, "run `failsoft check -c FILE`: it names the line"),
    };
    let (world, _) = engine.world();
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_encoded_bytes()).collect();
    let explanation = explain(&world, &words, &conditions);
    if matches!(explanation.told, Told::WrongArity) {
        return refuse_arity(&explanation, &words);
    }
    let lines = lines_of_routes(&config);
    let explained = Explained { file: &config, lines: &lines, words: &words, when: &when, explanation: &explanation };
    match print(&explained, json) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_stdout_is_gone) => ExitCode::from(COULD_NOT),
    }
}

fn print(explained: &Explained<'_>, as_json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match as_json {
        true => writeln!(out, "{:#}", json::of(explained)),
        false => out.write_all(text::of(explained).as_bytes()),
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
