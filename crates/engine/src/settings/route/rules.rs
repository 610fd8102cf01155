//! What each role allows a route to say, and why.

use super::Ground;
use super::source::{Fetch, Source};
use super::written::{WrittenDefault, WrittenRoute};
use crate::settings::judge::Judge;
use crate::settings::local::{LocalMode, why_not_in_front};
use crate::settings::request::WrittenMode;
use crate::value::{Shape, Value};
use bytes::Bytes;
use failsoft_core::role::Role;

/// Whether anything but the primary may ever answer for `role`.
pub(super) fn may_be_answered_without_redis(role: Role) -> bool {
    why_only_redis(role).is_none()
}

/// Reports what `written` says and its role forbids.
pub(super) fn judge(written: &WrittenRoute, role: Role, path: &str, judge: &mut Judge<'_>) {
    judge_fallbacks(written, role, path, judge);
    judge_on_outage(written, role, path, judge);
    judge_gap_message(written, role, path, judge);
    judge_mode(written, role, path, judge);
}

fn judge_mode(written: &WrittenRoute, role: Role, path: &str, judge: &mut Judge<'_>) {
    let (Some(WrittenMode::OriginOnly), Some(why)) = (written.mode, why_only_redis(role)) else { return };
    judge
        .error(format!("{path}.mode"), format!("a route with role \"{role}\" may not be \"origin-only\": {why}"))
        .hint("leave `mode` out, or give the keys the role they really have");
}

fn judge_fallbacks(written: &WrittenRoute, role: Role, path: &str, judge: &mut Judge<'_>) {
    let Some(why) = why_only_redis(role) else { return };
    let named = [
        ("origin", written.origin.is_some()),
        ("default", written.default.is_some()),
        ("local", written.local.is_some()),
        ("max_stale", written.max_stale.is_some_and(|own| !own.0.is_zero())),
    ];
    for (key, _) in named.iter().filter(|(_, is_named)| *is_named) {
        judge
            .error(format!("{path}.{key}"), format!("a route with role \"{role}\" may not have `{key}`: {why}"))
            .hint(format!("leave `{key}` out, or give the keys the role they really have"));
    }
}

/// Reports a wish for local memory in front where there is none.
pub(super) fn judge_front(written: &WrittenRoute, ground: &Ground<'_>, path: &str, judge: &mut Judge<'_>) {
    let missing = match (written.local, ground.local.is_used(), written.tiers.local) {
        (None | Some(LocalMode::Fallback), _, _) => return,
        (Some(LocalMode::Front), true, true) => match why_not_in_front(ground.topology) {
            Some(why) => why,
            None => return,
        },
        (Some(LocalMode::Front), false, _) => "`local.capacity` is 0, so there is no local memory",
        (Some(LocalMode::Front), true, false) => "`tiers` leaves local memory out",
    };
    judge.error(format!("{path}.local"), format!("local memory cannot be asked before Redis: {missing}"));
}

/// Why nothing but Redis may answer for a role, in one sentence.
pub(crate) fn why_only_redis(role: Role) -> Option<&'static str> {
    match role {
        Role::Cache | Role::Flag => None,
        Role::Session => Some("an answer that Redis did not give could make somebody else of a user"),
        Role::RateLimit => Some("a count that Redis did not give would let anybody pass or nobody"),
        Role::Lock => Some("an answer that Redis did not give could let two holders in"),
        Role::Idempotency => Some("an answer that Redis did not give could let something be done twice"),
        Role::Invalidation => Some("it carries messages, and a message cannot be made again"),
        Role::Unclassified => Some("nobody has said whether these keys may be answered without Redis"),
    }
}

fn judge_on_outage(written: &WrittenRoute, role: Role, path: &str, judge: &mut Judge<'_>) {
    if written.on_outage.is_some() && role != Role::RateLimit {
        let message = format!("`on_outage` is for role \"rate-limit\"; the role here is \"{role}\"");
        judge.error(format!("{path}.on_outage"), message);
    }
}

fn judge_gap_message(written: &WrittenRoute, role: Role, path: &str, judge: &mut Judge<'_>) {
    if written.gap_message.is_some() && role != Role::Invalidation {
        let said = format!("`gap_message` is for role \"invalidation\"; the role here is \"{role}\"");
        judge.error(format!("{path}.gap_message"), said);
    }
}

/// The shape of the values: that which is written, else what the source makes.
pub(super) fn read_shape(written: &WrittenRoute, source: Option<&Source>, path: &str, judge: &mut Judge<'_>) -> Shape {
    match (source.map(Source::fetch), written.shape) {
        (Some(Fetch::Code), Some(Shape::Hash)) => {
            judge
                .error(format!("{path}.shape"), "an origin that is code makes bytes, which are no hash")
                .hint("leave `shape` out");
            Shape::Hash
        }
        (_, Some(shape)) => shape,
        (Some(Fetch::Query(_) | Fetch::Get(_)), None) => Shape::Json,
        (Some(Fetch::Code) | None, None) => Shape::Raw,
    }
}

/// The default value in the route's shape, if one is named.
pub(super) fn read_default(written: &WrittenRoute, shape: Shape, path: &str, judge: &mut Judge<'_>) -> Option<Value> {
    let path = format!("{path}.default");
    match (written.default.as_ref()?, shape) {
        (WrittenDefault::Text(text), Shape::Raw | Shape::Json) => {
            if shape == Shape::Json && serde_json::from_str::<serde_json::Value>(text).is_err() {
                judge
                    .warning(path, "`default` is not JSON, although the route's shape is \"json\"")
                    .hint("a JSON string is written with its own quotes: '\"off\"'");
            }
            Some(Value::Raw(Bytes::copy_from_slice(text.as_bytes())))
        }
        (WrittenDefault::Fields(fields), Shape::Hash) => {
            let bytes = |text: &String| Bytes::copy_from_slice(text.as_bytes());
            Some(Value::Hash(fields.iter().map(|(field, value)| (bytes(field), bytes(value))).collect()))
        }
        (WrittenDefault::Text(_), Shape::Hash) => {
            judge
                .error(path, "with shape \"hash\" a default is a table of fields")
                .hint("default = { name = \"nobody\" }");
            None
        }
        (WrittenDefault::Fields(_), Shape::Raw | Shape::Json) => {
            judge
                .error(path, "a default that is a table of fields needs shape = \"hash\"")
                .hint("write a string, or set the shape");
            None
        }
    }
}
