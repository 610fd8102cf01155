//! `[server]`: where clients and operators reach failsoft, and how much of the machine they may use.

use super::judge::Judge;
use super::units::{WrittenDuration, WrittenSize};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::Duration;

/// Where clients and operators reach failsoft, and how much of the machine they may use.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub(crate) struct WrittenServer {
    /// Where clients connect: an IP address and a port.
    #[schemars(extend("x-restart" = true), length(max = 64))]
    listen: String,
    /// Where metrics, health and the dashboard are: an IP address and a port.
    #[schemars(extend("x-restart" = true), length(max = 64))]
    admin: String,
    /// Worker threads; 0 means one per core.
    #[schemars(extend("x-restart" = true), range(min = 0, max = 256))]
    threads: u16,
    /// How long a shutdown waits for requests that are under way.
    #[schemars(extend("x-restart" = true, "x-min" = "0s", "x-max" = "10m"))]
    drain: WrittenDuration,
    /// Client connections at the same time; the next one is refused with an error. Lowered at the start, with a warning,
    /// where the process may not have enough file descriptors for them and for everything else.
    #[schemars(extend("x-restart" = true), range(min = 1, max = 1_000_000))]
    max_clients: u32,
    /// Bytes of one client's requests that may wait to be understood; a client that sends more is closed, so no command can
    /// be larger. Redis' own bound is the default; memory grows with what has arrived.
    #[schemars(extend("x-restart" = true, "x-min" = "4KiB", "x-max" = "1GiB"))]
    max_query_buffer: WrittenSize,
    /// Bytes of replies that may wait for one client to read them; a client that lets more pile up is closed.
    #[schemars(extend("x-restart" = true, "x-min" = "4KiB", "x-max" = "1GiB"))]
    max_output_buffer: WrittenSize,
    /// Whether `listen` and `admin` may be reachable from other machines. There are no users and no TLS in this
    /// version, so whoever reaches failsoft reaches Redis through it.
    allow_non_loopback: bool,
}

impl Default for WrittenServer {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:6380".to_owned(),
            admin: "127.0.0.1:9180".to_owned(),
            threads: 0,
            drain: WrittenDuration::secs(10),
            max_clients: 10_000,
            max_query_buffer: WrittenSize::mib(1024),
            max_output_buffer: WrittenSize::mib(64),
            allow_non_loopback: false,
        }
    }
}

/// Where clients and operators reach failsoft, and how much of the machine they may use.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    listen: SocketAddr,
    admin: SocketAddr,
    threads: usize,
    drain: Duration,
    max_clients: usize,
    max_query_buffer: u64,
    max_output_buffer: u64,
}

impl Server {
    pub(crate) fn mean(written: &WrittenServer, judge: &mut Judge<'_>) -> Option<Self> {
        let listen = address(&written.listen, "server.listen", written, judge);
        let admin = address(&written.admin, "server.admin", written, judge);
        if listen.is_some() && listen == admin && listen.is_some_and(|listen| listen.port() != 0) {
            judge.error("server.admin", "`admin` and `listen` are the same address");
        }
        Some(Self {
            listen: listen?,
            admin: admin?,
            threads: written.threads.into(),
            drain: written.drain.0,
            max_clients: written.max_clients as usize,
            max_query_buffer: written.max_query_buffer.0,
            max_output_buffer: written.max_output_buffer.0,
        })
    }

    /// Where clients connect.
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Where metrics, health and the dashboard are.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Worker threads; 0 means one per core.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// How long a shutdown waits for requests that are under way.
    pub fn drain(&self) -> Duration {
        self.drain
    }

    /// Client connections at the same time.
    pub fn max_clients(&self) -> usize {
        self.max_clients
    }

    /// Bytes of one client's requests that may wait to be understood.
    pub fn max_query_buffer(&self) -> u64 {
        self.max_query_buffer
    }

    /// Bytes of replies that may wait for one client to read them.
    pub fn max_output_buffer(&self) -> u64 {
        self.max_output_buffer
    }
}

fn address(text: &str, path: &str, written: &WrittenServer, judge: &mut Judge<'_>) -> Option<SocketAddr> {
    let Ok(address) = text.parse::<SocketAddr>() else {
        judge
            .error(path, format!("`{text}` is not an IP address with a port"))
            .hint("write 127.0.0.1:6380, or [::1]:6380 for IPv6");
        return None;
    };
    if !address.ip().is_loopback() && !written.allow_non_loopback {
        judge
            .error(path, format!("{address} can be reached from other machines, and failsoft would let all of them in"))
            .hint("listen on 127.0.0.1, or set server.allow_non_loopback = true where a firewall stands before it");
        return None;
    }
    Some(address)
}
