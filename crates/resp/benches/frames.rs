//! What the data plane pays per frame: finding a request, looking its command up, finding its reply.
//!
//! `cargo bench -p failsoft-resp`. The aim is about 20 ns for a small frame.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use failsoft_resp::commands::{keys, lookup};
use failsoft_resp::{Limits, ReplyScanner, RequestScanner, encode, reply};

fn requests(c: &mut Criterion) {
    let mut get = Vec::new();
    encode::command(&mut get, [&b"GET"[..], b"user:42"]);
    let mut scanner = RequestScanner::new(Limits::REQUESTS);
    c.bench_function("request: scan GET", |b| {
        b.iter(|| {
            let command = scanner.scan(black_box(&get)).ok().flatten();
            command.map(|command| command.consumed())
        });
    });
    c.bench_function("request: scan GET, look up, find key", |b| {
        b.iter(|| {
            let command = scanner.scan(black_box(&get)).ok().flatten()?;
            let spec = lookup(command.arg(0), command.get(1))?;
            keys(spec, &command).next().map(|key| key.index)
        });
    });
}

fn commands(c: &mut Criterion) {
    c.bench_function("commands: lookup GET", |b| {
        b.iter(|| lookup(black_box(b"GET"), black_box(Some(b"user:42"))));
    });
    c.bench_function("commands: lookup zrangebyscore", |b| {
        b.iter(|| lookup(black_box(b"zrangebyscore"), black_box(Some(b"k"))));
    });
    c.bench_function("commands: lookup CLIENT SETINFO", |b| {
        b.iter(|| lookup(black_box(b"CLIENT"), black_box(Some(b"SETINFO"))));
    });
}

fn replies(c: &mut Criterion) {
    let mut bulk = Vec::new();
    encode::bulk(&mut bulk, &[b'x'; 64]);
    let mut mget = Vec::new();
    encode::array_header(&mut mget, 100);
    for _ in 0..100 {
        encode::bulk(&mut mget, &[b'x'; 64]);
    }
    let mut large = Vec::new();
    encode::bulk(&mut large, &vec![b'x'; 1 << 20]);
    for (name, frame) in [
        ("bulk of 64 bytes", &bulk[..]),
        ("bulk of 1 MiB", &large),
        ("integer", b":42\r\n"),
        ("status", b"+OK\r\n"),
        ("nil", b"$-1\r\n"),
        ("MGET of 100", &mget),
    ] {
        let mut scanner = ReplyScanner::new(Limits::REPLIES);
        c.bench_function(&format!("reply: scan {name}"), |b| {
            b.iter(|| scanner.scan(black_box(frame)));
        });
    }
    c.bench_function("reply: head of bulk", |b| b.iter(|| reply::head(black_box(&bulk))));
    c.bench_function("reply: elements of MGET of 100", |b| {
        b.iter(|| reply::elements(black_box(&mget)).map(<[u8]>::len).sum::<usize>());
    });
}

criterion_group!(benches, requests, commands, replies);
criterion_main!(benches);
