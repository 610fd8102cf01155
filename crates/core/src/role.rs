//! What a key is for, and therefore whether a request for it may be answered without Redis.
//!
//! The role is the only thing that decides between failing open and failing closed; no later code asks "is it safe?"
//! again. Each role has a safe default stance.

use std::fmt;

/// What the keys of a route are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// A copy of something that can be made again.
    Cache,
    /// Who somebody is: never invented, never guessed.
    Session,
    /// How often somebody may.
    RateLimit,
    /// Who alone may.
    Lock,
    /// What has been done already.
    Idempotency,
    /// News that a copy has become wrong.
    Invalidation,
    /// A switch or a piece of configuration.
    Flag,
    /// Nobody has said: behaves as plain Redis does.
    Unclassified,
}

/// What happens to a read when Redis cannot answer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stance {
    /// A lower tier may answer.
    Open,
    /// The caller gets a retryable error.
    Closed,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 8] = [
        Self::Cache,
        Self::Session,
        Self::RateLimit,
        Self::Lock,
        Self::Idempotency,
        Self::Invalidation,
        Self::Flag,
        Self::Unclassified,
    ];

    /// The name used in settings, logs and metric labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cache => "cache",
            Self::Session => "session",
            Self::RateLimit => "rate-limit",
            Self::Lock => "lock",
            Self::Idempotency => "idempotency",
            Self::Invalidation => "invalidation",
            Self::Flag => "flag",
            Self::Unclassified => "unclassified",
        }
    }

    /// The stance a route of this role takes unless its settings say otherwise and may.
    pub const fn stance(self) -> Stance {
        match self {
            Self::Cache | Self::Flag | Self::Invalidation => Stance::Open,
            Self::Session | Self::RateLimit | Self::Lock | Self::Idempotency | Self::Unclassified => Stance::Closed,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
