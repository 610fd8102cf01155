//! Sentinels as they are: who is believed before, during and after a failover, and what is told of it.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::time::Duration;

use failsoft::node::{Credentials, Leads, NodeOptions, Reads};
use failsoft::settings::NodeAddress;
use failsoft::topology::address::Destination;
use failsoft::topology::sentinel::{
    Lines, News, Role, Survey, Unheard, ask_role, interview, listen, sentinel_options, survey,
};
use failsoft_core::cluster::Endpoint;
use failsoft_core::outcome::Failure;
use failsoft_core::refusal::Refusal;
use failsoft_core::sentinel::{Disbelief, SentinelLayout, Word};
use failsoft_testkit::sentinel::{NAME, Sentinels, Server};
use failsoft_testkit::wait::eventually_some;
use tokio::sync::mpsc::unbounded_channel;

/// For a failover on a busy machine.
const LONG: Duration = Duration::from_secs(60);

fn options(address: SocketAddr, password: Option<&str>) -> NodeOptions {
    NodeOptions {
        address: NodeAddress::plain(address.ip().to_string(), address.port()),
        leads: Leads::Anywhere,
        tls: None,
        credentials: Credentials { username: None, password: password.map(str::to_owned) },
        database: 0,
        reads: Reads::OfPrimary,
        connect_timeout: Duration::from_secs(2),
        timeout: Duration::from_secs(2),
        connections: 1,
        max_pending: 16,
        max_dedicated: 1,
        max_connects: 1,
        max_value: 1 << 20,
        probe_interval: LONG,
        probe_key: "probe".to_owned(),
    }
}

fn endpoint(server: &Server) -> Endpoint {
    Endpoint::new(server.addr().ip().to_string(), server.addr().port())
}

async fn ask(named: &[&Server], before: Option<&SentinelLayout>) -> Survey {
    let named: Vec<_> = named.iter().map(|server| options(server.addr(), None)).collect();
    let reach = |endpoint: &Endpoint| {
        let address = SocketAddr::new(endpoint.host.parse().ok()?, endpoint.port);
        Some(options(address, None))
    };
    survey(&named, NAME, before, reach, &mut Lines::default()).await
}

async fn role(server: &Server) -> Result<Role, Unheard> {
    ask_role(&options(server.addr(), None)).await
}

fn all(group: &Sentinels) -> Vec<&Server> {
    group.sentinels().iter().collect()
}

#[tokio::test]
async fn one_sentinel_leads_to_the_others_and_a_majority_to_the_primary_and_its_replicas() {
    let group = Sentinels::start().await;
    group.wait_ok().await;
    let said = ask(&all(&group)[..1], None).await;
    let layout = said.verdict.unwrap();
    assert!(said.witnesses.len() >= 2, "the one that was named and at least one other");
    assert_eq!(layout.primary, endpoint(&group.servers()[0]));
    let mut replicas: Vec<_> = layout.replicas.iter().map(|replica| replica.endpoint.clone()).collect();
    replicas.sort();
    let mut expected: Vec<_> = group.servers()[1..].iter().map(endpoint).collect();
    expected.sort();
    assert_eq!(replicas, expected);

    assert_eq!(role(&group.servers()[0]).await, Ok(Role::Primary));
    assert_eq!(role(&group.servers()[1]).await, Ok(Role::Replica { of: Some(layout.primary) }));
    assert_eq!(role(&group.sentinels()[0]).await, Ok(Role::Sentinel));
}

#[tokio::test]
async fn a_primary_that_is_gone_stays_the_primary_until_the_sentinels_agree_and_then_the_news_come() {
    let group = Sentinels::start().await;
    group.wait_ok().await;
    let (tell, mut told) = unbounded_channel();
    let listened = options(group.sentinels()[2].addr(), None);
    let listening = tokio::spawn(async move { listen(&listened, NAME, |news| tell.send(news).unwrap()).await });
    assert_eq!(told.recv().await, Some(News::Listening));

    let old = group.primary().await;
    let before = ask(&all(&group), None).await.verdict.unwrap();
    old.kill().await;
    let after = eventually_some("the sentinels to agree on another primary", LONG, || async {
        match ask(&all(&group), Some(&before)).await.verdict {
            Ok(layout) if layout.primary != before.primary => Some(layout),
            Ok(layout) => {
                assert_eq!(layout.config_epoch, before.config_epoch);
                None
            }
            Err(disbelief) => {
                assert!(matches!(disbelief, Disbelief::NoMajority { of: 3, .. }), "{disbelief}");
                None
            }
        }
    })
    .await;
    let new = group.wait_promoted(old).await;
    assert_eq!(after.primary, endpoint(new));
    assert!(after.config_epoch > before.config_epoch);
    assert!(after.replicas.iter().all(|replica| replica.endpoint != endpoint(old)), "{:?}", after.replicas);
    assert_eq!(role(new).await, Ok(Role::Primary));
    assert!(matches!(role(old).await, Err(Unheard::Failed(Failure::ConnectRefused))));

    let mut news = Vec::new();
    while !news.contains(&News::Switched) {
        news.push(told.recv().await.unwrap());
    }
    assert!(news.contains(&News::Changed), "the primary was missed before it was replaced: {news:?}");
    listening.abort();
}

#[tokio::test]
async fn a_sentinel_that_comes_back_is_listened_to_again() {
    let group = Sentinels::start().await;
    let sentinel = &group.sentinels()[0];
    let (tell, mut told) = unbounded_channel();
    let listened = options(sentinel.addr(), None);
    let listening = tokio::spawn(async move { listen(&listened, NAME, |news| tell.send(news).unwrap()).await });
    assert_eq!(told.recv().await, Some(News::Listening));
    sentinel.restart().await;
    while told.recv().await != Some(News::Listening) {}
    listening.abort();
}

#[tokio::test]
async fn a_minority_of_sentinels_is_not_believed() {
    let group = Sentinels::start().await;
    group.wait_ok().await;
    let [first, second, third] = group.sentinels() else { panic!("three sentinels") };
    second.kill().await;
    assert!(ask(&[first, second, third], None).await.verdict.is_ok(), "two of three");
    third.kill().await;
    let said = ask(&[first, second, third], None).await;
    assert_eq!(said.verdict, Err(Disbelief::NoMajority { agree: 1, of: 3 }));
    let mut unheard: Vec<_> = said.unheard.iter().map(|(_, why)| *why).collect();
    unheard.dedup();
    assert_eq!(unheard, [Unheard::Failed(Failure::ConnectRefused)]);
    assert_eq!(ask(&[first], None).await.verdict, Err(Disbelief::NoMajority { agree: 1, of: 3 }));
}

#[tokio::test]
async fn a_sentinel_that_was_cut_off_with_the_old_primary_convinces_nobody() {
    let group = Sentinels::builder().partitionable().start().await;
    group.wait_ok().await;
    let old = group.primary().await;
    let cut_off = &group.sentinels()[0];
    let rest = group.all_but(&[old, cut_off]);
    group.partition(&[old, cut_off], &rest);
    let new = group.wait_promoted(old).await;
    assert_eq!(role(old).await, Ok(Role::Primary), "it still thinks so, and would take writes");
    assert_eq!(group.word_of(cut_off).await, Some(old.addr()));

    let said = ask(&all(&group), None).await;
    assert_eq!(said.verdict.unwrap().primary, endpoint(new));
    let alone = ask(&[cut_off], None).await;
    assert_eq!(alone.verdict.unwrap().primary, endpoint(new), "the others can be asked, and outvote it");
    let nobody_else = survey(&[options(cut_off.addr(), None)], NAME, None, |_| None, &mut Lines::default()).await;
    assert_eq!(nobody_else.verdict, Err(Disbelief::NoMajority { agree: 1, of: 3 }));
}

#[tokio::test]
async fn a_replica_that_the_sentinels_miss_is_not_read() {
    let group = Sentinels::start().await;
    group.wait_ok().await;
    let lost = &group.servers()[2];
    lost.kill().await;
    let layout = eventually_some("the replica to be missed", LONG, || async {
        ask(&all(&group), None).await.verdict.ok().filter(|layout| layout.replicas.len() == 1)
    })
    .await;
    assert_eq!(layout.replicas[0].endpoint, endpoint(&group.servers()[1]));
}

#[tokio::test]
async fn sentinels_have_a_password_of_their_own() {
    let group = Sentinels::builder().password("for-nodes").sentinel_password("for-sentinels").start().await;
    group.wait_ok().await;
    let sentinel = group.sentinels()[0].addr();
    let node = options(group.servers()[0].addr(), Some("for-nodes"));
    let asked = |password: Option<&str>| {
        let credentials = Credentials { username: None, password: password.map(str::to_owned) };
        let to = Destination { address: options(sentinel, None).address, leads: Leads::Anywhere };
        sentinel_options(&node, to, credentials)
    };
    let witness = interview(&asked(Some("for-sentinels")), NAME).await.unwrap();
    assert!(matches!(witness.word, Word::Watching(_)));
    let refused = |failure| Err(Unheard::Failed(Failure::Handshake(failure)));
    assert_eq!(interview(&asked(Some("for-nodes")), NAME).await.map(|_| ()), refused(Refusal::WrongPass));
    assert_eq!(interview(&asked(None), NAME).await.map(|_| ()), refused(Refusal::NoAuth));
    assert_eq!(ask_role(&node).await, Ok(Role::Primary));
}

#[tokio::test]
async fn what_is_no_sentinel_and_a_name_that_nobody_watches_are_told_apart() {
    let group = Sentinels::start().await;
    let redis = interview(&options(group.servers()[0].addr(), None), NAME).await.unwrap();
    assert_eq!(redis.word, Word::NoSentinel);
    let other = interview(&options(group.sentinels()[0].addr(), None), "other").await.unwrap();
    assert_eq!(other.word, Word::NoSuchName);
    let unknown =
        survey(&[options(group.sentinels()[0].addr(), None)], "other", None, |_| None, &mut Lines::default()).await;
    assert_eq!(unknown.verdict, Err(Disbelief::UnknownName));
}
