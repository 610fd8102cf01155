//! Asking sentinels where the primary is, and the primary whether it is one.
//!
//! What they answer is read here; what of it is believed the core decides ([`failsoft_core::sentinel`]). Three things
//! together make a new primary: a majority of the sentinels that names it ([`survey`]), its own word that it is one
//! ([`ask_role`]), and, so that it does not take until the next look, the sentinels' announcement ([`listen`]), which is a
//! hint and nothing more.

mod interview;
mod lines;
mod listen;
mod role;
mod survey;
mod unheard;
pub(super) mod watching;

pub use interview::{interview, question, sentinel_options};
pub use lines::Lines;
pub use listen::{News, listen};
pub use role::{Role, ask_role};
pub use survey::{Survey, survey};
pub use unheard::Unheard;
