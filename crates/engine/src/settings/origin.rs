//! `[origins.NAME]`: the databases and services values are made from, and how hard they may be pressed.

mod target;

use super::address::WrittenUrl;
use super::breaker::{Breaker, WrittenBreakerOverrides};
use super::judge::Judge;
use super::secret::{Home, Secret, WrittenSecret};
use super::units::WrittenDuration;
use crate::origin::Kind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
pub use target::Target;

const DEFAULT_CONCURRENCY: u32 = 20;

/// A database or service values are made from, and how hard it may be pressed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(crate) struct WrittenOrigin {
    /// `sqlite://file`, `postgres://...`, `mysql://...` or `http(s)://...`. A relative file starts at the folder of the
    /// settings file. `code:` is code of the program that the library is built into.
    url: WrittenUrl,
    /// Loads under way at the same time, per instance. 20 are assumed, with a warning, when this is left out.
    #[serde(default)]
    #[schemars(range(min = 1, max = 10_000))]
    pub(crate) max_concurrency: Option<u32>,
    /// Loads per second by the whole fleet, divided by its size. Unlimited, with a warning, when this is left out.
    #[serde(default)]
    #[schemars(range(min = 0.01, max = 10_000_000.0))]
    pub(crate) max_rate: Option<f64>,
    /// Loads that may wait for a place; the next one is shed.
    #[serde(default = "default_queue")]
    #[schemars(range(min = 0, max = 1_000_000))]
    queue: u32,
    /// How long a load may wait for a place before it is shed.
    #[serde(default = "default_max_wait")]
    #[schemars(extend("x-min" = "0s", "x-max" = "1m"))]
    max_wait: WrittenDuration,
    /// How long one load may take.
    #[serde(default = "default_timeout")]
    #[schemars(extend("x-min" = "5ms", "x-max" = "1m"))]
    timeout: WrittenDuration,
    /// A file that holds the password; a relative path starts at the folder of the settings file.
    #[serde(default)]
    #[schemars(length(min = 1, max = 4096))]
    password_file: Option<String>,
    /// An environment variable that holds the password.
    #[serde(default)]
    #[schemars(length(min = 1, max = 256))]
    password_env: Option<String>,
    /// What differs from [breaker] for this origin.
    #[serde(default)]
    breaker: WrittenBreakerOverrides,
}

fn default_queue() -> u32 {
    100
}

fn default_max_wait() -> WrittenDuration {
    WrittenDuration::millis(200)
}

fn default_timeout() -> WrittenDuration {
    WrittenDuration::secs(1)
}

/// A database or service values are made from, and how hard it may be pressed.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    name: Arc<str>,
    target: Target,
    address: Secret,
    password: Option<Secret>,
    max_concurrency: usize,
    max_rate: Option<f64>,
    queue: usize,
    max_wait: Duration,
    timeout: Duration,
    breaker: Breaker,
}

/// What the origins share.
pub(crate) struct Common<'c> {
    pub(crate) breaker: &'c Breaker,
    pub(crate) home: &'c Home<'c>,
}

impl Origin {
    pub(crate) fn mean(
        name: &str,
        written: &WrittenOrigin,
        common: &Common<'_>,
        judge: &mut Judge<'_>,
    ) -> Option<Self> {
        let path = format!("origins.{name}");
        ensure_name(name, &path, judge);
        let breaker = common.breaker.with(&written.breaker, &format!("{path}.breaker"), judge);
        let url_path = format!("{path}.url");
        let (target, in_url) = match target::parse(&written.url.0, &common.home.folder) {
            Ok(parts) => parts,
            Err(message) => {
                judge.error(&url_path, message).hint("write sqlite://file, postgres://, mysql://, http:// or https://");
                return None;
            }
        };
        let basic_user = target.kind() == Kind::Http && in_url.is_some();
        let password = WrittenSecret {
            table: &path,
            in_url,
            prefix: "",
            url_path,
            file: written.password_file.as_deref(),
            variable: written.password_env.as_deref(),
        };
        let password = password.find(common.home, judge);
        let (address, password) = match basic_user {
            true => (Secret::new(&*written.url.0), None),
            false => (Secret::new(target.to_string()), password),
        };
        Some(Self {
            name: name.into(),
            target,
            address,
            password,
            max_concurrency: written.max_concurrency.unwrap_or(DEFAULT_CONCURRENCY) as usize,
            max_rate: written.max_rate,
            queue: written.queue as usize,
            max_wait: written.max_wait.0,
            timeout: written.timeout.0,
            breaker,
        })
    }

    /// What routes call it.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Where it is. Never holds the password.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Its family.
    pub fn kind(&self) -> Kind {
        self.target.kind()
    }

    /// What to open. Holds the user and password of an HTTP service where the settings do, so it is not for showing.
    pub fn address(&self) -> &Secret {
        &self.address
    }

    /// What to present besides: the password of a database, or the bearer token of an HTTP service.
    pub fn password(&self) -> Option<&Secret> {
        self.password.as_ref()
    }

    /// Loads under way at the same time, by this instance.
    pub fn max_concurrency(&self) -> usize {
        self.max_concurrency
    }

    /// Loads per second by the whole fleet. `None` is unlimited.
    pub fn max_rate(&self) -> Option<f64> {
        self.max_rate
    }

    /// Loads that may wait for a place.
    pub fn queue(&self) -> usize {
        self.queue
    }

    /// How long a load may wait for a place.
    pub fn max_wait(&self) -> Duration {
        self.max_wait
    }

    /// How long one load may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// When it counts as sick: `[breaker]` with this origin's own keys.
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }
}

fn ensure_name(name: &str, path: &str, judge: &mut Judge<'_>) {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if name.is_empty() || name.len() > 64 || !name.bytes().all(fits) {
        judge.error(path, format!("`{name}` is not a name for an origin: 1 to 64 letters, digits, `-` or `_`"));
    }
}
