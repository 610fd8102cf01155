//! What the engine is told of the sidecar around it, so that one page tells of both.
//!
//! A plain struct rather than a trait: whoever serves clients fills it in when somebody asks, and a program that uses
//! the library without a sidecar has none.

use crate::tls::{ClientFault, Expiry};

/// The results of reading settings, or certificates, again.
pub const RELOAD_RESULTS: [&str; 2] = ["taken_up", "refused"];
/// Why a connection could not be accepted.
pub const ACCEPT_ERRORS: [&str; 2] = ["out_of_file_descriptors", "other"];
/// Why a command was not let through.
pub const REFUSALS: [&str; 4] = ["no_auth", "command", "key", "deny_list"];

/// The results of TLS' handshake with a client.
pub fn tls_handshake_results() -> impl Iterator<Item = &'static str> {
    std::iter::once(TLS_DONE).chain(ClientFault::ALL.map(ClientFault::name))
}

/// The result of a handshake that has succeeded.
pub const TLS_DONE: &str = "done";

/// The sidecar's figures at one moment.
#[derive(Clone, Debug, Default)]
pub struct ServerFigures {
    /// Clients that are connected.
    pub clients: Bounded,
    /// Requests under way beyond the first tier.
    pub fallback_tasks: Bounded,
    /// Connections that were accepted.
    pub accepted: u64,
    /// Wrong names or passwords.
    pub auth_failures: u64,
    /// Commands that were not let through, by reason.
    pub commands_refused: Vec<(&'static str, u64)>,
    /// Connections that ended, by reason.
    pub closed: Vec<(&'static str, u64)>,
    /// Connections that could not be accepted, by reason.
    pub accept_errors: Vec<(&'static str, u64)>,
    /// Handshakes of TLS with clients, by result; none where no door speaks TLS.
    pub tls_handshakes: Option<Vec<(&'static str, u64)>>,
    /// When certificates expire.
    pub certificates: Vec<Expiry>,
    /// Times that certificates were read again, by result.
    pub certificate_reloads: Vec<(&'static str, u64)>,
    /// Times that settings were read again, by result.
    pub reloads: Vec<(&'static str, u64)>,
}

/// Something of which there may be only so much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounded {
    /// How many there are.
    pub now: usize,
    /// How many there may be.
    pub bound: usize,
    /// How many were turned away.
    pub refused: usize,
}
