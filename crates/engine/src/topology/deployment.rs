//! One Redis deployment: what is believed of it, and how that is kept true.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use failsoft_core::circuit::CircuitSettings;
use failsoft_core::cluster::{Endpoint, Redirect, Slot, Standing, ranges};
use failsoft_core::time::nanos;
use failsoft_core::{Tier, Time};
use parking_lot::Mutex;
use tokio::sync::watch::Sender;

use super::address::{Addresses, Destination, OffLimits};
use super::looks::{Look, Looks};
use super::maker::Maker;
use super::seen::Seen;
use super::stats::TopologyStats;
use super::view::{Builder, View};
use super::watch::{self, Blind, NotSeen};
use super::{forbidden, probe_keys};
use crate::node::{Leads, Node, NodeOptions, Reads};
use crate::settings::{self, NodeAddress, Topology};
use crate::shutdown::Shutdown;
use crate::tls::ClientTls;

/// Which place a deployment has among the tiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rank {
    /// It is the Redis that failsoft stands before.
    First,
    /// It is the read-only second one.
    Regional,
}

impl Rank {
    fn primaries(self) -> Tier {
        match self {
            Self::First => Tier::Primary,
            Self::Regional => Tier::Regional,
        }
    }

    fn replicas(self) -> Tier {
        match self {
            Self::First => Tier::Replica,
            Self::Regional => Tier::Regional,
        }
    }
}

/// Why the topology is to be looked at anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hint {
    /// A node has said that a slot is not its own.
    Moved,
    /// A primary has refused a write because it is none.
    Demoted,
    /// A primary could not be asked, or did not answer.
    Lost,
    /// Somebody wants a key that nobody owns.
    Unowned,
    /// Sentinels have said something.
    Told,
}

impl Hint {
    /// The name used in logs and metric labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Moved => "moved",
            Self::Demoted => "readonly",
            Self::Lost => "lost",
            Self::Unowned => "unowned",
            Self::Told => "sentinel",
        }
    }
}

/// What came of the last look.
#[derive(Default)]
struct Last {
    seen: Option<Seen>,
    is_sound: bool,
    /// What was last told of in the log, so that it is told once.
    told: Option<String>,
    forbidden: forbidden::Told,
}

/// One Redis deployment.
pub struct Deployment {
    redis: settings::Redis,
    rank: Rank,
    maker: Maker,
    view: ArcSwap<View>,
    looks: Arc<Looks>,
    addresses: Addresses,
    /// What was last seen, and whether that was all as it should be.
    last: Mutex<Last>,
    stats: TopologyStats,
    /// The shortest `max_replica_lag` of the routes that may read from nodes other than primaries, in nanoseconds.
    max_lag: AtomicU64,
    /// Told of every new view: the engine's generation, which clients listen to.
    news: Arc<Sender<u64>>,
    shutdown: Shutdown,
}

impl Deployment {
    /// The deployment that `redis` names: all of it where it is standalone, and otherwise whom to ask about it. Nodes that
    /// are in `before` are taken over.
    pub(crate) fn new(
        redis: &settings::Redis,
        rank: Rank,
        maker: Maker,
        before: Option<&View>,
        news: Arc<Sender<u64>>,
    ) -> Self {
        let mut builder = Builder::default();
        let now = maker.clock.now();
        let view = match redis.deployment() {
            settings::Deployment::Standalone { primary, replicas } => {
                let node = |tier, address| maker.node(tier, address, Reads::OfPrimary, Leads::Anywhere, before);
                let primary = (node(rank.primaries(), primary), Standing::Sound);
                let replicas = replicas.iter().map(|address| node(rank.replicas(), address));
                builder.add(Some(primary), replicas, Vec::new());
                builder.whole(1, now)
            }
            settings::Deployment::Sentinel { .. } => builder.whole(0, now),
            settings::Deployment::Cluster { .. } => builder.sharded(0, now),
        };
        Self {
            redis: redis.clone(),
            rank,
            maker,
            view: ArcSwap::from_pointee(view),
            looks: Arc::default(),
            addresses: Addresses::of(redis),
            last: Mutex::default(),
            stats: TopologyStats::default(),
            max_lag: AtomicU64::new(nanos(Duration::MAX)),
            news,
            shutdown: Shutdown::default(),
        }
    }

    /// How its nodes belong together.
    pub fn topology(&self) -> Topology {
        self.redis.topology()
    }

    /// What TLS with its nodes is made with, if there is any.
    pub fn tls(&self) -> Option<&Arc<ClientTls>> {
        self.maker.tls.as_ref()
    }

    /// The name used in metric labels: that of its table in the settings.
    pub fn name(&self) -> &'static str {
        match self.rank {
            Rank::First => "redis",
            Rank::Regional => "regional",
        }
    }

    /// How long ago it was last understood. What the settings say does not age.
    pub fn age(&self) -> Duration {
        let seen_at = Time::from_nanos(self.stats.seen_at.load(Ordering::Relaxed));
        if self.is_discovered() { self.now().since(seen_at) } else { Duration::ZERO }
    }

    /// What is believed of it.
    pub fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// Whether there is more to know than the settings say.
    pub fn is_discovered(&self) -> bool {
        self.topology() != Topology::Standalone
    }

    /// What has been counted about looking at it.
    pub fn stats(&self) -> &TopologyStats {
        &self.stats
    }

    /// The primary that `redirect`, a word of the node at `asked`, is about, if `view` knows it and it may be spoken to.
    pub fn named_by(&self, redirect: &Redirect, asked: &NodeAddress, view: &View) -> Option<Arc<Node>> {
        let target = redirect.target(&asked.endpoint())?;
        let index = view.primary_at(&self.reach(&target).ok()?)?;
        Some(view.node(index).clone())
    }

    /// Where a node is connected to that others say is at `endpoint`.
    ///
    /// # Errors
    /// Nobody may be spoken to there.
    pub(crate) fn reach(&self, endpoint: &Endpoint) -> Result<NodeAddress, OffLimits> {
        let reached = self.addresses.destination(endpoint).map(|destination| destination.address);
        if let Err(off_limits) = &reached {
            self.handle_off_limits(Some(off_limits.clone()));
        }
        reached
    }

    /// Somebody has named a node that may not be spoken to.
    pub(super) fn handle_off_limits(&self, off_limits: Option<OffLimits>) {
        let Some(off_limits) = off_limits else { return };
        self.stats.off_limits.increment();
        self.last.lock().forbidden.tell(off_limits);
    }

    /// When one of its nodes counts as sick.
    pub fn circuit(&self) -> &CircuitSettings {
        &self.maker.circuit
    }

    /// The database that is selected on every connection.
    pub fn database(&self) -> u32 {
        self.maker.template.database
    }

    /// Asks for a look at the topology; the one to wait for, if there is anything to be learned.
    pub fn hint(&self, hint: Hint) -> Option<Look> {
        if !self.is_discovered() {
            return None;
        }
        self.stats.hints.increment(hint.name());
        Some(self.looks.ask())
    }

    /// Returns when `look` has been done, or after `patience`.
    pub async fn learned(&self, look: Look, patience: Duration) {
        self.looks.done(look, patience).await;
    }

    /// Replicas are read from by routes of which the strictest allows this age.
    pub(crate) fn set_max_lag(&self, max_lag: Duration) {
        self.max_lag.store(nanos(max_lag), Ordering::Relaxed);
        self.view().nodes().iter().for_each(|node| node.replication().set_budget(max_lag));
    }

    /// How old a replica may be at most that may answer on every route that reads from replicas.
    pub fn max_lag(&self) -> Duration {
        match self.max_lag.load(Ordering::Relaxed) {
            u64::MAX => Duration::MAX,
            lag => Duration::from_nanos(lag),
        }
    }

    /// Begins to watch the nodes, and the topology, on the present runtime.
    pub(crate) fn start(self: &Arc<Self>) {
        self.watch_nodes();
        watch::start(self);
    }

    /// Looks once at what its nodes, or its sentinels, say of it, without beginning to watch anything. Where all is in the
    /// settings, nobody is asked.
    ///
    /// # Errors
    /// Nothing could be believed, or not within `patience`.
    pub async fn look_once(self: &Arc<Self>, patience: Duration) -> Result<(), NotSeen> {
        watch::look_once(self, patience).await
    }

    /// Begins to watch nodes that nobody watches yet.
    pub(super) fn watch_nodes(&self) {
        self.view().nodes().iter().for_each(Node::watch);
    }

    /// What the settings say of it.
    pub fn settings(&self) -> &settings::Redis {
        &self.redis
    }

    pub(super) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    pub(super) fn looks(&self) -> &Arc<Looks> {
        &self.looks
    }

    pub(super) fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    pub(crate) fn now(&self) -> Time {
        self.maker.clock.now()
    }

    /// How the node at `address` is spoken to.
    pub(super) fn options(&self, address: &NodeAddress, reads: Reads, leads: Leads) -> NodeOptions {
        self.maker.options(address, reads, leads)
    }

    /// Whether all is as it should be, so that there is no hurry to look again.
    pub(super) fn is_settled(&self) -> bool {
        let view = self.view();
        let is_covered = view.slots_assigned() == Slot::COUNT;
        self.last.lock().is_sound && is_covered && view.shards().iter().all(|shard| view.is_well(shard))
    }

    /// Takes up what a look has shown.
    pub(super) fn handle_look(&self, looked: Result<Seen, Blind>) {
        let (seen, is_sound) = match looked {
            Ok(seen) => {
                self.stats.looks.increment("believed");
                let is_sound = seen.is_sound();
                self.tell(None);
                (seen, is_sound)
            }
            Err(blind) => {
                self.stats.looks.increment(blind.reason);
                self.tell(Some(&blind));
                let Some(still) = blind.still else {
                    self.last.lock().is_sound = false;
                    return;
                };
                (still, false)
            }
        };
        let mut last = self.last.lock();
        last.is_sound = is_sound;
        if is_sound {
            self.stats.seen_at.store(self.now().as_nanos(), Ordering::Relaxed);
        }
        if last.seen.as_ref() != Some(&seen) {
            self.show(&seen);
            last.seen = Some(seen);
        }
    }

    /// Tells the log what cannot be believed, once, and when that is over.
    fn tell(&self, blind: Option<&Blind>) {
        let mut last = self.last.lock();
        let topology = self.topology();
        match (blind, &last.told) {
            (Some(blind), told) if told.as_ref() != Some(&blind.why) => {
                tracing::warn!(%topology, "what is known of the deployment stays: {}", blind.sentence());
            }
            (None, Some(_)) => tracing::info!(%topology, "the deployment is understood again"),
            (Some(_) | None, _) => {}
        }
        last.told = blind.map(|blind| blind.why.clone());
    }

    /// Makes a view of what was seen, and lets everybody know.
    fn show(&self, seen: &Seen) {
        let before = self.view();
        let reads = match (self.topology(), self.rank) {
            (Topology::Cluster, _) => Reads::OfReplica,
            (Topology::Standalone | Topology::Sentinel, _) => Reads::OfPrimary,
        };
        let of_primaries = match self.rank {
            Rank::First => Reads::OfPrimary,
            Rank::Regional => reads,
        };
        let mut builder = Builder::default();
        for shard in &seen.shards {
            let node = |tier, node: &Destination, reads| {
                self.maker.node(tier, &node.address, reads, node.leads.clone(), [&*before])
            };
            let primary = shard.primary.as_ref();
            builder.add(
                primary.map(|(seen, standing)| (node(self.rank.primaries(), seen, of_primaries), *standing)),
                shard.replicas.iter().map(|seen| node(self.rank.replicas(), seen, reads)),
                shard.slots.clone(),
            );
        }
        for node in &seen.spare {
            builder.add_spare(self.maker.node(
                self.rank.primaries(),
                &node.address,
                of_primaries,
                node.leads.clone(),
                [&*before],
            ));
        }
        let version = before.version() + 1;
        let view = match self.topology() {
            Topology::Cluster => builder.sharded(version, self.now()),
            Topology::Standalone | Topology::Sentinel => builder.whole(version, self.now()),
        };
        probe_keys::set(&view, &self.maker.template.probe_key);
        let replications = || view.nodes().iter().map(|node| node.replication());
        replications().for_each(|replication| replication.set_budget(self.max_lag()));
        replications().for_each(|replication| replication.ask_soon());
        log_changes(&before, &view);
        self.stats.changes.increment();
        self.maker.journal.iter().for_each(|journal| journal.handle_view(&view));
        self.view.store(Arc::new(view));
        self.news.send_modify(|generation| *generation += 1);
    }

    /// Closes every connection.
    pub(crate) fn close(&self) {
        self.shutdown.begin();
        self.view().nodes().iter().for_each(|node| node.close());
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        self.shutdown.begin();
    }
}

/// Tells the log whom each shard belongs to, where that has changed.
fn log_changes(before: &View, after: &View) {
    for shard in after.shards() {
        let Some(primary) = after.primary_of(shard) else { continue };
        let standing = shard.standing().unwrap_or(Standing::Unproven);
        let known =
            before.shards().iter().find(|old| before.primary_of(old).is_some_and(|old| Arc::ptr_eq(old, primary)));
        let replicas = after.replicas_of(shard).count();
        let slots = ranges::count(shard.slots());
        match known {
            Some(old) if old.standing() == Some(standing) => {}
            Some(_) => {
                tracing::warn!(primary = %primary.name(), %standing, slots, replicas, "what is thought of a primary has changed");
            }
            None => tracing::info!(primary = %primary.name(), %standing, slots, replicas, "a shard has this primary"),
        }
    }
}
