//! What a handshake that failed says, in the few words that matter to an operator.

use std::io::{self, ErrorKind};

use failsoft_core::outcome::TlsFault;
use rustls::{AlertDescription, CertificateError, Error};

/// Why a client has not come in over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientFault {
    /// What it says is not TLS.
    NotSpoken,
    /// It shows no certificate, and must.
    NoCertificate,
    /// Its certificate is not believed, or no longer valid.
    BadCertificate,
    /// It does not believe failsoft's certificate.
    NotAccepted,
    /// The handshake was not over in time.
    Timeout,
    /// It went away during the handshake.
    Lost,
    /// The two sides have no version, algorithm or manners in common.
    Incompatible,
}

impl ClientFault {
    /// Every fault.
    pub const ALL: [Self; 7] = [
        Self::NotSpoken,
        Self::NoCertificate,
        Self::BadCertificate,
        Self::NotAccepted,
        Self::Timeout,
        Self::Lost,
        Self::Incompatible,
    ];

    /// The name used in logs and metric labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotSpoken => "not_spoken",
            Self::NoCertificate => "no_certificate",
            Self::BadCertificate => "bad_certificate",
            Self::NotAccepted => "not_accepted",
            Self::Timeout => "timeout",
            Self::Lost => "lost",
            Self::Incompatible => "incompatible",
        }
    }
}

/// What an error of a handshake with a client says.
pub fn client_fault(error: &io::Error) -> ClientFault {
    let Some(error) = inner(error) else {
        return if error.kind() == ErrorKind::TimedOut { ClientFault::Timeout } else { ClientFault::Lost };
    };
    match error {
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => ClientFault::NotSpoken,
        Error::NoCertificatesPresented => ClientFault::NoCertificate,
        Error::InvalidCertificate(_) => ClientFault::BadCertificate,
        Error::AlertReceived(alert) if is_about_certificates(*alert) => ClientFault::NotAccepted,
        _ => ClientFault::Incompatible,
    }
}

/// What an error of a connection to a node says, if it is about TLS at all.
pub fn node_fault(error: &io::Error) -> Option<TlsFault> {
    Some(match inner(error)? {
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => TlsFault::NotSpoken,
        Error::InvalidCertificate(error) => of_certificate(error),
        Error::AlertReceived(alert) if is_about_certificates(*alert) => TlsFault::NotAccepted,
        _ => TlsFault::Incompatible,
    })
}

fn of_certificate(error: &CertificateError) -> TlsFault {
    match error {
        CertificateError::UnknownIssuer => TlsFault::UnknownAuthority,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFault::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => TlsFault::NotYetValid,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => TlsFault::WrongName,
        _ => TlsFault::BadCertificate,
    }
}

fn is_about_certificates(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRequired
            | AlertDescription::NoCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
    )
}

fn inner(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}
