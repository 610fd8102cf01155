//! `[redis.tls]` and `[regional.tls]`: whom failsoft believes to be a node, and what it shows of itself.

use super::node::{NodeUrl, Security};
use crate::settings::NodeAddress;
use crate::settings::judge::Judge;
use crate::settings::secret::Home;
use crate::tls::{ClientFiles, ClientTls, IdentityFiles, TlsError};
use rustls::pki_types::ServerName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What TLS towards nodes is made of. The files are read again when they change and on SIGHUP.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub(super) struct WrittenRedisTls {
    /// A PEM file with the authorities that sign nodes' certificates; without it those that the system trusts.
    #[schemars(length(min = 1, max = 4096))]
    ca: Option<String>,
    /// A PEM file with a certificate to show to nodes that ask for one, followed by those between it and an authority.
    #[schemars(length(min = 1, max = 4096))]
    cert: Option<String>,
    /// A PEM file with that certificate's private key, without a password.
    #[schemars(length(min = 1, max = 4096))]
    key: Option<String>,
    /// The name that nodes must prove to have, where it is not the one in their URL.
    #[schemars(length(min = 1, max = 253))]
    server_name: Option<String>,
}

/// The files, if a node is spoken to over TLS and nothing is wrong with them.
pub(super) fn mean(
    written: &WrittenRedisTls,
    table: &str,
    nodes: &[(String, &NodeUrl)],
    home: &Home<'_>,
    judge: &mut Judge<'_>,
) -> Option<ClientFiles> {
    let secured: Vec<_> = nodes.iter().filter(|(_, node)| node.address.security() == Security::Tls).collect();
    if secured.is_empty() {
        if judge.was_written(format!("{table}.tls")) {
            judge
                .error(format!("{table}.tls"), format!("[{table}.tls] is written, but no node is spoken to over TLS"))
                .hint("write rediss:// instead of redis:// in `nodes` and `replicas`");
        }
        return None;
    }
    let files = files(written, table, home, judge)?;
    if files.server_name.is_none() {
        secured.iter().for_each(|(path, node)| ensure_name(path, table, &node.address, judge));
    }
    match ClientTls::load(files.clone(), home.surroundings) {
        Ok(_) => Some(files),
        Err(error) => {
            judge.error(format!("{table}.tls{}", setting_of(&files, &error)), error.to_string());
            None
        }
    }
}

fn setting_of(files: &ClientFiles, error: &TlsError) -> &'static str {
    match (&files.ca, &files.identity) {
        (Some(ca), _) if *ca == error.path => ".ca",
        (_, Some(identity)) if identity.cert == error.path => ".cert",
        (_, Some(identity)) if identity.key == error.path => ".key",
        _ => "",
    }
}

fn files(written: &WrittenRedisTls, table: &str, home: &Home<'_>, judge: &mut Judge<'_>) -> Option<ClientFiles> {
    let place = |path: &String| home.folder.join(path);
    let identity = match (&written.cert, &written.key) {
        (Some(cert), Some(key)) => Some(IdentityFiles { cert: place(cert), key: place(key) }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            judge.error(
                format!("{table}.tls"),
                "a certificate and its key go together: write both `cert` and `key`, or neither",
            );
            return None;
        }
    };
    let server_name = match written.server_name.clone().map(ServerName::try_from).transpose() {
        Ok(name) => name,
        Err(_) => {
            judge.error(format!("{table}.tls.server_name"), "this is neither a host name nor an IP address");
            return None;
        }
    };
    Some(ClientFiles { ca: written.ca.as_ref().map(place), identity, server_name })
}

fn ensure_name(path: &str, table: &str, address: &NodeAddress, judge: &mut Judge<'_>) {
    if let NodeAddress::Tcp { host, .. } = address
        && ServerName::try_from(host.as_str()).is_err()
    {
        judge
            .error(path, format!("no certificate can be for the name `{host}`"))
            .hint(format!("say which name the node's certificate has with {table}.tls.server_name"));
    }
}
