//! `[server]`: where clients and operators reach failsoft, and how much of the machine they may use.

mod announce;
mod reach;
mod tls;
mod unix;

use super::chosen;
use super::judge::Judge;
use super::rules::{Auth, DenyList, Reach};
use super::secret::Home;
use super::units::{WrittenDuration, WrittenSize};
use crate::tls::ServerFiles;
pub use announce::Announced;
use reach::Beyond;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::Duration;
use tls::WrittenServerTls;
pub use unix::UnixSocket;

/// What is written where an address may be left out.
const OFF: &str = "off";

/// Where clients and operators reach failsoft, and how much of the machine they may use.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub(crate) struct WrittenServer {
    /// Where clients connect: an IP address and a port, or "off".
    #[schemars(extend("x-restart" = true), length(max = 64))]
    listen: String,
    /// Where clients connect over TLS: an IP address and a port, beside `listen` or instead of it. Needs [server.tls].
    #[schemars(extend("x-restart" = true), length(max = 64))]
    tls_listen: Option<String>,
    /// A socket in the file system where clients of this machine connect; a relative path starts at the folder of the
    /// settings file. What a dead process has left there is replaced.
    #[schemars(extend("x-restart" = true), length(min = 1, max = 107))]
    unix_socket: Option<String>,
    /// Who may connect to `unix_socket`: a mode as chmod takes it.
    #[schemars(extend("x-restart" = true), length(min = 3, max = 4))]
    unix_socket_mode: String,
    /// Where metrics, health and the dashboard are: an IP address and a port.
    #[schemars(extend("x-restart" = true), length(max = 64))]
    admin: String,
    /// Where clients that know clusters are told that every slot is: a host and a port, such as "failsoft.internal:6380". When
    /// left out: the address that the client came to.
    #[schemars(extend("x-restart" = true), length(min = 1, max = 260))]
    announce: Option<String>,
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
    /// How long a client may be without a request, and without one under way, before it is closed; 0 is for ever.
    #[schemars(extend("x-restart" = true, "x-min" = "0s", "x-max" = "365days"))]
    idle_timeout: WrittenDuration,
    /// How long a client that has replies to read may take none of them before it is closed. What counts is what the
    /// system's buffer takes.
    #[schemars(extend("x-restart" = true, "x-min" = "100ms", "x-max" = "1day"))]
    write_timeout: WrittenDuration,
    /// After how long a silence the system asks whether a client's machine is still there; 0 is never.
    #[schemars(extend("x-restart" = true, "x-min" = "0s", "x-max" = "9h"))]
    tcp_keepalive: WrittenDuration,
    /// Whom clients have to convince of who they are: nobody, failsoft by its own list of [[users]], or Redis by its ACL.
    auth: Auth,
    /// Commands that nobody may run, such as "FLUSHALL" or "CONFIG SET"; a container such as "CONFIG" stands for all its
    /// subcommands. When left out: nothing, or, where a door can be reached from other machines, FLUSHALL, FLUSHDB,
    /// CONFIG, DEBUG, SHUTDOWN, MODULE, REPLICAOF, SLAVEOF, ACL SETUSER and FAILSOFT MODE.
    #[schemars(length(max = 1024))]
    deny_commands: Option<Vec<String>>,
    /// Whether `listen` and `tls_listen` may be reachable from other machines although `auth` is "open", and `admin`, which
    /// has no users, at all. Whoever reaches an open failsoft reaches Redis through it. `tls_listen` needs no such leave
    /// where every client must show a certificate.
    allow_non_loopback: bool,
    /// What TLS towards clients is made of. The files are read again when they change and on SIGHUP.
    tls: WrittenServerTls,
}

impl Default for WrittenServer {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:6380".to_owned(),
            tls_listen: None,
            unix_socket: None,
            unix_socket_mode: "0600".to_owned(),
            admin: "127.0.0.1:9180".to_owned(),
            announce: None,
            threads: 0,
            drain: WrittenDuration::secs(10),
            max_clients: 10_000,
            max_query_buffer: WrittenSize::mib(1024),
            max_output_buffer: WrittenSize::mib(64),
            idle_timeout: WrittenDuration::secs(0),
            write_timeout: WrittenDuration::secs(60),
            tcp_keepalive: WrittenDuration::secs(300),
            auth: Auth::default(),
            deny_commands: None,
            allow_non_loopback: false,
            tls: WrittenServerTls::default(),
        }
    }
}

impl WrittenServer {
    pub(crate) fn auth(&self) -> Auth {
        self.auth
    }

    /// What nobody may run, as far as it can be understood.
    pub(crate) fn deny_list(&self, judge: &mut Judge<'_>) -> DenyList {
        match &self.deny_commands {
            Some(written) => DenyList::mean(written, "server.deny_commands", judge),
            None => DenyList::unsaid(self.reach()),
        }
    }

    fn beyond(&self) -> Beyond {
        if self.allow_non_loopback { Beyond::Meant } else { Beyond::NotMeant }
    }

    /// Who can reach a door for clients.
    fn reach(&self) -> Reach {
        let addresses = std::iter::once(&self.listen).chain(&self.tls_listen).filter_map(|text| text.parse().ok());
        let is_beyond = addresses.map(reach::reach).any(|reach| reach == Reach::BeyondLoopback);
        if is_beyond { Reach::BeyondLoopback } else { Reach::Loopback }
    }
}

/// Where clients and operators reach failsoft, and how much of the machine they may use.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    listen: Option<SocketAddr>,
    tls_listen: Option<SocketAddr>,
    tls: Option<ServerFiles>,
    unix_socket: Option<UnixSocket>,
    admin: SocketAddr,
    announce: Option<Announced>,
    threads: usize,
    drain: Duration,
    max_clients: usize,
    max_query_buffer: u64,
    max_output_buffer: u64,
    idle_timeout: Option<Duration>,
    write_timeout: Duration,
    tcp_keepalive: Option<Duration>,
}

impl Server {
    pub(crate) fn mean(written: &WrittenServer, home: &Home<'_>, judge: &mut Judge<'_>) -> Option<Self> {
        let listen = (written.listen != OFF).then(|| reach::address(&written.listen, "server.listen", judge));
        let tls = tls::mean(&written.tls, written.tls_listen.is_some(), home, judge);
        let tls_listen = written.tls_listen.as_deref().map(|text| reach::address(text, "server.tls_listen", judge));
        let unix_socket = (written.unix_socket.as_deref())
            .map(|path| UnixSocket::mean(path, &written.unix_socket_mode, &home.folder, judge));
        ensure_a_door(listen.is_some() || tls_listen.is_some() || unix_socket.is_some(), judge);
        let admin = reach::address(&written.admin, "server.admin", judge);
        let announce = written.announce.as_deref().map(|text| Announced::mean(text, judge));
        if let Some(listen) = listen.flatten() {
            reach::judge_door(listen, "server.listen", written.auth, written.beyond(), judge);
        }
        if let (Some(listen), Some(files)) = (tls_listen.flatten(), &tls) {
            reach::judge_tls_door(listen, written.auth, &files.clients, written.beyond(), judge);
        }
        if let Some(admin) = admin {
            reach::judge_admin(admin, written.beyond(), judge);
        }
        ensure_different(listen.flatten(), tls_listen.flatten(), admin, judge);
        Some(Self {
            listen: chosen(listen)?,
            tls_listen: chosen(tls_listen)?,
            tls,
            unix_socket: chosen(unix_socket)?,
            admin: admin?,
            announce: chosen(announce)?,
            threads: written.threads.into(),
            drain: written.drain.0,
            max_clients: written.max_clients as usize,
            max_query_buffer: written.max_query_buffer.0,
            max_output_buffer: written.max_output_buffer.0,
            idle_timeout: unless_zero(written.idle_timeout),
            write_timeout: written.write_timeout.0,
            tcp_keepalive: unless_zero(written.tcp_keepalive),
        })
    }

    /// Where clients connect over TCP, if they may.
    pub fn listen(&self) -> Option<SocketAddr> {
        self.listen
    }

    /// Where clients connect over TLS, if they may.
    pub fn tls_listen(&self) -> Option<SocketAddr> {
        self.tls_listen
    }

    /// What TLS towards clients is made of; there if and only if [`tls_listen`](Self::tls_listen) is.
    pub fn tls(&self) -> Option<&ServerFiles> {
        self.tls.as_ref()
    }

    /// The socket in the file system where clients connect, if there is one.
    pub fn unix_socket(&self) -> Option<&UnixSocket> {
        self.unix_socket.as_ref()
    }

    /// Where metrics, health and the dashboard are.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Where clients that know clusters are told that every slot is, unless it is the address they came to.
    pub fn announce(&self) -> Option<&Announced> {
        self.announce.as_ref()
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

    /// How long a client may be without a request before it is closed; for ever if there is none.
    pub fn idle_timeout(&self) -> Option<Duration> {
        self.idle_timeout
    }

    /// How long a client may take no byte of the replies that wait for it.
    pub fn write_timeout(&self) -> Duration {
        self.write_timeout
    }

    /// After how long a silence a client's machine is asked whether it is there; never if there is none.
    pub fn tcp_keepalive(&self) -> Option<Duration> {
        self.tcp_keepalive
    }
}

fn ensure_a_door(has_one: bool, judge: &mut Judge<'_>) {
    if !has_one {
        judge
            .error("server.listen", "`listen` is off and nothing else is listened at: no client could connect")
            .hint("name another door: server.tls_listen or server.unix_socket");
    }
}

fn ensure_different(
    listen: Option<SocketAddr>,
    tls_listen: Option<SocketAddr>,
    admin: Option<SocketAddr>,
    judge: &mut Judge<'_>,
) {
    let named = [("listen", listen), ("tls_listen", tls_listen), ("admin", admin)];
    for (index, (name, address)) in named.iter().enumerate() {
        let same = |(_, other): &&(&str, Option<SocketAddr>)| other == address;
        if address.is_some_and(|address| address.port() != 0)
            && let Some((other, _)) = named[..index].iter().find(same)
        {
            judge.error(format!("server.{name}"), format!("`{name}` and `{other}` are the same address"));
        }
    }
}

fn unless_zero(duration: WrittenDuration) -> Option<Duration> {
    (!duration.0.is_zero()).then_some(duration.0)
}
