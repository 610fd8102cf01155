//! TLS towards clients.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::SingleCertAndKey;

use super::files::{self, CertificateUse, Expiry, FileFault, IdentityFiles, TlsError};
use super::provider;
use crate::settings::Surroundings;

/// Where everything is that TLS towards clients is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFiles {
    /// What is shown to clients.
    pub identity: IdentityFiles,
    /// Whether clients must show who they are, and who vouches for them.
    pub clients: ClientCertificates,
}

/// Whether clients must show who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// They are not asked.
    None,
    /// They may; a certificate that the authority in this file has not signed is refused.
    Optional(PathBuf),
    /// They must, with a certificate that the authority in this file has signed.
    Required(PathBuf),
}

/// TLS towards clients: what new connections are made with.
#[derive(Debug)]
pub struct ServerTls(ArcSwap<Made>);

#[derive(Debug)]
struct Made {
    config: Arc<ServerConfig>,
    expiries: Vec<Expiry>,
}

impl ServerTls {
    /// Reads the files.
    ///
    /// # Errors
    /// The first of them that is of no use, and why.
    pub fn load(files: &ServerFiles, surroundings: &dyn Surroundings) -> Result<Self, TlsError> {
        make(files, surroundings).map(|made| Self(ArcSwap::from_pointee(made)))
    }

    /// Reads the files again; new connections are made with what is in them now.
    ///
    /// # Errors
    /// The first of them that is of no use, and why; what was in force stays in force.
    pub fn refresh(&self, files: &ServerFiles, surroundings: &dyn Surroundings) -> Result<(), TlsError> {
        self.0.store(Arc::new(make(files, surroundings)?));
        Ok(())
    }

    /// What a connection is made with.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.0.load().config.clone()
    }

    /// When what is in force expires.
    pub fn expiries(&self) -> Vec<Expiry> {
        self.0.load().expiries.clone()
    }
}

impl ServerFiles {
    /// Every file.
    pub fn paths(&self) -> Vec<PathBuf> {
        let authority = match &self.clients {
            ClientCertificates::None => None,
            ClientCertificates::Optional(path) | ClientCertificates::Required(path) => Some(path.clone()),
        };
        [self.identity.cert.clone(), self.identity.key.clone()].into_iter().chain(authority).collect()
    }
}

fn make(files: &ServerFiles, surroundings: &dyn Surroundings) -> Result<Made, TlsError> {
    let (identity, expiry) = files::identity(&files.identity, CertificateUse::Server, surroundings)?;
    let (verifier, authority_expiry) = verifier(&files.clients, surroundings)?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the provider has algorithms for TLS 1.2 and 1.3")
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
    Ok(Made { config: Arc::new(config), expiries: [expiry].into_iter().chain(authority_expiry).collect() })
}

type Verifier = (Arc<dyn ClientCertVerifier>, Option<Expiry>);

fn verifier(clients: &ClientCertificates, surroundings: &dyn Surroundings) -> Result<Verifier, TlsError> {
    let path = match clients {
        ClientCertificates::None => return Ok((WebPkiClientVerifier::no_client_auth(), None)),
        ClientCertificates::Optional(path) | ClientCertificates::Required(path) => path,
    };
    let (roots, expiry) = files::authorities(path, CertificateUse::ClientAuthority, surroundings)?;
    let builder = WebPkiClientVerifier::builder_with_provider(roots, provider());
    let builder = match clients {
        ClientCertificates::Optional(_) => builder.allow_unauthenticated(),
        ClientCertificates::None | ClientCertificates::Required(_) => builder,
    };
    let verifier = builder.build().map_err(|error| FileFault::Unusable(error.to_string()).of(path))?;
    Ok((verifier, Some(expiry)))
}
