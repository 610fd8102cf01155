//! `[server.tls]`: what failsoft shows to clients, and whether they must show something too.

use crate::settings::judge::Judge;
use crate::settings::secret::Home;
use crate::tls::{ClientCertificates, IdentityFiles, ServerFiles, ServerTls, TlsError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What TLS towards clients is made of. The files are read again when they change and on SIGHUP.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub(super) struct WrittenServerTls {
    /// A PEM file with the certificate that clients are shown, followed by those between it and an authority.
    #[schemars(length(min = 1, max = 4096))]
    cert: Option<String>,
    /// A PEM file with the certificate's private key, without a password.
    #[schemars(length(min = 1, max = 4096))]
    key: Option<String>,
    /// A PEM file with the authorities that sign clients' certificates.
    #[schemars(length(min = 1, max = 4096))]
    client_ca: Option<String>,
    /// Whether clients must show a certificate. "required" where `client_ca` is given, else "none".
    client_certificates: Option<Demand>,
}

/// Whether clients must show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Demand {
    /// They are not asked for one.
    None,
    /// They may show one; a wrong one is refused.
    Optional,
    /// Nobody comes in without one.
    Required,
}

/// The files, if there is to be TLS and nothing is wrong with them.
pub(super) fn mean(
    written: &WrittenServerTls,
    is_listened: bool,
    home: &Home<'_>,
    judge: &mut Judge<'_>,
) -> Option<ServerFiles> {
    if !is_listened {
        if written.cert.is_some() || written.key.is_some() || written.client_ca.is_some() {
            judge
                .error("server.tls", "[server.tls] is written, but no door is opened for TLS")
                .hint("say where with server.tls_listen");
        }
        return None;
    }
    let files = files(written, home, judge)?;
    match ServerTls::load(&files, home.surroundings) {
        Ok(_) => Some(files),
        Err(error) => {
            judge.error(setting_of(&files, &error), error.to_string());
            None
        }
    }
}

fn setting_of(files: &ServerFiles, error: &TlsError) -> &'static str {
    match &error.path {
        path if *path == files.identity.cert => "server.tls.cert",
        path if *path == files.identity.key => "server.tls.key",
        _ => "server.tls.client_ca",
    }
}

fn files(written: &WrittenServerTls, home: &Home<'_>, judge: &mut Judge<'_>) -> Option<ServerFiles> {
    let (Some(cert), Some(key)) = (&written.cert, &written.key) else {
        judge
            .error("server.tls_listen", "TLS needs a certificate and its key")
            .hint("name their files with server.tls.cert and server.tls.key");
        return None;
    };
    let identity = IdentityFiles { cert: home.folder.join(cert), key: home.folder.join(key) };
    let authority = written.client_ca.as_ref().map(|path| home.folder.join(path));
    let clients = match (written.client_certificates, authority) {
        (Some(Demand::None) | None, None) | (Some(Demand::None), Some(_)) => ClientCertificates::None,
        (Some(Demand::Optional), Some(path)) => ClientCertificates::Optional(path),
        (Some(Demand::Required) | None, Some(path)) => ClientCertificates::Required(path),
        (Some(Demand::Optional | Demand::Required), None) => {
            judge
                .error("server.tls.client_certificates", "nobody is named who vouches for clients")
                .hint("name the authority's file with server.tls.client_ca");
            return None;
        }
    };
    Some(ServerFiles { identity, clients })
}
