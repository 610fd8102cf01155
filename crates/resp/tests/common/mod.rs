//! A real `redis-server` on a unix socket, and a client that does nothing but send bytes and frame replies.
//!
//! The server is the authority this crate is held against, so a machine without it fails these tests rather than skipping
//! them. It stops when its handle is dropped.
#![allow(clippy::unwrap_used, dead_code)]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use failsoft_resp::{Head, Limits, ReplyScanner, encode, reply};

static STARTED: AtomicU32 = AtomicU32::new(0);

pub(crate) struct Redis {
    process: Child,
    socket: PathBuf,
}

impl Redis {
    pub(crate) fn start() -> Self {
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let name = format!("failsoft-resp-{}-{number}.sock", std::process::id());
        let socket = std::env::temp_dir().join(name);
        let process = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no"])
            .arg("--unixsocket")
            .arg(&socket)
            .arg("--dir")
            .arg(std::env::temp_dir())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server must be installed");
        let redis = Self { process, socket };
        let deadline = Instant::now() + Duration::from_secs(20);
        while UnixStream::connect(&redis.socket).is_err() {
            assert!(Instant::now() < deadline, "redis-server did not start");
            std::thread::sleep(Duration::from_millis(5));
        }
        redis
    }

    pub(crate) fn connect(&self) -> Connection {
        let stream = UnixStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Connection { stream, unread: Vec::new() }
    }

    /// Major and minor version.
    pub(crate) fn version(&self) -> (u8, u8) {
        let info = self.connect().call(&["INFO", "server"]);
        let text = String::from_utf8(info).unwrap();
        let (_, version) = text.split_once("redis_version:").unwrap();
        let mut numbers = version.split('.').map(|number| number.parse().unwrap());
        (numbers.next().unwrap(), numbers.next().unwrap())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_file(&self.socket);
    }
}

pub(crate) struct Connection {
    stream: UnixStream,
    unread: Vec<u8>,
}

impl Connection {
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends a command and returns the frame of its reply.
    pub(crate) fn call(&mut self, words: &[&str]) -> Vec<u8> {
        let mut request = Vec::new();
        encode::command(&mut request, words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>());
        self.send(&request);
        self.reply().expect("the server closed the connection")
    }

    /// The next reply's frame, or `None` at the end of the stream.
    pub(crate) fn reply(&mut self) -> Option<Vec<u8>> {
        let mut scanner = ReplyScanner::new(Limits::REPLIES);
        loop {
            if let Some(len) = scanner.scan(&self.unread).unwrap() {
                return Some(self.unread.drain(..len).collect());
            }
            let mut chunk = [0; 65536];
            match self.stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(read) => self.unread.extend_from_slice(&chunk[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// The text of a string frame.
pub(crate) fn text(frame: &[u8]) -> String {
    match reply::head(frame) {
        Some(Head::Bulk(bytes) | Head::Simple(bytes) | Head::Error(bytes)) => {
            String::from_utf8(bytes.to_vec()).unwrap()
        }
        other => panic!("no text: {other:?}"),
    }
}

/// The number in an integer frame.
pub(crate) fn number(frame: &[u8]) -> i64 {
    match reply::head(frame) {
        Some(Head::Integer(number)) => number,
        other => panic!("no number: {other:?}"),
    }
}

/// The child frames of an aggregate.
pub(crate) fn list(frame: &[u8]) -> Vec<&[u8]> {
    reply::elements(frame).collect()
}

/// The value of `name` in a flat list of names and values.
pub(crate) fn field<'a>(frame: &'a [u8], name: &str) -> &'a [u8] {
    let list = list(frame);
    let pair = list.chunks_exact(2).find(|pair| text(pair[0]) == name);
    pair.unwrap_or_else(|| panic!("no field {name}"))[1]
}
