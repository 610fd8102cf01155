//! How a command says that it could not do what it was asked: one sentence, and what to do about it.

use std::fmt::Display;
use std::process::ExitCode;

/// The exit code of a command that could not do its work.
pub(crate) const COULD_NOT: u8 = 2;

/// Says on stderr what is wrong and what to do about it.
pub(crate) fn fail(problem: impl Display, hint: impl Display) -> ExitCode {
    eprintln!("error: {problem}");
    eprintln!("hint: {hint}");
    ExitCode::from(COULD_NOT)
}
