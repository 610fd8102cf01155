//! Callers that make values themselves.

use std::time::Duration;

use tokio::task::JoinHandle;

use super::*;

/// Longer than any test.
const TERM: Duration = Duration::from_hours(1);
const WAIT: Duration = Duration::from_millis(50);
const UNFILLED: Outcome = Outcome::Failed(Failure::Unfilled);
const KEY: &[u8] = b"page:1";

/// Callers who wait so long for each other.
fn aside(wait: Duration, max_misses: Option<f64>) -> Arc<Aside> {
    Arc::new(Aside::new(AsideSettings { term: TERM, wait, max_misses }, Clock::start()))
}

fn now(aside: &Aside) -> Time {
    aside.clock.now()
}

fn lead(aside: &Aside, key: &[u8]) {
    assert_eq!(aside.request_now(key, aside.asker(Lane(1)), now(aside), now(aside)), Some(MAKES_IT));
}

/// Another caller, which waits once this returns.
async fn follow(aside: &Arc<Aside>, key: &'static [u8], in_hand: InHand) -> JoinHandle<Outcome> {
    let waiting = aside.lease_stats().waiting;
    let asker = aside.asker(Lane(0));
    assert_eq!(aside.request_now(key, asker, now(aside), now(aside)), None);
    let own = aside.clone();
    let task = tokio::spawn(async move { own.request(key, asker, Time::NEVER, in_hand, Time::NEVER).await });
    while aside.lease_stats().waiting == waiting {
        tokio::task::yield_now().await;
    }
    task
}

fn assert_nobody_left(aside: &Aside) {
    let stats = aside.lease_stats();
    assert_eq!((stats.waiting, aside.table.seats()), (0, 0));
}

#[tokio::test]
async fn one_makes_it_and_all_who_waited_have_it() {
    let aside = aside(TERM, None);
    lead(&aside, KEY);
    let mut others = Vec::new();
    for _ in 0..10 {
        others.push(follow(&aside, KEY, InHand::Nothing).await);
    }
    aside.handle_written(KEY);
    for other in others {
        assert_eq!(other.await.unwrap(), FILLED);
    }
    assert_nobody_left(&aside);
    assert_eq!(aside.lease_stats().held, 0);
    assert_eq!(aside.stats().waits.snapshot(), [("filled", 10)]);
}

#[tokio::test]
async fn a_second_question_of_the_same_client_does_not_wait() {
    let aside = aside(TERM, None);
    lead(&aside, KEY);
    lead(&aside, KEY);
    assert_eq!((aside.stats().granted.get(), aside.stats().passed.snapshot()), (1, vec![("own", 1)]));
}

#[tokio::test]
async fn a_deletion_has_one_of_those_who_wait_make_it() {
    let aside = aside(TERM, None);
    lead(&aside, KEY);
    let others = [follow(&aside, KEY, InHand::Nothing).await, follow(&aside, KEY, InHand::Nothing).await];
    aside.handle_deleted(KEY);
    while aside.stats().granted.get() < 2 || aside.lease_stats().waiting == 0 {
        tokio::task::yield_now().await;
    }
    aside.handle_written(KEY);
    let mut outcomes = Vec::new();
    for other in others {
        outcomes.push(other.await.unwrap());
    }
    assert!(outcomes.contains(&MAKES_IT) && outcomes.contains(&FILLED), "{outcomes:?}");
    assert_nobody_left(&aside);
}

#[tokio::test]
async fn who_waits_in_vain_is_served_an_old_copy_or_goes_to_the_database() {
    let aside = aside(WAIT, None);
    lead(&aside, KEY);
    let (with, without) = (follow(&aside, KEY, InHand::Copy).await, follow(&aside, KEY, InHand::Nothing).await);
    assert_eq!((with.await.unwrap(), without.await.unwrap()), (UNFILLED, MAKES_IT));
    assert_nobody_left(&aside);
    assert_eq!(aside.stats().waits.snapshot(), [("late", 1), ("stale", 1)]);
}

#[tokio::test]
async fn when_the_term_is_over_one_of_those_who_wait_leads() {
    let settings = AsideSettings { term: WAIT / 2, wait: WAIT, max_misses: None };
    let aside = Arc::new(Aside::new(settings, Clock::start()));
    lead(&aside, KEY);
    assert_eq!(follow(&aside, KEY, InHand::Copy).await.await.unwrap(), MAKES_IT);
    assert_eq!((aside.stats().granted.get(), aside.lease_stats().held), (2, 1));
}

#[tokio::test]
async fn who_does_not_wait_any_more_leaves_nothing_behind() {
    let aside = aside(TERM, Some(1.0));
    lead(&aside, KEY);
    let waits = follow(&aside, KEY, InHand::Nothing).await;
    waits.abort();
    assert!(waits.await.unwrap_err().is_cancelled());
    assert_nobody_left(&aside);
    let own = aside.clone();
    let queues =
        tokio::spawn(async move { own.request(b"page:2", Asker(7), Time::NEVER, InHand::Nothing, Time::NEVER).await });
    while aside.lease_stats().held < 2 && !queues.is_finished() {
        tokio::task::yield_now().await;
    }
    queues.abort();
    let _ = queues.await;
    assert_eq!(aside.lease_stats().held, 1);
    assert_eq!(aside.budget_stats().map(|budget| budget.queued), Some(0));
}

#[tokio::test]
async fn no_more_are_sent_to_the_database_than_it_can_bear() {
    let aside = aside(WAIT * 10, Some(3.0));
    lead(&aside, b"page:0");
    let ask = |key: &'static [u8], in_hand| {
        let (aside, asker) = (aside.clone(), aside.asker(Lane(0)));
        tokio::spawn(async move { aside.request(key, asker, Time::NEVER, in_hand, Time::NEVER).await })
    };
    // Turns come a third of a second apart, and nobody waits for longer than half of one.
    let (first, second, same) =
        (ask(b"page:1", InHand::Nothing), ask(b"page:2", InHand::Nothing), ask(b"page:2", InHand::Nothing));
    let with_copy = ask(b"page:3", InHand::Copy);
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (MAKES_IT, TURNED_AWAY));
    assert_eq!((same.await.unwrap(), with_copy.await.unwrap()), (TURNED_AWAY, TURNED_AWAY));
    assert_nobody_left(&aside);
    assert_eq!(aside.stats().granted.get(), 2);
}

#[tokio::test]
async fn nobody_waits_once_it_is_closed() {
    let aside = aside(TERM, None);
    lead(&aside, KEY);
    let waits = follow(&aside, KEY, InHand::Nothing).await;
    aside.close();
    assert_eq!(waits.await.unwrap(), MAKES_IT);
    assert_nobody_left(&aside);
}
