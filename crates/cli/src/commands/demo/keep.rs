//! `--keep`: what can be done by hand while everything is still running.

use super::server::Server;
use super::stage::Stage;

/// Commands to try, with the ports and process numbers of this run.
pub(super) fn how_to_poke(stage: &Stage) -> String {
    let line = |(part, server): &(&str, &Server)| {
        let (port, pid) = (server.address().port(), server.pid());
        format!("  {port}, a {part} at first: process {pid}\n    again: {}\n", server.command_line())
    };
    let servers: String = stage.servers().iter().map(line).collect();
    format!(
        "Everything is still running. The Redis servers:

{servers}
Try, in another terminal:

  read            redis-cli -p {listen} GET user:42
  kill            kill -9 PROCESS
  pause           kill -STOP PROCESS     and resume it: kill -CONT PROCESS
  empty           redis-cli -p {listen} FLUSHALL
  explain         failsoft explain -c {settings} GET user:42
  look            curl http://{admin}/metrics
                  curl http://{admin}/api/v1/state
  change          {settings}   (read again when saved)
  the log         {log}

Ctrl-C ends it all and removes the files.",
        listen = stage.at.listen.port(),
        admin = stage.at.admin,
        settings = stage.settings_path().display(),
        log = stage.sidecar_log_path().display(),
    )
}
