//! RESP2 and RESP3 as failsoft needs them: frame boundaries, argument views, replies, and what each command means.
//!
//! A proxy that forwards bytes has no use for a tree of values. So nothing here builds one: [`RequestScanner`] and
//! [`ReplyScanner`] find where a frame ends inside the caller's own buffer, [`Command`] and [`Head`] are views into it,
//! [`encode`] writes the few replies failsoft makes itself, and [`commands`] says what may be done with a command.
//!
//! Everything is pure: bytes in, verdicts out, no I/O, no clock, no locks. Both scanners are resumable (a byte is looked
//! at a bounded number of times however the stream is cut) and bounded by [`Limits`]; memory follows the bytes received,
//! never the lengths a peer claims.

pub mod commands;
pub mod encode;
pub mod limits;
pub mod pubsub;
pub mod reply;
pub mod request;

mod line;
mod work;

pub use encode::Protocol;
pub use limits::Limits;
pub use reply::{Head, ReplyError, ReplyScanner};
pub use request::{Command, ProtocolError, RequestScanner};
