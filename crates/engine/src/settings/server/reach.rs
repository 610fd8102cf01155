//! Who can reach an address that is listened at: other machines may not come in by an oversight.

use crate::settings::judge::Judge;
use crate::settings::rules::{Auth, Reach};
use crate::tls::ClientCertificates;
use std::net::SocketAddr;

/// Whether somebody has thought of other machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beyond {
    /// `server.allow_non_loopback` is true.
    Meant,
    /// It is not.
    NotMeant,
}

/// The address written at `path`.
pub(super) fn address(text: &str, path: &str, judge: &mut Judge<'_>) -> Option<SocketAddr> {
    let address = text.parse::<SocketAddr>();
    if address.is_err() {
        judge
            .error(path, format!("`{text}` is not an IP address with a port"))
            .hint("write 127.0.0.1:6380, or [::1]:6380 for IPv6");
    }
    address.ok()
}

/// Who can reach `address`.
pub(super) fn reach(address: SocketAddr) -> Reach {
    if address.ip().is_loopback() { Reach::Loopback } else { Reach::BeyondLoopback }
}

/// A door for clients, without TLS, is open to other machines only if they have to say who they are or if that is meant.
pub(super) fn judge_door(address: SocketAddr, path: &str, auth: Auth, beyond: Beyond, judge: &mut Judge<'_>) {
    match (reach(address), auth) {
        (Reach::BeyondLoopback, Auth::Open) if beyond == Beyond::NotMeant => {
            judge
                .error(
                    path,
                    format!("{address} can be reached from other machines, and failsoft would let all of them in"),
                )
                .hint(
                    "set server.auth = \"users\" or \"redis\", listen on 127.0.0.1, or set server.allow_non_loopback = true \
                     where a firewall stands before it",
                );
        }
        (Reach::BeyondLoopback, Auth::Users | Auth::Redis) if beyond == Beyond::NotMeant => {
            judge.warning(path, format!("passwords and values cross the network to {address} as they are")).hint(
                "let other machines in by TLS, or set server.allow_non_loopback = true where the network is trusted",
            );
        }
        (Reach::BeyondLoopback | Reach::Loopback, Auth::Open | Auth::Users | Auth::Redis) => {}
    }
}

/// A door for clients, with TLS, is open to other machines only if they have to say or to prove who they are, or if that
/// is meant.
pub(super) fn judge_tls_door(
    address: SocketAddr,
    auth: Auth,
    clients: &ClientCertificates,
    beyond: Beyond,
    judge: &mut Judge<'_>,
) {
    let is_guarded = auth != Auth::Open || matches!(clients, ClientCertificates::Required(_));
    if reach(address) == Reach::BeyondLoopback && beyond == Beyond::NotMeant && !is_guarded {
        judge
            .error(
                "server.tls_listen",
                format!("{address} can be reached from other machines, and failsoft would let all of them in"),
            )
            .hint(
                "name the authority of clients' certificates with server.tls.client_ca, set server.auth = \"users\" or \
                 \"redis\", or set server.allow_non_loopback = true where a firewall stands before it",
            );
    }
}

/// The admin interface has no users, so it is open to other machines only if that is meant.
pub(super) fn judge_admin(address: SocketAddr, beyond: Beyond, judge: &mut Judge<'_>) {
    if reach(address) == Reach::BeyondLoopback && beyond == Beyond::NotMeant {
        judge
            .error(
                "server.admin",
                format!("{address} can be reached from other machines, and there are no users there"),
            )
            .hint("keep it on 127.0.0.1, or set server.allow_non_loopback = true where a firewall stands before it");
    }
}
