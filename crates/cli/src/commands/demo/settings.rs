//! The settings file the sidecar of the demo is started with: what an operator would write, and nothing hidden.
//!
//! Redis may take as long as it may in the program beside it (200 ms). A node is taken back sooner than the defaults
//! say, because the play has seconds for what an operator gives half a minute. Nobody waits long for a place at the
//! origin: replies of a connection come in order, so whoever waits holds up the reads behind it on that connection.

use std::net::SocketAddr;

use super::plan::CAP;
use super::users::{DEFAULT, QUERY};

/// Where everybody listens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addresses {
    pub(super) listen: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) primary: SocketAddr,
    pub(super) replica: SocketAddr,
}

/// The name of the one route.
pub(super) const ROUTE: &str = "users";

/// The text of the file.
pub(super) fn text(at: &Addresses) -> String {
    let Addresses { listen, admin, primary, replica } = at;
    format!(
        r#"[server]
listen = "{listen}"
admin  = "{admin}"

[redis]
nodes    = ["redis://{primary}"]
replicas = ["redis://{replica}"]
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
        let [listen, admin, primary, replica] = [1, 2, 3, 4].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let file = folder.path().join("failsoft.toml");
        std::fs::write(&file, text(&Addresses { listen, admin, primary, replica })).unwrap();
        let loaded = failsoft::settings::load(&file).unwrap();
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    }
}
