//! Asking the nodes of a cluster how it is.
//!
//! What they answer is read here; what of it is believed the core decides ([`failsoft_core::cluster`]).

mod interview;
mod reading;
mod replies;
mod unheard;

pub use interview::{interview, question};
pub use reading::{Endpoints, Misread};
pub use replies::ANSWER_BOUND;
pub use unheard::Unheard;
