//! Latency at a given load: clients who ask when their time has come, whether or not the server keeps up.
//!
//! A client who waits for an answer before he asks again measures a slow server less often than a fast one, and so
//! flatters it. Here each connection has its own times to ask, drawn at random around its share of the rate; an answer
//! that is late for the next of them is charged with the time that the next has had to wait.
//!
//! `paced_load ADDRESS RATE CONNECTIONS SECONDS`: `GET`s of `key:000000000000` to `key:000000009999`, one at a time on
//! each connection. Prints how many a second were answered, and p50, p99 and p99.9 in microseconds, as one JSON object.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use std::{env, thread};

/// Answers to begin with that are not counted: connections and caches are new.
const WARM_UP: Duration = Duration::from_millis(500);
/// Of the keys that are asked for.
const KEYS: u64 = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [address, rate, connections, seconds] = arguments.as_slice() else {
        return Err("usage: paced_load ADDRESS RATE CONNECTIONS SECONDS".into());
    };
    let (address, connections): (SocketAddr, u32) = (address.parse()?, connections.parse()?);
    let gap = Duration::from_secs(1).mul_f64(f64::from(connections) / rate.parse::<f64>()?);
    let lasting = Duration::from_secs_f64(seconds.parse()?);
    let took = load(address, connections, gap, lasting)?;
    let quantile = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
    println!(
        "{{\"answered_per_second\": {:.0}, \"p50_us\": {:.1}, \"p99_us\": {:.1}, \"p999_us\": {:.1}}}",
        took.len() as f64 / lasting.as_secs_f64(),
        quantile(0.5),
        quantile(0.99),
        quantile(0.999)
    );
    Ok(())
}

/// How long every answer took, shortest first.
fn load(address: SocketAddr, connections: u32, gap: Duration, lasting: Duration) -> io::Result<Vec<Duration>> {
    let begin = Instant::now() + Duration::from_millis(100);
    let clients: Vec<_> = (0..connections)
        .map(|seed| thread::spawn(move || Client::connect(address, u64::from(seed))?.ask(begin, gap, lasting)))
        .collect();
    let mut took = Vec::new();
    for client in clients {
        took.extend(client.join().map_err(|_| io::Error::other("a client's thread has panicked"))??);
    }
    took.sort_unstable();
    if took.is_empty() { Err(io::Error::other("nothing was asked: the load does not last")) } else { Ok(took) }
}

struct Client {
    stream: TcpStream,
    chance: u64,
}

impl Client {
    fn connect(address: SocketAddr, seed: u64) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, chance: seed })
    }

    /// How long each answer took that was due within `lasting` of the end of the warm-up.
    fn ask(mut self, begin: Instant, gap: Duration, lasting: Duration) -> io::Result<Vec<Duration>> {
        let counted = begin + WARM_UP;
        let mut took = Vec::new();
        let mut due = begin;
        while due < counted + lasting {
            due += gap.mul_f64(-(1.0 - self.random()).ln());
            let from = match due.checked_duration_since(Instant::now()) {
                // Waking late is this program's doing.
                Some(early) => {
                    thread::sleep(early);
                    Instant::now()
                }
                None => due,
            };
            self.get()?;
            if (counted..counted + lasting).contains(&due) {
                took.push(from.elapsed());
            }
        }
        Ok(took)
    }

    fn get(&mut self) -> io::Result<()> {
        let key = (self.random() * KEYS as f64) as u64;
        self.stream.write_all(format!("*2\r\n$3\r\nGET\r\n$16\r\nkey:{key:012}\r\n").as_bytes())?;
        let mut reply = [0; 256];
        let mut length = 0;
        while !is_whole(&reply[..length])? {
            match self.stream.read(&mut reply[length..])? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                read => length += read,
            }
        }
        Ok(())
    }

    /// From 0 up to 1. SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
    fn random(&mut self) -> f64 {
        self.chance = self.chance.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.chance ^ (self.chance >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Whether a bulk string has come to its end; the values here have no line breaks.
fn is_whole(reply: &[u8]) -> io::Result<bool> {
    if reply.first().is_some_and(|first| *first != b'$') {
        return Err(io::Error::other(String::from_utf8_lossy(reply).into_owned()));
    }
    let lines = reply.iter().filter(|byte| **byte == b'\n').count();
    Ok(lines == 2 || reply == b"$-1\r\n")
}
