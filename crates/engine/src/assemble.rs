//! From settings to a world.
//!
//! What has not changed since the last world is carried over: nodes with their connections and circuits, origins with
//! their guards, local copies, counters. So a reload that touches one route disturbs nothing else.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use failsoft_core::circuit::CircuitSettings;
use failsoft_core::fencing::Copies;
use failsoft_core::guard::GuardSettings;
use failsoft_core::mode::Mode;
use failsoft_core::outage::OnOutage;
use failsoft_core::plan::{AuthPolicy, Bounds, Intent, LocalPlace, Plan, Voice};
use failsoft_core::role::Role;
use failsoft_core::route_table::RouteTable;
use failsoft_core::{Tier, TierSet, pattern, unpublished};
use thiserror::Error;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::journal::Journal;
use crate::mode::{ModeSwitch, why_not};
use crate::origin::{self, CodeOrigins, OriginError, OriginOptions, ParameterKind, Query, QueryError};
use crate::primitive::Limits;
use crate::publishing::Publishing;
use crate::route::{AsPlain, Route, Source};
use crate::settings::{self, AuthFailure, Fetch, LocalMode, Proving, ReadFrom, Settings};
use crate::telemetry::route::RouteStats;
use crate::tier::aside::{Aside, AsideSettings};
use crate::tier::local::Local;
use crate::tier::origin::OriginTier;
use crate::tls::TlsError;
use crate::topology::{Deployment, Place, Rank};
use crate::tracking::Tracking;
use crate::world::{Parts, World};
use crate::write_back::WriteBack;

/// The name under which plain Redis is told in metrics and logs; no route can be named so.
pub const PLAIN: &str = "(plain)";
/// Loads may take this long before the database is told to give them up.
const STATEMENT_SLACK: Duration = Duration::from_millis(500);
/// How long a connection to an origin may take, at least.
const ORIGIN_CONNECT: Duration = Duration::from_secs(1);

mod deployment;

use self::deployment::{Old, deployment};

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
#[derive(Clone)]
pub(crate) struct Ground {
    pub(crate) clock: Clock,
    pub(crate) workers: usize,
    /// Origins that are code.
    pub(crate) code: CodeOrigins,
    /// What is remembered of rate limits.
    pub(crate) limits: Arc<Limits>,
    /// What Redis has not had of writes: one for the whole life of an engine.
    pub(crate) journal: Arc<Journal>,
    /// Who is told when something has become known of a deployment.
    pub(crate) news: Arc<watch::Sender<u64>>,
}

/// Makes the world of `settings`, carrying over what has not changed.
pub(crate) fn assemble(
    settings: &Settings,
    ground: &Ground,
    before: Option<&Before<'_>>,
) -> Result<World, AssembleError> {
    let origins = origins(settings, ground, before)?;
    let old = before.map(|old| Old {
        redis: old.settings.redis(),
        breaker: old.settings.breaker(),
        deployment: old.world.deployment(),
    });
    let deployment = self::deployment(settings.redis(), settings.breaker(), Rank::First, ground, old)?;
    let old = before.and_then(|old| {
        let (redis, deployment) = old.settings.regional().zip(old.world.regional())?;
        Some(Old { redis, breaker: old.settings.breaker(), deployment })
    });
    let regional = settings.regional();
    let regional =
        regional.map(|redis| self::deployment(redis, settings.breaker(), Rank::Regional, ground, old)).transpose()?;
    let listed = settings
        .routes()
        .iter()
        .map(|route| Ok((route.pattern().clone(), self::route(settings, route, &origins, ground, before)?)))
        .collect::<Result<Vec<_>, AssembleError>>()?;
    deployment.set_max_lag(max_lag(&listed, Tier::Replica));
    if let Some(regional) = &regional {
        regional.set_max_lag(max_lag(&listed, Tier::Regional));
    }
    let local = local(settings, before);
    Ok(World::new(Parts {
        tracking: tracking(&listed, &deployment, &local, ground, before),
        deployment,
        regional,
        local,
        journal: ground.journal.clone(),
        write_back: write_back(settings, before),
        listening: before.map(|before| before.world.listening().clone()).unwrap_or_default(),
        publishing: publishing(settings, ground, before),
        origins,
        routes: RouteTable::new(listed),
        plain: plain(settings, before),
        rules: settings.rules().clone(),
        fences: before.map_or_else(Arc::default, |before| before.world.fences().clone()),
        limits: ground.limits.clone(),
    }))
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
        _ => {
            let local = Local::new(settings.local().capacity(), bytes(settings.local().max_entry()));
            Arc::new(local.with_flags(settings.local().flags()))
        }
    }
}

fn tracking(
    listed: &[(pattern::KeyPattern, Route)],
    deployment: &Deployment,
    local: &Arc<Local>,
    ground: &Ground,
    before: Option<&Before<'_>>,
) -> Option<Arc<Tracking>> {
    let in_front = listed.iter().filter(|(_, route)| route.through.local == LocalPlace::InFront);
    let prefixes = in_front.map(|(pattern, _)| pattern.prefix());
    let view = deployment.view();
    let primary = view.primary(Place::Anywhere)?;
    Tracking::of(primary, local, prefixes, ground.clock, before.and_then(|before| before.world.tracking()))
}

fn write_back(settings: &Settings, before: Option<&Before<'_>>) -> Arc<WriteBack> {
    match before {
        Some(before) if before.settings.write_back() == settings.write_back() => before.world.write_back().clone(),
        _ => Arc::new(WriteBack::new(settings.write_back().queue(), settings.write_back().ttl_jitter())),
    }
}

/// One for as long as the process lives: what waits in it must not be lost by a reload.
fn publishing(settings: &Settings, ground: &Ground, before: Option<&Before<'_>>) -> Arc<Publishing> {
    let publish = settings.publish();
    let bounds = unpublished::Bounds {
        messages: publish.queue(),
        bytes: bytes(publish.queue_bytes()),
        keep_for: publish.queue_for(),
    };
    let Some(before) = before else {
        return Publishing::new(bounds, ground.clock);
    };
    before.world.publishing().set_bounds(bounds);
    before.world.publishing().clone()
}

fn origins(
    settings: &Settings,
    ground: &Ground,
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

fn origin(written: &settings::Origin, ground: &Ground) -> Result<Arc<OriginTier>, AssembleError> {
    let options = OriginOptions {
        max_connections: written.max_concurrency(),
        connect_timeout: written.timeout().max(ORIGIN_CONNECT),
        statement_timeout: written.timeout() + STATEMENT_SLACK,
        secret: written.password().map(|password| origin::Secret::new(password.expose())),
        base_dir: PathBuf::from("."),
        ..OriginOptions::default()
    };
    let opened = match written.kind() {
        origin::Kind::Code => ground.code.get(written.name()),
        origin::Kind::Sqlite | origin::Kind::Postgres | origin::Kind::Mysql | origin::Kind::Http => {
            origin::open(written.address().expose(), options)
        }
    };
    let opened = opened.map_err(|error| AssembleError::Origin { origin: written.name().to_string(), error })?;
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
    ground: &Ground,
    before: Option<&Before<'_>>,
) -> Result<Route, AssembleError> {
    let source = written.source().map(|source| self::source(written, source, origins)).transpose()?;
    let aside = aside(written, ground, before);
    let origin_timeout = match (&source, &aside) {
        (Some(source), _) => source.origin.timeout(),
        (None, Some(aside)) => aside.settings().wait,
        (None, None) => Duration::MAX,
    };
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
    let made = reading_from(written.read_from(), Plan::new(role, Intent::Read, tiers, bounds));
    let made = match written.local() {
        LocalMode::Front => made.with_local_in_front(),
        LocalMode::Fallback => made,
    };
    let makes_by_itself = source.as_ref().is_none_or(|source| source.origin.loads_by_itself());
    let through = if makes_by_itself { made } else { Plan { tiers: made.tiers.without(Tier::Origin), ..made } };
    let nodes = tiers.without(Tier::Local).without(Tier::Origin).without(Tier::Default);
    Ok(Route {
        name: written.name().clone(),
        role,
        through,
        made,
        nodes: reading_from(written.read_from(), Plan::new(role, Intent::Read, nodes, bounds)),
        write: Plan::new(role, Intent::Write, tiers, bounds),
        script: Plan { voice: Voice::Redis, ..Plan::new(role, Intent::Write, tiers, bounds) },
        as_plain: AsPlain::within(bounds),
        mode: mode(written, before),
        source,
        aside,
        default: written.default_value().cloned(),
        ttl: written.ttl(),
        fresh_for: written.ttl().min(settings.local().ttl()),
        max_replica_lag: written.max_replica_lag(),
        proving: written.proving(),
        on_outage: written.on_outage(),
        negative_ttl: written.negative_ttl(),
        gap_message: (role == Role::Invalidation).then(|| written.gap_message().as_bytes().into()),
        journalled: is_made_again(role, written).then(|| Arc::new(written.pattern().clone())),
        stats: stats(written.name(), before),
    })
}

/// Whether what Redis holds of its keys can be thrown away, and made again.
fn is_made_again(role: Role, written: &settings::Route) -> bool {
    role == Role::Cache || written.source().is_some()
}

/// The callers of a route that make its values themselves, with the leases they hold, if nothing about that has changed.
fn aside(written: &settings::Route, ground: &Ground, before: Option<&Before<'_>>) -> Option<Arc<Aside>> {
    let lease = written.lease()?;
    let wanted = AsideSettings { term: lease.term(), wait: lease.wait(), max_misses: lease.max_misses() };
    let old = before.and_then(|before| before.world.routes().find(|(_, route)| route.name == *written.name()));
    let old = old.and_then(|(_, route)| route.aside.clone()).filter(|old| *old.settings() == wanted);
    Some(old.unwrap_or_else(|| Arc::new(Aside::new(wanted, ground.clock))))
}

/// The shortest age that a route allows which reads from `tier`.
fn max_lag(listed: &[(pattern::KeyPattern, Route)], tier: Tier) -> Duration {
    let reading = listed.iter().filter(|(_, route)| route.through.tiers.contains(tier));
    reading.map(|(_, route)| route.max_replica_lag).min().unwrap_or(Duration::MAX)
}

fn reading_from(read_from: ReadFrom, plan: Plan) -> Plan {
    match read_from {
        ReadFrom::Primary => plan,
        ReadFrom::Replica => plan.with_replica_first(),
    }
}

fn source(
    route: &settings::Route,
    source: &settings::Source,
    origins: &[Arc<OriginTier>],
) -> Result<Source, AssembleError> {
    let origin = origins[source.origin()].clone();
    let query = match source.fetch() {
        Fetch::Query(text) | Fetch::Get(text) => compile(route, origin.kind(), text)?,
        Fetch::Code => Query::of_code(route.shape()),
    };
    Ok(Source { query, origin })
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
        made: Plan::new(role, Intent::Read, TierSet::EMPTY, bounds),
        nodes: Plan::new(role, Intent::Read, TierSet::EMPTY, bounds),
        write: Plan::new(role, Intent::Write, TierSet::EMPTY, bounds),
        script: Plan::new(role, Intent::Write, TierSet::EMPTY, bounds),
        as_plain: AsPlain::within(bounds),
        mode: Arc::new(ModeSwitch::new(Mode::Auto)),
        source: None,
        aside: None,
        default: None,
        ttl: Duration::ZERO,
        fresh_for: Duration::ZERO,
        max_replica_lag: Duration::ZERO,
        proving: Proving { copies: Copies::Exactly(0), wait_timeout: Duration::ZERO },
        on_outage: OnOutage::Closed,
        negative_ttl: Duration::ZERO,
        gap_message: None,
        journalled: None,
        stats: stats(PLAIN, before),
    }
}

/// What was switched at run time stays, unless the setting has changed, or the role, so that it may not be any more.
fn mode(written: &settings::Route, before: Option<&Before<'_>>) -> Arc<ModeSwitch> {
    let kept = before.and_then(|before| {
        let setting = before.settings.routes().iter().find(|route| route.name() == written.name())?;
        let (_, route) = before.world.routes().find(|(_, route)| route.name == *written.name())?;
        let may_stay = setting.mode() == written.mode() && why_not(route.mode.get(), written.role()).is_none();
        may_stay.then(|| route.mode.clone())
    });
    kept.unwrap_or_else(|| Arc::new(ModeSwitch::new(written.mode())))
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
