//! What an operator wishes of a route, whatever is observed.
//!
//! Another axis than health: a circuit says how a node is, a mode what is to be done about it. So a mode never changes by
//! itself, and no circuit is touched by one.

use std::fmt;

/// How the requests of a route go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Mode {
    /// As circuits and answers say.
    #[default]
    Auto,
    /// As in an outage of Redis: no node is asked, whatever its circuit says.
    OriginOnly,
    /// As plain Redis: the primary alone is asked, and what it says is passed on.
    PassThrough,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::Auto, Self::OriginOnly, Self::PassThrough];

    /// The name used in commands, settings, logs and metric labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::OriginOnly => "origin-only",
            Self::PassThrough => "pass-through",
        }
    }

    /// The mode of this name, in any case.
    pub fn named(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| name.eq_ignore_ascii_case(mode.name().as_bytes()))
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_is_found_by_its_name_in_any_case_and_nothing_else_is() {
        for mode in Mode::ALL {
            assert_eq!(Mode::named(mode.name().to_uppercase().as_bytes()), Some(mode));
        }
        for name in ["", "origin", "origin_only", "auto "] {
            assert_eq!(Mode::named(name.as_bytes()), None, "{name}");
        }
    }
}
