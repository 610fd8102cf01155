//! `failsoft serve`: runs the sidecar until it is told to stop.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use failsoft::settings::{self, Loaded, LogFormat, LogLevel, Settings};
use failsoft_server::{Sidecar, StartError, reload};
use tokio::signal::unix::{SignalKind, signal};
use tracing::Level;

use crate::report::{COULD_NOT, fail};

/// What `serve` is told.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The settings file; read again on SIGHUP and when it changes.
    #[arg(short, long, value_name = "FILE", default_value = "failsoft.toml")]
    config: PathBuf,
}

/// Runs the sidecar.
pub(crate) fn run(args: ServeArgs) -> ExitCode {
    let loaded = match settings::load(&args.config) {
        Ok(loaded) => loaded,
        Err(problems) => {
            eprintln!("{problems}");
            return ExitCode::from(COULD_NOT);
        }
    };
    start_log(&loaded.settings);
    warn(&loaded);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(error, "the operating system gave no runtime; look at `ulimit -n`"),
    };
    runtime.block_on(serve(args.config, loaded.settings))
}

async fn serve(config: PathBuf, settings: Settings) -> ExitCode {
    let sidecar = match Sidecar::start(settings) {
        Ok(sidecar) => sidecar,
        Err(error) => return could_not_start(&error),
    };
    tracing::info!(listen = %sidecar.doors(), admin = %sidecar.admin_address(), "serving");
    let stopped = tokio::select! {
        () = reload::follow(config, sidecar.shared().clone()) => Ok("reload ended"),
        stopped = told_to_stop() => stopped,
    };
    match stopped {
        Ok(signal) => tracing::info!(signal, "stopping"),
        Err(error) => tracing::error!(%error, "cannot listen for signals"),
    }
    sidecar.stop().await;
    tracing::info!("stopped");
    ExitCode::SUCCESS
}

async fn told_to_stop() -> std::io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}

fn could_not_start(error: &StartError) -> ExitCode {
    match error {
        StartError::Listen { setting, error: cause, .. } if cause.kind() == std::io::ErrorKind::AddrInUse => {
            fail(error, format_args!("something listens there already; stop it, or choose another port for {setting}"))
        }
        StartError::Listen { setting, .. } => fail(error, format_args!("choose another one for {setting}")),
        StartError::Assemble(_) | StartError::Tls(_) => fail(error, "run `failsoft check -c FILE`: it names the line"),
        StartError::Thread(_) => fail(error, "look at the limits of this user (`ulimit -u`)"),
    }
}

fn start_log(settings: &Settings) {
    let level = match settings.log().level() {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Trace => Level::TRACE,
    };
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(level);
    match settings.log().format() {
        LogFormat::Text => log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
        LogFormat::Json => log.json().init(),
    }
}

fn warn(loaded: &Loaded) {
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
}
