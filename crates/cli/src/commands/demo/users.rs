//! The sample database: 10,000 users, and what a read of each must give.
//!
//! Rows are made from their number alone, so whoever checks an answer needs neither the database nor failsoft.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::error::DemoError;

/// Users are numbered from 1 to this.
pub(super) const COUNT: u32 = 10_000;

/// What failsoft is told to answer when nobody else can. No user has this value.
pub(super) const DEFAULT: &str = r#"{"name":null,"email":null}"#;

/// The statement that makes a value, `:id` being the user's number.
pub(super) const QUERY: &str = "SELECT name, email FROM users WHERE id = :id";

const FIRST: [&str; 10] = ["Ada", "Alan", "Barbara", "Edsger", "Frances", "Grace", "Ken", "Margaret", "Radia", "Tony"];
const LAST: [&str; 9] = ["Allen", "Dijkstra", "Hamilton", "Hoare", "Hopper", "Liskov", "Lovelace", "Perlman", "Turing"];

/// The value a read of user `id` must give.
pub(super) fn json(id: u32) -> String {
    json_of(&name(id), &email(id))
}

/// The value of a row, as a JSON object in the order of the statement.
pub(super) fn json_of(name: &str, email: &str) -> String {
    format!(r#"{{"name":"{name}","email":"{email}"}}"#)
}

/// Makes the database at `path`.
pub(super) fn create(path: &Path) -> Result<(), DemoError> {
    fill(path).map_err(DemoError::sqlite("make the sample database"))
}

/// Opens it for reading, in one thread.
pub(super) fn open(path: &Path) -> Result<Connection, DemoError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags).map_err(DemoError::sqlite("open the sample database"))
}

fn fill(path: &Path) -> rusqlite::Result<()> {
    let mut connection = Connection::open(path)?;
    let transaction = connection.transaction()?;
    transaction
        .execute_batch("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL)")?;
    let mut insert = transaction.prepare("INSERT INTO users (id, name, email) VALUES (?1, ?2, ?3)")?;
    for id in 1..=COUNT {
        insert.execute((id, name(id), email(id)))?;
    }
    drop(insert);
    transaction.commit()
}

fn name(id: u32) -> String {
    format!("{} {} {id}", pick(&FIRST, id), pick(&LAST, id / 10))
}

fn email(id: u32) -> String {
    format!("{}.{id}@example.org", pick(&LAST, id / 10).to_lowercase())
}

fn pick<'a>(words: &[&'a str], number: u32) -> &'a str {
    words[number as usize % words.len()]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_row_reads_as_its_number_says() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.db");
        create(&path).unwrap();
        let connection = open(&path).unwrap();
        let mut statement = connection.prepare(QUERY).unwrap();
        for id in [1, 42, COUNT] {
            let row = |row: &rusqlite::Row<'_>| Ok(json_of(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?));
            assert_eq!(statement.query_row([id], row).unwrap(), json(id));
        }
        let count: u32 = connection.query_row("SELECT count(*) FROM users", (), |row| row.get(0)).unwrap();
        assert_eq!(count, COUNT);
        assert_eq!(json(42), r#"{"name":"Barbara Hopper 42","email":"hopper.42@example.org"}"#);
    }
}
