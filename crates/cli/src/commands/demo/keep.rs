//! `--keep`: what can be done by hand while everything is still running.

use super::stage::Stage;

/// Commands to try, with the ports and process numbers of this run.
pub(super) fn how_to_poke(stage: &Stage) -> String {
    let (primary, replica) = (&stage.redis.primary, &stage.redis.replica);
    format!(
        "Everything is still running. Try, in another terminal:

  read            redis-cli -p {listen} GET user:42
  kill Redis      kill -9 {primary_pid}        the replica at port {replica_port}: kill -9 {replica_pid}
  pause Redis     kill -STOP {primary_pid}     and resume it: kill -CONT {primary_pid}
  empty Redis     redis-cli -p {primary_port} FLUSHALL
  start it again  {primary_command}
                  {replica_command}
  look            curl http://{admin}/metrics
                  curl http://{admin}/api/v1/state
  change          {settings}   (read again when saved)
  the log         {log}

Ctrl-C ends it all and removes the files.",
        listen = stage.at.listen.port(),
        admin = stage.at.admin,
        primary_port = primary.address().port(),
        replica_port = replica.address().port(),
        primary_pid = primary.pid(),
        replica_pid = replica.pid(),
        primary_command = primary.command_line(),
        replica_command = replica.command_line(),
        settings = stage.settings_path().display(),
        log = stage.sidecar_log_path().display(),
    )
}
