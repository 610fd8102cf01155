//! How the group comes to be: one Redis, its replicas, then sentinels that know all of them from their files.
//!
//! A sentinel finds the others by messages that go out every two seconds; one that is restarted reads them from its file. So
//! the files are written as sentinels would have left them, and the group is whole as soon as it runs.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::SocketAddr;

use super::server::Server;
use super::{NAME, Sentinels};
use crate::network::{Network, Party};
use crate::port::FreePort;
use crate::redis::{Redis, RedisBuilder, Steady};
use crate::together;

/// What a sentinel needs to be allowed at a Redis (from Redis' own documentation of Sentinel).
const SENTINEL_RIGHTS: &str = "allchannels +multi +slaveof +ping +exec +subscribe +config|rewrite +role +publish +info \
                               +client|setname +client|kill +script|kill";

/// Everything a sentinel does now and then, it does more often than its 2 s (to publish), 10 s (to ask INFO) and 30 s (to
/// trust its clock again): what follows a failover then takes seconds instead of half a minute.
const BRISK: &[&str] = &["SENTINEL", "DEBUG", "publish-period", "500", "info-period", "1000", "tilt-period", "2000"];

/// Settings of [`Sentinels`] to be.
#[derive(Debug)]
#[must_use = "nothing runs before `start`"]
pub struct SentinelsBuilder {
    replicas: usize,
    sentinels: usize,
    quorum: usize,
    settings: Vec<(String, String)>,
    password: Option<String>,
    user: Option<(String, String)>,
    sentinel_password: Option<String>,
    network: Option<Network>,
}

impl Default for SentinelsBuilder {
    fn default() -> Self {
        Self {
            replicas: 2,
            sentinels: 3,
            quorum: 2,
            settings: Vec::new(),
            password: None,
            user: None,
            sentinel_password: None,
            network: None,
        }
    }
}

impl SentinelsBuilder {
    /// How many replicas the primary has; 2 unless told.
    pub fn replicas(mut self, count: usize) -> Self {
        self.replicas = count;
        self
    }

    /// How many sentinels watch it; 3 unless told.
    pub fn sentinels(mut self, count: usize) -> Self {
        self.sentinels = count;
        self
    }

    /// How many of them must find the primary down before it is; 2 unless told.
    pub fn quorum(mut self, quorum: usize) -> Self {
        self.quorum = quorum;
        self
    }

    /// One line of redis.conf of every Redis, the sentinels excepted.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The password that every Redis wants from clients, replicas and sentinels.
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self.set("requirepass", password).set("masterauth", password)
    }

    /// An ACL user of every Redis, as which the sentinels log in, with the rights they need and no others.
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.user = Some((name.to_owned(), password.to_owned()));
        self.set("user", &format!("{name} on >{password} {SENTINEL_RIGHTS}"))
    }

    /// The password that sentinels want from clients and from each other.
    pub fn sentinel_password(mut self, password: &str) -> Self {
        self.sentinel_password = Some(password.to_owned());
        self
    }

    /// All of them reach each other, and clients reach them, through gates that [`Sentinels::partition`] can shut.
    ///
    /// # Panics
    /// When this machine cannot tell servers apart by their loopback addresses.
    pub fn partitionable(mut self) -> Self {
        self.network = Some(Network::new());
        self
    }

    /// Starts all and waits until replicas are fed and every sentinel knows every other.
    ///
    /// # Panics
    /// When `redis-server` is missing or one does not come up; its log is in the message.
    pub async fn start(self) -> Sentinels {
        let mut places: Vec<Place> = (0..=self.replicas + self.sentinels).map(|index| self.place(index)).collect();
        let plan = Plan::new(&places, self.replicas);
        let watching = places.split_off(1 + self.replicas);
        let following = places.split_off(1);
        let mut servers = together::all(places.into_iter().map(|place| self.start_redis(place, None))).await;
        servers.extend(
            together::all(following.into_iter().map(|place| self.start_redis(place, Some(plan.primary)))).await,
        );
        let starting =
            watching.into_iter().enumerate().map(|(number, place)| self.start_sentinel(place, number, &plan));
        let sentinels = together::all(starting).await;
        let group = Sentinels { servers, sentinels, network: self.network };
        group.wait_ok().await;
        group
    }

    fn place(&self, index: usize) -> Place {
        let gate = self.network.as_ref().map(|_| FreePort::reserve());
        Place { party: Party::server(index), port: FreePort::reserve(), gate }
    }

    async fn start_redis(&self, place: Place, primary: Option<SocketAddr>) -> Server {
        let port = place.announced().port().to_string();
        let mut builder = Redis::builder().set("replica-announce-ip", "127.0.0.1").set("replica-announce-port", &port);
        if let Some(primary) = primary {
            builder = builder.replica_of_addr(primary);
        }
        for (name, value) in &self.settings {
            builder = builder.set(name, value);
        }
        self.start_at(place, builder, &[]).await
    }

    async fn start_sentinel(&self, place: Place, number: usize, plan: &Plan) -> Server {
        let mut builder = Redis::builder().arg("--sentinel");
        let announce = ["announce-ip 127.0.0.1".to_owned(), format!("announce-port {}", place.announced().port())];
        for line in plan.lines(number, self.quorum).into_iter().chain(announce).chain(self.secrets()) {
            builder = builder.set("sentinel", &line);
        }
        if let Some(password) = &self.sentinel_password {
            builder = builder.set("requirepass", password);
        }
        self.start_at(place, builder, BRISK).await
    }

    /// What a sentinel says at the door of every Redis and of the other sentinels.
    fn secrets(&self) -> Vec<String> {
        let redis = match (&self.user, &self.password) {
            (Some((name, password)), _) => {
                vec![format!("auth-user {NAME} {name}"), format!("auth-pass {NAME} {password}")]
            }
            (None, Some(password)) => vec![format!("auth-pass {NAME} {password}")],
            (None, None) => vec![],
        };
        let sentinels = self.sentinel_password.iter().map(|password| format!("sentinel-pass {password}"));
        redis.into_iter().chain(sentinels).collect()
    }

    async fn start_at(&self, place: Place, mut builder: RedisBuilder, orders: &'static [&'static str]) -> Server {
        let Place { party, port, gate } = place;
        let gate = match (&self.network, gate) {
            (Some(network), Some(gate)) => {
                // To Redis, only 127.0.0.1 is this machine.
                builder = builder.set("protected-mode", "no").set("bind-source-addr", &party.source().to_string());
                Some(network.gate(gate, party, port.addr()).await)
            }
            (None, _) | (_, None) => None,
        };
        let redis = builder.port(port).start().await;
        let server = Server { redis, party, gate, steady: Steady::default(), orders };
        server.order().await;
        server
    }
}

/// Where one of them will be.
#[derive(Debug)]
struct Place {
    party: Party,
    port: FreePort,
    gate: Option<FreePort>,
}

impl Place {
    fn announced(&self) -> SocketAddr {
        self.gate.as_ref().unwrap_or(&self.port).addr()
    }
}

/// What every sentinel knows from the start.
#[derive(Debug)]
struct Plan {
    primary: SocketAddr,
    replicas: Vec<SocketAddr>,
    /// With their identities.
    sentinels: Vec<(SocketAddr, String)>,
}

impl Plan {
    fn new(places: &[Place], replicas: usize) -> Self {
        let all: Vec<SocketAddr> = places.iter().map(Place::announced).collect();
        let (followers, sentinels) = all[1..].split_at(replicas);
        let sentinels = sentinels.iter().map(|addr| (*addr, new_id())).collect();
        Self { primary: all[0], replicas: followers.to_vec(), sentinels }
    }

    /// The lines of sentinel number `own`, each without its first word.
    fn lines(&self, own: usize, quorum: usize) -> Vec<String> {
        let words = |addr: &SocketAddr| format!("{} {}", addr.ip(), addr.port());
        let mut lines = vec![
            format!("myid {}", self.sentinels[own].1),
            format!("monitor {NAME} {} {quorum}", words(&self.primary)),
            format!("down-after-milliseconds {NAME} 1000"),
            format!("failover-timeout {NAME} 3000"),
        ];
        lines.extend(self.replicas.iter().map(|addr| format!("known-replica {NAME} {}", words(addr))));
        let others = self.sentinels.iter().enumerate().filter(|(number, _)| *number != own);
        lines.extend(others.map(|(_, (addr, id))| format!("known-sentinel {NAME} {} {id}", words(addr))));
        lines
    }
}

/// 40 hexadecimal digits that no other sentinel has.
fn new_id() -> String {
    let random = || RandomState::new().hash_one(std::process::id());
    format!("{:016x}{:016x}{:08x}", random(), random(), random() >> 32)
}
