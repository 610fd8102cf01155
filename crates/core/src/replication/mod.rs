//! How far behind its primary a replica may be, and whether it may answer.
//!
//! What a replica says of itself bounds nothing: its link may be up while the stream on it is seconds old, and it may be
//! down because the primary is. So its age is bounded from outside, by when the primary is known to have been no further
//! in its stream than the replica is now. [`Report`] is what one node says, [`History`] where it has been, and
//! [`judge`] puts a replica's report against its primary's history.

mod fitness;
mod history;
mod report;

pub use self::fitness::{Fit, Heard, Presence, Unfit, judge};
pub use self::history::{History, MOST_SAMPLES};
pub use self::report::{LONGEST_REPORT, Link, Part, Position, Report, Stream};
