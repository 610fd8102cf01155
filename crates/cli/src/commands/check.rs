//! `failsoft check`: says what is wrong with a settings file before somebody starts with it.
//!
//! Findings are data and go to stdout, one after the other with the line they are about; the summary goes to stderr.
//! The exit code is for scripts: 0 nothing found, 1 something found (a warning counts), 2 nothing could be read.

use failsoft::settings::{Cause, Excerpt, Position, Problem, Severity, load, schema};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What `failsoft check` was asked.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit code: 0 nothing found, 1 something found (a warning counts), 2 the file cannot be read.")]
pub(crate) struct CheckArgs {
    /// The settings file
    #[arg(short, long, value_name = "FILE", default_value = "failsoft.toml")]
    config: PathBuf,
    /// Print the findings as a JSON array
    #[arg(long)]
    json: bool,
    /// Print the JSON Schema of the settings file instead, for editors
    #[arg(long, conflicts_with = "json")]
    schema: bool,
}

const FINE: u8 = 0;
const FINDINGS: u8 = 1;
const UNREADABLE: u8 = 2;

/// Runs the command.
pub(crate) fn run(args: CheckArgs) -> ExitCode {
    match carry_out(args, &mut io::stdout().lock(), &mut io::stderr().lock()) {
        Ok(code) => code.into(),
        Err(_stdout_is_gone) => UNREADABLE.into(),
    }
}

fn carry_out(args: CheckArgs, data: &mut impl Write, talk: &mut impl Write) -> io::Result<u8> {
    let CheckArgs { config, json, schema: wants_schema } = args;
    if wants_schema {
        writeln!(data, "{:#}", schema())?;
        return Ok(FINE);
    }
    let (problems, code, fine) = match load(&config) {
        Ok(loaded) => {
            let code = if loaded.warnings.is_empty() { FINE } else { FINDINGS };
            let (routes, origins) = (loaded.settings.routes().len(), loaded.settings.origins().len());
            let fine = format!("{}, {}", counted(routes, "route"), counted(origins, "origin"));
            (loaded.warnings, code, fine)
        }
        Err(problems) => {
            let code = match problems.cause() {
                Cause::Unreadable => UNREADABLE,
                Cause::Refused => FINDINGS,
            };
            (problems.list().to_vec(), code, String::new())
        }
    };
    if json {
        writeln!(data, "{:#}", serde_json::json!(problems))?;
    } else {
        problems.iter().try_for_each(|problem| writeln!(data, "{}", shown(problem)))?;
    }
    writeln!(talk, "{}", summary(&config, &problems, &fine))?;
    Ok(code)
}

/// A finding with the line it is about:
///
/// ```text
/// failsoft.toml:2:1: error: unknown key `lsiten` in [server]; did you mean `listen`?
///   2 | lsiten = "127.0.0.1:6380"
///     | ^^^^^^
/// hint: ...
/// ```
fn shown(problem: &Problem) -> String {
    let mut text = format!("{}: {}: {}", problem.place, problem.severity, problem.message);
    if let (Some(position), Some(excerpt)) = (problem.place.position, &problem.excerpt) {
        text += &pointed_out(position, excerpt);
    }
    if let Some(hint) = &problem.hint {
        text += "\nhint: ";
        text += hint;
    }
    text
}

fn pointed_out(position: Position, excerpt: &Excerpt) -> String {
    let number = format!("{:>4}", position.line);
    let before: String = excerpt.line.chars().take(excerpt.start).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let mut text = String::new();
    let written = write!(text, "\n{number} | {}\n     | {before}{}", excerpt.line, "^".repeat(excerpt.len));
    written.expect("writing into a string does not fail");
    text
}

fn summary(file: &Path, problems: &[Problem], fine: &str) -> String {
    let count = |severity| problems.iter().filter(|problem| problem.severity == severity).count();
    match (count(Severity::Error), count(Severity::Warning)) {
        (0, 0) => format!("{}: fine ({fine})", file.display()),
        (0, warnings) => format!("{}: {}", file.display(), counted(warnings, "warning")),
        (errors, 0) => format!("{}: {}", file.display(), counted(errors, "error")),
        (errors, warnings) => {
            format!("{}: {}, {}", file.display(), counted(errors, "error"), counted(warnings, "warning"))
        }
    }
}

fn counted(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    struct Said {
        code: u8,
        data: String,
        talk: String,
    }

    fn check(text: Option<&str>, json: bool, schema: bool) -> Said {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("f.toml");
        if let Some(text) = text {
            std::fs::write(&config, text).unwrap();
        }
        let (mut data, mut talk) = (Vec::new(), Vec::new());
        let code = carry_out(CheckArgs { config, json, schema }, &mut data, &mut talk).unwrap();
        let plain = |bytes| String::from_utf8(bytes).unwrap().replace(&format!("{}/", folder.path().display()), "");
        Said { code, data: plain(data), talk: plain(talk) }
    }

    #[test]
    fn a_fine_file_is_one_line_of_talk_and_no_data() {
        let said = check(Some("[[routes]]\nkeys = \"lock:*\"\nrole = \"lock\"\n"), false, false);
        assert_eq!((said.code, said.data.as_str()), (0, ""));
        assert_eq!(said.talk, "f.toml: fine (1 route, 0 origins)\n");
    }

    #[test]
    fn findings_show_their_line_and_what_to_do() {
        let said = check(Some("[server]\nlsiten = 1\n[log]\nformat = \"jsno\"\n"), false, false);
        assert_eq!(said.code, 1);
        assert_eq!(
            said.data,
            "f.toml:2:1: error: unknown key `lsiten` in [server]; did you mean `listen`?\n   2 | lsiten = 1\n     | ^^^^^^\n\
             hint: [server] knows listen, tls_listen, unix_socket, unix_socket_mode, admin, announce, threads, drain, max_clients, max_query_buffer, max_output_buffer, idle_timeout, write_timeout, tcp_keepalive, auth, deny_commands, allow_non_loopback and tls\n\
             f.toml:4:10: error: unknown format \"jsno\"; did you mean \"json\"?\n   4 | format = \"jsno\"\n     |          ^^^^^^\n\
             hint: format may be \"text\" or \"json\"\n"
        );
        assert_eq!(said.talk, "f.toml: 2 errors\n");
    }

    #[test]
    fn a_warning_is_a_finding_too() {
        let said = check(Some("[[routes]]\nkeys = \"a\"\nrole = \"cache\"\n"), false, false);
        assert_eq!((said.code, said.talk.as_str()), (1, "f.toml: 1 warning\n"));
    }

    #[test]
    fn what_cannot_be_read_is_told_apart() {
        let said = check(None, false, false);
        assert_eq!(said.code, 2);
        assert_eq!(said.data, "f.toml: error: there is no such file\nhint: name the settings file with -c\n");
    }

    #[test]
    fn findings_are_an_array_for_programs() {
        let said = check(Some("[server]\nthreads = 999\n"), true, false);
        let list: serde_json::Value = serde_json::from_str(&said.data).unwrap();
        assert_eq!((said.code, &list[0]["line"], &list[0]["path"]), (1, &2.into(), &"server.threads".into()));
        assert_eq!(check(Some(""), true, false).data, "[]\n");
    }

    #[test]
    fn the_schema_is_json_and_needs_no_file() {
        let said = check(None, false, true);
        let schema: serde_json::Value = serde_json::from_str(&said.data).unwrap();
        assert_eq!((said.code, &schema["properties"]["server"]["properties"]["threads"]["maximum"]), (0, &256.into()));
    }
}
