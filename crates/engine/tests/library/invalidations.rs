//! The library's invalidations before a real Redis: who is told, and that a gap is told of.

use std::time::Duration;

use failsoft::client::{Error, Invalidations, Notice, Route, Subscription, Unfinished};
use failsoft_testkit::redis::Redis;
use failsoft_testkit::wait::eventually_some;
use tokio::time::timeout;

use crate::common::{PATIENCE, hasty};

async fn next(subscription: &mut Subscription) -> Option<Notice> {
    timeout(PATIENCE, subscription.next()).await.unwrap()
}

fn message(channel: &'static str, text: &'static str) -> Option<Notice> {
    Some(Notice::Message { channel: channel.into(), message: text.into() })
}

async fn publish(news: &Invalidations, text: &str) {
    eventually_some("it to be published", PATIENCE, || async { news.publish("news:a", text).await.ok() }).await;
}

#[tokio::test]
async fn who_listens_is_told_and_told_of_a_gap() {
    let redis = Redis::start().await;
    let failsoft = hasty(&redis).route(Route::invalidation("news:*")).build().unwrap();
    let news = failsoft.invalidations("news").unwrap();
    let mut heard = news.subscribe(["news:a", "news:b"]).await.unwrap();
    assert_eq!(news.publish("news:a", "one").await.unwrap(), 1);
    redis.command(&["PUBLISH", "news:b", "two"]).await;
    assert_eq!(next(&mut heard).await, message("news:a", "one"));
    assert_eq!(next(&mut heard).await, message("news:b", "two"));
    redis.kill().await;
    redis.restart_empty().await;
    assert_eq!(next(&mut heard).await, Some(Notice::Gap));
    publish(&news, "three").await;
    let told = async {
        loop {
            match next(&mut heard).await {
                Some(Notice::Gap) => {}
                other => break other,
            }
        }
    };
    assert_eq!(told.await, message("news:a", "three"));
    failsoft.shutdown(PATIENCE).await.unwrap();
    assert_eq!(next(&mut heard).await, None, "nothing more will come");
}

#[tokio::test]
async fn who_does_not_take_what_is_told_is_told_of_a_gap() {
    let redis = Redis::start().await;
    let failsoft = hasty(&redis).route(Route::invalidation("news:*")).build().unwrap();
    let news = failsoft.invalidations("news").unwrap();
    let mut heard = news.subscribe(["news:a"]).await.unwrap();
    for _ in 0..3 {
        let flood = "for i = 1, 1000 do redis.call('PUBLISH', 'news:a', i) end";
        redis.command(&["EVAL", flood, "0"]).await;
    }
    publish(&news, "last").await;
    let mut count = 0;
    let has_gap = async {
        while next(&mut heard).await != Some(Notice::Gap) {
            count += 1;
        }
    };
    has_gap.await;
    assert!(count <= 1_025, "{count}");
}

#[tokio::test]
async fn channels_of_other_routes_are_refused_and_who_leaves_is_not_told() {
    let redis = Redis::start().await;
    let failsoft = hasty(&redis).route(Route::invalidation("news:*").gap_message("gap")).build().unwrap();
    let news = failsoft.invalidations("news").unwrap();
    assert!(matches!(news.subscribe(["other"]).await, Err(Error::Misuse(_))));
    assert!(matches!(news.subscribe([""; 0]).await, Err(Error::Misuse(_))));
    assert!(matches!(news.publish("other", "x").await, Err(Error::Misuse(_))));
    let heard = news.subscribe(["news:a"]).await.unwrap();
    drop(heard);
    let nobody = || async { (news.publish("news:a", "x").await.ok()? == 0).then_some(()) };
    eventually_some("nobody to listen", PATIENCE, nobody).await;
    assert_eq!(failsoft.shutdown(Duration::from_secs(30)).await, Ok(()));
}

#[tokio::test]
async fn what_waits_to_be_published_is_waited_for_when_it_ends() {
    for returns in [true, false] {
        let redis = Redis::start().await;
        let failsoft = hasty(&redis).route(Route::invalidation("news:*")).build().unwrap();
        let news = failsoft.invalidations("news").unwrap();
        assert_eq!(news.publish("news:a", "heard").await.unwrap(), 0);
        redis.kill().await;
        publish(&news, "kept").await;
        if returns {
            redis.restart_empty().await;
            assert_eq!(failsoft.shutdown(PATIENCE).await, Ok(()));
        } else {
            let left = failsoft.shutdown(Duration::from_millis(20)).await;
            assert_eq!(left, Err(Unfinished { messages: 1, ..Unfinished::default() }));
        }
    }
}
