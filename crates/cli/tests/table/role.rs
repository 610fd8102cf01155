//! The routes of the table: one for each role, and one more for each way in which a route can choose what its role does.

/// A route, or keys that no route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    Cache,
    Aside,
    Session,
    SessionOnReplica,
    LimitClosed,
    LimitOpen,
    LimitLocal,
    Lock,
    Idempotency,
    Invalidation,
    Flag,
    Unclassified,
}

impl Role {
    pub const ALL: [Self; 12] = [
        Self::Cache,
        Self::Aside,
        Self::Session,
        Self::SessionOnReplica,
        Self::LimitClosed,
        Self::LimitOpen,
        Self::LimitLocal,
        Self::Lock,
        Self::Idempotency,
        Self::Invalidation,
        Self::Flag,
        Self::Unclassified,
    ];

    /// What every key of it begins with.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Cache => "row",
            Self::Aside => "aside",
            Self::Session => "login",
            Self::SessionOnReplica => "nearby",
            Self::LimitClosed => "closed",
            Self::LimitOpen => "open",
            Self::LimitLocal => "local",
            Self::Lock => "mutex",
            Self::Idempotency => "once",
            Self::Invalidation => "news",
            Self::Flag => "switch",
            Self::Unclassified => "plain",
        }
    }

    /// The lines of its route, without the keys; none for keys that no route takes.
    pub fn route(self) -> Option<&'static str> {
        Some(match self {
            Self::Cache => {
                "role = 'cache'\norigin = 'rows'\nget = '/rows/{id}'\n\
                 ttl = '10m'\nmax_stale = '10m'\nmax_replica_lag = '10m'"
            }
            Self::Aside => "role = 'cache'\nttl = '10m'\nmax_stale = '10m'\nmax_replica_lag = '10m'",
            Self::Session => "role = 'session'",
            Self::SessionOnReplica => "role = 'session'\nmax_replica_lag = '10m'",
            Self::LimitClosed => "role = 'rate-limit'\non_outage = 'closed'",
            Self::LimitOpen => "role = 'rate-limit'\non_outage = 'open'",
            Self::LimitLocal => "role = 'rate-limit'\non_outage = 'local'",
            Self::Lock => "role = 'lock'",
            Self::Idempotency => "role = 'idempotency'",
            Self::Invalidation => "role = 'invalidation'",
            Self::Flag => "role = 'flag'\ndefault = 'off'\nmax_replica_lag = '10m'",
            Self::Unclassified => return None,
        })
    }

    /// The pattern of its keys.
    pub fn pattern(self) -> String {
        let rest = if self == Self::Cache { "{id}" } else { "*" };
        format!("{}:{rest}", self.prefix())
    }

    /// How the page calls it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Cache => "cache, with an origin",
            Self::Aside => "cache, filled by the application",
            Self::Session => "session",
            Self::SessionOnReplica => "session, with `max_replica_lag`",
            Self::LimitClosed => "rate-limit, `on_outage = \"closed\"`",
            Self::LimitOpen => "rate-limit, `on_outage = \"open\"`",
            Self::LimitLocal => "rate-limit, `on_outage = \"local\"`",
            Self::Lock => "lock",
            Self::Idempotency => "idempotency",
            Self::Invalidation => "invalidation",
            Self::Flag => "flag, `default = \"off\"`",
            Self::Unclassified => "no route (unclassified)",
        }
    }

    /// Whether its writes that Redis cannot take are kept here and journalled.
    pub fn is_cache(self) -> bool {
        matches!(self, Self::Cache | Self::Aside)
    }

    /// Whether nobody but the primary may ever answer for it, but for the replica that a session route names.
    pub fn is_closed(self) -> bool {
        match self {
            Self::Session
            | Self::SessionOnReplica
            | Self::LimitClosed
            | Self::Lock
            | Self::Idempotency
            | Self::Invalidation => true,
            Self::Cache | Self::Aside | Self::LimitOpen | Self::LimitLocal | Self::Flag | Self::Unclassified => false,
        }
    }
}
