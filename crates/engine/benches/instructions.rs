//! Instructions, not nanoseconds: what the paths of every request cost, the same on a noisy machine as on a quiet one.
//!
//! Counted by callgrind. `make bench` installs the runner; by hand: `cargo bench -p failsoft --bench instructions`.

#![allow(missing_docs)]

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use failsoft::tier::local::{Copy, CopyKind, Local};
use failsoft::value::Value;
use failsoft_core::circuit::{Circuit, CircuitSettings, Gate};
use failsoft_core::coherence::Epoch;
use failsoft_core::pattern::KeyPattern;
use failsoft_core::plan::{AuthPolicy, Bounds, Intent, Plan};
use failsoft_core::request::{Admission, Barred, Grant, Manner, Request, Step};
use failsoft_core::role::Role;
use failsoft_core::route_table::RouteTable;
use failsoft_core::stale::{Acceptance, Stamp};
use failsoft_core::{Outcome, Tier, TierSet, Time};
use failsoft_resp::{Limits, ReplyScanner, RequestScanner};
use gungraun::{library_benchmark, library_benchmark_group, main};

const GET: &[u8] = b"*2\r\n$3\r\nGET\r\n$7\r\nuser:42\r\n";
const VALUE: &[u8] = b"$64\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n";

struct Doors(Gate);

impl Admission for Doors {
    fn request_permit(&mut self, _tier: Tier, _turn: u8, _now: Time) -> Result<Grant, Barred> {
        let permit = self.0.admits_freely().expect("a closed circuit");
        Ok(Grant { node: 0, permit, manner: Manner::Plain })
    }

    fn request_repeat(&mut self, _now: Time) -> bool {
        false
    }
}

fn plan() -> (Plan, Doors) {
    let bounds = Bounds {
        attempts: 2,
        deadline: Duration::from_secs(1),
        node_timeout: Duration::from_millis(200),
        origin_timeout: Duration::from_secs(1),
        max_stale: Duration::from_secs(600),
        auth_policy: AuthPolicy::Error,
    };
    let plan = Plan::new(Role::Cache, Intent::Read, TierSet::of(&Tier::ALL), bounds);
    (plan, Doors(Circuit::new(CircuitSettings::default()).gate()))
}

fn thousand_routes() -> RouteTable<usize> {
    let patterns = (0..1_000).map(|route| format!("service{route}:user:{{id}}"));
    RouteTable::new(
        patterns.enumerate().map(|(route, text)| (KeyPattern::parse(&text).expect("a pattern"), route)).collect(),
    )
}

fn local() -> Local {
    let local = Local::new(1 << 20, 1 << 10);
    let value = Some(Value::Raw(Bytes::from_static(&[b'x'; 64])));
    let stamp = Stamp { obtained: Time::ZERO, fresh_for: Duration::from_secs(60) };
    local.keep(b"user:42", Copy { value, stamp, epoch: Epoch::NONE, kind: CopyKind::Seen }, local.version(b"user:42"));
    local
}

#[library_benchmark]
#[bench::healthy(setup = plan)]
fn decision((plan, mut doors): (Plan, Doors)) -> Step {
    let mut request = Request::new(&plan, Time::ZERO);
    black_box(request.poll_step(&plan, &mut doors, Time::ZERO));
    request.handle_outcome(&plan, &mut doors, Outcome::Hit, Time::ZERO, 0);
    black_box(request.poll_step(&plan, &mut doors, Time::ZERO))
}

fn request_scanner() -> RequestScanner {
    RequestScanner::new(Limits::default())
}

#[library_benchmark]
#[bench::get(setup = request_scanner)]
fn request_frame(mut scanner: RequestScanner) -> usize {
    scanner.scan(black_box(GET)).ok().flatten().map_or(0, |command| command.consumed())
}

fn reply_scanner() -> ReplyScanner {
    ReplyScanner::new(Limits::REPLIES)
}

#[library_benchmark]
#[bench::bulk_64(setup = reply_scanner)]
fn reply_frame(mut scanner: ReplyScanner) -> Option<usize> {
    scanner.scan(black_box(VALUE)).ok().flatten()
}

#[library_benchmark]
#[bench::of_1000(setup = thousand_routes)]
fn route_match(table: RouteTable<usize>) -> Option<usize> {
    let found = table.find(black_box(b"service777:user:42")).map(|(index, _)| index);
    std::mem::forget(table);
    found
}

#[library_benchmark]
#[bench::fresh(setup = local)]
fn local_hit(local: Local) -> bool {
    let hit = local.look(black_box(b"user:42"), Acceptance::Fresh, Time::from_millis(1)).is_ok();
    std::mem::forget(local);
    hit
}

library_benchmark_group!(
    name = paths;
    benchmarks = decision, request_frame, reply_frame, route_match, local_hit
);

main!(library_benchmark_groups = paths);
