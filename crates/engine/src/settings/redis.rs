//! `[redis]` and `[regional]`: the deployments failsoft stands before, and how patient it is with them.
//!
//! Both have one form. What differs is said in one sentence each: the regional deployment must be named, is only read
//! from, and is another one than the first.

mod deployment;
mod networks;
mod node;
mod regional;
mod rewrite;
mod tls;
mod written;

use super::judge::Judge;
use super::secret::{Home, Secret, WrittenSecret};
use crate::tls::ClientFiles;
pub use deployment::Deployment;
use deployment::Named;
use networks::Loopback;
pub use networks::{Forbidden, Networks};
pub use node::{NodeAddress, Security};
pub(crate) use regional::{ensure_elsewhere, judge_regional};
pub use rewrite::Rewrite;
use std::time::Duration;
pub(crate) use written::WrittenRedis;
pub use written::{AuthFailure, Topology};

/// A Redis deployment, and how patient failsoft is with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Redis {
    deployment: Deployment,
    username: Option<String>,
    password: Option<Secret>,
    database: u32,
    refresh_interval: Duration,
    networks: Networks,
    rewrite: Rewrite,
    timeout: Duration,
    connect_timeout: Duration,
    max_value: u64,
    connections: usize,
    max_pending: usize,
    max_dedicated: usize,
    max_connects: u32,
    auth_failure: AuthFailure,
    probe_interval: Duration,
    probe_key: String,
    tls: Option<ClientFiles>,
}

impl Redis {
    /// What is written in `table`.
    pub(crate) fn mean(written: &WrittenRedis, table: &str, home: &Home<'_>, judge: &mut Judge<'_>) -> Option<Self> {
        warn_of_idle_settings(written.topology, table, judge);
        let networks =
            written.networks.as_ref().map(|list| Networks::listed(list, &format!("{table}.networks"), judge));
        let rewrite = Rewrite::mean(&written.rewrite, &format!("{table}.rewrite"), judge);
        let mut named = Named::read(written, table, judge)?;
        let tls = tls::mean(&written.tls, table, &named.with_paths(table).collect::<Vec<_>>(), home, judge);
        let first = &mut named.nodes[0];
        let username = agreed(written.username.clone(), first.username.take(), table, "username", judge);
        let database = agreed(written.database, first.database, table, "database", judge).unwrap_or(0);
        let password = password(written, first.password.take(), table).find(home, judge);
        let deployment = Deployment::mean(written, named, table, home, judge)?;
        Some(Self {
            username,
            password,
            database,
            refresh_interval: written.refresh_interval.0,
            networks: networks.unwrap_or_else(|| Some(usual_networks(&deployment)))?,
            rewrite: rewrite?,
            deployment,
            timeout: written.timeout.0,
            connect_timeout: written.connect_timeout.0,
            max_value: written.max_value.0,
            connections: written.connections as usize,
            max_pending: written.max_pending as usize,
            max_dedicated: written.max_dedicated as usize,
            max_connects: written.max_connects,
            auth_failure: written.auth_failure,
            probe_interval: written.probe_interval.0,
            probe_key: written.probe_key.clone(),
            tls,
        })
    }

    /// Which nodes there are, as far as the settings name them.
    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// How the nodes belong together.
    pub fn topology(&self) -> Topology {
        self.deployment.topology()
    }

    /// Who is asked first: the primary, the sentinels, or the nodes of the cluster that were named.
    pub fn seeds(&self) -> &[NodeAddress] {
        self.deployment.seeds()
    }

    /// The node that owns every key, where it is named and stays what it is.
    pub fn primary(&self) -> Option<&NodeAddress> {
        match &self.deployment {
            Deployment::Standalone { primary, .. } => Some(primary),
            Deployment::Sentinel { .. } | Deployment::Cluster { .. } => None,
        }
    }

    /// The replicas that were named, in asking order.
    pub fn replicas(&self) -> &[NodeAddress] {
        self.deployment.replicas()
    }

    /// Whether there may be replicas: those that were named, or those that will be learned of.
    pub fn may_have_replicas(&self) -> bool {
        match &self.deployment {
            Deployment::Standalone { replicas, .. } => !replicas.is_empty(),
            Deployment::Sentinel { .. } | Deployment::Cluster { .. } => true,
        }
    }

    /// The user failsoft authenticates as, on every node.
    pub fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }

    /// The password failsoft authenticates with, on every node.
    pub fn password(&self) -> Option<&Secret> {
        self.password.as_ref()
    }

    /// The password failsoft authenticates with on sentinels.
    pub fn sentinel_password(&self) -> Option<&Secret> {
        match &self.deployment {
            Deployment::Sentinel { password, .. } => password.as_ref(),
            Deployment::Standalone { .. } | Deployment::Cluster { .. } => None,
        }
    }

    /// The database that is selected on every connection.
    pub fn database(&self) -> u32 {
        self.database
    }

    /// How often the deployment is asked who is in it, where nothing gives cause to ask earlier.
    pub fn refresh_interval(&self) -> Duration {
        self.refresh_interval
    }

    /// In which networks nodes may be that were learned of.
    pub fn networks(&self) -> &Networks {
        &self.networks
    }

    /// Where nodes can be reached that announce addresses which cannot.
    pub fn rewrite(&self) -> &Rewrite {
        &self.rewrite
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

    /// Connections to primaries that may belong to single clients.
    pub fn max_dedicated(&self) -> usize {
        self.max_dedicated
    }

    /// How many connections of single clients may be opened per second and node.
    pub fn max_connects(&self) -> u32 {
        self.max_connects
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

/// A standalone Redis tells of no other nodes, so that nothing of this would ever be looked at.
fn warn_of_idle_settings(topology: Topology, table: &str, judge: &mut Judge<'_>) {
    if topology != Topology::Standalone {
        return;
    }
    for key in ["refresh_interval", "networks", "rewrite"] {
        let path = format!("{table}.{key}");
        if judge.was_written(&path) {
            judge
                .warning(path, format!("`{key}` is for nodes that are learned of; a standalone Redis is named whole"))
                .hint(format!("leave `{key}` out, or say which topology it is"));
        }
    }
}

fn usual_networks(deployment: &Deployment) -> Networks {
    let is_here = deployment.seeds().iter().any(NodeAddress::is_loopback);
    Networks::usual(if is_here { Loopback::Allowed } else { Loopback::Forbidden })
}

fn password<'w>(written: &'w WrittenRedis, in_url: Option<String>, table: &'w str) -> WrittenSecret<'w> {
    WrittenSecret {
        table,
        prefix: "",
        in_url,
        url_path: format!("{table}.nodes[0]"),
        file: written.password_file.as_deref(),
        variable: written.password_env.as_deref(),
    }
}

fn agreed<T: PartialEq>(
    written: Option<T>,
    in_url: Option<T>,
    table: &str,
    key: &str,
    judge: &mut Judge<'_>,
) -> Option<T> {
    if let (Some(written), Some(in_url)) = (&written, &in_url)
        && written != in_url
    {
        judge.error(format!("{table}.{key}"), format!("`{key}` and the URL in `nodes` disagree"));
    }
    written.or(in_url)
}
