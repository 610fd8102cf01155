//! SQLite origins against real files: shapes, types, hostile keys, missing and replaced files, timeouts, concurrency.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use failsoft::origin::{
    Kind, Misfit, Origin, OriginError, OriginOptions, ParameterKind, Query, StatementFault, Waiting, open,
};
use failsoft::value::{Shape, Value};
use failsoft_testkit::wait::eventually;
use rusqlite::Connection;
use tempfile::TempDir;

const LONG: Duration = Duration::from_secs(20);

/// A database of users in a directory of its own.
fn users() -> (TempDir, Arc<dyn Origin>) {
    let directory = TempDir::new().unwrap();
    write_users(&directory.path().join("users.db"), "Ada");
    let origin = opened(directory.path());
    (directory, origin)
}

fn opened(directory: &Path) -> Arc<dyn Origin> {
    let options =
        OriginOptions { base_dir: directory.to_owned(), max_connections: 4, max_value: 2 << 20, ..Default::default() };
    open("sqlite://users.db", options).unwrap()
}

fn write_users(path: &Path, first: &str) {
    let database = Connection::open(path).unwrap();
    database
        .execute_batch(
            "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, score REAL, photo BLOB, note TEXT);
             INSERT INTO users VALUES (2, 'Zoë \u{1f600}', 1.0, x'ff00', NULL), (3, 'twin', NULL, NULL, NULL), (4, 'twin', 0, x'', '');",
        )
        .unwrap();
    database.execute("INSERT INTO users VALUES (1, ?1, 1.5, NULL, 'x')", [first]).unwrap();
}

fn query(text: &str, shape: Shape, kind: ParameterKind) -> Query {
    Query::compile(Kind::Sqlite, text, shape, &[("id", kind)]).unwrap()
}

async fn ask(origin: &dyn Origin, query: &Query, id: &[u8]) -> Result<Option<Value>, OriginError> {
    origin.load(query, &[("id", id)], LONG).await
}

fn raw(text: &str) -> Option<Value> {
    Some(Value::Raw(Bytes::copy_from_slice(text.as_bytes())))
}

#[tokio::test]
async fn all_shapes() {
    let (_directory, origin) = users();
    let by_id = "SELECT name, score, photo, note FROM users WHERE id = :id";
    let json = ask(&*origin, &query(by_id, Shape::Json, ParameterKind::Text), b"2").await;
    assert_eq!(json, Ok(raw("{\"name\":\"Zoë \u{1f600}\",\"score\":1.0,\"photo\":\"/wA=\",\"note\":null}")));
    let hash = ask(&*origin, &query(by_id, Shape::Hash, ParameterKind::Int), b"2").await;
    let fields = [("name", "Zoë \u{1f600}".as_bytes()), ("score", b"1.0"), ("photo", &[0xff, 0])];
    let fields = fields.map(|(name, value)| (Bytes::from(name), Bytes::from_static(value))).to_vec();
    assert_eq!(hash, Ok(Some(Value::Hash(fields))));
    let one = query("SELECT name FROM users WHERE id = :id", Shape::Raw, ParameterKind::Int);
    assert_eq!(ask(&*origin, &one, b"1").await, Ok(raw("Ada")));
    let null = query("SELECT note FROM users WHERE id = :id", Shape::Raw, ParameterKind::Int);
    assert_eq!(ask(&*origin, &null, b"2").await, Ok(None));
    assert_eq!(ask(&*origin, &null, b"4").await, Ok(raw("")));
}

#[tokio::test]
async fn hostile_keys_name_no_row() {
    let (_directory, origin) = users();
    for kind in [ParameterKind::Text, ParameterKind::Int] {
        let query = query("SELECT name FROM users WHERE id = :id", Shape::Raw, kind);
        for id in ["1 OR 1=1", "' OR '1'='1", "1; DROP TABLE users", "1--", "1abc", "", "\0", "1\0", "0x1", "%", "?1"] {
            assert_eq!(ask(&*origin, &query, id.as_bytes()).await, Ok(None), "{id:?}");
        }
        assert_eq!(ask(&*origin, &query, &[0xff, 0xfe]).await, Ok(None));
        assert_eq!(ask(&*origin, &query, b"1").await, Ok(raw("Ada")));
    }
}

#[tokio::test]
async fn a_declared_number_has_one_spelling() {
    let (_directory, origin) = users();
    let query = query("SELECT name FROM users WHERE id = :id", Shape::Raw, ParameterKind::Int);
    for id in ["01", "+1", " 1", "1.0", "1e0"] {
        assert_eq!(ask(&*origin, &query, id.as_bytes()).await, Ok(None), "{id:?}");
    }
}

#[tokio::test]
async fn bytes_find_blobs() {
    let (_directory, origin) = users();
    let query = query("SELECT id FROM users WHERE photo = :id", Shape::Raw, ParameterKind::Text);
    assert_eq!(ask(&*origin, &query, &[0xff, 0]).await, Ok(raw("2")));
}

#[tokio::test]
async fn answers_that_do_not_fit_are_errors() {
    let (_directory, origin) = users();
    let twins = query("SELECT id FROM users WHERE name = :id", Shape::Json, ParameterKind::Text);
    assert_eq!(ask(&*origin, &twins, b"twin").await, Err(OriginError::Shape(Misfit::ManyRows)));
    let wide = query("SELECT id, name FROM users WHERE name = :id", Shape::Raw, ParameterKind::Text);
    assert_eq!(ask(&*origin, &wide, b"nobody").await, Err(OriginError::Shape(Misfit::Columns { found: 2 })));
    let same = query("SELECT id, name AS id FROM users WHERE id = :id", Shape::Hash, ParameterKind::Int);
    assert_eq!(ask(&*origin, &same, b"1").await, Err(OriginError::Shape(Misfit::SameName("id".into()))));
}

#[tokio::test]
async fn statement_errors_name_the_statement_and_not_the_key() {
    let (_directory, origin) = users();
    let wrong = query("SELECT nme FROM users WHERE id = :id", Shape::Raw, ParameterKind::Text);
    let error = ask(&*origin, &wrong, b"canary").await.unwrap_err();
    assert!(error.is_misconfigured() && error.to_string().contains("no such column: nme"), "{error}");
    let running = query("SELECT json(:id) FROM users WHERE id = 1", Shape::Raw, ParameterKind::Text);
    let error = ask(&*origin, &running, b"canary").await.unwrap_err();
    assert!(
        matches!(&error, OriginError::Query(StatementFault::Running { .. })) && !error.to_string().contains("canary"),
        "{error}"
    );
    assert_eq!(ask(&*origin, &query("SELECT :id", Shape::Raw, ParameterKind::Text), b"alive").await, Ok(raw("alive")));
}

#[tokio::test]
async fn a_statement_that_writes_is_refused() {
    let (directory, origin) = users();
    let text = "WITH gone AS (SELECT 1) DELETE FROM users WHERE id = :id RETURNING id";
    let error = ask(&*origin, &query(text, Shape::Raw, ParameterKind::Int), b"1").await.unwrap_err();
    assert!(error.is_misconfigured(), "{error}");
    let left: i64 = Connection::open(directory.path().join("users.db"))
        .unwrap()
        .query_row("SELECT count(*) FROM users", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 4);
}

#[tokio::test]
async fn a_missing_file_is_named_not_created_and_used_once_it_is_there() {
    let directory = TempDir::new().unwrap();
    let origin = opened(directory.path());
    let query = query("SELECT name FROM users WHERE id = :id", Shape::Raw, ParameterKind::Int);
    let error = ask(&*origin, &query, b"1").await.unwrap_err();
    assert!(matches!(&error, OriginError::Connect(text) if text.contains("users.db")), "{error}");
    assert!(!directory.path().join("users.db").exists());
    write_users(&directory.path().join("users.db"), "late");
    assert_eq!(ask(&*origin, &query, b"1").await, Ok(raw("late")));
}

#[tokio::test]
async fn a_replaced_file_is_read_anew() {
    let (directory, origin) = users();
    let query = query("SELECT name FROM users WHERE id = :id", Shape::Raw, ParameterKind::Int);
    assert_eq!(ask(&*origin, &query, b"1").await, Ok(raw("Ada")));
    write_users(&directory.path().join("next.db"), "Grace");
    std::fs::rename(directory.path().join("next.db"), directory.path().join("users.db")).unwrap();
    assert_eq!(ask(&*origin, &query, b"1").await, Ok(raw("Grace")));
}

#[tokio::test]
async fn a_file_that_is_no_database_cannot_be_connected_to() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("users.db"), "not a database, but long enough to be read as a header of one")
        .unwrap();
    let error = ask(
        &*opened(directory.path()),
        &query("SELECT name FROM users WHERE id = :id", Shape::Raw, ParameterKind::Int),
        b"1",
    )
    .await;
    assert!(matches!(error, Err(OriginError::Connect(_))), "{error:?}");
}

const ENDLESS: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n WHERE i = :id";

#[tokio::test]
async fn an_endless_statement_is_interrupted_at_its_timeout_and_only_that_one() {
    let (_directory, origin) = users();
    let endless = query(ENDLESS, Shape::Raw, ParameterKind::Int);
    let short = query("SELECT name FROM users WHERE id = :id", Shape::Raw, ParameterKind::Int);
    for _ in 0..8 {
        let timed_out = origin.load(&endless, &[("id", b"0")], Duration::from_millis(30)).await;
        assert_eq!(timed_out, Err(OriginError::Timeout(Waiting::Answer)));
        assert_eq!(ask(&*origin, &short, b"1").await, Ok(raw("Ada")));
    }
}

#[tokio::test]
async fn dropped_loads_free_their_connections() {
    let (_directory, origin) = users();
    let endless = Arc::new(query(ENDLESS, Shape::Raw, ParameterKind::Int));
    let loads: Vec<_> = (0..12)
        .map(|_| {
            let (origin, endless) = (Arc::clone(&origin), Arc::clone(&endless));
            tokio::spawn(async move { origin.load(&endless, &[("id", b"0")], LONG).await })
        })
        .collect();
    eventually("all four connections are busy", LONG, async || origin.statements() == 4).await;
    loads.iter().for_each(tokio::task::JoinHandle::abort);
    let short = query("SELECT name FROM users WHERE id = :id", Shape::Raw, ParameterKind::Int);
    assert_eq!(ask(&*origin, &short, b"1").await, Ok(raw("Ada")));
}

#[tokio::test]
async fn a_locked_file_times_out_until_it_is_unlocked() {
    let (directory, origin) = users();
    let query = query("SELECT name FROM users WHERE id = :id", Shape::Raw, ParameterKind::Int);
    let writer = Connection::open(directory.path().join("users.db")).unwrap();
    writer.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let locked = origin.load(&query, &[("id", b"1")], Duration::from_millis(50)).await;
    assert_eq!(locked, Err(OriginError::Timeout(Waiting::Answer)));
    writer.execute_batch("COMMIT").unwrap();
    assert_eq!(ask(&*origin, &query, b"1").await, Ok(raw("Ada")));
}

#[tokio::test]
async fn statements_are_counted_by_sqlite_itself() {
    let (_directory, origin) = users();
    let query = query("SELECT name FROM users WHERE id = :id", Shape::Raw, ParameterKind::Int);
    for id in [b"1".as_slice(), b"9", b"no number", b"2"] {
        ask(&*origin, &query, id).await.unwrap();
    }
    assert_eq!(origin.statements(), 3);
}

#[tokio::test]
async fn large_values_up_to_the_bound() {
    let (_directory, origin) = users();
    let query = query("SELECT replace(hex(zeroblob(:id / 2)), '0', 'x')", Shape::Raw, ParameterKind::Int);
    let Ok(Some(value)) = ask(&*origin, &query, b"1048576").await else { panic!("no value") };
    assert_eq!(value.payload_len(), 1 << 20);
    assert_eq!(ask(&*origin, &query, b"2097152").await.unwrap().unwrap().payload_len(), 2 << 20);
    assert_eq!(ask(&*origin, &query, b"2097154").await, Err(OriginError::TooLarge { limit: 2 << 20 }));
}

#[tokio::test]
async fn fifty_at_once_over_four_connections() {
    let (_directory, origin) = users();
    let query = Arc::new(query("SELECT id FROM users WHERE id = :id", Shape::Raw, ParameterKind::Int));
    let loads: Vec<_> = (0..50)
        .map(|n| {
            let (origin, query) = (Arc::clone(&origin), Arc::clone(&query));
            tokio::spawn(async move {
                let id = (n % 4 + 1).to_string();
                (origin.load(&query, &[("id", id.as_bytes())], LONG).await, raw(&id))
            })
        })
        .collect();
    for load in loads {
        let (found, expected) = load.await.unwrap();
        assert_eq!(found, Ok(expected));
    }
    assert_eq!(origin.statements(), 50);
}

#[tokio::test]
async fn a_closed_origin_says_so() {
    let (_directory, origin) = users();
    origin.close();
    let query = query("SELECT name FROM users WHERE id = :id", Shape::Raw, ParameterKind::Int);
    assert_eq!(ask(&*origin, &query, b"1").await, Err(OriginError::Closed));
    let other = Query::compile(Kind::Http, "/{id}", Shape::Raw, &[("id", ParameterKind::Int)]).unwrap();
    assert_eq!(ask(&*origin, &other, b"1").await, Err(OriginError::OtherKind(Kind::Sqlite)));
}
