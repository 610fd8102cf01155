//! Certificates and keys in files, as PEM: read, and told apart in how they can be wrong.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, RootCertStore};
use thiserror::Error;

use super::{der, provider};
use crate::settings::Surroundings;

/// A file that is of no use for TLS.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}: {fault}", path.display())]
pub struct TlsError {
    /// Which file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: FileFault,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FileFault {
    /// It cannot be read.
    #[error("the file cannot be read: {0}")]
    Unreadable(String),
    /// It is not what a PEM file looks like.
    #[error("this is not a PEM file: {0}")]
    NotPem(String),
    /// There is no certificate in it.
    #[error("there is no certificate in this file")]
    NoCertificate,
    /// There is no private key in it.
    #[error("there is no private key in this file")]
    NoKey,
    /// The private key needs a password.
    #[error("the private key is protected by a password; store it without (openssl pkey -in FILE -out NEW)")]
    Encrypted,
    /// The certificate was not made for the key.
    #[error("the key does not belong to the certificate in {}", .0.display())]
    OtherKey(PathBuf),
    /// The algorithms cannot work with it.
    #[error("it cannot be used: {0}")]
    Unusable(String),
    /// The system has no authorities that it trusts.
    #[error("the system's trusted authorities cannot be found; name the authority of the nodes with redis.tls.ca")]
    NoSystemAuthorities,
}

impl FileFault {
    pub(super) fn of(self, path: &Path) -> TlsError {
        TlsError { path: path.to_owned(), fault: self }
    }
}

/// What one side shows of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityFiles {
    /// The certificate, and those between it and an authority.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CertificateUse {
    /// Shown to clients.
    Server,
    /// Clients are believed because of it.
    ClientAuthority,
    /// Nodes are believed because of it.
    NodeAuthority,
    /// Shown to nodes.
    NodeClient,
}

impl CertificateUse {
    /// The name used in logs and metric labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::ClientAuthority => "client_ca",
            Self::NodeAuthority => "redis_ca",
            Self::NodeClient => "redis_client",
        }
    }
}

impl fmt::Display for CertificateUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// When the first of the certificates in a file expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// What they are for.
    pub of: CertificateUse,
    /// The file.
    pub path: PathBuf,
    /// Seconds since 1970.
    pub at: i64,
}

/// Certificates with the key of the first, ready to be shown.
pub(super) fn identity(
    files: &IdentityFiles,
    of: CertificateUse,
    surroundings: &dyn Surroundings,
) -> Result<(Arc<CertifiedKey>, Expiry), TlsError> {
    let (chain, expiry) = certificates(&files.cert, of, surroundings)?;
    let key = private_key(&files.key, surroundings)?;
    match CertifiedKey::from_der(chain, key, &provider()) {
        Ok(certified) => Ok((Arc::new(certified), expiry)),
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err(FileFault::OtherKey(files.cert.clone()).of(&files.key))
        }
        Err(rustls::Error::InvalidCertificate(error)) => Err(FileFault::Unusable(error.to_string()).of(&files.cert)),
        Err(error) => Err(FileFault::Unusable(error.to_string()).of(&files.key)),
    }
}

/// Authorities to believe.
pub(super) fn authorities(
    path: &Path,
    of: CertificateUse,
    surroundings: &dyn Surroundings,
) -> Result<(Arc<RootCertStore>, Expiry), TlsError> {
    let (certificates, expiry) = certificates(path, of, surroundings)?;
    let mut store = RootCertStore::empty();
    for certificate in certificates {
        store.add(certificate).map_err(|error| FileFault::Unusable(error.to_string()).of(path))?;
    }
    Ok((Arc::new(store), expiry))
}

fn certificates(
    path: &Path,
    of: CertificateUse,
    surroundings: &dyn Surroundings,
) -> Result<(Vec<CertificateDer<'static>>, Expiry), TlsError> {
    let text = read(path, surroundings)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(text.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error: pem::Error| FileFault::NotPem(error.to_string()).of(path))?;
    let ends = certificates.iter().map(|certificate| der::not_after(certificate));
    let ends = ends.collect::<Option<Vec<_>>>().ok_or_else(|| damaged().of(path))?;
    match ends.into_iter().min() {
        Some(at) => Ok((certificates, Expiry { of, path: path.to_owned(), at })),
        None => Err(FileFault::NoCertificate.of(path)),
    }
}

fn damaged() -> FileFault {
    FileFault::Unusable("a certificate in it is damaged".to_owned())
}

fn private_key(path: &Path, surroundings: &dyn Surroundings) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read(path, surroundings)?;
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(FileFault::Encrypted.of(path));
    }
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| match error {
        pem::Error::NoItemsFound => FileFault::NoKey.of(path),
        error => FileFault::NotPem(error.to_string()).of(path),
    })
}

fn read(path: &Path, surroundings: &dyn Surroundings) -> Result<String, TlsError> {
    surroundings.file(path).map_err(|error| FileFault::Unreadable(error.to_string()).of(path))
}
