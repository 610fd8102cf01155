//! A small public key infrastructure, a Redis that speaks TLS, and a client that does.
#![allow(dead_code, clippy::unwrap_used, unreachable_pub)]

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use failsoft::settings::ThisProcess;
use failsoft::tls::{ClientFiles, ClientTls, IdentityFiles};
use failsoft::wire::tls::TlsStream;
use failsoft::wire::{Socket, Wire};
use failsoft_testkit::certificates::{Authority, Leaf};
use failsoft_testkit::port::FreePort;
use failsoft_testkit::redis::Redis;
use tempfile::TempDir;

use crate::tools::command;

/// An authority, and a folder for what it signs.
pub struct Pki {
    pub authority: Authority,
    pub folder: TempDir,
    pub ca: PathBuf,
}

impl Pki {
    pub fn new() -> Self {
        let (authority, folder) = (Authority::new("tests"), tempfile::tempdir().unwrap());
        let ca = authority.write(folder.path(), "tests");
        Self { authority, folder, ca }
    }

    /// Certificate and key of that name in the folder.
    pub fn issue(&self, name: &str, leaf: Leaf) -> IdentityFiles {
        let (cert, key) = self.authority.issue(leaf).write(self.folder.path(), name);
        IdentityFiles { cert, key }
    }

    /// One for a server of this machine.
    pub fn issue_local(&self, name: &str) -> IdentityFiles {
        self.issue(name, Leaf::for_name("127.0.0.1"))
    }

    /// A table of settings with these files; `extra` are further lines of it.
    pub fn table(
        &self,
        name: &str,
        ca: Option<(&str, &Path)>,
        identity: Option<&IdentityFiles>,
        extra: &str,
    ) -> String {
        let line = |key: &str, path: &Path| format!("{key} = \"{}\"\n", path.display());
        let ca = ca.map(|(key, path)| line(key, path)).unwrap_or_default();
        let identity = identity.map(|files| line("cert", &files.cert) + &line("key", &files.key)).unwrap_or_default();
        format!("\n[{name}]\n{ca}{identity}{extra}\n")
    }
}

/// A Redis that also listens for TLS.
pub struct SecureRedis {
    pub redis: Redis,
    pub port: FreePort,
}

impl SecureRedis {
    /// Shows `identity`; asks clients for a certificate of `ca` as `clients` says (`yes`, `no`, `optional`).
    pub async fn start(identity: &IdentityFiles, ca: &Path, clients: &str) -> Self {
        let port = FreePort::reserve();
        let redis = Redis::builder()
            .set("tls-port", &port.number().to_string())
            .set("tls-cert-file", identity.cert.to_str().unwrap())
            .set("tls-key-file", identity.key.to_str().unwrap())
            .set("tls-ca-cert-file", ca.to_str().unwrap())
            .set("tls-auth-clients", clients)
            .start()
            .await;
        Self { redis, port }
    }

    pub fn url(&self) -> String {
        format!("rediss://{}", self.port.addr())
    }
}

/// A client of the sidecar over TLS.
pub struct TlsClient(Wire);

impl TlsClient {
    /// Believes `ca`, shows `identity`.
    pub async fn connect(addr: SocketAddr, ca: &Path, identity: Option<&IdentityFiles>) -> io::Result<Self> {
        let files = ClientFiles { ca: Some(ca.to_owned()), identity: identity.cloned(), server_name: None };
        let tls = ClientTls::load(files, &ThisProcess).map_err(io::Error::other)?;
        let socket = Socket::connect_tcp(&addr.ip().to_string(), addr.port()).await?;
        let name = tls.name_of(&addr.ip().to_string()).unwrap();
        Ok(Self(Wire::Tls(Box::new(TlsStream::connect(socket, tls.config(), name).await?))))
    }

    /// Sends a command and returns the bytes that come next: enough for short replies.
    pub async fn ask(&mut self, words: &[&str]) -> io::Result<String> {
        self.0.write_all(&command(words)).await?;
        let mut reply = Vec::with_capacity(4_096);
        if self.0.read(&mut reply).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(String::from_utf8_lossy(&reply).into_owned())
    }
}
