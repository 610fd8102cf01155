//! What a look into local memory costs: a hit, a miss, and keeping a copy.

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use failsoft::tier::local::{Copy, CopyKind, Local};
use failsoft::value::Value;
use failsoft_core::Time;
use failsoft_core::coherence::Epoch;
use failsoft_core::stale::{Acceptance, Stamp};

const KEYS: usize = 10_000;

fn copy() -> Copy {
    let value = Some(Value::Raw(Bytes::from_static(&[b'x'; 64])));
    Copy {
        value,
        stamp: Stamp { obtained: Time::ZERO, fresh_for: Duration::from_secs(60) },
        epoch: Epoch::NONE,
        kind: CopyKind::Seen,
    }
}

fn bench(criterion: &mut Criterion) {
    let local = Local::new(64 << 20, 1 << 20);
    let keys: Vec<String> = (0..KEYS).map(|key| format!("user:{key}")).collect();
    for key in &keys {
        local.keep(key.as_bytes(), copy(), local.version(key.as_bytes()));
    }
    let mut turn = keys.iter().cycle();
    criterion.bench_function("local hit", |bencher| {
        bencher.iter(|| {
            let key = turn.next().expect("a cycle has no end");
            black_box(local.look(black_box(key.as_bytes()), Acceptance::Fresh, Time::from_millis(1)).is_ok())
        });
    });
    criterion.bench_function("local miss", |bencher| {
        bencher.iter(|| black_box(local.look(black_box(b"nobody"), Acceptance::Fresh, Time::from_millis(1)).is_ok()));
    });
    criterion.bench_function("keep a copy", |bencher| {
        bencher.iter(|| {
            let key = turn.next().expect("a cycle has no end").as_bytes();
            local.keep(black_box(key), copy(), local.version(key));
        });
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
