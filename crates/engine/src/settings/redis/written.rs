//! `[redis]` and `[regional]` as they are written: one form for every deployment of Redis.

use super::rewrite::WrittenRewrite;
use super::tls::WrittenRedisTls;
use crate::settings::address::WrittenUrl;
use crate::settings::units::{WrittenDuration, WrittenSize};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A Redis deployment, and how patient failsoft is with it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub(crate) struct WrittenRedis {
    /// How the nodes belong together.
    pub(super) topology: Topology,
    /// URLs, `redis://[user[:password]@]host[:port][/database]`, `rediss://` for TLS, or
    /// `unix://[user[:password]@]/path[?db=database]` for a socket on this machine. With "standalone" the primary and
    /// nothing else; with "sentinel" the sentinels, as many as there are; with "cluster" some nodes of it, which tell of
    /// all others. In [regional] it must be written.
    #[schemars(length(min = 1, max = 16))]
    pub(super) nodes: Vec<WrittenUrl>,
    /// Nodes that replicate the primary and may answer reads, in the order in which they are asked. With "standalone" only:
    /// sentinels and clusters tell of their replicas themselves.
    #[schemars(length(max = 16))]
    pub(super) replicas: Vec<WrittenUrl>,
    /// What the sentinels call the primary: the name after `sentinel monitor`.
    #[schemars(length(min = 1, max = 256))]
    pub(super) master_name: Option<String>,
    /// The user failsoft authenticates as, on every node.
    #[schemars(length(min = 1, max = 256))]
    pub(super) username: Option<String>,
    /// A file that holds the password; a relative path starts at the folder of the settings file.
    #[schemars(length(min = 1, max = 4096))]
    pub(super) password_file: Option<String>,
    /// An environment variable that holds the password.
    #[schemars(length(min = 1, max = 256))]
    pub(super) password_env: Option<String>,
    /// The user failsoft authenticates as on the sentinels.
    #[schemars(length(min = 1, max = 256))]
    pub(super) sentinel_username: Option<String>,
    /// A file that holds the password for the sentinels, which is never that for the nodes.
    #[schemars(length(min = 1, max = 4096))]
    pub(super) sentinel_password_file: Option<String>,
    /// An environment variable that holds the password for the sentinels.
    #[schemars(length(min = 1, max = 256))]
    pub(super) sentinel_password_env: Option<String>,
    /// The database that is selected on every connection; 0 unless the URL says otherwise. A cluster has no other.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub(super) database: Option<u32>,
    /// How often the deployment is asked who is in it, where nothing gives cause to ask earlier.
    #[schemars(extend("x-min" = "100ms", "x-max" = "1h"))]
    pub(super) refresh_interval: WrittenDuration,
    /// Networks, such as "10.0.0.0/8", in which nodes may be that failsoft is told of (by sentinels, by a cluster, by MOVED
    /// and ASK); told of others, it refuses to connect. When left out: every address but those that are link-local,
    /// a cloud's metadata service, unspecified, multicast or broadcast, and loopback only if one of `nodes` is there. What
    /// stands in `nodes` and in `rewrite` needs no such leave.
    #[schemars(length(min = 1, max = 256))]
    pub(super) networks: Option<Vec<String>>,
    /// Where nodes can be reached that announce an address which cannot: "announced host" or "announced host:port" = "host",
    /// "host:port".
    pub(super) rewrite: WrittenRewrite,
    /// How long a node may take to answer before the next tier is asked.
    #[schemars(extend("x-min" = "5ms", "x-max" = "1m"))]
    pub(super) timeout: WrittenDuration,
    /// How long a connection may take to come about.
    #[schemars(extend("x-min" = "5ms", "x-max" = "1m"))]
    pub(super) connect_timeout: WrittenDuration,
    /// The largest value that is taken from a node, where a larger one counts as a failure, and the largest that a client
    /// may send, where a larger one closes the client.
    #[schemars(extend("x-min" = "1KiB", "x-max" = "512MiB"))]
    pub(super) max_value: WrittenSize,
    /// Connections per worker thread and node. A client keeps to one of them, so that its commands keep their order.
    #[schemars(range(min = 1, max = 64))]
    pub(super) connections: u32,
    /// Requests one connection may have under way; the next one is told that the tier failed.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(super) max_pending: u32,
    /// Connections to primaries that may belong to single clients: of those who have opened a transaction, subscribed,
    /// block, or have otherwise given their connection a state. The next such command is told that it is unavailable.
    /// Not in [regional].
    #[schemars(range(min = 0, max = 1_000_000))]
    pub(super) max_dedicated: u32,
    /// How many connections of single clients may be opened per second and node, so that a node that comes back is not met
    /// by all of them at once. Not in [regional].
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(super) max_connects: u32,
    /// What a cache read gets when Redis refuses failsoft's own credentials. Not in [regional]: the next tier is asked.
    pub(super) auth_failure: AuthFailure,
    /// How often a node whose circuit is closed is looked at in the background. One whose circuit is not closed is looked
    /// at about four times a second, or this often where that is more.
    #[schemars(extend("x-min" = "10ms", "x-max" = "1m"))]
    pub(super) probe_interval: WrittenDuration,
    /// The key a probe reads and, on the primary, overwrites with a life of one minute, because a node that answers PING
    /// may still not answer reads. Give it a name that nobody else uses, and failsoft's user the right to write it.
    #[schemars(length(min = 1, max = 512))]
    pub(super) probe_key: String,
    /// What TLS towards nodes is made of. The files are read again when they change and on SIGHUP.
    pub(super) tls: WrittenRedisTls,
}

/// How Redis nodes belong together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Topology {
    /// One primary, perhaps with replicas, that stay what they are.
    #[default]
    Standalone,
    /// One primary with replicas; sentinels say which of them is the primary.
    Sentinel,
    /// Many primaries, each for some hash slots, with replicas; they say themselves who is what.
    Cluster,
}

impl Topology {
    /// The name used in settings, logs and errors.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standalone => "standalone",
            Self::Sentinel => "sentinel",
            Self::Cluster => "cluster",
        }
    }
}

impl std::fmt::Display for Topology {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
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
            master_name: None,
            username: None,
            password_file: None,
            password_env: None,
            sentinel_username: None,
            sentinel_password_file: None,
            sentinel_password_env: None,
            database: None,
            refresh_interval: WrittenDuration::secs(15),
            networks: None,
            rewrite: WrittenRewrite::default(),
            timeout: WrittenDuration::millis(200),
            connect_timeout: WrittenDuration::millis(200),
            max_value: WrittenSize::mib(512),
            connections: 1,
            max_pending: 4096,
            max_dedicated: 1000,
            max_connects: 500,
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

    pub(crate) fn topology(&self) -> Topology {
        self.topology
    }
}
