//! MySQL origins against a real MariaDB: no comparison turns a key into another, types, a server down, killed, stopped.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use failsoft::origin::{
    Kind, Misfit, Origin, OriginError, OriginOptions, OriginReason, ParameterKind, Query, StatementFault, open,
};
use failsoft::value::{Shape, Value};
use failsoft_testkit::{mariadb::MariaDb, wait::eventually};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(300);

const SCHEMA: &str = "
    SET NAMES utf8mb4;
    CREATE TABLE users (id int PRIMARY KEY, big bigint, name varchar(40) CHARACTER SET utf8mb4, code varchar(20), photo varbinary(20),
        price decimal(30,10), born date, seen timestamp(1) NULL, at_local datetime NULL, is_on bool, ratio double, single float,
        span time, wide bigint unsigned, mood enum('glad','sad')) CHARACTER SET utf8mb4;
    SET time_zone = '+02:00';
    INSERT INTO users VALUES (1, 9007199254740993, 'Ada', '42abc', x'ff00', 12345678901234567890.01, '1815-12-10',
        '2024-02-29 12:00:00.5', '2024-02-29 12:00:00', true, 1.5, 0.1, '26:03:04', 18446744073709551615, 'glad');
    INSERT INTO users (id, big, name, code) VALUES (42, 9007199254740992, 'Zoë \u{1f600}', '042'), (3, 3, 'twin', 'x'), (4, 4, 'twin', 'y'), (0, 0, 'zero', '0');";

async fn started() -> (MariaDb, Arc<dyn Origin>) {
    let server = MariaDb::start().await;
    server.execute(SCHEMA).await;
    let origin = opened(&server);
    (server, origin)
}

fn opened(server: &MariaDb) -> Arc<dyn Origin> {
    open(server.url(), OriginOptions { max_connections: 4, max_value: 2 << 20, ..Default::default() }).unwrap()
}

fn query_of(text: &str, shape: Shape, kind: ParameterKind) -> Query {
    Query::compile(Kind::Mysql, text, shape, &[("id", kind)]).unwrap()
}

fn query(text: &str, shape: Shape) -> Query {
    query_of(text, shape, ParameterKind::Text)
}

async fn ask(origin: &dyn Origin, query: &Query, id: &[u8]) -> Result<Option<Value>, OriginError> {
    origin.load(query, &[("id", id)], LONG).await
}

fn raw(text: &str) -> Option<Value> {
    Some(Value::Raw(Bytes::copy_from_slice(text.as_bytes())))
}

#[tokio::test]
async fn all_shapes_and_types() {
    let (_server, origin) = started().await;
    let columns = "id, big, name, photo, price, born, seen, at_local, is_on, ratio, single, span, wide, mood";
    let json = ask(&*origin, &query(&format!("SELECT {columns} FROM users WHERE id = :id"), Shape::Json), b"1").await;
    let expected = r#"{"id":1,"big":9007199254740993,"name":"Ada","photo":"/wA=","price":12345678901234567890.0100000000,"born":"1815-12-10","seen":"2024-02-29T10:00:00.500000Z","at_local":"2024-02-29T12:00:00","is_on":true,"ratio":1.5,"single":0.1,"span":"26:03:04","wide":18446744073709551615,"mood":"glad"}"#;
    assert_eq!(json, Ok(raw(expected)));
    let hash = query("SELECT name, photo, is_on FROM users WHERE id = :id; -- end", Shape::Hash);
    let fields = [("name", b"Ada".as_slice()), ("photo", &[0xff, 0]), ("is_on", b"true")];
    let fields = fields.map(|(name, value)| (Bytes::from(name), Bytes::copy_from_slice(value))).to_vec();
    assert_eq!(ask(&*origin, &hash, b"1").await, Ok(Some(Value::Hash(fields))));
    let sparse = vec![(Bytes::from("name"), Bytes::from("Zoë \u{1f600}"))];
    assert_eq!(
        ask(&*origin, &query("SELECT name, ratio FROM users WHERE id = :id", Shape::Hash), b"42").await,
        Ok(Some(Value::Hash(sparse)))
    );
    assert_eq!(ask(&*origin, &query("SELECT ratio FROM users WHERE id = :id", Shape::Raw), b"42").await, Ok(None));
    assert_eq!(ask(&*origin, &query("SELECT name FROM users WHERE id = :id", Shape::Raw), b"9").await, Ok(None));
}

#[tokio::test]
async fn a_number_column_is_found_by_canonical_numbers_only() {
    let (_server, origin) = started().await;
    for kind in [ParameterKind::Text, ParameterKind::Int] {
        let query = query_of("SELECT name FROM users WHERE id = :id", Shape::Raw, kind);
        assert_eq!(ask(&*origin, &query, b"42").await, Ok(raw("Zoë \u{1f600}")));
        assert_eq!(ask(&*origin, &query, b"0").await, Ok(raw("zero")));
        for id in ["42abc", "042", " 42", "42 ", "4.2e1", "42.0", "abc", "", "+42", "0x2a", "42\0"] {
            assert_eq!(ask(&*origin, &query, id.as_bytes()).await, Ok(None), "{kind:?} {id:?}");
        }
    }
}

#[tokio::test]
async fn a_text_column_is_found_by_the_same_text_only() {
    let (_server, origin) = started().await;
    let text = query("SELECT name FROM users WHERE code = :id", Shape::Raw);
    assert_eq!(ask(&*origin, &text, b"042").await, Ok(raw("Zoë \u{1f600}")));
    assert_eq!(ask(&*origin, &text, b"42abc").await, Ok(raw("Ada")));
    for kind in [ParameterKind::Text, ParameterKind::Int] {
        let query = query_of("SELECT name FROM users WHERE code = :id", Shape::Raw, kind);
        assert_eq!(ask(&*origin, &query, b"42").await, Ok(None), "{kind:?}: neither 042 nor 42abc is 42");
    }
}

#[tokio::test]
async fn numbers_beyond_a_double_are_told_apart() {
    let (_server, origin) = started().await;
    for kind in [ParameterKind::Text, ParameterKind::Int] {
        let query = query_of("SELECT name FROM users WHERE big = :id", Shape::Raw, kind);
        assert_eq!(ask(&*origin, &query, b"9007199254740993").await, Ok(raw("Ada")));
        assert_eq!(ask(&*origin, &query, b"9007199254740992").await, Ok(raw("Zoë \u{1f600}")));
        assert_eq!(ask(&*origin, &query, b"9007199254740994").await, Ok(None));
    }
}

#[tokio::test]
async fn dates_bytes_and_enums() {
    let (_server, origin) = started().await;
    for (column, fits, others) in [
        ("born", b"1815-12-10".as_slice(), [b"1815-12-10x".as_slice(), b"18151210", b"1815-02-30"]),
        ("photo", &[0xff, 0], [&[0xff], b"", b"x"]),
        ("mood", b"glad", [b"1", b"", &[0xff]]),
        ("CAST(id AS CHAR)", b"1", [b"01", b"1x", b" 1"]),
    ] {
        let query = query(&format!("SELECT name FROM users WHERE {column} = :id"), Shape::Raw);
        assert_eq!(ask(&*origin, &query, fits).await, Ok(raw("Ada")), "{column}");
        for other in others {
            assert_eq!(ask(&*origin, &query, other).await, Ok(None), "{column} {other:?}");
        }
    }
    let error =
        ask(&*origin, &query("SELECT name FROM users WHERE ratio = :id", Shape::Raw), b"1.5").await.unwrap_err();
    assert_eq!(error, OriginError::Query(StatementFault::Parameter { name: "id".into(), wants: "DOUBLE".into() }));
}

#[tokio::test]
async fn limit_takes_a_declared_number() {
    let (_server, origin) = started().await;
    let query = query_of("SELECT name FROM users ORDER BY id LIMIT :id", Shape::Raw, ParameterKind::Int);
    assert_eq!(ask(&*origin, &query, b"1").await, Ok(raw("zero")));
}

#[tokio::test]
async fn hostile_keys_name_no_row() {
    let (server, origin) = started().await;
    for column in ["id", "name"] {
        let query = query(&format!("SELECT name FROM users WHERE {column} = :id"), Shape::Raw);
        for id in ["' OR '1'='1", "1 OR 1=1", "1; DROP TABLE users", "?", "\\'; -- ", "1)--", "", "\0", "NULL", "\\"] {
            assert_eq!(ask(&*origin, &query, id.as_bytes()).await, Ok(None), "{column} {id:?}");
        }
        assert_eq!(ask(&*origin, &query, &[0xff, 0xfe]).await, Ok(None));
    }
    assert_eq!(server.query_scalar("SELECT count(*) FROM users").await.as_deref(), Some("5"));
}

#[tokio::test]
async fn answers_that_do_not_fit_and_statements_that_fail_are_errors() {
    let (_server, origin) = started().await;
    let twins = ask(&*origin, &query("SELECT id FROM users WHERE name = :id", Shape::Json), b"twin").await;
    assert_eq!(twins, Err(OriginError::Shape(Misfit::ManyRows)));
    let wide = ask(&*origin, &query("SELECT id, name FROM users WHERE name = :id", Shape::Raw), b"Ada").await;
    assert_eq!(wide, Err(OriginError::Shape(Misfit::Columns { found: 2 })));
    let unknown =
        ask(&*origin, &query("SELECT nme FROM users WHERE name = :id", Shape::Raw), b"canary").await.unwrap_err();
    assert!(unknown.is_misconfigured() && unknown.to_string().contains("nme"), "{unknown}");
    let running = query("SELECT (SELECT 1 UNION SELECT 2) FROM users WHERE name LIKE :id", Shape::Raw);
    let running = ask(&*origin, &running, b"Ada").await.unwrap_err();
    assert!(
        matches!(&running, OriginError::Query(StatementFault::Running { code }) if code.starts_with("1242")),
        "{running}"
    );
    assert_eq!(ask(&*origin, &query("SELECT name FROM users WHERE id = :id", Shape::Raw), b"1").await, Ok(raw("Ada")));
}

#[tokio::test]
async fn nothing_is_written() {
    let (server, origin) = started().await;
    let body = "CREATE FUNCTION wipe() RETURNS int MODIFIES SQL DATA BEGIN DELETE FROM users; RETURN 1; END";
    server.execute(&format!("DELIMITER //\n{body}//\nDELIMITER ;\n")).await;
    let wipe = query_of("SELECT wipe() + :id", Shape::Raw, ParameterKind::Int);
    let error = ask(&*origin, &wipe, b"1").await.unwrap_err();
    assert!(
        matches!(&error, OriginError::Query(StatementFault::Running { code }) if code.starts_with("1792")),
        "{error}"
    );
    assert_eq!(server.query_scalar("SELECT count(*) FROM users").await.as_deref(), Some("5"));
}

#[tokio::test]
async fn down_at_the_start_then_up_then_restarted() {
    let (server, _) = started().await;
    server.stop().await;
    let origin = opened(&server);
    let query = query("SELECT name FROM users WHERE id = :id", Shape::Raw);
    let down = ask(&*origin, &query, b"1").await.unwrap_err();
    assert_eq!(down.reason(), OriginReason::Connect, "{down}");
    server.restart().await;
    assert_eq!(ask(&*origin, &query, b"1").await, Ok(raw("Ada")));
    server.stop().await;
    server.restart().await;
    assert_eq!(
        ask(&*origin, &query, b"1").await,
        Ok(raw("Ada")),
        "the dead idle connection is replaced within the load"
    );
}

#[tokio::test]
async fn killed_in_the_middle_of_a_load() {
    let (server, origin) = started().await;
    let sleeping = {
        let origin = Arc::clone(&origin);
        tokio::spawn(async move {
            ask(&*origin, &query_of("SELECT SLEEP(:id)", Shape::Raw, ParameterKind::Int), b"4").await
        })
    };
    let asleep = "SELECT count(*) FROM information_schema.processlist WHERE state = 'User sleep'";
    eventually("the load sleeps in the server", LONG, async || {
        server.query_scalar(asleep).await.as_deref() == Some("1")
    })
    .await;
    server.kill().await;
    assert_eq!(sleeping.await.unwrap(), Err(OriginError::Lost));
}

#[tokio::test]
async fn a_stopped_server_times_out_and_blocks_nobody_afterwards() {
    let (server, origin) = started().await;
    let query = query("SELECT name FROM users WHERE id = :id", Shape::Raw);
    assert_eq!(ask(&*origin, &query, b"1").await, Ok(raw("Ada")));
    server.pause();
    for _ in 0..3 {
        let error = origin.load(&query, &[("id", b"1")], SHORT).await.unwrap_err();
        assert!(error.is_timeout(), "{error}");
    }
    server.resume();
    assert_eq!(ask(&*origin, &query, b"1").await, Ok(raw("Ada")));
}

#[tokio::test]
async fn a_megabyte_and_one_byte_too_many() {
    let (_server, origin) = started().await;
    let query = query_of("SELECT repeat('x', :id)", Shape::Raw, ParameterKind::Int);
    assert_eq!(ask(&*origin, &query, b"1048576").await.unwrap().unwrap().payload_len(), 1 << 20);
    assert_eq!(ask(&*origin, &query, b"2097153").await, Err(OriginError::TooLarge { limit: 2 << 20 }));
}

#[tokio::test]
async fn fifty_at_once_over_four_connections_and_dropped_loads() {
    let (_server, origin) = started().await;
    let slow = query_of("SELECT SLEEP(:id)", Shape::Raw, ParameterKind::Int);
    for _ in 0..6 {
        assert!(tokio::time::timeout(Duration::from_millis(20), ask(&*origin, &slow, b"4")).await.is_err());
    }
    let before = origin.statements();
    let query = Arc::new(query("SELECT id FROM users WHERE id = :id", Shape::Raw));
    let loads: Vec<_> = (0..50)
        .map(|n| {
            let (origin, query) = (Arc::clone(&origin), Arc::clone(&query));
            tokio::spawn(async move {
                let id = [0, 1, 3, 42][n % 4].to_string();
                (ask(&*origin, &query, id.as_bytes()).await, raw(&id))
            })
        })
        .collect();
    for load in loads {
        let (found, expected) = load.await.unwrap();
        assert_eq!(found, Ok(expected));
    }
    assert_eq!(origin.statements() - before, 50);
    origin.close();
    assert_eq!(ask(&*origin, &query, b"1").await, Err(OriginError::Closed));
}
