//! FAILSOFT: the commands that no Redis has, for any client and for the library.
//!
//! A command is read into an [`OwnCommand`], whole, before anything of it is done, and then [run](run()) where any job is
//! run. What it needs to know of whoever asks comes with the [`Asker`]; nothing here knows of sessions or sockets. Errors
//! are in Redis' style.
//!
//! A subcommand is a row in the table of commands of `failsoft-resp` (so that rules for users, keys and denied commands
//! hold for it, and so that it is known whether it takes a key), a file here with what it reads and does, a variant of
//! [`OwnCommand`], an arm in [`parse`](OwnCommand::parse) and in [`run`](run()), and its lines in `help`.

mod error;
mod explain;
mod flag;
mod help;
mod idempotency;
mod last;
mod lease_words;
mod limit;
mod lock;
mod mode;
mod state;

use std::sync::Arc;

use failsoft_resp::commands::{self, Arguments, Flags, Spec};
use failsoft_resp::encode::{self, Protocol};

pub use self::error::ParseError;
pub use self::explain::Subject;
pub use self::flag::FlagCommand;
pub use self::idempotency::RecordCommand;
pub use self::limit::LimitCommand;
pub use self::lock::LockCommand;
pub use self::mode::ModeCommand;
use crate::context::Context;
use crate::engine::Engine;
use crate::facts::{Answered, Facts};
use crate::telemetry::figures::ServerFigures;

/// One of failsoft's own commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnCommand {
    /// `FAILSOFT EXPLAIN <command...>`
    Explain(Subject),
    /// `FAILSOFT FLAG name [default]`
    Flag(FlagCommand),
    /// `FAILSOFT HELP`
    Help,
    /// `FAILSOFT LAST`
    Last,
    /// `FAILSOFT LIMIT key rate period [burst] [cost]`
    Limit(LimitCommand),
    /// `FAILSOFT LOCK`, `EXTEND`, `UNLOCK`
    Lock(LockCommand),
    /// `FAILSOFT MODE [mode] [ROUTE name]`
    Mode(ModeCommand),
    /// `FAILSOFT BEGIN`, `COMMIT`, `ABORT`
    Record(RecordCommand),
    /// `FAILSOFT STATE`
    State,
}

/// Whoever asks.
pub struct Asker {
    /// What is to be told of.
    pub engine: Arc<Engine>,
    /// In which protocol it is answered.
    pub protocol: Protocol,
    /// What is known of the last answer to it.
    pub last: Facts,
    /// Who it is, in words for the log.
    pub who: String,
    /// What the engine does not know of the sidecar around it, if there is one.
    pub figures: Option<ServerFigures>,
}

impl OwnCommand {
    /// Reads a command whose first word is FAILSOFT.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse<A: Arguments + ?Sized>(command: &A) -> Result<Self, ParseError> {
        match spec_of(command)?.name {
            "failsoft|abort" => RecordCommand::read_abort(command).map(Self::Record),
            "failsoft|begin" => RecordCommand::read_begin(command).map(Self::Record),
            "failsoft|commit" => RecordCommand::read_commit(command).map(Self::Record),
            "failsoft|explain" => Ok(Self::Explain(Subject::read(command))),
            "failsoft|extend" => LockCommand::read_extend(command).map(Self::Lock),
            "failsoft|flag" => FlagCommand::read(command).map(Self::Flag),
            "failsoft|help" => Ok(Self::Help),
            "failsoft|last" => Ok(Self::Last),
            "failsoft|limit" => LimitCommand::read(command).map(Self::Limit),
            "failsoft|lock" => LockCommand::read_lock(command).map(Self::Lock),
            "failsoft|mode" => ModeCommand::read(command).map(Self::Mode),
            "failsoft|state" => Ok(Self::State),
            "failsoft|unlock" => LockCommand::read_unlock(command).map(Self::Lock),
            name => Err(ParseError::Unknown(name.to_owned())),
        }
    }

    /// The one key that it is about, if there is one and nothing else: it neither asks about the client's other commands
    /// nor changes what becomes of them.
    pub fn key(&self) -> Option<&[u8]> {
        match self {
            Self::Flag(command) => Some(command.key()),
            Self::Limit(command) => Some(command.key()),
            Self::Lock(command) => Some(command.key()),
            Self::Record(command) => Some(command.key()),
            Self::Explain(_) | Self::Help | Self::Last | Self::Mode(_) | Self::State => None,
        }
    }
}

/// The command's row, if it has as many arguments as that says.
fn spec_of<A: Arguments + ?Sized>(command: &A) -> Result<&'static Spec, ParseError> {
    let (name, word) = (command.at(0).unwrap_or_default(), command.at(1));
    let spec = commands::lookup(name, word).ok_or_else(|| ParseError::unknown(word.unwrap_or_default()))?;
    let is_whole = !spec.flags.contains(Flags::CONTAINER) && commands::arity_ok(spec, command.count());
    if is_whole { Ok(spec) } else { Err(ParseError::Arity(spec.name)) }
}

/// Runs `command` where a request is carried out.
pub async fn run(context: &Context, command: OwnCommand, asker: &Asker) -> Answered {
    match command {
        OwnCommand::Explain(subject) => subject.answer(context).into(),
        OwnCommand::Flag(command) => command.answer(context, asker.protocol).await.into(),
        OwnCommand::Help => help::answer().into(),
        OwnCommand::Last => last::answer(&asker.last, asker.protocol).into(),
        OwnCommand::Limit(command) => command.answer(context).await.into(),
        OwnCommand::Lock(command) => Box::pin(command.answer(context, asker.protocol)).await.into(),
        OwnCommand::Mode(command) => command.answer(asker).into(),
        OwnCommand::Record(command) => Box::pin(command.answer(context)).await.into(),
        OwnCommand::State => state::answer(&asker.engine, asker.figures.as_ref()).into(),
    }
}

/// Appends pairs of texts.
fn encode_map(pairs: &[(&str, &str)], protocol: Protocol, out: &mut Vec<u8>) {
    encode::map_header(out, pairs.len(), protocol);
    for (name, value) in pairs {
        encode::bulk(out, name.as_bytes());
        encode::bulk(out, value.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mode::Wish;
    use failsoft_core::mode::Mode;

    const SYNTAX: &str = "ERR syntax error: it is FAILSOFT MODE [auto|origin-only|pass-through] [ROUTE name]";

    fn parsed(call: &str) -> Result<OwnCommand, String> {
        let words: Vec<&str> = call.split(' ').collect();
        OwnCommand::parse(&words[..]).map_err(|error| error.to_string())
    }

    #[test]
    fn commands_are_read_in_any_case() {
        assert_eq!(parsed("failsoft LAST"), Ok(OwnCommand::Last));
        assert_eq!(parsed("FAILSOFT state"), Ok(OwnCommand::State));
        let switch = |mode, route: Option<&str>| {
            Ok(OwnCommand::Mode(ModeCommand::Switch(Wish { mode, route: route.map(str::to_owned) })))
        };
        assert_eq!(parsed("FAILSOFT MODE"), Ok(OwnCommand::Mode(ModeCommand::Tell(None))));
        assert_eq!(parsed("FAILSOFT MODE route x"), Ok(OwnCommand::Mode(ModeCommand::Tell(Some("x".to_owned())))));
        assert_eq!(parsed("FAILSOFT MODE Origin-Only"), switch(Mode::OriginOnly, None));
        assert_eq!(parsed("FAILSOFT MODE auto ROUTE x"), switch(Mode::Auto, Some("x")));
    }

    #[test]
    fn what_cannot_be_read_is_refused_in_the_style_of_redis() {
        for (call, error) in [
            ("FAILSOFT", "ERR wrong number of arguments for 'failsoft' command"),
            ("FAILSOFT LAST now", "ERR wrong number of arguments for 'failsoft|last' command"),
            ("FAILSOFT EXPLAIN", "ERR wrong number of arguments for 'failsoft|explain' command"),
            ("FAILSOFT MODE fast", "ERR 'fast' is no mode: there are auto, origin-only and pass-through"),
            ("FAILSOFT MODE auto x", SYNTAX),
            ("FAILSOFT MODE auto ROUTE", SYNTAX),
            ("FAILSOFT MODE auto ROUTE x y", SYNTAX),
            ("FAILSOFT MODE ROUTE x y", SYNTAX),
            ("FAILSOFT FROB", "ERR unknown subcommand 'FROB'. Try FAILSOFT HELP."),
            ("FAILSOFT a\r\nb", "ERR unknown subcommand 'a  b'. Try FAILSOFT HELP."),
        ] {
            assert_eq!(parsed(call), Err(error.to_owned()), "{call:?}");
        }
        let long = format!("FAILSOFT {}", "x".repeat(1_000));
        assert!(parsed(&long).is_err_and(|error| error.len() < 256));
    }

    #[test]
    fn every_row_of_the_table_is_read_and_told_of() {
        let rows = commands::all().filter(|spec| spec.name.starts_with("failsoft|"));
        for spec in rows {
            let words: Vec<&str> = spec.name.split('|').collect();
            let error = OwnCommand::parse(&words[..]).err();
            assert!(!matches!(error, Some(ParseError::Unknown(_))), "{}", spec.name);
            let word = words[1].to_uppercase();
            assert!(help::LINES.iter().any(|line| line.split(' ').next() == Some(word.as_str())), "{word} has no help");
        }
    }
}
