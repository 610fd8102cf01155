//! Certificates made on the spot: an authority, and what it signs, good and bad.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

/// Somebody who signs certificates.
pub struct Authority {
    certificate: Certificate,
    key: KeyPair,
}

impl Authority {
    /// An authority of that name, of which nobody has heard yet.
    ///
    /// # Panics
    /// Never, as far as is known: the parameters are sound.
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key can be made");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).expect("the parameters are sound");
        Self { certificate, key }
    }

    /// Its own certificate, as PEM.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// Signs a certificate, with a key of its own.
    ///
    /// # Panics
    /// Where the name is none.
    pub fn issue(&self, leaf: Leaf) -> Issued {
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = leaf.params.signed_by(&key, &self.certificate, &self.key).expect("the parameters are sound");
        Issued { cert: certificate.pem(), key: key.serialize_pem() }
    }

    /// Writes its certificate to `NAME.ca.pem` in `folder`.
    ///
    /// # Panics
    /// Where the folder cannot be written to.
    pub fn write(&self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(format!("{name}.ca.pem"));
        fs::write(&path, self.pem()).expect("the temporary directory is writable");
        path
    }
}

/// A certificate to be.
pub struct Leaf {
    params: CertificateParams,
}

impl Leaf {
    /// For a host: a name or an IP address, valid for years to come. May be shown by servers and by clients.
    ///
    /// # Panics
    /// Where that is no name.
    pub fn for_name(name: &str) -> Self {
        let mut params = CertificateParams::new([name.to_owned()]).expect("this is a name");
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        Self { params }
    }

    /// Valid until the first moment of a day.
    #[must_use]
    pub fn valid_until(mut self, (year, month, day): (i32, u8, u8)) -> Self {
        self.params.not_after = date_time_ymd(year, month, day);
        self
    }

    /// Valid for so much longer.
    #[must_use]
    pub fn valid_for(mut self, longer: Duration) -> Self {
        self.params.not_after = (SystemTime::now() + longer).into();
        self
    }

    /// Valid from the first moment of a day.
    #[must_use]
    pub fn valid_from(mut self, (year, month, day): (i32, u8, u8)) -> Self {
        self.params.not_before = date_time_ymd(year, month, day);
        self
    }
}

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub struct Issued {
    /// The certificate.
    pub cert: String,
    /// Its private key.
    pub key: String,
}

impl Issued {
    /// Writes both to `NAME.cert.pem` and `NAME.key.pem` in `folder`, each renamed into place.
    ///
    /// # Panics
    /// Where the folder cannot be written to.
    pub fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let place = |kind: &str, text: &str| {
            let path = folder.join(format!("{name}.{kind}.pem"));
            let beside = path.with_extension("new");
            let written = fs::write(&beside, text).and_then(|()| fs::rename(&beside, &path));
            written.expect("the temporary directory is writable");
            path
        };
        (place("cert", &self.cert), place("key", &self.key))
    }
}
