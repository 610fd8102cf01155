//! The settings file as a whole, as it is written: the one table from which checking, reference and schema come.

use super::breaker::WrittenBreaker;
use super::fleet::WrittenFleet;
use super::journal::WrittenJournal;
use super::local::{WrittenLocal, WrittenWriteBack};
use super::log::Log;
use super::origin::WrittenOrigin;
use super::publish::Publish;
use super::redis::WrittenRedis;
use super::request::WrittenRequest;
use super::route::WrittenRoute;
use super::rules::WrittenUser;
use super::server::WrittenServer;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The settings of failsoft. Every section may be left out, and so may every key that has a default.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "failsoft settings")]
pub(crate) struct WrittenSettings {
    /// Where clients and operators reach failsoft, and how much of the machine they may use.
    pub(crate) server: WrittenServer,
    /// Users of failsoft's own, with `server.auth = "users"`. Requests of all of them reach Redis as failsoft's own user.
    #[schemars(length(max = 4096))]
    pub(crate) users: Vec<WrittenUser>,
    /// How much is said on stderr, and in which form.
    pub(crate) log: Log,
    /// The Redis deployment failsoft stands before, and how patient it is with it.
    pub(crate) redis: WrittenRedis,
    /// A second deployment that holds copies of the first and is only read from: the tier after the replicas. It has
    /// credentials of its own.
    pub(crate) regional: Option<WrittenRedis>,
    /// How long one request may take over all tiers, and how often Redis may be asked.
    pub(crate) request: WrittenRequest,
    /// When a tier counts as sick, and how it is taken back.
    pub(crate) breaker: WrittenBreaker,
    /// The memory of this process as a tier.
    pub(crate) local: WrittenLocal,
    /// What goes from an origin back to Redis, in the background.
    pub(crate) write_back: WrittenWriteBack,
    /// What is kept of messages to channels of role "invalidation" while Redis is away, to be published on its return.
    pub(crate) publish: Publish,
    /// What is remembered of writes to cache routes while Redis cannot take them.
    pub(crate) journal: WrittenJournal,
    /// How many instances of failsoft share limits.
    pub(crate) fleet: WrittenFleet,
    /// The databases and services values are made from, by name, and how hard they may be pressed.
    pub(crate) origins: BTreeMap<String, WrittenOrigin>,
    /// What keys are for, and what may answer for them when Redis does not. The first route that takes a key wins.
    #[schemars(length(max = 4096))]
    pub(crate) routes: Vec<WrittenRoute>,
}

/// The JSON Schema of the settings file. Durations and sizes are strings with `x-kind`, `x-min` and `x-max`; what
/// takes effect at the next start only has `x-restart`.
pub fn schema() -> serde_json::Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<WrittenSettings>().to_value()
}
