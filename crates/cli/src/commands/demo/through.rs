//! Reads through failsoft, with nothing but an ordinary Redis client: `GET user:42`.

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{AsyncCommands, Client};

use super::error::DemoError;
use super::reader::{Answer, Reader, judged};

/// Connections of the client, each with many reads under way: as if 32 programs had one each. Replies of a connection
/// come in the order of its reads, so a read that has to wait for the database holds up those behind it.
const CONNECTIONS: usize = 32;

/// Longer than failsoft's own bound on a request (1 s), so that it is failsoft who gives up first, if anybody.
const PATIENCE: Duration = Duration::from_secs(3);

/// A client of the sidecar.
pub(super) struct Through {
    connections: Connections,
}

/// The key failsoft's route takes.
pub(super) fn key(user: u32) -> String {
    format!("user:{user}")
}

impl Through {
    pub(super) async fn connect(sidecar: SocketAddr) -> Result<Self, DemoError> {
        let connections =
            Connections::open(sidecar, PATIENCE).await.map_err(DemoError::redis("connect to failsoft"))?;
        Ok(Self { connections })
    }
}

impl Reader for Through {
    async fn read(&self, user: u32) -> Answer {
        let reply: Result<Option<Vec<u8>>, _> = self.connections.next().get(key(user)).await;
        match reply {
            Ok(Some(value)) => judged(user, &value),
            Ok(None) => Answer::Wrong(format!("user {user} was said not to exist")),
            Err(error) => Answer::Unanswered(error.to_string()),
        }
    }

    fn asked(&self) -> Vec<Instant> {
        Vec::new()
    }
}

/// Some reconnecting connections to one server, taken in turn.
pub(super) struct Connections {
    all: Vec<ConnectionManager>,
    turn: Cell<usize>,
}

impl Connections {
    /// Opens them with the same patience for connecting and for each reply. A failed reconnect is told at once and
    /// tried again with the next command, so that nobody waits for retries.
    pub(super) async fn open(server: SocketAddr, patience: Duration) -> redis::RedisResult<Self> {
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(patience))
            .set_response_timeout(Some(patience));
        let client = Client::open(format!("redis://{server}"))?;
        let mut all = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            all.push(ConnectionManager::new_with_config(client.clone(), config.clone()).await?);
        }
        Ok(Self { all, turn: Cell::new(0) })
    }

    pub(super) fn next(&self) -> ConnectionManager {
        let turn = self.turn.get();
        self.turn.set((turn + 1) % self.all.len());
        self.all[turn].clone()
    }
}
