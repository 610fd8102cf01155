//! How long it takes to find the route of a key among a thousand.

#![allow(missing_docs)]

use criterion::{Criterion, criterion_group, criterion_main};
use failsoft_core::pattern::KeyPattern;
use failsoft_core::route_table::RouteTable;
use std::hint::black_box;

/// A thousand routes of the shapes operators write: services, entities, tenants, exact keys, and a last resort.
fn thousand_routes() -> RouteTable<()> {
    let mut texts: Vec<String> = Vec::new();
    for n in 0..333 {
        texts.push(format!("service{n}:entity:{{id}}"));
        texts.push(format!("{{tenant}}:report{n}:{{id:int}}"));
        texts.push(format!("flag:feature-{n}"));
    }
    texts.push("*".to_owned());
    let compiled = texts.iter().map(|text| (KeyPattern::parse(text).expect("written above"), ()));
    RouteTable::new(compiled.collect())
}

fn find(criterion: &mut Criterion) {
    let table = thousand_routes();
    let mut group = criterion.benchmark_group("route_match");
    for (name, key) in [
        ("parameter", "service217:entity:42"),
        ("tenant_first", "acme:report301:77"),
        ("exact", "flag:feature-150"),
        ("last_resort", "unknown:thing:that:nobody:listed"),
    ] {
        assert!(table.find(key.as_bytes()).is_some());
        group.bench_function(name, |bencher| bencher.iter(|| table.find(black_box(key.as_bytes()))));
    }
    group.finish();
}

criterion_group!(benches, find);
criterion_main!(benches);
