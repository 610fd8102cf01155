//! `failsoft demo`.
use std::process::ExitCode;
use clap::Args;
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {}
pub(crate) fn run(_args: DemoArgs) -> ExitCode { ExitCode::SUCCESS }
