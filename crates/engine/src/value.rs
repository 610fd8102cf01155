//! What an origin gives and the local tier keeps: the two kinds of Redis value a route can be read through as.
//!
//! Only these two, because only for these does "what would Redis have answered" follow from one row or document.
//! Bytes are shared, never copied, between the local tier, a coalesced load's readers and the write-back.

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a row or document of an origin becomes a Redis value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// One column (or the whole body) as a string.
    Raw,
    /// The row as a JSON object (or the body, which must be JSON) as a string.
    #[default]
    Json,
    /// The row's columns (or the members of a JSON object) as the fields of a hash.
    Hash,
}

/// A Redis value that failsoft can answer by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A string.
    Raw(Bytes),
    /// A hash: fields with their values, in the origin's order.
    Hash(Vec<(Bytes, Bytes)>),
}

impl Value {
    /// Bytes of payload, for the local tier's bound.
    pub fn payload_len(&self) -> usize {
        match self {
            Self::Raw(bytes) => bytes.len(),
            Self::Hash(fields) => fields.iter().map(|(field, value)| field.len() + value.len()).sum(),
        }
    }
}
