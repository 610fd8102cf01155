//! What differs between two settings, and whether a running failsoft can take it up.
//!
//! Differences are found in what was written (with defaults filled in), so that no setting can be forgotten here;
//! which of them need a restart is said where each setting is described. Values are not told: one may be a password.

use super::{Redis, Settings, schema};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;

/// A setting that differs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// Which, such as `routes[2].ttl`.
    pub path: String,
    /// When it takes effect.
    pub effect: Effect,
}

/// When a change takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// As soon as the settings are read again.
    Live,
    /// After the next start.
    Restart,
}

/// What differs between `old` and `new`, by path.
pub fn changes(old: &Settings, new: &Settings) -> Vec<Change> {
    let mut paths = BTreeSet::new();
    compare(&old.as_written(), &new.as_written(), String::new(), &mut paths);
    paths.extend(changed_passwords(old, new));
    let schema = schema();
    paths.into_iter().map(|path| Change { effect: effect(&schema, &path), path }).collect()
}

fn compare(old: &Value, new: &Value, path: String, paths: &mut BTreeSet<String>) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for key in keys {
                let inner = super::document::join(&path, key);
                compare(old.get(key).unwrap_or(&Value::Null), new.get(key).unwrap_or(&Value::Null), inner, paths);
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                compare(old, new, format!("{path}[{index}]"), paths);
            }
        }
        _ if old == new => {}
        _ => {
            paths.insert(path);
        }
    }
}

/// A password in a file or the environment changes without a word in the settings.
fn changed_passwords(old: &Settings, new: &Settings) -> Vec<String> {
    let mut changed = passwords_of("redis", Some(old.redis()), Some(new.redis()));
    changed.extend(passwords_of("regional", old.regional(), new.regional()));
    let origins = new.origins().iter().filter(|origin| {
        old.origins().iter().any(|other| other.name() == origin.name() && other.password() != origin.password())
    });
    changed.extend(origins.map(|origin| format!("origins.{}.password", origin.name())));
    changed
}

fn passwords_of(table: &str, old: Option<&Redis>, new: Option<&Redis>) -> Vec<String> {
    let (Some(old), Some(new)) = (old, new) else { return Vec::new() };
    [
        ("password", old.password() != new.password()),
        ("sentinel_password", old.sentinel_password() != new.sentinel_password()),
    ]
    .into_iter()
    .filter(|(_, has_changed)| *has_changed)
    .map(|(key, _)| format!("{table}.{key}"))
    .collect()
}

fn effect(schema: &Value, path: &str) -> Effect {
    let described = path.split('.').try_fold(schema, |schema, key| schema.get("properties")?.get(key));
    match described.and_then(|described| described.get("x-restart")) {
        Some(Value::Bool(true)) => Effect::Restart,
        Some(_) | None => Effect::Live,
    }
}
