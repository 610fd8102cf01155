//! Asking the nodes of a cluster how it is.
//!
//! What they answer is read here; what of it is believed the core decides ([`failsoft_core::cluster`]).

mod interview;
mod pulse;
mod reading;
mod unheard;
pub(super) mod watching;

pub use super::replies::ANSWER_BOUND;
pub use interview::{interview, question};
pub use reading::{Endpoints, Misread};
pub use unheard::Unheard;
