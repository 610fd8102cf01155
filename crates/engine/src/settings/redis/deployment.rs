//! Which nodes a deployment has, as far as the settings name them: the rules of each topology.
//!
//! A standalone Redis is named whole. Of a cluster some nodes are named, of a sentinel deployment the sentinels, and the
//! rest is learned; so what learned nodes share (credentials, TLS) must be the same for all that are named. A
//! sentinel is no node of the deployment: it has a user and a password of its own, and they do not stand in its URL,
//! where nobody could tell whose they are.

use super::node::{NodeAddress, NodeUrl, Security, node_url};
use super::written::{Topology, WrittenRedis};
use crate::settings::address::WrittenUrl;
use crate::settings::judge::Judge;
use crate::settings::secret::{Home, Secret, WrittenSecret};

const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26_379;

/// Which nodes there are, as far as the settings name them.
#[derive(Clone, Debug, PartialEq)]
pub enum Deployment {
    /// A primary and its replicas, which stay what they are.
    Standalone {
        /// The node that owns every key.
        primary: NodeAddress,
        /// The nodes that may answer reads after it, in asking order.
        replicas: Vec<NodeAddress>,
    },
    /// A primary with replicas that sentinels watch.
    Sentinel {
        /// The sentinels that are asked first; they tell of others.
        sentinels: Vec<NodeAddress>,
        /// What the sentinels call the primary.
        master_name: String,
        /// The user failsoft authenticates as on sentinels.
        username: Option<String>,
        /// The password failsoft authenticates with on sentinels.
        password: Option<Secret>,
    },
    /// Primaries and replicas that share the hash slots.
    Cluster {
        /// The nodes that are asked first; they tell of the others.
        seeds: Vec<NodeAddress>,
    },
}

/// The URLs of one deployment, and where they are written.
pub(super) struct Named {
    pub(super) nodes: Vec<NodeUrl>,
    pub(super) replicas: Vec<NodeUrl>,
}

impl Named {
    /// Reads what is written in `table`; `None` if it cannot be a deployment of its topology.
    pub(super) fn read(written: &WrittenRedis, table: &str, judge: &mut Judge<'_>) -> Option<Self> {
        let errors = judge.errors();
        let port = match written.topology {
            Topology::Standalone | Topology::Cluster => REDIS_PORT,
            Topology::Sentinel => SENTINEL_PORT,
        };
        judge_sentinel_settings(written, table, judge);
        let nodes = urls(&written.nodes, &format!("{table}.nodes"), port, judge);
        let replicas = urls(&written.replicas, &format!("{table}.replicas"), port, judge);
        let named = Self { nodes: nodes?, replicas: replicas? };
        match written.topology {
            Topology::Standalone => named.judge_standalone(table, judge),
            Topology::Sentinel => named.judge_sentinels(table, judge),
            Topology::Cluster => named.judge_seeds(written.database, table, judge),
        }
        named.judge_places(table, judge);
        (judge.errors() == errors).then_some(named)
    }

    /// Every URL with its path.
    pub(super) fn with_paths(&self, table: &str) -> impl Iterator<Item = (String, &NodeUrl)> {
        let nodes = self.nodes.iter().enumerate().map(move |(index, url)| (format!("{table}.nodes[{index}]"), url));
        let replicas = self.replicas.iter().enumerate();
        nodes.chain(replicas.map(move |(index, url)| (format!("{table}.replicas[{index}]"), url)))
    }

    fn judge_standalone(&self, table: &str, judge: &mut Judge<'_>) {
        if self.nodes.len() != 1 {
            judge
                .error(
                    format!("{table}.nodes"),
                    format!("standalone has one primary; `nodes` names {}", self.nodes.len()),
                )
                .hint(format!("name its replicas in {table}.replicas"));
        }
        for (path, _) in self.with_paths(table).skip(1).filter(|(_, url)| url.says_otherwise_than(&self.nodes[0])) {
            judge
                .error(path, "a replica shares the primary's credentials and database")
                .hint("leave user, password and database out of the replica's URL");
        }
    }

    fn judge_sentinels(&self, table: &str, judge: &mut Judge<'_>) {
        for (path, _) in self.with_paths(table).filter(|(_, url)| url.says_who_or_which()) {
            judge.error(path, "the URL of a sentinel names neither user nor password nor database").hint(format!(
                "for the nodes write them into {table}.username, password_file and database; for the sentinels into \
                     sentinel_username and sentinel_password_file"
            ));
        }
        self.judge_learning("a sentinel", table, judge);
    }

    fn judge_seeds(&self, database: Option<u32>, table: &str, judge: &mut Judge<'_>) {
        let in_urls = self.with_paths(table).map(|(path, url)| (path, url.database));
        let written = std::iter::once((format!("{table}.database"), database));
        for (path, _) in written.chain(in_urls).filter(|(_, database)| database.is_some_and(|number| number != 0)) {
            judge
                .error(path, "a cluster has only database 0")
                .hint("keep apart by the names of keys what databases kept apart");
        }
        for (path, _) in self.with_paths(table).skip(1).filter(|(_, url)| url.says_otherwise_than(&self.nodes[0])) {
            judge
                .error(path, "all nodes of a cluster are spoken to with the first one's credentials")
                .hint("leave user and password out of the other URLs");
        }
        self.judge_learning("a node of a cluster", table, judge);
    }

    /// What holds where nodes are learned of: they are over the network, and spoken to as those that are named.
    fn judge_learning(&self, what: &str, table: &str, judge: &mut Judge<'_>) {
        if !self.replicas.is_empty() {
            judge
                .error(
                    format!("{table}.replicas"),
                    "`replicas` is for topology \"standalone\"; here they are learned of",
                )
                .hint("leave `replicas` out");
        }
        let first = self.nodes[0].address.security();
        for (path, url) in self.with_paths(table) {
            if matches!(url.address, NodeAddress::Unix { .. }) {
                judge
                    .error(path, format!("{what} is named by host and port, not by a socket in the file system"))
                    .hint("write redis://host:port, or rediss://host:port for TLS");
            } else if url.address.security() != first {
                judge.error(path, "some of `nodes` are spoken to over TLS and some are not").hint(
                    "write all of them with rediss://, or all with redis://: nodes that are learned of go the same way",
                );
            }
        }
    }

    fn judge_places(&self, table: &str, judge: &mut Judge<'_>) {
        let all: Vec<_> = self.with_paths(table).collect();
        for (index, (path, url)) in all.iter().enumerate() {
            if all[..index].iter().any(|(_, earlier)| earlier.is_same_place(url)) {
                judge.error(path, format!("{} is named more than once", url.address));
            }
        }
    }
}

fn urls(written: &[WrittenUrl], path: &str, port: u16, judge: &mut Judge<'_>) -> Option<Vec<NodeUrl>> {
    let urls: Vec<_> = (written.iter().enumerate())
        .map(|(index, url)| node_url(&url.0, port, &format!("{path}[{index}]"), judge))
        .collect();
    urls.into_iter().collect()
}

fn judge_sentinel_settings(written: &WrittenRedis, table: &str, judge: &mut Judge<'_>) {
    match written.topology {
        Topology::Sentinel => need_sentinel_settings(written, table, judge),
        Topology::Standalone | Topology::Cluster => refuse_sentinel_settings(written, table, judge),
    }
}

fn need_sentinel_settings(written: &WrittenRedis, table: &str, judge: &mut Judge<'_>) {
    let missing: Vec<_> =
        [("`nodes`", !judge.was_written(format!("{table}.nodes"))), ("`master_name`", written.master_name.is_none())]
            .into_iter()
            .filter_map(|(key, is_missing)| is_missing.then_some(key))
            .collect();
    if !missing.is_empty() {
        judge
            .error(format!("{table}.topology"), format!("topology \"sentinel\" needs {}", missing.join(" and ")))
            .hint("nodes = [\"redis://sentinel-1:26379\", ...] and the master_name after their `sentinel monitor`");
    }
}

fn refuse_sentinel_settings(written: &WrittenRedis, table: &str, judge: &mut Judge<'_>) {
    for (key, is_written) in [
        ("master_name", written.master_name.is_some()),
        ("sentinel_username", written.sentinel_username.is_some()),
        ("sentinel_password_file", written.sentinel_password_file.is_some()),
        ("sentinel_password_env", written.sentinel_password_env.is_some()),
    ] {
        if is_written {
            judge
                .error(
                    format!("{table}.{key}"),
                    format!("`{key}` is for topology \"sentinel\"; here it is \"{}\"", written.topology),
                )
                .hint(format!("write {table}.topology = \"sentinel\", or leave `{key}` out"));
        }
    }
}

impl Deployment {
    /// What has been named; the caller has taken user, password and database out of the URLs.
    pub(super) fn mean(
        written: &WrittenRedis,
        named: Named,
        table: &str,
        home: &Home<'_>,
        judge: &mut Judge<'_>,
    ) -> Option<Self> {
        let addresses = |urls: Vec<NodeUrl>| urls.into_iter().map(|url| url.address).collect::<Vec<_>>();
        let mut nodes = addresses(named.nodes);
        Some(match written.topology {
            Topology::Standalone => Self::Standalone { primary: nodes.pop()?, replicas: addresses(named.replicas) },
            Topology::Sentinel => Self::Sentinel {
                sentinels: nodes,
                master_name: written.master_name.clone()?,
                username: written.sentinel_username.clone(),
                password: sentinel_password(written, table).find(home, judge),
            },
            Topology::Cluster => Self::Cluster { seeds: nodes },
        })
    }

    /// How the nodes belong together.
    pub fn topology(&self) -> Topology {
        match self {
            Self::Standalone { .. } => Topology::Standalone,
            Self::Sentinel { .. } => Topology::Sentinel,
            Self::Cluster { .. } => Topology::Cluster,
        }
    }

    /// Who is asked first: the primary, the sentinels, or the nodes of the cluster that were named.
    pub fn seeds(&self) -> &[NodeAddress] {
        match self {
            Self::Standalone { primary, .. } => std::slice::from_ref(primary),
            Self::Sentinel { sentinels, .. } => sentinels,
            Self::Cluster { seeds } => seeds,
        }
    }

    /// The replicas that were named, in asking order.
    pub fn replicas(&self) -> &[NodeAddress] {
        match self {
            Self::Standalone { replicas, .. } => replicas,
            Self::Sentinel { .. } | Self::Cluster { .. } => &[],
        }
    }

    /// What protects connections to nodes that are learned of: the same as to those that were named.
    pub fn security(&self) -> Security {
        self.seeds().first().map_or(Security::Plain, NodeAddress::security)
    }

    pub(super) fn master_name(&self) -> Option<&str> {
        match self {
            Self::Sentinel { master_name, .. } => Some(master_name),
            Self::Standalone { .. } | Self::Cluster { .. } => None,
        }
    }
}

fn sentinel_password<'w>(written: &'w WrittenRedis, table: &'w str) -> WrittenSecret<'w> {
    WrittenSecret {
        table,
        prefix: "sentinel_",
        in_url: None,
        url_path: table.to_owned(),
        file: written.sentinel_password_file.as_deref(),
        variable: written.sentinel_password_env.as_deref(),
    }
}
