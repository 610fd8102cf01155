//! `[redis]`: the deployment failsoft stands before, and how patient it is with it.
//!
//! Only what this version can do is accepted; what is planned is refused by name rather than ignored, so that nobody
//! believes to have Sentinel because the file says so.

mod node;
mod tls;

use super::address::WrittenUrl;
use super::judge::Judge;
use super::secret::{Home, Secret, WrittenSecret};
use super::units::{WrittenDuration, WrittenSize};
use crate::tls::ClientFiles;
pub use node::{NodeAddress, Security};
use node::{NodeUrl, node_url};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tls::WrittenRedisTls;

/// The Redis deployment failsoft stands before, and how patient it is with it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub(crate) struct WrittenRedis {
    /// How the nodes belong together. Only "standalone" is available in this version.
    topology: Topology,
    /// The primary: one URL, `redis://[user[:password]@]host[:port][/database]`, `rediss://` for TLS, or
    /// `unix://[user[:password]@]/path[?db=database]` for a socket on this machine.
    #[schemars(length(min = 1, max = 16))]
    nodes: Vec<WrittenUrl>,
    /// Nodes that replicate the primary and may answer reads, in the order in which they are asked.
    #[schemars(length(max = 16))]
    replicas: Vec<WrittenUrl>,
    /// The user failsoft authenticates as, on every node.
    #[schemars(length(min = 1, max = 256))]
    username: Option<String>,
    /// A file that holds the password; a relative path starts at the folder of the settings file.
    #[schemars(length(min = 1, max = 4096))]
    password_file: Option<String>,
    /// An environment variable that holds the password.
    #[schemars(length(min = 1, max = 256))]
    password_env: Option<String>,
    /// The database that is selected on every connection; 0 unless the URL says otherwise.
    #[schemars(range(min = 0, max = 1_000_000))]
    database: Option<u32>,
    /// How long a node may take to answer before the next tier is asked.
    #[schemars(extend("x-min" = "5ms", "x-max" = "1m"))]
    timeout: WrittenDuration,
    /// How long a connection may take to come about.
    #[schemars(extend("x-min" = "5ms", "x-max" = "1m"))]
    connect_timeout: WrittenDuration,
    /// The largest value that is taken from a node, where a larger one counts as a failure, and the largest that a client
    /// may send, where a larger one closes the client.
    #[schemars(extend("x-min" = "1KiB", "x-max" = "512MiB"))]
    max_value: WrittenSize,
    /// Connections per worker thread and node. A client keeps to one of them, so that its commands keep their order.
    #[schemars(range(min = 1, max = 64))]
    connections: u32,
    /// Requests one connection may have under way; the next one is told that the tier failed.
    #[schemars(range(min = 1, max = 1_000_000))]
    max_pending: u32,
    /// Connections to the primary that may belong to single clients: of those who have opened a transaction, subscribed,
    /// block, or have otherwise given their connection a state. The next such command is told that it is unavailable.
    #[schemars(range(min = 0, max = 1_000_000))]
    max_dedicated: u32,
    /// What a cache read gets when Redis refuses failsoft's own credentials.
    auth_failure: AuthFailure,
    /// How often a node whose circuit is closed is looked at in the background. One whose circuit is not closed is looked
    /// at about four times a second, or this often where that is more.
    #[schemars(extend("x-min" = "10ms", "x-max" = "1m"))]
    probe_interval: WrittenDuration,
    /// The key a probe reads and, on the primary, overwrites with a life of one minute, because a node that answers PING
    /// may still not answer reads. Give it a name that nobody else uses, and failsoft's user the right to write it.
    #[schemars(length(min = 1, max = 512))]
    probe_key: String,
    /// What TLS towards nodes is made of. The files are read again when they change and on SIGHUP.
    tls: WrittenRedisTls,
}

/// How Redis nodes belong together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Topology {
    /// One primary, perhaps with replicas, that stay what they are.
    #[default]
    Standalone,
    /// Not available in this version.
    Sentinel,
    /// Not available in this version.
    Cluster,
}

/// What a cache read gets when Redis refuses failsoft's own credentials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum AuthFailure {
    /// The error: wrong credentials are a mistake to be mended, not an outage to be bridged.
    #[default]
    Error,
    /// An answer from the next tier, as if Redis were away.
    Fallback,
}

impl Default for WrittenRedis {
    fn default() -> Self {
        Self {
            topology: Topology::default(),
            nodes: vec![WrittenUrl("redis://127.0.0.1:6379".to_owned())],
            replicas: Vec::new(),
            username: None,
            password_file: None,
            password_env: None,
            database: None,
            timeout: WrittenDuration::millis(200),
            connect_timeout: WrittenDuration::millis(200),
            max_value: WrittenSize::mib(512),
            connections: 1,
            max_pending: 4096,
            max_dedicated: 1000,
            auth_failure: AuthFailure::default(),
            probe_interval: WrittenDuration::secs(1),
            probe_key: "failsoft:probe".to_owned(),
            tls: WrittenRedisTls::default(),
        }
    }
}

impl WrittenRedis {
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout.0
    }
}

/// The Redis deployment failsoft stands before, and how patient it is with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Redis {
    primary: NodeAddress,
    replicas: Vec<NodeAddress>,
    username: Option<String>,
    password: Option<Secret>,
    database: u32,
    timeout: Duration,
    connect_timeout: Duration,
    max_value: u64,
    connections: usize,
    max_pending: usize,
    max_dedicated: usize,
    auth_failure: AuthFailure,
    probe_interval: Duration,
    probe_key: String,
    tls: Option<ClientFiles>,
}

impl Redis {
    pub(crate) fn mean(written: &WrittenRedis, home: &Home<'_>, judge: &mut Judge<'_>) -> Option<Self> {
        refuse_topology(written.topology, judge);
        let primary = primary(written, judge);
        let replicas: Vec<_> = (written.replicas.iter().enumerate())
            .map(|(index, url)| node_url(&url.0, &format!("redis.replicas[{index}]"), judge))
            .collect();
        let mut primary = primary?;
        let replicas = replicas.into_iter().collect::<Option<Vec<_>>>()?;
        ensure_shared(&primary, &replicas, judge);
        ensure_different(&primary, &replicas, judge);
        let replica_paths = replicas.iter().enumerate().map(|(index, url)| (format!("redis.replicas[{index}]"), url));
        let named: Vec<_> = std::iter::once(("redis.nodes[0]".to_owned(), &primary)).chain(replica_paths).collect();
        let tls = tls::mean(&written.tls, &named, home, judge);
        let in_url = primary.password.take();
        let password = WrittenSecret {
            table: "redis",
            in_url,
            url_path: "redis.nodes[0]",
            file: written.password_file.as_deref(),
            variable: written.password_env.as_deref(),
        };
        let password = password.find(home, judge);
        Some(Self {
            username: agreed(written.username.clone(), primary.username, "username", judge),
            database: agreed(written.database, primary.database, "database", judge).unwrap_or(0),
            primary: primary.address,
            replicas: replicas.into_iter().map(|replica| replica.address).collect(),
            password,
            timeout: written.timeout.0,
            connect_timeout: written.connect_timeout.0,
            max_value: written.max_value.0,
            connections: written.connections as usize,
            max_pending: written.max_pending as usize,
            max_dedicated: written.max_dedicated as usize,
            auth_failure: written.auth_failure,
            probe_interval: written.probe_interval.0,
            probe_key: written.probe_key.clone(),
            tls,
        })
    }

    /// How the nodes belong together: what this version has.
    pub fn topology(&self) -> Topology {
        Topology::Standalone
    }

    /// The node that owns every key.
    pub fn primary(&self) -> &NodeAddress {
        &self.primary
    }

    /// The nodes that may answer reads after it, in asking order.
    pub fn replicas(&self) -> &[NodeAddress] {
        &self.replicas
    }

    /// The user failsoft authenticates as.
    pub fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }

    /// The password failsoft authenticates with.
    pub fn password(&self) -> Option<&Secret> {
        self.password.as_ref()
    }

    /// The database that is selected on every connection.
    pub fn database(&self) -> u32 {
        self.database
    }

    /// How long a node may take to answer, unless the route says otherwise.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// How long a connection may take to come about.
    pub fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// The largest value that is taken from a node, in bytes.
    pub fn max_value(&self) -> u64 {
        self.max_value
    }

    /// Connections per worker thread and node. A client keeps to one of them, so that its commands keep their order.
    pub fn connections(&self) -> usize {
        self.connections
    }

    /// Requests one connection may have under way.
    pub fn max_pending(&self) -> usize {
        self.max_pending
    }

    /// Connections to the primary that may belong to single clients.
    pub fn max_dedicated(&self) -> usize {
        self.max_dedicated
    }

    /// What a cache read gets when Redis refuses failsoft's own credentials.
    pub fn auth_failure(&self) -> AuthFailure {
        self.auth_failure
    }

    /// How often a node whose circuit is open is asked whether it is back.
    pub fn probe_interval(&self) -> Duration {
        self.probe_interval
    }

    /// What TLS towards nodes is made of, if any node is spoken to over TLS.
    pub fn tls(&self) -> Option<&ClientFiles> {
        self.tls.as_ref()
    }

    /// The key a probe reads.
    pub fn probe_key(&self) -> &str {
        &self.probe_key
    }
}

fn refuse_topology(topology: Topology, judge: &mut Judge<'_>) {
    let name = match topology {
        Topology::Standalone => return,
        Topology::Sentinel => "sentinel",
        Topology::Cluster => "cluster",
    };
    judge
        .error("redis.topology", format!("topology \"{name}\" is not available in this version"))
        .hint("topology = \"standalone\", with the primary in nodes and its replicas in replicas");
}

fn primary(written: &WrittenRedis, judge: &mut Judge<'_>) -> Option<NodeUrl> {
    if let [only] = &*written.nodes {
        return node_url(&only.0, "redis.nodes[0]", judge);
    }
    judge
        .error("redis.nodes", format!("standalone has one primary; `nodes` names {}", written.nodes.len()))
        .hint("name its replicas in redis.replicas");
    None
}

fn ensure_shared(primary: &NodeUrl, replicas: &[NodeUrl], judge: &mut Judge<'_>) {
    for (index, replica) in replicas.iter().enumerate() {
        if replica.says_otherwise_than(primary) {
            judge
                .error(format!("redis.replicas[{index}]"), "a replica shares the primary's credentials and database")
                .hint("leave user, password and database out of the replica's URL");
        }
    }
}

fn ensure_different(primary: &NodeUrl, replicas: &[NodeUrl], judge: &mut Judge<'_>) {
    let nodes: Vec<_> = std::iter::once(primary).chain(replicas).collect();
    for (index, replica) in replicas.iter().enumerate() {
        if nodes[..=index].iter().any(|earlier| earlier.is_same_place(replica)) {
            judge.error(format!("redis.replicas[{index}]"), format!("{} is named more than once", replica.address));
        }
    }
}

fn agreed<T: PartialEq>(written: Option<T>, in_url: Option<T>, key: &str, judge: &mut Judge<'_>) -> Option<T> {
    if let (Some(written), Some(in_url)) = (&written, &in_url)
        && written != in_url
    {
        judge.error(format!("redis.{key}"), format!("`{key}` and the URL in `nodes` disagree"));
    }
    written.or(in_url)
}
