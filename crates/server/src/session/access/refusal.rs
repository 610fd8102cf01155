//! Why a command may not be run, as the client is told and as it is counted.

use std::fmt;

use super::Verdict;

/// Why a command was refused, without what it was: in the order of the labels in `REFUSALS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The client has not said who it is.
    NoAuth,
    /// Its user may not run the command.
    Command,
    /// Its user may not name one of the keys.
    Key,
    /// Nobody may run the command.
    DenyList,
}

impl Refused {
    pub(super) fn of(verdict: &Verdict) -> Option<Self> {
        match verdict {
            Verdict::Allowed => None,
            Verdict::NeedsAuth => Some(Self::NoAuth),
            Verdict::Denied(Denial::Command(_)) => Some(Self::Command),
            Verdict::Denied(Denial::Key) => Some(Self::Key),
            Verdict::Denied(Denial::Listed(_)) => Some(Self::DenyList),
        }
    }
}

/// Why a client may not run a command although it is known who it is. Displayed, it is the error's line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Denial {
    /// Its user may not run this command, called so in the table of commands or, if it is not there, by the client.
    Command(String),
    /// Its user may not name one of the keys.
    Key,
    /// Nobody may run this command.
    Listed(&'static str),
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(name) => write!(f, "NOPERM this user has no permissions to run the '{name}' command"),
            Self::Key => f.write_str("NOPERM this user has no permissions to access one of the keys used as arguments"),
            Self::Listed(name) => {
                let name = name.replace('|', " ").to_uppercase();
                write!(f, "NOPERM failsoft does not let '{name}' through: it is in server.deny_commands")
            }
        }
    }
}

impl Verdict {
    /// The error's line; none if there is nothing to object to.
    pub(crate) fn error(&self) -> Option<String> {
        match self {
            Self::Allowed => None,
            Self::NeedsAuth => Some("NOAUTH Authentication required.".to_owned()),
            Self::Denied(denial) => Some(denial.to_string()),
        }
    }
}
