//! `[fleet]`: how many instances of failsoft share one deployment.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many instances of failsoft share the origins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub struct Fleet {
    /// Instances that run with these settings. Each takes its share of every origin's `max_rate`.
    #[schemars(range(min = 1, max = 100_000))]
    size: u32,
}

impl Default for Fleet {
    fn default() -> Self {
        Self { size: 1 }
    }
}

impl Fleet {
    /// Instances that run with these settings; at least 1.
    pub fn size(&self) -> u32 {
        self.size
    }
}
