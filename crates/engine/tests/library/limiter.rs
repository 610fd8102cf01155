//! The library's rate limits before a real Redis: exact while it is there, and in an outage as the route says.

use std::time::Duration;

use failsoft::client::{Basis, Error, Limit, OnOutage, Route};
use failsoft_testkit::redis::Redis;
use failsoft_testkit::wait::eventually_some;

use crate::common::{PATIENCE, before, hasty};

/// Five at once, and one more an hour: none comes back while a test runs.
fn five() -> Limit {
    Limit::new(1, Duration::from_secs(3_600), 5).unwrap()
}

#[tokio::test]
async fn as_many_pass_as_may() {
    let redis = Redis::start().await;
    let failsoft = before(&redis).route(Route::rate_limit("limit:*")).build().unwrap();
    let limiter = failsoft.limiter("limit").unwrap();
    for left in (0..5).rev() {
        let decision = limiter.check("limit:ada", five()).await.unwrap();
        assert_eq!((decision.verdict.allowed, decision.verdict.remaining, decision.basis), (true, left, Basis::Redis));
    }
    let refused = limiter.check("limit:ada", five()).await.unwrap().verdict;
    assert!(!refused.allowed && refused.retry > Duration::from_secs(3_000), "{refused:?}");
    assert!(limiter.check_cost("limit:eve", five(), 5).await.unwrap().verdict.allowed);
    assert!(!limiter.check("limit:eve", five()).await.unwrap().verdict.allowed);
    assert!(limiter.check_cost("limit:eve", five(), 0).await.is_err());
    assert!(matches!(limiter.check("other", five()).await, Err(Error::Misuse(_))));
}

#[tokio::test]
async fn an_outage_is_what_the_route_makes_of_it() {
    let redis = Redis::start().await;
    let failsoft = hasty(&redis)
        .route(Route::rate_limit("closed:*"))
        .route(Route::rate_limit("open:*").on_outage(OnOutage::Open))
        .route(Route::rate_limit("local:*").on_outage(OnOutage::Local))
        .build()
        .unwrap();
    redis.kill().await;
    let limiter = |name| failsoft.limiter(name).unwrap();
    let error = limiter("closed").check("closed:a", five()).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    let open = limiter("open");
    for _ in 0..20 {
        let decision = open.check("open:a", five()).await.unwrap();
        assert!(decision.verdict.allowed && decision.basis == Basis::Open);
    }
    let local = limiter("local");
    let first =
        eventually_some("the share to be asked", PATIENCE, || async { local.check("local:a", five()).await.ok() });
    assert_eq!(first.await.basis, Basis::Local);
    let mut passed = 1;
    while local.check("local:a", five()).await.unwrap().verdict.allowed {
        passed += 1;
    }
    assert_eq!(passed, 5, "the share of the only instance is all of it");
}
