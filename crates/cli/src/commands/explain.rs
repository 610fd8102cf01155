//! `failsoft explain`.
use std::process::ExitCode;
use clap::Args;
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {}
pub(crate) fn run(_args: ExplainArgs) -> ExitCode { ExitCode::SUCCESS }
