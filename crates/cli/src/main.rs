//! The binary `failsoft`.
//!
//! Data goes to stdout, talk to stderr. Every command is a file of its own; this one only tells them apart.

mod commands;
mod report;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use commands::{check, demo, explain, serve};

/// The allocator with the steadiest latency under the small, short-lived buffers of a proxy.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Keeps services answering when Redis is slow, full, moving, split or gone.
#[derive(Debug, Parser)]
#[command(name = "failsoft", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
First steps:
  failsoft demo                          watch a real Redis die under load while every read is answered
  failsoft check -c failsoft.toml        is this file sound, and is it wise?
  failsoft serve -c failsoft.toml        run the sidecar; then: redis-cli -p 6380
  failsoft explain -c failsoft.toml GET user:42 --when primary=down";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the sidecar: clients connect to it as if it were Redis.
    Serve(serve::ServeArgs),
    /// Validate settings and say what is unwise in them.
    Check(check::CheckArgs),
    /// Print the plan of one command: which tiers may answer, in which order, and what a client would be told.
    Explain(explain::ExplainArgs),
    /// The whole story on this machine: a real Redis, a database, load, outages, recovery, a table at the end.
    Demo(demo::DemoArgs),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Serve(args) => serve::run(args),
        Command::Check(args) => check::run(args),
        Command::Explain(args) => explain::run(&args),
        Command::Demo(args) => demo::run(args),
    }
}
