//! TLS towards nodes: the chain is verified, and the name, and there is no way around either.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore};

use super::files::{self, CertificateUse, Expiry, FileFault, IdentityFiles, TlsError};
use super::provider;
use crate::settings::Surroundings;

/// Where everything is that TLS towards nodes is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientFiles {
    /// The authorities that are believed; those of the system without.
    pub ca: Option<PathBuf>,
    /// What is shown to nodes, if anything.
    pub identity: Option<IdentityFiles>,
    /// The name that nodes must prove to have, if it is not the one they are connected to by.
    pub server_name: Option<ServerName<'static>>,
}

/// TLS towards nodes: what new connections are made with.
///
/// Two are equal if they are made from the same files; what is in the files may change.
#[derive(Debug)]
pub struct ClientTls {
    files: ClientFiles,
    made: ArcSwap<Made>,
}

#[derive(Debug)]
struct Made {
    config: Arc<ClientConfig>,
    expiries: Vec<Expiry>,
}

impl ClientTls {
    /// Reads the files.
    ///
    /// # Errors
    /// The first of them that is of no use, and why.
    pub fn load(files: ClientFiles, surroundings: &dyn Surroundings) -> Result<Self, TlsError> {
        let made = ArcSwap::from_pointee(make(&files, surroundings)?);
        Ok(Self { files, made })
    }

    /// Reads the files again; new connections are made with what is in them now.
    ///
    /// # Errors
    /// The first of them that is of no use, and why; what was in force stays in force.
    pub fn refresh(&self, surroundings: &dyn Surroundings) -> Result<(), TlsError> {
        self.made.store(Arc::new(make(&self.files, surroundings)?));
        Ok(())
    }

    /// What it is made from.
    pub fn files(&self) -> &ClientFiles {
        &self.files
    }

    /// What a connection is made with.
    pub fn config(&self) -> Arc<ClientConfig> {
        self.made.load().config.clone()
    }

    /// Whom the node at `host` must prove to be; `None` if no certificate can be for such a name.
    pub fn name_of(&self, host: &str) -> Option<ServerName<'static>> {
        match &self.files.server_name {
            Some(name) => Some(name.clone()),
            None => ServerName::try_from(host.to_owned()).ok(),
        }
    }

    /// When what is in force expires.
    pub fn expiries(&self) -> Vec<Expiry> {
        self.made.load().expiries.clone()
    }
}

impl PartialEq for ClientTls {
    fn eq(&self, other: &Self) -> bool {
        self.files == other.files
    }
}

impl Eq for ClientTls {}

impl ClientFiles {
    /// Every file.
    pub fn paths(&self) -> Vec<PathBuf> {
        let identity = self.identity.iter().flat_map(|identity| [identity.cert.clone(), identity.key.clone()]);
        self.ca.iter().cloned().chain(identity).collect()
    }
}

fn make(files: &ClientFiles, surroundings: &dyn Surroundings) -> Result<Made, TlsError> {
    let mut expiries = Vec::new();
    let roots = match &files.ca {
        Some(path) => {
            let (roots, expiry) = files::authorities(path, CertificateUse::NodeAuthority, surroundings)?;
            expiries.push(expiry);
            roots
        }
        None => authorities_of_the_system()?,
    };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the provider has algorithms for TLS 1.2 and 1.3")
        .with_root_certificates(roots);
    let config = match &files.identity {
        Some(identity) => {
            let (identity, expiry) = files::identity(identity, CertificateUse::NodeClient, surroundings)?;
            expiries.push(expiry);
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
        }
        None => builder.with_no_client_auth(),
    };
    Ok(Made { config: Arc::new(config), expiries })
}

fn authorities_of_the_system() -> Result<Arc<RootCertStore>, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(found.certs);
    if store.is_empty() {
        return Err(FileFault::NoSystemAuthorities.of(Path::new("redis.tls.ca")));
    }
    Ok(Arc::new(store))
}
