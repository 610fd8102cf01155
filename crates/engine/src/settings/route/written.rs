//! A route as it is written.

use crate::settings::local::LocalMode;
use crate::settings::request::WrittenMode;
use crate::settings::units::WrittenDuration;
use crate::value::Shape;
use failsoft_core::role::Role;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What keys are for, and what may answer for them when Redis does not. The first route that takes a key wins.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(crate) struct WrittenRoute {
    /// Which keys: literal text with `{name}` (anything but `:`), `{name:int}`, `{name...}` (anything), and `*` for any
    /// rest at the end. Literal braces are doubled.
    #[schemars(length(min = 1, max = 512))]
    pub(crate) keys: String,
    /// What the route is called in metrics and logs; made from `keys` when left out.
    #[serde(default)]
    #[schemars(length(min = 1, max = 64))]
    pub(crate) name: Option<String>,
    /// What the keys are for. The role decides whether a request may be answered without Redis.
    pub(crate) role: WrittenRole,
    /// Which of [origins] makes a missing value.
    #[serde(default)]
    #[schemars(length(min = 1, max = 64))]
    pub(crate) origin: Option<String>,
    /// The query that makes it, for a database. `:name` is bound to the parameter of that name.
    #[serde(default)]
    #[schemars(length(min = 1, max = 65_536))]
    pub(crate) query: Option<String>,
    /// The path that makes it, for an HTTP service. `{name}` is replaced, escaped. 200 is a value, 404 a miss.
    #[serde(default)]
    #[schemars(length(min = 1, max = 8192))]
    pub(crate) get: Option<String>,
    /// How what the origin gives becomes a Redis value; "json" with an origin, "raw" without.
    #[serde(default)]
    pub(crate) shape: Option<Shape>,
    /// How long a value counts as fresh.
    #[serde(default = "default_ttl")]
    #[schemars(extend("x-min" = "10ms", "x-max" = "365days"))]
    pub(crate) ttl: WrittenDuration,
    /// How long the origin's "there is none" is believed.
    #[serde(default = "default_negative_ttl")]
    #[schemars(extend("x-min" = "0s", "x-max" = "1day"))]
    pub(crate) negative_ttl: WrittenDuration,
    /// How long after its ttl a value may still be served when nothing fresher answers; when left out, 1day with role
    /// "flag", else not at all.
    #[serde(default)]
    #[schemars(extend("x-min" = "0s", "x-max" = "365days"))]
    pub(crate) max_stale: Option<WrittenDuration>,
    /// What is answered when every other tier has failed: a string, or a table of fields with shape = "hash".
    #[serde(default)]
    pub(crate) default: Option<WrittenDefault>,
    /// How long a request may take over all tiers; request.deadline when left out.
    #[serde(default)]
    #[schemars(extend("x-min" = "5ms", "x-max" = "1m"))]
    pub(crate) deadline: Option<WrittenDuration>,
    /// How long a Redis node may take to answer; redis.timeout when left out.
    #[serde(default)]
    #[schemars(extend("x-min" = "5ms", "x-max" = "1m"))]
    pub(crate) timeout: Option<WrittenDuration>,
    /// Without an origin the application makes missing values itself: how long whoever is told that one is missing has to
    /// write it, while others who ask for the key wait. "0s" lets everybody make it. 2s when left out, and 0s with a
    /// default. For role "cache" only.
    #[serde(default)]
    #[schemars(extend("x-min" = "0s", "x-max" = "5m"))]
    pub(crate) lease: Option<WrittenDuration>,
    /// How long the others wait for it, and whoever has to wait for its turn at the application's database.
    #[serde(default = "default_lease_wait")]
    #[schemars(extend("x-min" = "0s", "x-max" = "30s"))]
    pub(crate) lease_wait: WrittenDuration,
    /// Callers a second, over the whole fleet, that may be told that a value is missing: what the application's database
    /// can bear. Unlimited, with a warning, when this is left out.
    #[serde(default)]
    #[schemars(range(min = 0.01, max = 10_000_000.0))]
    pub(crate) max_misses: Option<f64>,
    /// Which nodes a read asks first. A replica may be behind its primary, so roles that must know the truth may not say
    /// "replica".
    #[serde(default)]
    pub(crate) read_from: ReadFrom,
    /// How old what a replica holds may be at most for it to answer a read. While the primary is gone the age grows from
    /// when it was last heard, so this is also how long replicas answer for it. 30s when left out.
    #[serde(default)]
    #[schemars(extend("x-min" = "1s", "x-max" = "1day"))]
    pub(crate) max_replica_lag: Option<WrittenDuration>,
    /// Which tiers may be asked at all.
    #[serde(default)]
    pub(crate) tiers: WrittenTiers,
    /// Whether local memory is asked after Redis or before it too; local.mode when left out.
    #[serde(default)]
    pub(crate) local: Option<LocalMode>,
    /// How many replicas have to have a lock or an idempotency record before it counts as granted (WAIT); when left out, 1 if
    /// a replica has ever been seen, else 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 15))]
    pub(crate) wait_replicas: Option<u32>,
    /// How long they are waited for; 100ms when left out. Fewer in that time: what was granted is taken back.
    #[serde(default)]
    #[schemars(extend("x-min" = "1ms", "x-max" = "10s"))]
    pub(crate) wait_timeout: Option<WrittenDuration>,
    /// What is done with requests whatever is observed, until somebody switches it; request.mode when left out.
    /// "origin-only" is for roles "cache" and "flag".
    #[serde(default)]
    pub(crate) mode: Option<WrittenMode>,
    /// What is published to a channel of role "invalidation", or told to its subscribers, when messages on it may have been
    /// lost: whoever reads it drops every copy. "failsoft:gap" when left out.
    #[serde(default)]
    #[schemars(length(min = 1, max = 1024))]
    pub(crate) gap_message: Option<String>,
    /// What a rate limit does while Redis is away: "closed" (an error, the default), "open" (everybody may), "local" (this
    /// instance enforces its share of the limit and tells Redis on return).
    #[serde(default)]
    pub(crate) on_outage: Option<OnOutage>,
}

/// How far behind a replica may be on routes that do not say so.
pub(super) const DEFAULT_MAX_REPLICA_LAG: WrittenDuration = WrittenDuration::secs(30);

/// For how long a flag is known on routes that do not say so.
pub(super) const FLAG_MAX_STALE: WrittenDuration = WrittenDuration::secs(24 * 60 * 60);

/// What tells of a gap on routes that do not say so.
pub(super) const DEFAULT_GAP_MESSAGE: &str = "failsoft:gap";

fn default_ttl() -> WrittenDuration {
    WrittenDuration::secs(60)
}

fn default_lease_wait() -> WrittenDuration {
    WrittenDuration::millis(500)
}

fn default_negative_ttl() -> WrittenDuration {
    WrittenDuration::secs(5)
}

/// What keys are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub(crate) enum WrittenRole {
    /// A copy of something that can be made again: may be answered by any tier.
    Cache,
    /// Who somebody is: never invented, an error when Redis is away.
    Session,
    /// How often somebody may: an error when Redis is away.
    RateLimit,
    /// Who alone may: always an error when Redis is away.
    Lock,
    /// What has been done already: always an error when Redis is away.
    Idempotency,
    /// News that a copy has become wrong.
    Invalidation,
    /// A switch or a piece of configuration: the last known value, the origin, the default.
    Flag,
    /// Nobody has said: behaves as plain Redis does.
    Unclassified,
}

impl From<WrittenRole> for Role {
    fn from(written: WrittenRole) -> Self {
        match written {
            WrittenRole::Cache => Self::Cache,
            WrittenRole::Session => Self::Session,
            WrittenRole::RateLimit => Self::RateLimit,
            WrittenRole::Lock => Self::Lock,
            WrittenRole::Idempotency => Self::Idempotency,
            WrittenRole::Invalidation => Self::Invalidation,
            WrittenRole::Flag => Self::Flag,
            WrittenRole::Unclassified => Self::Unclassified,
        }
    }
}

/// A value to fall back to.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(crate) enum WrittenDefault {
    /// A string.
    Text(String),
    /// The fields of a hash.
    Fields(BTreeMap<String, String>),
}

/// Tiers that can be left out of a route.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub(crate) struct WrittenTiers {
    /// Whether a replica may answer.
    pub(crate) replica: bool,
    /// Whether the second deployment, [regional], may answer.
    pub(crate) regional: bool,
    /// Whether local memory may answer.
    pub(crate) local: bool,
}

impl Default for WrittenTiers {
    fn default() -> Self {
        Self { replica: true, regional: true, local: true }
    }
}

/// Which nodes a read asks first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum ReadFrom {
    /// The primary; a replica when it does not answer.
    #[default]
    Primary,
    /// A replica that is not too far behind; the primary when none is.
    Replica,
}

/// What a rate limit does while Redis is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum OnOutage {
    /// Nobody may: the caller gets a retryable error.
    Closed,
    /// Everybody may.
    Open,
    /// Each instance enforces its share.
    Local,
}

impl From<OnOutage> for failsoft_core::outage::OnOutage {
    fn from(written: OnOutage) -> Self {
        match written {
            OnOutage::Closed => Self::Closed,
            OnOutage::Open => Self::Open,
            OnOutage::Local => Self::Local,
        }
    }
}
