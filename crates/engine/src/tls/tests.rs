//! What is wrong with files is said of the right one, and what is in force stays in force.

use std::fs;
use std::path::{Path, PathBuf};

use failsoft_testkit::certificates::{Authority, Leaf};
use tempfile::TempDir;

use super::*;
use crate::settings::{self, ThisProcess};

struct Folder {
    folder: TempDir,
    authority: Authority,
    files: ServerFiles,
}

impl Folder {
    fn new() -> Self {
        let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("tests"));
        let (cert, key) = authority.issue(Leaf::for_name("h")).write(folder.path(), "server");
        let ca = authority.write(folder.path(), "tests");
        let files = ServerFiles { identity: IdentityFiles { cert, key }, clients: ClientCertificates::Required(ca) };
        Self { folder, authority, files }
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn load(&self) -> Result<ServerTls, TlsError> {
        ServerTls::load(&self.files, &ThisProcess)
    }
}

fn fault_of(error: &TlsError, path: &Path) -> FileFault {
    assert_eq!(error.path, path);
    error.fault.clone()
}

#[test]
fn each_file_is_found_at_fault_for_what_is_wrong_with_it() {
    let mut folder = Folder::new();
    folder.load().unwrap();
    let other = folder.authority.issue(Leaf::for_name("other"));
    let good = folder.files.clone();
    let (none, text) = (folder.folder.path().join("none"), folder.put("text", "nothing of the kind"));

    for (path, fault) in [(&text, FileFault::NoCertificate), (&good.identity.key, FileFault::NoCertificate)] {
        folder.files =
            ServerFiles { identity: IdentityFiles { cert: path.clone(), ..good.identity.clone() }, ..good.clone() };
        assert_eq!(fault_of(&folder.load().unwrap_err(), path), fault);
    }
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMA==\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let broken = "-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n";
    let keys = [
        (text, FileFault::NoKey),
        (folder.put("encrypted", encrypted), FileFault::Encrypted),
        (folder.put("other", &other.key), FileFault::OtherKey(good.identity.cert.clone())),
    ];
    for (key, fault) in keys {
        folder.files =
            ServerFiles { identity: IdentityFiles { key: key.clone(), ..good.identity.clone() }, ..good.clone() };
        assert_eq!(fault_of(&folder.load().unwrap_err(), &key), fault);
    }
    let key = folder.put("broken", broken);
    folder.files =
        ServerFiles { identity: IdentityFiles { key: key.clone(), ..good.identity.clone() }, ..good.clone() };
    assert!(matches!(fault_of(&folder.load().unwrap_err(), &key), FileFault::Unusable(_)));
    folder.files = ServerFiles { clients: ClientCertificates::Optional(none.clone()), ..good };
    assert!(matches!(fault_of(&folder.load().unwrap_err(), &none), FileFault::Unreadable(_)));
}

#[test]
fn a_renewal_that_is_broken_leaves_what_was_in_force() {
    let folder = Folder::new();
    let tls = folder.load().unwrap();
    let (config, expiries) = (tls.config(), tls.expiries());
    folder.authority.issue(Leaf::for_name("h").valid_until((2031, 2, 28))).write(folder.folder.path(), "server");
    let key = fs::read_to_string(&folder.files.identity.key).unwrap();
    fs::write(&folder.files.identity.key, "half a k").unwrap();
    assert_eq!(tls.refresh(&folder.files, &ThisProcess).unwrap_err().fault, FileFault::NoKey);
    assert!(Arc::ptr_eq(&tls.config(), &config) && tls.expiries() == expiries);
    fs::write(&folder.files.identity.key, key).unwrap();
    tls.refresh(&folder.files, &ThisProcess).unwrap();
    assert_eq!(tls.expiries()[0].at, 1_930_003_200);
    assert_eq!(tls.expiries().iter().map(|expiry| expiry.of.name()).collect::<Vec<_>>(), ["server", "client_ca"]);
}

/// Written as an operator would, in a file beside the certificates.
fn judged(folder: &Folder, text: &str) -> Result<settings::Settings, String> {
    let path = folder.put("failsoft.toml", text);
    settings::load(&path).map(|loaded| loaded.settings).map_err(|problems| problems.to_string())
}

#[test]
fn settings_name_the_line_of_the_file_that_is_at_fault() {
    let folder = Folder::new();
    let other = folder.authority.issue(Leaf::for_name("other"));
    folder.put("other.key", &other.key);
    let text =
        "[server]\ntls_listen = \"127.0.0.1:1\"\n[server.tls]\ncert = \"server.cert.pem\"\nkey = \"other.key\"\n";
    let said = judged(&folder, text).unwrap_err();
    assert!(
        said.contains("failsoft.toml:5:7: error: ") && said.contains("the key does not belong to the certificate"),
        "{said}"
    );

    let text = "[redis]\nnodes = [\"rediss://h\"]\n[redis.tls]\nca = \"other.key\"\n";
    let said = judged(&folder, text).unwrap_err();
    assert!(
        said.contains("failsoft.toml:4:6: error: ") && said.contains("there is no certificate in this file"),
        "{said}"
    );
}

#[test]
fn a_door_for_those_who_show_a_certificate_may_be_reached_from_elsewhere() {
    let folder = Folder::new();
    let text = "[server]\nlisten = \"off\"\ntls_listen = \"0.0.0.0:1\"\n[server.tls]\ncert = \"server.cert.pem\"\nkey = \"server.key.pem\"\n";
    assert!(judged(&folder, text).unwrap_err().contains("0.0.0.0:1 can be reached from other machines"));
    let settings = judged(&folder, &format!("{text}client_ca = \"tests.ca.pem\"\n")).unwrap();
    assert!(settings.server().tls_listen().unwrap().ip().is_unspecified());
    let optional = format!("{text}client_ca = \"tests.ca.pem\"\nclient_certificates = \"optional\"\n");
    assert!(judged(&folder, &optional).is_err());
}
