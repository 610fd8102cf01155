//! Client libraries of other languages, run for real: redis-py under Python, `redis` and `ioredis` under Node.
//!
//! `make test` prepares both and says where they are: `FAILSOFT_TEST_PYTHON` is the interpreter of an environment with
//! redis-py, `FAILSOFT_TEST_NODE_MODULES` a `node_modules` directory. Without them the machine's own are tried.

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::process::{Output, dying_with_us, run};
use crate::programs;

/// A script that has not ended by then hangs, which for these libraries is a frequent finding.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a Python script, given as text (`include_str!` for a file), with `args` as `sys.argv[1:]`.
///
/// # Panics
/// When there is no Python with redis-py, or the script takes longer than a minute; it is killed then.
pub async fn python(script: &str, args: &[&str]) -> Output {
    let missing = "redis-py is missing: run `make test`, or set FAILSOFT_TEST_PYTHON to a Python that has it";
    check(interpreter(), &["-c", "import redis"], missing).await;
    script_of(interpreter(), &["-c", script], args).await
}

/// Runs a Node script (CommonJS: `require("redis")`), given as text, with `args` from `process.argv[1]` on.
///
/// # Panics
/// When there is no Node with `redis` and `ioredis`, or the script takes longer than a minute; it is killed then.
pub async fn node(script: &str, args: &[&str]) -> Output {
    let missing = "`redis` and `ioredis` are missing: run `make test`, or set FAILSOFT_TEST_NODE_MODULES \
        to a node_modules directory that has them";
    check(node_command(), &["-e", "require.resolve('redis'); require.resolve('ioredis')"], missing).await;
    script_of(node_command(), &["-e", script, "--"], args).await
}

async fn check(command: Command, words: &[&str], missing: &str) {
    let output = script_of(command, words, &[]).await;
    assert!(output.status.success(), "{missing}\n{}", output.stderr);
}

async fn script_of(mut command: Command, words: &[&str], args: &[&str]) -> Output {
    command.args(words).args(args);
    run(command, "", PATIENCE).await
}

fn interpreter() -> Command {
    let chosen = env::var_os("FAILSOFT_TEST_PYTHON").map(PathBuf::from);
    dying_with_us(&chosen.unwrap_or_else(|| programs::find("python3", "Python 3 (Debian: apt install python3)")))
}

fn node_command() -> Command {
    let mut command = dying_with_us(&programs::find("node", "Node.js (Debian: apt install nodejs)"));
    if let Some(modules) = env::var_os("FAILSOFT_TEST_NODE_MODULES") {
        command.env("NODE_PATH", modules);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn arguments_output_and_status_go_through() {
        let script = "import sys; print(sys.argv[1]); print('oops', file=sys.stderr); sys.exit(3)";
        let output = script_of(interpreter(), &["-c", script], &["a b"]).await;
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("a b\n", "oops\n"));
        assert_eq!(output.status.code(), Some(3));

        let output = script_of(node_command(), &["-e", "console.log(process.argv[1])", "--"], &["a b"]).await;
        assert_eq!(output.stdout, "a b\n");
    }

    #[tokio::test]
    #[should_panic(expected = "run `make test`")]
    async fn a_missing_package_is_told_with_its_remedy() {
        check(interpreter(), &["-c", "import no_such_package"], "it is missing: run `make test`").await;
    }
}
