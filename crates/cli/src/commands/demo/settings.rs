//! The settings file the sidecar of the demo is started with: what an operator would write, and nothing hidden.
//!
//! Redis may take as long as it may in the program beside it (200 ms). A node is taken back sooner than the defaults
//! say, because the play has seconds for what an operator gives half a minute. Nobody waits long for a place at the
//! origin: replies of a connection come in order, so whoever waits holds up the reads behind it on that connection.

use std::net::SocketAddr;

use super::plan::{CAP, Play};
use super::users::{DEFAULT, QUERY};

/// Where everybody listens.
#[derive(Debug, Clone)]
pub(super) struct Addresses {
    pub(super) listen: SocketAddr,
    pub(super) admin: SocketAddr,
    /// What Redis needs, in the order in which it is needed: servers first, the first of which is a primary.
    pub(super) redis: Vec<SocketAddr>,
}

/// The name of the one route.
pub(super) const ROUTE: &str = "users";

/// The text of the file.
pub(super) fn text(at: &Addresses, play: Play) -> String {
    let Addresses { listen, admin, redis } = at;
    let redis = match play {
        Play::Cluster => format!(
            "topology = \"cluster\"\nnodes    = [\"redis://{}\", \"redis://{}\", \"redis://{}\"]",
            redis[0], redis[1], redis[2]
        ),
        Play::Standalone => format!("nodes    = [\"redis://{}\"]\nreplicas = [\"redis://{}\"]", redis[0], redis[1]),
    };
    format!(
        r#"[server]
listen = "{listen}"
admin  = "{admin}"

[redis]
{redis}
timeout  = "200ms"
probe_interval = "200ms"

[breaker]
failures       = 5
window         = "10s"
probe_cooldown = "500ms"
ramp           = "1s"

[origins.users]
url             = "sqlite://users.db"
max_concurrency = 20
max_rate        = {CAP}
max_wait        = "20ms"
timeout         = "1s"

[[routes]]
name      = "{ROUTE}"
keys      = "user:{{id:int}}"
role      = "cache"
origin    = "users"
query     = "{QUERY}"
shape     = "json"
ttl       = "60s"
max_stale = "10m"
default   = '{DEFAULT}'
"#
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn check_has_nothing_to_say_about_them() {
        let folder = tempfile::tempdir().unwrap();
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let addresses = Addresses { listen: at(1), admin: at(2), redis: vec![at(3), at(4), at(5)] };
        let file = folder.path().join("failsoft.toml");
        for play in [Play::Cluster, Play::Standalone] {
            std::fs::write(&file, text(&addresses, play)).unwrap();
            let loaded = failsoft::settings::load(&file).unwrap();
            assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        }
    }
}
