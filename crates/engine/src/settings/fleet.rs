//! `[fleet]`: how many instances of failsoft share one deployment.

use std::sync::Arc;

use super::judge::Judge;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many instances of failsoft share limits: `max_rate` of origins, and rate limits while Redis is away.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub(crate) struct WrittenFleet {
    /// Instances that run with these settings. When left out they are counted through Redis, and the last count holds while
    /// Redis is away.
    #[schemars(range(min = 1, max = 100_000))]
    size: Option<u32>,
    /// Instances there are at least: what an instance goes by that has started while Redis was away and has never counted.
    #[schemars(range(min = 1, max = 100_000))]
    min_size: u32,
    /// What the fleet is called: instances that share a Redis and not their limits have different names.
    #[schemars(length(min = 1, max = 64))]
    name: String,
}

impl Default for WrittenFleet {
    fn default() -> Self {
        Self { size: None, min_size: 1, name: "default".to_owned() }
    }
}

/// How many instances of failsoft share limits.
#[derive(Clone, Debug, PartialEq)]
pub struct Fleet {
    size: Option<u32>,
    min_size: u32,
    name: Arc<str>,
}

impl Fleet {
    pub(crate) fn mean(written: &WrittenFleet, judge: &mut Judge<'_>) -> Self {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !written.name.bytes().all(fits) {
            let message = format!("`{}` is not a name for a fleet: letters, digits, `-` and `_`", written.name);
            judge.error("fleet.name", message);
        }
        if let Some(size) = written.size
            && size < written.min_size
        {
            let message = format!("`size` is {size}, and `min_size` says there are {} at least", written.min_size);
            judge.error("fleet.size", message).hint("leave `min_size` out: it is for fleets that are counted");
        }
        Self { size: written.size, min_size: written.min_size, name: written.name.as_str().into() }
    }

    /// How many there are, if settings say so.
    pub fn size(&self) -> Option<u32> {
        self.size
    }

    /// How many there are at least; at least 1.
    pub fn min_size(&self) -> u32 {
        self.min_size
    }

    /// What it is called.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }
}
