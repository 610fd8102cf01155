//! What the tests that measure the sidecar share: settings, many clients at once, and looks at it from outside.
//!
//! Replies are compared as bytes, so the clients here are raw ones; what they expect is written with [`bulk`] and
//! [`command`] rather than with the code under test.
#![allow(dead_code, clippy::unwrap_used, unreachable_pub)]

pub mod malformed;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use failsoft_testkit::hostile::HostileClient;
use failsoft_testkit::sidecar::Sidecar;
use failsoft_testkit::wait::eventually;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// For anything that is to happen, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The binary under test.
pub fn bin() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_failsoft"))
}

/// Settings for two worker threads before the Redis at `redis`. `more` begins with further keys of these tables, dotted
/// (`redis.timeout = "50ms"`), if any; tables of its own follow.
pub fn settings(redis: &str, more: &str) -> String {
    let server = "server.listen = \"{listen}\"\nserver.admin = \"{admin}\"\nserver.threads = 2\n";
    format!("{server}redis.nodes = [\"{redis}\"]\n{more}")
}

/// The sidecar with these settings.
pub async fn start(redis: &str, more: &str) -> Sidecar {
    Sidecar::start(bin(), &settings(redis, more)).await
}

/// A request as client libraries write it.
pub fn command<A: AsRef<[u8]>>(words: &[A]) -> Vec<u8> {
    let mut request = format!("*{}\r\n", words.len()).into_bytes();
    words.iter().for_each(|word| request.extend_from_slice(&bulk(word.as_ref())));
    request
}

/// A bulk string.
pub fn bulk(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    [format!("${}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// Bytes as people read them.
pub fn shown(bytes: impl AsRef<[u8]>) -> String {
    String::from_utf8_lossy(bytes.as_ref()).into_owned()
}

/// Sends all `commands` at once, spread over `connections`, and returns their replies in the same order.
pub async fn ask_all(addr: SocketAddr, connections: usize, commands: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut asking = JoinSet::new();
    for first in 0..connections {
        let own: Vec<(usize, Vec<u8>)> =
            commands.iter().cloned().enumerate().skip(first).step_by(connections).collect();
        asking.spawn(async move {
            let mut client = HostileClient::connect(addr).await;
            let bytes: Vec<u8> = own.iter().flat_map(|(_, command)| command.clone()).collect();
            client.send(bytes).await.unwrap();
            let mut replies = Vec::new();
            for (index, _) in own {
                replies.push((index, client.read_reply(PATIENCE).await));
            }
            replies
        });
    }
    let mut replies: Vec<(usize, Vec<u8>)> = asking.join_all().await.into_iter().flatten().collect();
    replies.sort_unstable_by_key(|(index, _)| *index);
    replies.into_iter().map(|(_, reply)| reply).collect()
}

/// GETs of these keys.
pub fn gets(keys: impl IntoIterator<Item = String>) -> Vec<Vec<u8>> {
    keys.into_iter().map(|key| command(&["GET", &key])).collect()
}

/// One counter or gauge; 0 while there is no such sample.
pub async fn metric(sidecar: &Sidecar, name: &str, labels: &[(&str, &str)]) -> f64 {
    sidecar.metric(name, labels).await.unwrap_or(0.0)
}

/// Waits until a counter or gauge is at least `least`.
pub async fn reaches(sidecar: &Sidecar, name: &str, labels: &[(&str, &str)], least: f64) {
    eventually(&format!("{name} {labels:?} to reach {least}"), PATIENCE, || async {
        metric(sidecar, name, labels).await >= least
    })
    .await;
}

/// Resident memory of a process, in bytes.
pub fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Runs `starting`, and whatever it spawns, on a thread of its own that nothing here keeps busy.
pub async fn on_own_thread<T: Send + 'static>(starting: impl Future<Output = T> + Send + 'static) -> T {
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let started = starting.await;
            // A test that has gone away needs it no more.
            let _ = sender.send(started);
            std::future::pending::<()>().await;
        });
    });
    receiver.await.unwrap()
}

/// Numbers that look random and are the same in every run (SplitMix64).
#[derive(Debug, Clone)]
pub struct Dice(pub u64);

impl Dice {
    /// From 0 up to but not including `below`.
    pub fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % below as u64) as usize
    }
}
