//! Why there is no TLS with a node.
//!
//! Whatever it is, nothing was sent, and nothing is sent in the clear instead. A request can go to the next tier; the
//! operator has something to mend, so each fault says what.

/// Why there is no TLS with a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsFault {
    /// Nobody who is trusted has signed the node's certificate.
    UnknownAuthority,
    /// The node's certificate is of the past.
    Expired,
    /// The node's certificate is of the future.
    NotYetValid,
    /// The node's certificate is somebody else's.
    WrongName,
    /// Something else is wrong with the node's certificate.
    BadCertificate,
    /// The node does not accept failsoft's certificate, or misses it.
    NotAccepted,
    /// The node does not speak TLS here.
    NotSpoken,
    /// The handshake was not over in time.
    Timeout,
    /// The connection ended during the handshake.
    Lost,
    /// The two sides have no version, algorithm or manners in common.
    Incompatible,
}

impl TlsFault {
    /// Every fault.
    pub const ALL: [Self; 10] = [
        Self::UnknownAuthority,
        Self::Expired,
        Self::NotYetValid,
        Self::WrongName,
        Self::BadCertificate,
        Self::NotAccepted,
        Self::NotSpoken,
        Self::Timeout,
        Self::Lost,
        Self::Incompatible,
    ];

    /// The name used in logs, metric labels and error details.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownAuthority => "tls_unknown_authority",
            Self::Expired => "tls_expired",
            Self::NotYetValid => "tls_not_yet_valid",
            Self::WrongName => "tls_wrong_name",
            Self::BadCertificate => "tls_bad_certificate",
            Self::NotAccepted => "tls_not_accepted",
            Self::NotSpoken => "tls_not_spoken",
            Self::Timeout => "tls_timeout",
            Self::Lost => "tls_lost",
            Self::Incompatible => "tls_incompatible",
        }
    }

    /// What is wrong and where to look, as a sentence without its full stop.
    pub const fn explanation(self) -> &'static str {
        match self {
            Self::UnknownAuthority => {
                "nobody who is trusted has signed its certificate; name the authority's file with redis.tls.ca"
            }
            Self::Expired => "its certificate has expired; renew it on the node",
            Self::NotYetValid => "its certificate is not valid yet; compare the clocks of both machines",
            Self::WrongName => {
                "its certificate is for another name; connect by the name in it, or say which with redis.tls.server_name"
            }
            Self::BadCertificate => "its certificate cannot be accepted",
            Self::NotAccepted => {
                "it does not accept failsoft's certificate, or misses one; see redis.tls.cert and redis.tls.key"
            }
            Self::NotSpoken => {
                "it does not speak TLS at this port; see its tls-port, or write redis:// if that is meant"
            }
            Self::Timeout => {
                "the handshake was not over within redis.connect_timeout; perhaps it does not speak TLS at this port"
            }
            Self::Lost => "it closed the connection during the handshake; its log may say why",
            Self::Incompatible => "the two sides have no version or algorithm of TLS in common",
        }
    }
}
