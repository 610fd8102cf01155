//! Both databases start, answer, vanish, hang and come back, also several at once.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use failsoft_testkit::mariadb::MariaDb;
use failsoft_testkit::postgres::Postgres;
use failsoft_testkit::sql::Database;
use tokio::net::TcpStream;

#[tokio::test]
async fn postgres_answers_vanishes_and_comes_back() {
    let database = Postgres::start().await;
    assert!(database.url().starts_with("postgres://"));
    exercise(&database).await;
}

#[tokio::test]
async fn mariadb_answers_vanishes_and_comes_back() {
    let database = MariaDb::start().await;
    assert!(database.url().starts_with("mysql://"));
    exercise(&database).await;
}

async fn exercise(database: &Database) {
    database
        .execute("CREATE TABLE users (id INT PRIMARY KEY, name VARCHAR(20)); INSERT INTO users VALUES (1, 'Ada')")
        .await;
    assert_eq!(database.query_scalar("SELECT name, id FROM users").await.unwrap(), "Ada");
    assert_eq!(database.query_scalar("SELECT name FROM users WHERE id = 2").await, None);

    database.pause();
    TcpStream::connect(database.addr()).await.unwrap();
    let silent = tokio::time::timeout(Duration::from_millis(200), database.query_scalar("SELECT 1")).await;
    assert!(silent.is_err());
    database.resume();
    assert_eq!(database.query_scalar("SELECT 1").await.unwrap(), "1");

    let exit = database.stop().await;
    assert!(exit.status.success(), "{}", exit.log);
    let error = TcpStream::connect(database.addr()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);

    database.restart().await;
    assert_eq!(database.query_scalar("SELECT name FROM users").await.unwrap(), "Ada");
    database.restart().await;
    assert_eq!(database.query_scalar("SELECT 1").await.unwrap(), "1");
}

#[tokio::test]
async fn several_start_at_once() {
    let (one, two, three) = tokio::join!(Postgres::start(), Postgres::start(), MariaDb::start());
    assert_ne!(one.addr(), two.addr());
    for database in [&*one, &*two, &*three] {
        assert_eq!(database.query_scalar("SELECT 1").await.unwrap(), "1");
    }
}

#[tokio::test]
#[should_panic(expected = "nowhere_to_be_found")]
async fn a_failing_statement_panics_with_the_servers_words() {
    Postgres::start().await.execute("SELECT * FROM nowhere_to_be_found").await;
}
