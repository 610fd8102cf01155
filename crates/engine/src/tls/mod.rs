//! TLS on both sides: what failsoft shows of itself, and whom it believes.
//!
//! Files are read whole and judged before anything is replaced: a renewal that is broken or half done leaves what was
//! in force in force. New connections use what was read last; those that are there keep what they began with.
//!
//! One implementation of the algorithms (aws-lc-rs) is named everywhere: with two in a process and none chosen, rustls
//! gives up at the first handshake.

mod client;
mod der;
mod fault;
mod files;
mod server;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};

pub use self::client::{ClientFiles, ClientTls};
pub use self::fault::{ClientFault, client_fault, node_fault};
pub use self::files::{CertificateUse, Expiry, FileFault, IdentityFiles, TlsError};
pub use self::server::{ClientCertificates, ServerFiles, ServerTls};

/// The algorithms.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(aws_lc_rs::default_provider())).clone()
}
