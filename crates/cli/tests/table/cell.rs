//! One cell of the table: what a role answers to a class of commands in a condition, and what becomes of the data.

use std::fmt;

use super::{Class, Condition, Reply, Role};

/// What was seen.
#[derive(Debug, Clone)]
pub struct Cell {
    pub condition: Condition,
    pub role: Role,
    pub class: Class,
    pub reply: Reply,
    /// Who answered, as `FAILSOFT LAST` tells it.
    pub tier: Option<String>,
    /// Whether the origin was asked for its keys.
    pub is_origin_asked: bool,
    /// What the keys hold once all is well again, against what they held before.
    pub effect: Effect,
    /// What a Redis alone says and does.
    pub truth: Option<Truth>,
}

/// What plain Redis answers, and holds afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truth {
    pub reply: Reply,
    pub after: Vec<String>,
    /// Whether that is another thing than before.
    pub is_change: bool,
}

impl Cell {
    /// Whether it is about a message on a channel of an invalidation route.
    pub fn is_news(&self) -> bool {
        self.role == Role::Invalidation && self.class == Class::Publish
    }

    /// Whether it was sent to a silent Redis by a limit that lets everybody in.
    fn is_let_in_unheard(&self) -> bool {
        let is_answered = self.reply.word().is_none() && !self.class.is_read();
        self.condition == Condition::Silent && self.role == Role::LimitOpen && is_answered
    }

    /// Whether it was sent to a silent Redis, and counted here as well.
    pub fn is_counted_unheard(&self) -> bool {
        self.condition == Condition::Silent && self.role == Role::LimitLocal && self.class == Class::Incr
    }

    /// Whether Redis is to be told of it when it is back.
    pub fn is_owed(&self) -> bool {
        // A key that is not known here has no time to live to be changed.
        let is_known = self.class != Class::Expire || self.reply != Reply::Integer(0);
        let is_change = is_known && self.truth.as_ref().is_none_or(|truth| truth.is_change);
        self.role == Role::LimitLocal && self.reply.word().is_none() && is_change
    }
}

/// What has become of the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// They hold what they held.
    None,
    /// They hold what plain Redis would hold after the command.
    Done,
    /// They are gone although Redis would have kept them: invalidated.
    Gone,
    /// They hold the origin's row.
    WrittenBack,
    /// They hold something else: of no role.
    Other(Vec<String>),
}

impl Effect {
    /// Judges what keys hold, each told as [`Contents`](super::data::Contents) are, of a command that was answered `reply`.
    pub fn of(reply: &Reply, before: &[String], after: &[String], truth: Option<&Truth>) -> Self {
        let are_gone = after.iter().all(|content| content == "none");
        let is_as_redis_has_it = truth.is_none_or(|truth| truth.after == after);
        if before == after {
            Self::None
        } else if are_gone && (reply.is_unavailable() || !is_as_redis_has_it) {
            Self::Gone
        } else if is_as_redis_has_it {
            Self::Done
        } else if after.iter().all(|content| content.contains("{\"id\":")) {
            Self::WrittenBack
        } else {
            Self::Other(after.to_vec())
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("unchanged"),
            Self::Done => f.write_str("done"),
            Self::Gone => f.write_str("gone"),
            Self::WrittenBack => f.write_str("written back"),
            Self::Other(contents) => write!(f, "holds {contents:?}"),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reply)?;
        if let Some(tier) = self.tier.as_deref().filter(|tier| *tier != "primary" && self.reply.word().is_none()) {
            write!(f, " ({tier})")?;
        }
        match &self.effect {
            _ if self.reply.is_outcome_unknown() || self.is_let_in_unheard() => f.write_str(", perhaps done"),
            _ if self.is_counted_unheard() => f.write_str(", done, perhaps twice"),
            Effect::None => Ok(()),
            // What becomes of a row that was loaded, and that what was deleted is not there, is not the reader's doing.
            _ if self.class.is_read() => Ok(()),
            effect => write!(f, ", {effect}"),
        }
    }
}
