//! From settings to a world.
//!
//! What has not changed since the last world is carried over: nodes with their connections and circuits, origins with
//! their guards, local copies, counters. So a reload that touches one route disturbs nothing else.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use failsoft_core::circuit::CircuitSettings;
use failsoft_core::guard::GuardSettings;
use failsoft_core::plan::{AuthPolicy, Bounds, Intent, LocalPlace, Plan, Voice};
use failsoft_core::role::Role;
use failsoft_core::route_table::RouteTable;
use failsoft_core::{Tier, TierSet, pattern};
use thiserror::Error;

use crate::clock::Clock;
use crate::node::{Credentials, Node, NodeOptions};
use crate::origin::{self, OriginError, OriginOptions, ParameterKind, Query, QueryError};
use crate::route::{Route, Source};
use crate::settings::{self, AuthFailure, Deployment, Fetch, LocalMode, ReadFrom, Security, Settings, ThisProcess};
use crate::telemetry::route::RouteStats;
use crate::tier::local::Local;
use crate::tier::origin::OriginTier;
use crate::tls::{ClientTls, TlsError};
use crate::tracking::Tracking;
use crate::world::{Parts, World};
use crate::write_back::WriteBack;

/// The name under which plain Redis is told in metrics and logs; no route can be named so.
pub const PLAIN: &str = "(plain)";
/// Loads may take this long before the database is told to give them up.
const STATEMENT_SLACK: Duration = Duration::from_millis(500);
/// How long a connection to an origin may take, at least.
const ORIGIN_CONNECT: Duration = Duration::from_secs(1);

/// Why settings that are sound in themselves cannot be carried out.
#[derive(Debug, Error)]
pub enum AssembleError {
    /// An origin's address cannot be used.
    #[error("origin `{origin}`: {error}")]
    Origin {
        /// Its name in settings.
        origin: String,
        /// What is wrong.
        error: OriginError,
    },
    /// A setting that is understood and cannot be carried out yet.
    #[error("the engine cannot carry out {0} yet")]
    NotYet(&'static str),
    /// A file for TLS towards nodes cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A route's query cannot be used.
    #[error("route `{route}`: {error}")]
    Query {
        /// Its name.
        route: String,
        /// What is wrong.
        error: QueryError,
    },
}

/// What the last world was made from.
pub(crate) struct Before<'b> {
    pub(crate) settings: &'b Settings,
    pub(crate) world: &'b World,
}

/// What does not come from settings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ground {
    pub(crate) clock: Clock,
    pub(crate) workers: usize,
}

/// Makes the world of `settings`, carrying over what has not changed.
pub(crate) fn assemble(
    settings: &Settings,
    ground: Ground,
    before: Option<&Before<'_>>,
) -> Result<World, AssembleError> {
    let primary = ready_to_carry_out(settings)?;
    let origins = origins(settings, ground, before)?;
    let redis = settings.redis();
    let circuit = circuit(settings.breaker());
    let tls = tls(redis, before)?;
    let node = |tier, address| self::node(tier, node_options(redis, address, tls.as_ref()), &circuit, ground, before);
    let listed = settings
        .routes()
        .iter()
        .map(|route| Ok((route.pattern().clone(), self::route(settings, route, &origins, before)?)))
        .collect::<Result<Vec<_>, AssembleError>>()?;
    let (primary, local) = (node(Tier::Primary, primary), local(settings, before));
    Ok(World::new(Parts {
        tracking: tracking(&listed, &primary, &local, ground, before),
        tls: tls.clone(),
        replicas: redis.replicas().iter().map(|address| node(Tier::Replica, address)).collect(),
        primary,
        local,
        write_back: write_back(settings, before),
        origins,
        routes: RouteTable::new(listed),
        plain: plain(settings, before),
        rules: settings.rules().clone(),
    }))
}

/// The primary, if everything in `settings` can be carried out.
fn ready_to_carry_out(settings: &Settings) -> Result<&settings::NodeAddress, AssembleError> {
    if settings.regional().is_some() {
        return Err(AssembleError::NotYet("[regional]"));
    }
    if settings.routes().iter().any(|route| route.read_from() == ReadFrom::Replica) {
        return Err(AssembleError::NotYet("read_from = \"replica\""));
    }
    match settings.redis().deployment() {
        Deployment::Standalone { primary, .. } => Ok(primary),
        Deployment::Sentinel { .. } => Err(AssembleError::NotYet("topology = \"sentinel\"")),
        Deployment::Cluster { .. } => Err(AssembleError::NotYet("topology = \"cluster\"")),
    }
}

/// The statement or path of a route, compiled for its origin. What `check` and the engine both call.
pub fn compile(route: &settings::Route, kind: origin::Kind, text: &str) -> Result<Query, AssembleError> {
    let bound: Vec<(&str, ParameterKind)> =
        route.pattern().parameters().iter().map(|parameter| (parameter.name(), parameter_kind(parameter))).collect();
    Query::compile(kind, text, route.shape(), &bound)
        .map_err(|error| AssembleError::Query { route: route.name().to_string(), error })
}

fn parameter_kind(parameter: &pattern::Parameter) -> ParameterKind {
    match parameter.kind() {
        pattern::ParameterKind::Int => ParameterKind::Int,
        pattern::ParameterKind::Text | pattern::ParameterKind::Path => ParameterKind::Text,
    }
}

fn node(
    tier: Tier,
    options: NodeOptions,
    circuit: &CircuitSettings,
    ground: Ground,
    before: Option<&Before<'_>>,
) -> Arc<Node> {
    let same = |node: &&Arc<Node>| node.tier() == tier && *node.options() == options && node.circuit() == circuit;
    match before.and_then(|before| before.world.nodes().find(same)) {
        Some(node) => node.clone(),
        None => Arc::new(Node::new(tier, options, circuit.clone(), ground.clock, ground.workers)),
    }
}

/// What has been read is kept while it is made from the same files: whoever reads them again tells it so.
fn tls(redis: &settings::Redis, before: Option<&Before<'_>>) -> Result<Option<Arc<ClientTls>>, AssembleError> {
    let Some(files) = redis.tls() else { return Ok(None) };
    match before.and_then(|before| before.world.tls()).filter(|tls| tls.files() == files) {
        Some(tls) => Ok(Some(tls.clone())),
        None => Ok(Some(Arc::new(ClientTls::load(files.clone(), &ThisProcess)?))),
    }
}

fn node_options(redis: &settings::Redis, address: &settings::NodeAddress, tls: Option<&Arc<ClientTls>>) -> NodeOptions {
    NodeOptions {
        address: address.clone(),
        tls: tls.filter(|_| address.security() == Security::Tls).cloned(),
        credentials: Credentials {
            username: redis.username().map(str::to_owned),
            password: redis.password().map(|password| password.expose().to_owned()),
        },
        database: redis.database(),
        connect_timeout: redis.connect_timeout(),
        timeout: redis.timeout(),
        connections: redis.connections(),
        max_pending: redis.max_pending(),
        max_dedicated: redis.max_dedicated(),
        max_value: bytes(redis.max_value()),
        probe_interval: redis.probe_interval(),
        probe_key: redis.probe_key().to_owned(),
    }
}

fn circuit(breaker: &settings::Breaker) -> CircuitSettings {
    CircuitSettings {
        failures: breaker.failures(),
        window: breaker.window(),
        failure_ratio: breaker.failure_ratio(),
        slow_ratio: breaker.slow_ratio(),
        slow_call: breaker.slow_call(),
        min_calls: breaker.min_calls(),
        cooldown: breaker.cooldown(),
        probe_cooldown: breaker.probe_cooldown(),
        ramp: breaker.ramp(),
        ..CircuitSettings::default()
    }
}

fn local(settings: &Settings, before: Option<&Before<'_>>) -> Arc<Local> {
    match before {
        Some(before) if before.settings.local() == settings.local() => before.world.local().clone(),
        _ => Arc::new(Local::new(settings.local().capacity(), bytes(settings.local().max_entry()))),
    }
}

fn tracking(
    listed: &[(pattern::KeyPattern, Route)],
    primary: &Arc<Node>,
    local: &Arc<Local>,
    ground: Ground,
    before: Option<&Before<'_>>,
) -> Option<Arc<Tracking>> {
    let in_front = listed.iter().filter(|(_, route)| route.through.local == LocalPlace::InFront);
    let prefixes = in_front.map(|(pattern, _)| pattern.prefix());
    Tracking::of(primary, local, prefixes, ground.clock, before.and_then(|before| before.world.tracking()))
}

fn write_back(settings: &Settings, before: Option<&Before<'_>>) -> Arc<WriteBack> {
    match before {
        Some(before) if before.settings.write_back() == settings.write_back() => before.world.write_back().clone(),
        _ => Arc::new(WriteBack::new(settings.write_back().queue(), settings.write_back().ttl_jitter())),
    }
}

fn origins(
    settings: &Settings,
    ground: Ground,
    before: Option<&Before<'_>>,
) -> Result<Vec<Arc<OriginTier>>, AssembleError> {
    settings
        .origins()
        .iter()
        .map(|written| match carried_over(written, before) {
            Some(origin) => Ok(origin),
            None => origin(written, ground),
        })
        .collect()
}

fn carried_over(written: &settings::Origin, before: Option<&Before<'_>>) -> Option<Arc<OriginTier>> {
    let before = before?;
    before.settings.origins().iter().find(|old| *old == written)?;
    before.world.origins().iter().find(|origin| origin.name() == written.name()).cloned()
}

fn origin(written: &settings::Origin, ground: Ground) -> Result<Arc<OriginTier>, AssembleError> {
    let options = OriginOptions {
        max_connections: written.max_concurrency(),
        connect_timeout: written.timeout().max(ORIGIN_CONNECT),
        statement_timeout: written.timeout() + STATEMENT_SLACK,
        secret: written.password().map(|password| origin::Secret::new(password.expose())),
        base_dir: PathBuf::from("."),
        ..OriginOptions::default()
    };
    let opened = origin::open(written.address().expose(), options)
        .map_err(|error| AssembleError::Origin { origin: written.name().to_string(), error })?;
    let guard = GuardSettings {
        max_rate: written.max_rate(),
        max_concurrency: written.max_concurrency() as u32,
        queue: written.queue() as u32,
        max_wait: written.max_wait(),
    };
    let circuit = circuit(written.breaker());
    let name = written.name().clone();
    Ok(Arc::new(OriginTier::new(name, opened, &guard, circuit, written.timeout(), ground.clock)))
}

fn route(
    settings: &Settings,
    written: &settings::Route,
    origins: &[Arc<OriginTier>],
    before: Option<&Before<'_>>,
) -> Result<Route, AssembleError> {
    let source = written.source().map(|source| self::source(written, source, origins)).transpose()?;
    let origin_timeout = source.as_ref().map_or(Duration::MAX, |source| source.origin.timeout());
    let bounds = Bounds {
        attempts: settings.request().attempts(),
        deadline: written.deadline(),
        node_timeout: written.timeout(),
        origin_timeout,
        max_stale: written.max_stale(),
        auth_policy: auth_policy(settings),
    };
    let role = written.role();
    let tiers = written.tiers();
    let through = Plan::new(role, Intent::Read, tiers, bounds);
    let nodes = tiers.without(Tier::Local).without(Tier::Origin).without(Tier::Default);
    Ok(Route {
        name: written.name().clone(),
        role,
        through: match written.local() {
            LocalMode::Front => through.with_local_in_front(),
            LocalMode::Fallback => through,
        },
        nodes: Plan::new(role, Intent::Read, nodes, bounds),
        write: Plan::new(role, Intent::Write, tiers, bounds),
        script: Plan { voice: Voice::Redis, ..Plan::new(role, Intent::Write, tiers, bounds) },
        source,
        default: written.default_value().cloned(),
        ttl: written.ttl(),
        fresh_for: written.ttl().min(settings.local().ttl()),
        negative_ttl: written.negative_ttl(),
        stats: stats(written.name(), before),
    })
}

fn source(
    route: &settings::Route,
    source: &settings::Source,
    origins: &[Arc<OriginTier>],
) -> Result<Source, AssembleError> {
    let origin = origins[source.origin()].clone();
    let (Fetch::Query(text) | Fetch::Get(text)) = source.fetch();
    Ok(Source { query: compile(route, origin.kind(), text)?, origin })
}

fn plain(settings: &Settings, before: Option<&Before<'_>>) -> Route {
    let bounds = Bounds {
        attempts: settings.request().attempts(),
        deadline: settings.request().deadline(),
        node_timeout: settings.redis().timeout(),
        origin_timeout: Duration::MAX,
        max_stale: Duration::ZERO,
        auth_policy: auth_policy(settings),
    };
    let role = Role::Unclassified;
    Route {
        name: PLAIN.into(),
        role,
        through: Plan::new(role, Intent::Read, TierSet::EMPTY, bounds),
        nodes: Plan::new(role, Intent::Read, TierSet::EMPTY, bounds),
        write: Plan::new(role, Intent::Write, TierSet::EMPTY, bounds),
        script: Plan::new(role, Intent::Write, TierSet::EMPTY, bounds),
        source: None,
        default: None,
        ttl: Duration::ZERO,
        fresh_for: Duration::ZERO,
        negative_ttl: Duration::ZERO,
        stats: stats(PLAIN, before),
    }
}

fn stats(name: &str, before: Option<&Before<'_>>) -> Arc<RouteStats> {
    let old = before.and_then(|before| before.world.routes().find(|(_, route)| route.name.as_ref() == name));
    old.map_or_else(Arc::default, |(_, route)| route.stats.clone())
}

fn auth_policy(settings: &Settings) -> AuthPolicy {
    match settings.redis().auth_failure() {
        AuthFailure::Error => AuthPolicy::Error,
        AuthFailure::Fallback => AuthPolicy::Fallback,
    }
}

fn bytes(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}
