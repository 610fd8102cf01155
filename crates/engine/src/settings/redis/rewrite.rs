//! `rewrite`: where nodes can be reached that announce addresses which cannot.
//!
//! A cluster behind a container network or a tunnel tells of itself by addresses that mean something only inside. The
//! table is looked at once for every address learned, and what comes out is not looked up again. A place written
//! with its port wins over its host alone; a host alone keeps the port.

use crate::settings::address::host_and_port;
use crate::settings::judge::Judge;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// Entries that the table may have.
const MOST: usize = 1024;
/// What stands for a port that was not written: no port is 0.
const NO_PORT: u16 = 0;

/// The table as it is written: announced place, reachable place.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub(super) struct WrittenRewrite(BTreeMap<String, String>);

/// Where nodes can be reached that announce addresses which cannot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewrite(HashMap<Place, Place>);

/// A host, and its port or [`NO_PORT`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place {
    host: String,
    port: u16,
}

impl Rewrite {
    /// Where the node can be reached that says it is at `host` (without brackets) and `port`, if the table says so.
    pub fn reachable(&self, host: &str, port: u16) -> Option<(&str, u16)> {
        let announced = |port| Place { host: host.to_ascii_lowercase(), port };
        let place = self.0.get(&announced(port)).or_else(|| self.0.get(&announced(NO_PORT)))?;
        Some((&place.host, if place.port == NO_PORT { port } else { place.port }))
    }

    pub(super) fn mean(written: &WrittenRewrite, path: &str, judge: &mut Judge<'_>) -> Option<Self> {
        if written.0.len() > MOST {
            judge.error(path, format!("`rewrite` may have at most {MOST} entries; it has {}", written.0.len()));
            return None;
        }
        let errors = judge.errors();
        let mut table = HashMap::new();
        for (announced, reachable) in &written.0 {
            let path = format!("{path}.{announced}");
            let Some((from, to)) = entry(announced, reachable, &path, judge) else { continue };
            if table.insert(from, to).is_some() {
                judge.error(&path, format!("`{announced}` is rewritten more than once"));
            }
        }
        (judge.errors() == errors).then_some(Self(table))
    }
}

fn entry(announced: &str, reachable: &str, path: &str, judge: &mut Judge<'_>) -> Option<(Place, Place)> {
    let (from, to) = (place(announced, path, judge)?, place(reachable, path, judge)?);
    if from.port == NO_PORT && to.port != NO_PORT {
        judge
            .error(path, format!("`{announced}` is any port there, and all of them would become one node"))
            .hint(format!("say which: \"{announced}:6379\" = \"{reachable}\""));
        return None;
    }
    Some((from, to))
}

fn place(text: &str, path: &str, judge: &mut Judge<'_>) -> Option<Place> {
    match host_and_port(text, NO_PORT) {
        Ok((host, port)) => Some(Place { host: host.to_ascii_lowercase(), port }),
        Err(why) => {
            judge
                .error(path, format!("`{text}` is not where a node is: {why}"))
                .hint("write host or host:port, an IPv6 address in brackets: \"[::1]:6379\"");
            None
        }
    }
}
