//! The library's flags before a real Redis: always an answer, and whence it is.

use failsoft::client::{Error, Route, Tier, Toggle};
use failsoft_testkit::redis::Redis;
use failsoft_testkit::wait::eventually_some;

use crate::common::{PATIENCE, hasty};

#[tokio::test]
async fn a_flag_is_what_was_last_known_and_else_what_the_caller_says() {
    let redis = Redis::start().await;
    let failsoft = hasty(&redis).route(Route::flag("flag:*")).build().unwrap();
    let flags = failsoft.flags("flag").unwrap();
    redis.command(&["SET", "flag:checkout", "on"]).await;
    redis.command(&["SET", "flag:limit", "250"]).await;
    let known = flags.get("flag:checkout", Toggle::Off).await.unwrap();
    assert_eq!((known.value, known.tier), (Toggle::On, Tier::Primary));
    assert_eq!(flags.get("flag:limit", 100_u32).await.unwrap().value, 250);
    let unknown = flags.get("flag:nothing", Toggle::Off).await.unwrap();
    assert_eq!((unknown.value, unknown.tier, unknown.version), (Toggle::Off, Tier::Default, None));
    let wrong = flags.get("flag:limit", Toggle::Off).await.unwrap_err();
    assert!(matches!(&wrong, Error::Codec(_)) && !wrong.to_string().contains("250"), "{wrong}");
    redis.kill().await;
    let kept = eventually_some("the last known value", PATIENCE, || async {
        flags.get("flag:checkout", Toggle::Off).await.ok().filter(|known| known.tier == Tier::Local)
    })
    .await;
    assert_eq!((kept.value, kept.version), (Toggle::On, known.version));
    let default = flags.get("flag:other", Toggle::On).await.unwrap();
    assert_eq!((default.value, default.tier), (Toggle::On, Tier::Default), "nobody can say");
}
