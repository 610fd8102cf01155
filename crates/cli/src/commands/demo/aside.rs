//! The same reads without failsoft: plain cache-aside, as most programs have it.
//!
//! Ask Redis for at most 200 ms; what it has not, or does not say, is loaded from the database and put into Redis.
//!
//! The database is the same SQLite file behind ten connections on which every query takes 20 ms: it can do 500 queries
//! a second, like the cap failsoft is given. A caller waits at most a second for a free connection, and one that gives
//! up costs the database nothing, which is kinder than most databases are. There is no breaker, no sharing of loads
//! and no replica, because plain cache-aside has none.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::{AsyncCommands, RedisResult};
use rusqlite::Connection;
use tokio::sync::Semaphore;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

use super::error::DemoError;
use super::plan::{CAP, Play};
use super::reader::{Answer, Reader, judged};
use super::through::Connections;
use super::users;

const PATIENCE_WITH_REDIS: Duration = Duration::from_millis(200);
/// Nodes that it is told of.
const SEEDS: usize = 3;
const PATIENCE_WITH_DATABASE: Duration = Duration::from_secs(1);
const TTL_SECONDS: u64 = 60;
const DATABASE_CONNECTIONS: u32 = 10;
const QUERY_TIME: Duration = Duration::from_millis(1000 * DATABASE_CONNECTIONS as u64 / CAP as u64);

/// A program with a cache beside its database.
pub(super) struct Aside {
    redis: Cache,
    database: Database,
}

/// How it speaks to Redis.
enum Cache {
    One(Connections),
    /// The client finds out itself which node owns a key.
    Cluster(ClusterConnection),
}

struct Database {
    file: Connection,
    connections: Semaphore,
    asked: RefCell<Vec<Instant>>,
}

/// The key of that program: another than failsoft's, so that neither side lives on what the other has loaded.
pub(super) fn key(user: u32) -> String {
    format!("aside:{user}")
}

impl Aside {
    pub(super) async fn connect(play: Play, redis: &[SocketAddr], database: &Path) -> Result<Self, DemoError> {
        let cache = match play {
            Play::Cluster => connect_cluster(redis).await.map(Cache::Cluster),
            Play::Standalone => Connections::open(redis[0], PATIENCE_WITH_REDIS).await.map(Cache::One),
        };
        let redis = cache.map_err(DemoError::redis("connect to Redis"))?;
        Ok(Self { redis, database: Database::open(database)? })
    }

    /// In the background and without asking what became of it: the caller has its value already.
    fn keep(&self, user: u32, value: String) {
        match &self.redis {
            Cache::One(connections) => keep_at(connections.next(), user, value),
            Cache::Cluster(connection) => keep_at(connection.clone(), user, value),
        }
    }
}

fn keep_at(mut redis: impl AsyncCommands + 'static, user: u32, value: String) {
    spawn_local(async move { redis.set_ex::<_, _, ()>(key(user), value, TTL_SECONDS).await });
}

/// Its patience is over the whole of a command, with whatever the client does to find its node again.
async fn connect_cluster(redis: &[SocketAddr]) -> RedisResult<ClusterConnection> {
    let client = ClusterClientBuilder::new(redis.iter().take(SEEDS).map(|node| format!("redis://{node}")))
        .connection_timeout(PATIENCE_WITH_REDIS)
        .response_timeout(PATIENCE_WITH_REDIS)
        .build()?;
    client.get_async_connection().await
}

impl Reader for Aside {
    async fn read(&self, user: u32) -> Answer {
        let cached: RedisResult<Option<Vec<u8>>> = match &self.redis {
            Cache::One(connections) => connections.next().get(key(user)).await,
            Cache::Cluster(connection) => connection.clone().get(key(user)).await,
        };
        if let Ok(Some(value)) = cached {
            return judged(user, &value);
        }
        match self.database.load(user).await {
            Ok(value) => {
                let answer = judged(user, value.as_bytes());
                self.keep(user, value);
                answer
            }
            Err(reason) => Answer::Unanswered(reason),
        }
    }

    fn asked(&self) -> Vec<Instant> {
        self.database.asked.borrow().clone()
    }
}

impl Database {
    fn open(file: &Path) -> Result<Self, DemoError> {
        let connections = Semaphore::new(DATABASE_CONNECTIONS as usize);
        Ok(Self { file: users::open(file)?, connections, asked: RefCell::default() })
    }

    async fn load(&self, user: u32) -> Result<String, String> {
        self.asked.borrow_mut().push(Instant::now());
        let free = timeout(PATIENCE_WITH_DATABASE, self.connections.acquire()).await;
        let Ok(Ok(_connection)) = free else {
            return Err("no connection to the database became free within a second".to_owned());
        };
        sleep(QUERY_TIME).await;
        self.row(user).map_err(|error| error.to_string())
    }

    /// Some ten microseconds, so it may hold up this thread.
    fn row(&self, user: u32) -> rusqlite::Result<String> {
        let mut statement = self.file.prepare_cached(users::QUERY)?;
        statement.query_row([user], |row| Ok(users::json_of(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::rc::Rc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_database_does_no_more_than_it_can_and_turns_away_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.db");
        users::create(&path).unwrap();
        let database = Rc::new(Database::open(&path).unwrap());
        let local = tokio::task::LocalSet::new();
        let loads: Vec<_> = (1..=1000)
            .map(|user| {
                let database = Rc::clone(&database);
                local.spawn_local(async move { (user, database.load(user).await) })
            })
            .collect();
        local.await;
        let mut loaded = 0;
        for load in loads {
            if let (user, Ok(value)) = load.await.unwrap() {
                assert_eq!(value, users::json(user));
                loaded += 1;
            }
        }
        // Those who wait at most a second, and the ten that are under way when it is over.
        assert!((CAP - 10..=CAP + 10).contains(&loaded), "{loaded}");
        assert_eq!(database.asked.borrow().len(), 1000);
    }
}
