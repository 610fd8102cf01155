//! PostgreSQL origins against a real server: types both ways, hostile keys, a server that is down, killed or stopped.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use failsoft::origin::{
    Kind, Misfit, Origin, OriginError, OriginOptions, OriginReason, ParameterKind, Query, StatementFault, open,
};
use failsoft::value::{Shape, Value};
use failsoft_testkit::{postgres::Postgres, wait::eventually};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(300);

const SCHEMA: &str = "
    CREATE TYPE mood AS ENUM ('glad', 'sad');
    CREATE TABLE users (id int4 PRIMARY KEY, small int2, big int8, name text, code varchar(20), uid uuid, photo bytea,
        price numeric(30, 10), born date, seen timestamptz, local timestamp, is_on bool, data jsonb, ratio float8, tags text[], mood mood);
    INSERT INTO users VALUES (1, 1, 9007199254740993, 'Ada', 'a-1', '6f9619ff-8b86-d011-b42d-00c04fc964ff', '\\xff00',
        12345678901234567890.0100000000, '1815-12-10', '2024-02-29 12:00:00.5+02', '2024-02-29 12:00:00', true,
        '{\"k\": [1, null]}', 1.5, '{a,\"b c\"}', 'glad');
    INSERT INTO users (id, name, code) VALUES (2, 'Zoë \u{1f600}', '042'), (3, 'twin', 'x'), (4, 'twin', 'y');";

async fn started() -> (Postgres, Arc<dyn Origin>) {
    let server = Postgres::start().await;
    server.execute(SCHEMA).await;
    let origin = opened(&server);
    (server, origin)
}

fn opened(server: &Postgres) -> Arc<dyn Origin> {
    open(server.url(), OriginOptions { max_connections: 4, max_value: 2 << 20, ..Default::default() }).unwrap()
}

fn query(text: &str, shape: Shape) -> Query {
    Query::compile(Kind::Postgres, text, shape, &[("id", ParameterKind::Text)]).unwrap()
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
    let columns = "small, big, name, uid, photo, price, born, seen, local, is_on, data, ratio, tags, mood";
    let json = ask(&*origin, &query(&format!("SELECT {columns} FROM users WHERE id = :id"), Shape::Json), b"1").await;
    let expected = r#"{"small":1,"big":9007199254740993,"name":"Ada","uid":"6f9619ff-8b86-d011-b42d-00c04fc964ff","photo":"/wA=","price":12345678901234567890.0100000000,"born":"1815-12-10","seen":"2024-02-29T10:00:00.5+00:00","local":"2024-02-29T12:00:00","is_on":true,"data":{"k": [1, null]},"ratio":1.5,"tags":["a","b c"],"mood":"glad"}"#;
    assert_eq!(json, Ok(raw(expected)));
    let hash = query("SELECT name, photo, seen, is_on, small FROM users WHERE id = :id; -- end", Shape::Hash);
    let fields = [
        ("name", b"Ada".as_slice()),
        ("photo", &[0xff, 0]),
        ("seen", b"2024-02-29T10:00:00.5+00:00"),
        ("is_on", b"true"),
        ("small", b"1"),
    ];
    let fields = fields.map(|(name, value)| (Bytes::from(name), Bytes::copy_from_slice(value))).to_vec();
    assert_eq!(ask(&*origin, &hash, b"1").await, Ok(Some(Value::Hash(fields))));
    let sparse = vec![(Bytes::from("name"), Bytes::from("Zoë \u{1f600}"))];
    assert_eq!(
        ask(&*origin, &query("SELECT name, small FROM users WHERE id = :id", Shape::Hash), b"2").await,
        Ok(Some(Value::Hash(sparse)))
    );
    assert_eq!(
        ask(&*origin, &query("SELECT small FROM users WHERE id = :id -- end", Shape::Raw), b"2").await,
        Ok(None)
    );
    assert_eq!(ask(&*origin, &query("SELECT name FROM users WHERE id = :id", Shape::Raw), b"9").await, Ok(None));
}

#[tokio::test]
async fn each_type_of_column_is_found_by_its_own_form_only() {
    let (_server, origin) = started().await;
    for (column, fits, others) in [
        ("id", b"1".as_slice(), [b"01".as_slice(), b"2147483648", b"1abc"]),
        ("small", b"1", [b" 1", b"32768", b"1.0"]),
        ("big", b"9007199254740993", [b"9007199254740992", b"9223372036854775808", b"1e3"]),
        ("code", b"a-1", [b"A-1", b"a-1\0", &[0xff]]),
        ("uid", b"6f9619ff-8b86-d011-b42d-00c04fc964ff", [b"6f9619ff", b"", &[0xff]]),
        ("photo", &[0xff, 0], [&[0xff], b"", b"\\xff00"]),
        ("price", b"12345678901234567890.01", [b"NaN", b"1e19", b"x"]),
        ("born", b"1815-12-10", [b"tomorrow", b"1815-02-30", b"infinity"]),
        ("is_on", b"true", [b"yes", b"t", b"2"]),
        ("ratio", b"1.5", [b"inf", b"1.5x", b"0x1"]),
    ] {
        let query = query(&format!("SELECT name FROM users WHERE {column} = :id"), Shape::Raw);
        assert_eq!(ask(&*origin, &query, fits).await, Ok(raw("Ada")), "{column}");
        for other in others {
            assert_eq!(ask(&*origin, &query, other).await, Ok(None), "{column} {other:?}");
        }
    }
}

#[tokio::test]
async fn hostile_keys_name_no_row_and_raise_no_error() {
    let (server, origin) = started().await;
    for column in ["id", "name"] {
        let query = query(&format!("SELECT name FROM users WHERE {column} = :id"), Shape::Raw);
        for id in
            ["' OR '1'='1", "1 OR 1=1", "1; DROP TABLE users", "$1", "\\'; --", "1)--", "", "\0", "NULL", "a\u{202e}b"]
        {
            assert_eq!(ask(&*origin, &query, id.as_bytes()).await, Ok(None), "{column} {id:?}");
        }
    }
    assert_eq!(server.query_scalar("SELECT count(*) FROM users").await.as_deref(), Some("4"));
}

#[tokio::test]
async fn the_same_name_may_meet_two_types() {
    let (_server, origin) = started().await;
    let query = query("SELECT name FROM users WHERE code = :id OR id = :id", Shape::Raw);
    assert_eq!(ask(&*origin, &query, b"1").await, Ok(raw("Ada")));
    assert_eq!(ask(&*origin, &query, b"042").await, Ok(None));
}

#[tokio::test]
async fn a_type_that_no_key_can_be_bound_to_is_said_with_advice() {
    let (_server, origin) = started().await;
    let error =
        ask(&*origin, &query("SELECT name FROM users WHERE mood = :id", Shape::Raw), b"glad").await.unwrap_err();
    assert_eq!(error, OriginError::Query(StatementFault::Parameter { name: "id".into(), wants: "mood".into() }));
    assert_eq!(
        ask(&*origin, &query("SELECT name FROM users WHERE mood::text = :id", Shape::Raw), b"glad").await,
        Ok(raw("Ada"))
    );
}

#[tokio::test]
async fn answers_that_do_not_fit_and_statements_that_fail_are_errors() {
    let (_server, origin) = started().await;
    let twins = ask(&*origin, &query("SELECT id FROM users WHERE name = :id", Shape::Json), b"twin").await;
    assert_eq!(twins, Err(OriginError::Shape(Misfit::ManyRows)));
    let wide = ask(&*origin, &query("SELECT id, name FROM users WHERE name = :id", Shape::Raw), b"x").await;
    assert_eq!(wide, Err(OriginError::Shape(Misfit::Columns { found: 2 })));
    let unknown =
        ask(&*origin, &query("SELECT nme FROM users WHERE name = :id", Shape::Raw), b"canary").await.unwrap_err();
    assert!(unknown.is_misconfigured() && unknown.to_string().contains("nme"), "{unknown}");
    let running =
        ask(&*origin, &query("SELECT CAST(name || :id AS int4) FROM users WHERE id = 1", Shape::Raw), b"canary")
            .await
            .unwrap_err();
    assert_eq!(running, OriginError::Query(StatementFault::Running { code: "22P02".into() }));
    assert_eq!(ask(&*origin, &query("SELECT name FROM users WHERE id = :id", Shape::Raw), b"1").await, Ok(raw("Ada")));
}

#[tokio::test]
async fn nothing_is_written() {
    let (server, origin) = started().await;
    server.execute("CREATE FUNCTION wipe() RETURNS int LANGUAGE sql AS 'DELETE FROM users RETURNING 1'").await;
    for text in [
        "SELECT wipe() WHERE :id = 'x'",
        "WITH gone AS (DELETE FROM users WHERE name <> :id RETURNING 1) SELECT * FROM gone",
    ] {
        assert!(ask(&*origin, &query(text, Shape::Raw), b"x").await.is_err(), "{text}");
    }
    assert_eq!(server.query_scalar("SELECT count(*) FROM users").await.as_deref(), Some("4"));
}

#[tokio::test]
async fn a_changed_schema_is_learned_without_a_failed_load() {
    let (server, origin) = started().await;
    let query = query("SELECT * FROM codes WHERE code = :id", Shape::Json);
    server.execute("CREATE TABLE codes (code text, gone int)").await;
    server.execute("INSERT INTO codes VALUES ('7', 1)").await;
    assert_eq!(ask(&*origin, &query, b"7").await, Ok(raw(r#"{"code":"7","gone":1}"#)));
    server.execute("ALTER TABLE codes DROP COLUMN gone").await;
    assert_eq!(ask(&*origin, &query, b"7").await, Ok(raw(r#"{"code":"7"}"#)));
    server.execute("ALTER TABLE codes ALTER COLUMN code TYPE int USING code::int").await;
    assert_eq!(ask(&*origin, &query, b"7").await, Ok(raw(r#"{"code":7}"#)));
}

#[tokio::test]
async fn down_at_the_start_then_up_then_killed_then_up() {
    let (server, _) = started().await;
    server.kill().await;
    let origin = opened(&server);
    let query = query("SELECT name FROM users WHERE id = :id", Shape::Raw);
    let down = ask(&*origin, &query, b"1").await.unwrap_err();
    assert_eq!(down.reason(), OriginReason::Connect, "{down}");
    server.restart().await;
    server.execute("DROP TABLE IF EXISTS users; DROP TYPE IF EXISTS mood").await;
    server.execute(SCHEMA).await;
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
            ask(&*origin, &query("SELECT CAST(pg_sleep(60) AS text) WHERE :id = 'x'", Shape::Raw), b"x").await
        })
    };
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
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
async fn a_slow_statement_times_out_and_dropped_loads_leave_the_pool_whole() {
    let (_server, origin) = started().await;
    let slow = query("SELECT CAST(pg_sleep(60) AS text) WHERE :id = 'x'", Shape::Raw);
    for _ in 0..6 {
        assert!(origin.load(&slow, &[("id", b"x")], Duration::from_millis(50)).await.unwrap_err().is_timeout());
        assert!(tokio::time::timeout(Duration::from_millis(20), ask(&*origin, &slow, b"x")).await.is_err());
    }
    let quick = query("SELECT name FROM users WHERE id = :id", Shape::Raw);
    assert_eq!(ask(&*origin, &quick, b"1").await, Ok(raw("Ada")));
}

#[tokio::test]
async fn a_megabyte_and_one_byte_too_many() {
    let (_server, origin) = started().await;
    let query = query("SELECT repeat('x', :id)", Shape::Raw);
    assert_eq!(ask(&*origin, &query, b"1048576").await.unwrap().unwrap().payload_len(), 1 << 20);
    assert_eq!(ask(&*origin, &query, b"2097153").await, Err(OriginError::TooLarge { limit: 2 << 20 }));
}

#[tokio::test]
async fn fifty_at_once_over_four_connections() {
    let (server, origin) = started().await;
    let query = Arc::new(query("SELECT CAST(id AS text) FROM users WHERE id = :id", Shape::Raw));
    let loads: Vec<_> = (0..50)
        .map(|n| {
            let (origin, query) = (Arc::clone(&origin), Arc::clone(&query));
            tokio::spawn(async move {
                let id = (n % 4 + 1).to_string();
                (ask(&*origin, &query, id.as_bytes()).await, raw(&id))
            })
        })
        .collect();
    for load in loads {
        let (found, expected) = load.await.unwrap();
        assert_eq!(found, Ok(expected));
    }
    assert_eq!(origin.statements(), 50);
    let ours = "SELECT count(*) <= 4 FROM pg_stat_activity WHERE application_name = 'failsoft'";
    assert_eq!(server.query_scalar(ours).await.as_deref(), Some("t"));
    origin.close();
    assert_eq!(ask(&*origin, &query, b"1").await, Err(OriginError::Closed));
}
