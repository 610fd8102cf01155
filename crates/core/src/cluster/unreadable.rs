//! Why what a node says of its cluster cannot be used.
//!
//! No honest node gives any of these. What was read is not repeated: it comes from others and may be anything.

use std::fmt;

use super::{MAX_MEMBERS, Slot};

/// A node's answer is not what a node of a cluster answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It is not text.
    NotText,
    /// `CLUSTER INFO` without a field that is needed, or with one that says nothing; its name.
    Info(&'static str),
    /// A line of `CLUSTER NODES`, counted from 1.
    Line {
        /// Which line.
        number: usize,
        /// What is missing in it, or does not read as what it should be.
        part: Part,
    },
    /// More than [`MAX_MEMBERS`] nodes.
    TooManyMembers,
    /// Two lines of the same node.
    SameMemberTwice,
    /// Two nodes own the slot, or move it.
    SlotTwice(Slot),
    /// No node, or more than one, is the one that answers.
    NotOneSelf,
}

/// A part of a line of `CLUSTER NODES`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The node's name.
    Id,
    /// Where it is.
    Address,
    /// Its flags.
    Flags,
    /// The name of the node that it replicates.
    Primary,
    /// Its configuration epoch.
    Epoch,
    /// Whether there is a connection to it.
    Link,
    /// A range of slots, or a slot on the move.
    Slots,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotText => f.write_str("its answer is not text"),
            Self::Info(field) => write!(f, "its CLUSTER INFO does not say {field}"),
            Self::Line { number, part } => write!(f, "line {number} of its CLUSTER NODES has no readable {part}"),
            Self::TooManyMembers => write!(f, "it names more than {MAX_MEMBERS} nodes"),
            Self::SameMemberTwice => f.write_str("it names a node twice"),
            Self::SlotTwice(slot) => write!(f, "it gives slot {slot} away twice"),
            Self::NotOneSelf => f.write_str("it does not say which node it is"),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Id => "name",
            Self::Address => "address",
            Self::Flags => "flags",
            Self::Primary => "primary",
            Self::Epoch => "configuration epoch",
            Self::Link => "state of its link",
            Self::Slots => "slots",
        })
    }
}

impl std::error::Error for Unreadable {}
