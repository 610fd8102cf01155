//! What may be written and is unwise: warnings that need the settings as a whole.

use super::judge::Judge;
use super::local::LocalMode;
use super::route::Route;
use super::{Settings, WrittenSettings};
use failsoft_core::role::Role;
use failsoft_core::{Tier, TierSet};
use std::time::Duration;

/// Beyond this a value that misses its invalidation stays wrong for longer than anybody looks for the cause.
const LONGEST_USUAL_TTL: Duration = Duration::from_hours(24);

/// Reports all that is unwise in `settings`.
pub(crate) fn lint(settings: &Settings, written: &WrittenSettings, judge: &mut Judge<'_>) {
    for (index, route) in settings.routes().iter().enumerate() {
        let path = format!("routes[{index}]");
        reached(index, settings.routes(), judge);
        protected_origin(route, &path, settings, written, judge);
        something_to_fall_back_to(route, &path, judge);
        protected_callers(route, &path, judge);
        reasonable_times(route, &path, settings, judge);
        narrow_enough_to_be_told(route, &path, judge);
    }
}

fn reached(index: usize, routes: &[Route], judge: &mut Judge<'_>) {
    let route = &routes[index];
    let Some(earlier) = routes[..index].iter().position(|earlier| earlier.pattern().covers(route.pattern())) else {
        return;
    };
    judge
        .warning(
            format!("routes[{index}].keys"),
            format!("no key ever comes here: routes[{earlier}] (`{}`) takes them all", routes[earlier].pattern()),
        )
        .hint("the first route that takes a key wins: put the narrower one first");
}

fn protected_origin(route: &Route, path: &str, settings: &Settings, written: &WrittenSettings, judge: &mut Judge<'_>) {
    let Some(source) = route.source() else { return };
    let name = settings.origins()[source.origin()].name();
    let Some(origin) = written.origins.get(&**name) else { return };
    let missing: Vec<_> =
        [("max_rate", origin.max_rate.is_none()), ("max_concurrency", origin.max_concurrency.is_none())]
            .into_iter()
            .filter_map(|(key, is_missing)| is_missing.then_some(format!("`{key}`")))
            .collect();
    if !missing.is_empty() {
        judge
            .warning(
                format!("{path}.origin"),
                format!("when Redis is away these reads go to \"{name}\", which has no {}", missing.join(" and no ")),
            )
            .hint(format!("write into [origins.{name}] what the database can bear"));
    }
}

/// What there is no origin to write it for.
fn protected_callers(route: &Route, path: &str, judge: &mut Judge<'_>) {
    if route.lease().is_some_and(|lease| lease.max_misses().is_none()) {
        judge
            .warning(
                path,
                "the application makes these values itself, and any number of callers a second may be sent to do so",
            )
            .hint("write max_misses = N, what its database can bear a second; or lease = \"0s\" to do without");
    }
}

fn something_to_fall_back_to(route: &Route, path: &str, judge: &mut Judge<'_>) {
    let below = TierSet::of(&[Tier::Origin, Tier::Default]);
    let has_below = below.iter().any(|tier| route.tiers().contains(tier));
    if route.role() == Role::Cache && !has_below && route.max_stale().is_zero() {
        judge
            .warning(
                path,
                "when Redis is away this route has nothing to answer with: no origin, no default, no max_stale",
            )
            .hint("add one of them, or a lease if the application makes its own values");
    }
}

fn reasonable_times(route: &Route, path: &str, settings: &Settings, judge: &mut Judge<'_>) {
    let shown = |duration| super::units::WrittenDuration(duration);
    if route.ttl() > LONGEST_USUAL_TTL && matches!(route.role(), Role::Cache | Role::Flag) {
        judge.warning(
            format!("{path}.ttl"),
            format!("a value that misses its invalidation would stay wrong for up to {}", shown(route.ttl())),
        );
    }
    if route.max_stale().is_zero() && route.ttl() > settings.local().ttl() && only_local_below(route) {
        judge
            .warning(
                format!("{path}.ttl"),
                format!("local copies count as fresh for {} only, and max_stale is 0", shown(settings.local().ttl())),
            )
            .hint("a max_stale lets them be served for longer while Redis is away");
    }
    if route.deadline() < route.timeout() {
        judge.warning(
            path,
            format!(
                "the deadline ({}) is shorter than the timeout ({}): a silent node takes all the time there is",
                shown(route.deadline()),
                shown(route.timeout())
            ),
        );
    }
}

fn narrow_enough_to_be_told(route: &Route, path: &str, judge: &mut Judge<'_>) {
    let in_front = route.local() == LocalMode::Front && route.tiers().contains(Tier::Local);
    if in_front && route.pattern().prefix().is_empty() {
        judge
            .warning(
                format!("{path}.keys"),
                "local memory is in front and the keys begin with nothing literal: Redis will tell of every write there is",
            )
            .hint("begin `keys` with literal text, or write local = \"fallback\"");
    }
}

fn only_local_below(route: &Route) -> bool {
    route.role() == Role::Flag
        && route.tiers().contains(Tier::Local)
        && !route.tiers().contains(Tier::Origin)
        && !route.tiers().contains(Tier::Default)
}
