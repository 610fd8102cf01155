//! The URL of an origin: what kind of thing it is and where, without its password.

use crate::origin::Kind;
use crate::settings::address::{Url, host_and_port};
use std::fmt;
use std::path::{Path, PathBuf};

/// Where an origin is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A SQLite file, its path no longer relative to the settings file.
    Sqlite(PathBuf),
    /// A `postgres://` URL without a password.
    Postgres(String),
    /// A `mysql://` URL without a password.
    Mysql(String),
    /// An `http://` or `https://` URL without a password and without a `/` at its end.
    Http(String),
    /// `code:`, the code of the program that failsoft is built into.
    Code,
}

impl Target {
    /// The family of the origin.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Sqlite(_) => Kind::Sqlite,
            Self::Postgres(_) => Kind::Postgres,
            Self::Mysql(_) => Kind::Mysql,
            Self::Http(_) => Kind::Http,
            Self::Code => Kind::Code,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(file) => write!(f, "sqlite://{}", file.display()),
            Self::Postgres(url) | Self::Mysql(url) | Self::Http(url) => f.write_str(url),
            Self::Code => f.write_str(CODE),
        }
    }
}

/// The URL of an origin that is code.
const CODE: &str = "code:";

/// Takes a URL apart into its target and its password.
pub(super) fn parse(text: &str, folder: &Path) -> Result<(Target, Option<String>), String> {
    if let Some(file) = text.strip_prefix("sqlite:") {
        return sqlite(file.strip_prefix("//").unwrap_or(file), folder).map(|target| (target, None));
    }
    if text == CODE {
        return Ok((Target::Code, None));
    }
    let url = Url::parse(text).map_err(|why| format!("this is not the URL of an origin: {why}"))?;
    let target = match url.scheme {
        "postgres" | "postgresql" => Target::Postgres(url.without_password()),
        "mysql" | "mariadb" => Target::Mysql(url.without_password().replacen("mariadb://", "mysql://", 1)),
        "http" => http(&url, 80)?,
        "https" => http(&url, 443)?,
        other => return Err(format!("there is no kind of origin for {other}://")),
    };
    Ok((target, url.password))
}

fn sqlite(file: &str, folder: &Path) -> Result<Target, String> {
    if file.is_empty() || file == ":memory:" {
        return Err("a SQLite origin needs a file".to_owned());
    }
    if file.contains('?') {
        return Err("a SQLite origin takes a file and no options".to_owned());
    }
    Ok(Target::Sqlite(folder.join(file)))
}

fn http(url: &Url<'_>, default_port: u16) -> Result<Target, String> {
    host_and_port(url.authority, default_port).map_err(|why| format!("this is not the URL of an origin: {why}"))?;
    if url.rest.contains(['?', '#']) {
        return Err("the URL of an HTTP origin ends with its path; the rest belongs into the route's `get`".to_owned());
    }
    Ok(Target::Http(url.without_password().trim_end_matches('/').to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn target(text: &str) -> (Target, Option<String>) {
        parse(text, Path::new("/etc/failsoft")).unwrap()
    }

    #[test]
    fn each_kind_of_origin_is_known_by_its_scheme() {
        assert_eq!(target("sqlite://users.db").0, Target::Sqlite("/etc/failsoft/users.db".into()));
        assert_eq!(target("sqlite:///var/users.db").0, Target::Sqlite("/var/users.db".into()));
        assert_eq!(
            target("postgresql://app:pw@db/shop?sslmode=require"),
            (Target::Postgres("postgresql://app@db/shop?sslmode=require".into()), Some("pw".into()))
        );
        assert_eq!(target("mariadb://app@db/shop").0, Target::Mysql("mysql://app@db/shop".into()));
        assert_eq!(target("http://127.0.0.1:8080/v1/").0, Target::Http("http://127.0.0.1:8080/v1".into()));
    }

    #[test]
    fn code_has_no_address() {
        assert_eq!(target("code:"), (Target::Code, None));
        assert!(parse("code://users", Path::new("")).is_err());
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in [
            "",
            "users.db",
            "sqlite://",
            "sqlite::memory:",
            "sqlite://a?mode=ro",
            "ftp://h",
            "http://",
            "https://h/?a=b",
        ] {
            assert!(parse(text, Path::new("")).is_err(), "{text}");
        }
    }
}
