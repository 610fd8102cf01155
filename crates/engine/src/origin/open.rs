//! From an origin's address and limits to an origin, without connecting to anything.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::http::HttpOrigin;
use super::mysql::Mysql;
use super::pool::SessionOrigin;
use super::postgres::Postgres;
use super::sqlite::SqliteOrigin;
use super::{Origin, OriginError};

/// Limits and surroundings of an origin.
#[derive(Clone, Debug)]
pub struct OriginOptions {
    /// Connections (or HTTP requests) at once; further loads wait for one, inside their own timeout. At least one.
    pub max_connections: usize,
    /// How long one connection may take to be made, name lookup and TLS included.
    pub connect_timeout: Duration,
    /// What PostgreSQL and MySQL themselves are told to give a statement up after, so that a load given up here does
    /// not go on costing there. Not below the loads' own timeout.
    pub statement_timeout: Duration,
    /// The bound on one value's payload, in bytes.
    pub max_value: usize,
    /// The password (PostgreSQL, MySQL) or bearer token (HTTP), when it does not stand in the address.
    pub secret: Option<Secret>,
    /// What a relative SQLite path is relative to.
    pub base_dir: PathBuf,
}

impl Default for OriginOptions {
    fn default() -> Self {
        Self {
            max_connections: 20,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(5),
            max_value: 8 << 20,
            secret: None,
            base_dir: PathBuf::from("."),
        }
    }
}

/// A password or token that no log can show.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Opens the origin at an address: `sqlite://file`, `postgres://`, `mysql://` or `mariadb://`, `http://` or `https://`.
///
/// Fails only with [`OriginError::Address`]; whether anybody is at the address is for the first load to find out.
#[expect(clippy::needless_pass_by_value, reason = "options are made for one origin and of no use afterwards")]
pub fn open(url: &str, options: OriginOptions) -> Result<Arc<dyn Origin>, OriginError> {
    let (scheme, rest) = url.split_once(':').ok_or_else(|| unknown_scheme(""))?;
    Ok(match scheme.to_ascii_lowercase().as_str() {
        "sqlite" => Arc::new(SqliteOrigin::new(rest, &options)?),
        "postgres" | "postgresql" => Arc::new(SessionOrigin::new(Postgres::new(url, &options)?, &options)),
        "mysql" | "mariadb" => Arc::new(SessionOrigin::new(Mysql::new(rest, &options)?, &options)),
        "http" | "https" => Arc::new(HttpOrigin::new(url, &options)?),
        other => return Err(unknown_scheme(other)),
    })
}

fn unknown_scheme(found: &str) -> OriginError {
    OriginError::Address(format!("`{found}` is not one of sqlite, postgres, mysql, http, https"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::origin::Kind;

    fn kind(url: &str) -> Result<Kind, OriginError> {
        open(url, OriginOptions::default()).map(|origin| origin.kind())
    }

    #[test]
    fn the_scheme_decides_and_nothing_is_connected_to() {
        for (url, expected) in [
            ("sqlite://nowhere.db", Kind::Sqlite),
            ("postgres://u@127.0.0.1:1/db", Kind::Postgres),
            ("postgresql://127.0.0.1:1", Kind::Postgres),
            ("mysql://u@127.0.0.1:1/db", Kind::Mysql),
            ("mariadb://u@127.0.0.1:1/db", Kind::Mysql),
            ("http://127.0.0.1:1", Kind::Http),
            ("https://127.0.0.1:1/api/", Kind::Http),
        ] {
            assert_eq!(kind(url), Ok(expected), "{url}");
        }
    }

    #[test]
    fn addresses_that_cannot_work_are_refused() {
        for url in [
            "",
            "users.db",
            "redis://x",
            "sqlite::memory:",
            "sqlite://",
            "sqlite://a.db?mode=rw",
            "http://",
            "http://h/?q=1",
            "postgres://[",
            "mysql://[",
        ] {
            assert!(matches!(kind(url), Err(OriginError::Address(_))), "{url}");
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        let options = OriginOptions { secret: Some(Secret::new("canary")), ..OriginOptions::default() };
        assert!(!format!("{options:?}").contains("canary"));
    }
}
