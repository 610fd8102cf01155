//! Shards whose nodes have said how their replication stands, and whom a request asks.

use std::sync::Arc;

use failsoft_core::Tier;
use failsoft_core::circuit::{CircuitSettings, Evidence};
use failsoft_core::cluster::Standing;
use failsoft_core::replication::Report;

use super::*;
use crate::clock::Clock;
use crate::node::{Credentials, Leads, Node, NodeOptions, Reads};
use crate::settings::NodeAddress;
use crate::topology::view::Builder;

const BUDGET: Duration = Duration::from_secs(5);
const WISH: Wish = Wish { budget: BUDGET, presence: Presence::Well };

fn second(second: u64) -> Time {
    Time::from_millis(second * 1_000)
}

/// A node that nobody looks after; it has said nothing.
fn node(tier: Tier) -> Arc<Node> {
    let long = Duration::from_secs(20);
    let options = NodeOptions {
        address: NodeAddress::plain("127.0.0.1", 1),
        leads: Leads::Anywhere,
        tls: None,
        credentials: Credentials::default(),
        database: 0,
        reads: Reads::OfPrimary,
        connect_timeout: long,
        timeout: long,
        connections: 1,
        max_pending: 1,
        max_dedicated: 1,
        max_connects: 1,
        max_value: 1,
        probe_interval: long,
        probe_key: String::new(),
    };
    let circuit = CircuitSettings { failures: 1, ..CircuitSettings::default() };
    Arc::new(Node::new(tier, options, circuit, Clock::start(), 1))
}

fn say(node: &Node, moment: u64, fields: &str) {
    let text = format!("{}\nmaster_replid:{}\n", fields.replace(' ', "\n"), "a".repeat(40));
    node.replication().handle_report(second(moment), Report::parse(text.as_bytes()).unwrap());
}

fn replica(moment: u64, offset: u64, priority: u32, link: &str) -> Arc<Node> {
    let node = node(Tier::Replica);
    let fields = format!("slave_repl_offset:{offset} slave_priority:{priority}");
    say(&node, moment, &format!("role:slave master_link_status:{link} master_sync_in_progress:0 {fields}"));
    node
}

fn primary() -> Arc<Node> {
    let node = node(Tier::Primary);
    say(&node, 10, "role:master master_repl_offset:100");
    say(&node, 20, "role:master master_repl_offset:200");
    node
}

fn view(primary: Option<(Arc<Node>, Standing)>, replicas: Vec<Arc<Node>>) -> View {
    let mut builder = Builder::default();
    builder.add(primary, replicas, Vec::new());
    builder.whole(1, second(0))
}

/// Whom one request asks, one after the other, as indexes of the view; and why there is nobody after them.
fn asked(view: &View, presence: Presence) -> (Vec<u16>, Failure) {
    let mut asked = Asked::default();
    let mut nodes = Vec::new();
    loop {
        match view.request_replica(Place::Anywhere, Wish { budget: BUDGET, presence }, &mut asked, second(21)) {
            Ok(grant) => nodes.push(grant.node),
            Err(barred) => return (nodes, barred.because),
        }
    }
}

fn nobody(unfit: Unfit) -> (Vec<u16>, Failure) {
    (Vec::new(), Failure::Replica(unfit))
}

#[test]
fn replicas_are_asked_by_priority_and_none_twice() {
    let replicas = [(200, 0), (200, 100), (150, 10), (200, 50)];
    let replicas = replicas.map(|(offset, priority)| replica(21, offset, priority, "up")).into();
    let view = view(Some((primary(), Standing::Sound)), replicas);
    assert_eq!(asked(&view, Presence::Well).0, [4, 2, 1], "the one of priority 10 lags");
}

#[test]
fn whose_circuit_is_open_is_passed_over_and_not_asked_again() {
    let replicas: Vec<_> = [10, 20, 30].map(|priority| replica(21, 200, priority, "up")).into();
    let sick = replicas[1].clone();
    let permit = sick.request_permit(second(21)).unwrap();
    sick.health().handle_evidence(permit, Evidence::Failure, second(21));
    let view = view(Some((primary(), Standing::Sound)), replicas);
    assert_eq!(asked(&view, Presence::Well), (vec![1, 3], Failure::CircuitOpen));
}

#[test]
fn a_replica_that_has_lost_a_living_primary_is_not_asked() {
    let cut_off = || vec![replica(21, 200, 100, "down")];
    let well = view(Some((primary(), Standing::Sound)), cut_off());
    assert_eq!(asked(&well, Presence::Well), nobody(Unfit::CutOff));
    assert_eq!(asked(&well, Presence::Lost).0, [1], "the request has found out that the primary is gone");
    for standing in [Standing::Failed, Standing::Minority, Standing::Unproven] {
        let lost = view(Some((primary(), standing)), cut_off());
        assert_eq!(asked(&lost, Presence::Well).0, [1], "{standing}");
    }
    let sick = primary();
    let permit = sick.request_permit(second(21)).unwrap();
    sick.health().handle_evidence(permit, Evidence::Failure, second(21));
    assert_eq!(asked(&view(Some((sick, Standing::Sound)), cut_off()), Presence::Well).0, [1]);
}

#[test]
fn the_reason_that_is_told_is_that_of_the_replica_that_came_closest() {
    let of = |replicas| asked(&view(Some((primary(), Standing::Sound)), replicas), Presence::Well);
    assert_eq!(of(vec![]), nobody(Unfit::Absent));
    assert_eq!(of(vec![node(Tier::Replica)]), nobody(Unfit::Unheard));
    assert_eq!(of(vec![replica(15, 200, 100, "up")]), nobody(Unfit::Unheard), "too long ago");
    assert_eq!(of(vec![replica(21, 199, 100, "up"), node(Tier::Replica)]), nobody(Unfit::Lagging));
    assert_eq!(of(vec![replica(21, 99, 100, "up")]), nobody(Unfit::Unmeasured));
    let nameless = view(None, vec![replica(21, 200, 100, "up")]);
    assert_eq!(asked(&nameless, Presence::Well), nobody(Unfit::Unmeasured), "no primary to be measured by");
}

#[test]
fn of_a_second_deployment_the_primary_is_asked_and_then_its_replicas() {
    let view = view(Some((primary(), Standing::Sound)), vec![replica(21, 200, 100, "up")]);
    let mut asked = Asked::default();
    let mut next = || {
        view.request_any(Place::Anywhere, WISH, &mut asked, second(21))
            .map(|grant| grant.node)
            .map_err(|barred| barred.because)
    };
    assert_eq!([next(), next(), next()], [Ok(0), Ok(1), Err(Failure::Replica(Unfit::Absent))]);
}

#[test]
fn a_second_deployment_without_replicas_says_why_its_primary_is_not_asked() {
    let view = view(Some((primary(), Standing::Failed)), vec![]);
    let denied = view.request_any(Place::Anywhere, WISH, &mut Asked::default(), second(21)).unwrap_err();
    assert_eq!(denied.because, Failure::DeclaredDown);
}

#[test]
fn how_old_a_replica_is_is_told_also_where_it_is_too_old() {
    let replicas = vec![replica(21, 200, 100, "up"), replica(21, 150, 100, "up"), replica(21, 200, 100, "down")];
    let view = view(Some((primary(), Standing::Sound)), replicas);
    let of = |age, unfit| Some(Measured { age: Some(Duration::from_secs(age)), unfit });
    let expected = [None, of(1, None), of(11, Some(Unfit::Lagging)), of(1, Some(Unfit::CutOff))];
    assert_eq!(view.measured(BUDGET, second(21)), expected);
}
