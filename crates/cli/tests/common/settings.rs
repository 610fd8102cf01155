//! Settings as text: dotted keys, each said once, and a list of routes.

use std::collections::BTreeMap;
use std::fmt;

/// A settings file to be. Displayed, it is the file's text, with `{listen}` and `{admin}` left for the testkit to fill in.
#[derive(Clone)]
pub(crate) struct Settings {
    keys: BTreeMap<String, String>,
    routes: Vec<String>,
}

impl Settings {
    /// The usual settings before the Redis at this URL, with a route for each role that needs no origin:
    /// `page:*` and `plan:*` (default "free") are caches; `session:*` and `lock:*` are what they say.
    pub(crate) fn new(redis_url: &str) -> Self {
        Self { keys: BTreeMap::new(), routes: Vec::new() }
            .set("server.listen", "'{listen}'")
            .set("server.admin", "'{admin}'")
            .set("server.threads", "1")
            .set("redis.nodes", &format!("['{redis_url}']"))
            .set("redis.probe_interval", "'1m'")
            .set("breaker.failures", "3")
            .set("breaker.probe_cooldown", "'50ms'")
            .set("breaker.ramp", "'50ms'")
            .route("keys = 'page:*'\nrole = 'cache'\nlease = '0s'")
            .route("keys = 'plan:*'\nrole = 'cache'\ndefault = 'free'")
            .route("keys = 'session:*'\nrole = 'session'")
            .route("keys = 'lock:*'\nrole = 'lock'")
    }

    /// The route `user:{id}`: a cache whose values are `/users/{id}` at this HTTP origin.
    pub(crate) fn users_from(self, url: &str) -> Self {
        self.origin("users", url).route("keys = 'user:{id}'\nrole = 'cache'\norigin = 'users'\nget = '/users/{id}'")
    }

    /// An origin, `http://...` or `sqlite://file`, with caps that no test reaches by accident.
    pub(crate) fn origin(self, name: &str, url: &str) -> Self {
        self.set(&format!("origins.{name}.url"), &format!("'{url}'"))
            .set(&format!("origins.{name}.max_concurrency"), "20")
            .set(&format!("origins.{name}.max_rate"), "100000")
    }

    /// Says or says again one key, `table.key`, with its value in TOML.
    pub(crate) fn set(mut self, key: &str, value: &str) -> Self {
        self.keys.insert(key.to_owned(), value.to_owned());
        self
    }

    /// What has been said for a key.
    pub(crate) fn value(&self, key: &str) -> &str {
        &self.keys[key]
    }

    /// Adds a route after the others: the lines of its table.
    pub(crate) fn route(mut self, lines: &str) -> Self {
        self.routes.push(lines.to_owned());
        self
    }

    /// Nothing times out, however busy the machine: for faults that are not about waiting.
    pub(crate) fn patient(self) -> Self {
        let waits = ["redis.timeout", "redis.connect_timeout", "request.deadline"];
        let at_the_origin = ["origins.users.timeout", "origins.users.max_wait"];
        waits.into_iter().chain(at_the_origin).fold(self, |settings, key| settings.set(key, "'10s'"))
    }

    /// No circuit ever opens, so that every request shows what Redis itself has said.
    pub(crate) fn without_circuit(self) -> Self {
        self.set("breaker.failures", "10000").set("breaker.min_calls", "100000")
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.keys.iter().try_for_each(|(key, value)| writeln!(f, "{key} = {value}"))?;
        self.routes.iter().try_for_each(|route| writeln!(f, "\n[[routes]]\n{route}"))
    }
}
