//! Real servers in one condition, a sidecar before them, and the way from "all is well" through the condition back to it.

use std::time::Duration;

use failsoft_testkit::origin::HttpOrigin;
use failsoft_testkit::redis::Redis;
use failsoft_testkit::sentinel::{NAME, Sentinels};
use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::{eventually, eventually_ok};
use redis::aio::MultiplexedConnection;

use super::class::{OLD, Seed};
use super::data::{self, Contents, DELETED};
use super::{Class, Condition, Role};
use crate::common::replies::bulk;
use crate::common::{Client, Settings, sidecar};

/// For anything to happen on a busy machine, a failover too.
const LONG: Duration = Duration::from_secs(60);

/// A sidecar, what is behind it, and how that is to be.
pub struct Stage {
    pub condition: Condition,
    pub sidecar: Sidecar,
    pub origin: HttpOrigin,
    servers: Servers,
}

enum Servers {
    One(Redis),
    Group(Sentinels),
}

impl Stage {
    /// All is well, every key holds what its class begins with, and what is to be known has been read.
    pub async fn start(condition: Condition) -> Self {
        let servers = Servers::start(condition).await;
        let origin = HttpOrigin::start().await;
        let sidecar = sidecar(&condition.settings(servers.settings(&origin))).await;
        let stage = Self { condition, sidecar, origin, servers };
        data::seed(&mut stage.redis().await, stage.servers.replicas()).await;
        stage.warm().await;
        stage.origin.reset_counts();
        stage
    }

    /// Brings about what the condition is named by.
    pub async fn fall(&self) {
        match &self.servers {
            Servers::One(redis) => self.fall_of(redis).await,
            Servers::Group(group) => {
                // The quorum is three, so nobody is promoted without this one.
                group.sentinels()[2].pause();
                group.servers()[0].kill().await;
                self.open_circuit().await;
                // Once it has said how it stands.
                let key = Class::GetSeen.keys(Role::SessionOnReplica).remove(0);
                eventually("the replica to be read", LONG, async || self.client().await.get(&key).await == bulk(OLD))
                    .await;
            }
        }
    }

    async fn fall_of(&self, redis: &Redis) {
        match self.condition {
            Condition::Healthy | Condition::FailingOver => {}
            Condition::Full => redis.oom().await,
            Condition::Silent => redis.pause(),
            Condition::Loading => {
                redis.restart_loading(LONG).await;
                self.wait_told("-LOADING").await;
            }
            Condition::Isolated => {
                redis.pause();
                self.open_circuit().await;
            }
            Condition::Refused => {
                redis.save().await;
                redis.kill().await;
                self.open_circuit().await;
            }
            Condition::Recovering => {
                redis.save().await;
                redis.kill().await;
                self.open_circuit().await;
                self.delete_what_caches_hold().await;
                redis.restart().await;
            }
        }
    }

    /// Takes back what was brought about, and returns when the sidecar believes Redis again.
    pub async fn heal(&self) {
        match &self.servers {
            Servers::One(redis) => match self.condition {
                Condition::Healthy | Condition::FailingOver | Condition::Recovering => {}
                Condition::Refused => redis.restart().await,
                Condition::Loading => {
                    redis.config_set("key-load-delay", "0").await;
                    redis.wait_answering().await;
                }
                Condition::Full => redis.heal().await,
                Condition::Silent | Condition::Isolated => redis.resume(),
            },
            Servers::Group(group) => {
                group.sentinels()[2].resume();
                group.wait_promoted(&group.servers()[0]).await;
            }
        }
        self.wait_believed().await;
    }

    /// What the keys hold at the primary of the moment.
    pub async fn contents(&self) -> Contents {
        data::contents(&mut self.redis().await).await
    }

    /// Whether the primary's circuit is open.
    pub async fn is_open(&self) -> bool {
        let labels = [("tier", "primary"), ("state", "open")];
        self.sidecar.metric("failsoft_node_circuit_state", &labels).await.is_some_and(|nodes| nodes > 0.0)
    }

    /// Deletes, while nobody can, what must not come back.
    pub async fn delete(&self) {
        let mut client = self.client().await;
        for key in DELETED {
            assert_eq!(client.ask(&["DEL", key]).await, ":1\r\n", "{:?}: DEL {key}", self.condition);
        }
    }

    /// Reads what was deleted until nothing waits to be told to Redis any more: it is never what it was.
    async fn wait_believed(&self) {
        eventually_ok(&format!("Redis to be believed ({:?})", self.condition), LONG, async || {
            if self.condition.is_away() {
                for key in DELETED {
                    assert_ne!(
                        self.client().await.get(key).await,
                        bulk(OLD),
                        "{:?}: {key} has been deleted",
                        self.condition
                    );
                }
            }
            self.complaint().await
        })
        .await;
    }

    async fn complaint(&self) -> Result<(), String> {
        let metrics = self.sidecar.metrics().await;
        let closed = metrics.get("failsoft_node_circuit_state", &[("tier", "primary"), ("state", "closed")]);
        let waiting =
            ["failsoft_journal_entries", "failsoft_write_back_outstanding", "failsoft_publish_queue_messages"];
        let waiting: f64 = waiting.iter().filter_map(|metric| metrics.get(metric, &[])).sum();
        let writes = self.client().await.ask(&["SET", "plain:believed", "yes"]).await;
        match (closed, waiting, writes.as_str()) {
            (Some(1.0), 0.0, "+OK\r\n") => Ok(()),
            _ => Err(format!("circuit closed {closed:?}, {waiting} wait to be told to it, a write: {writes:?}")),
        }
    }

    async fn delete_what_caches_hold(&self) {
        let mut client = self.client().await;
        for (role, class) in data::cells().filter(|(role, class)| role.is_cache() && class.seed() != Seed::Nothing) {
            for key in class.keys(role) {
                assert_eq!(client.ask(&["DEL", &key]).await, ":1\r\n", "DEL {key}");
            }
        }
    }

    async fn open_circuit(&self) {
        eventually("the primary's circuit to be open", LONG, async || {
            self.client().await.get("plain:any").await;
            self.is_open().await
        })
        .await;
    }

    async fn wait_told(&self, words: &str) {
        eventually(&format!("plain keys to be answered {words}"), LONG, async || {
            self.client().await.get("plain:any").await.starts_with(words)
        })
        .await;
    }

    /// Reads, for each role, what one class of reads expects to have been read.
    async fn warm(&self) {
        let seen = Role::ALL.into_iter().flat_map(|role| Class::GetSeen.keys(role));
        for key in seen.chain(DELETED.map(str::to_owned)) {
            let what = format!("{key} to be read ({:?})", self.condition);
            eventually(&what, LONG, async || self.client().await.get(&key).await == bulk(OLD)).await;
        }
    }

    async fn client(&self) -> Client {
        Client::connect(self.sidecar.addr()).await
    }

    async fn redis(&self) -> MultiplexedConnection {
        match &self.servers {
            Servers::One(redis) => redis.connection().await,
            Servers::Group(group) => group.primary().await.redis().connection().await,
        }
    }
}

impl Servers {
    async fn start(condition: Condition) -> Self {
        match condition {
            Condition::FailingOver => Self::Group(Sentinels::builder().replicas(1).quorum(3).start().await),
            Condition::Healthy | Condition::Refused | Condition::Loading | Condition::Full => {
                Self::One(Redis::start().await)
            }
            Condition::Silent | Condition::Isolated | Condition::Recovering => Self::One(Redis::start().await),
        }
    }

    fn replicas(&self) -> usize {
        match self {
            Self::One(_) => 0,
            Self::Group(group) => group.servers().len() - 1,
        }
    }

    /// The settings before them, a route for each role among them.
    fn settings(&self, origin: &HttpOrigin) -> Settings {
        let settings = match self {
            Self::One(redis) => Settings::new(&redis.url()),
            Self::Group(group) => {
                let nodes = group.sentinels().iter().map(|sentinel| format!("'redis://{}'", sentinel.addr()));
                Settings::new("")
                    .set("redis.topology", "'sentinel'")
                    .set("redis.master_name", &format!("'{NAME}'"))
                    .set("redis.nodes", &format!("[{}]", nodes.collect::<Vec<_>>().join(", ")))
            }
        };
        Role::ALL.into_iter().fold(settings.origin("rows", &origin.url()), |settings, role| match role.route() {
            Some(lines) => settings.route(&format!("keys = '{}'\n{lines}", role.pattern())),
            None => settings,
        })
    }
}
