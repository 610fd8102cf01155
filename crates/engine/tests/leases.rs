//! Locks and idempotency records against a real Redis: who is granted what, what is taken back, what is told.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use failsoft::Engine;
use failsoft::context::Context;
use failsoft::node::Lane;
use failsoft::primitive::idempotency::{self, Begun, MOST_RESULT};
use failsoft::primitive::{Grant, Kind, LONGEST_KEY, Nonce, Refusal, lock};
use failsoft::settings;
use failsoft_core::fencing::Token;
use failsoft_testkit::clock::WallClock;
use failsoft_testkit::proxy::{FaultProxy, Mode};
use failsoft_testkit::redis::Redis;
use failsoft_testkit::wait::{eventually, eventually_some};
use tokio::time::{sleep, timeout};

const TTL: Duration = Duration::from_secs(60);
const KEY: &[u8] = b"lock:a";
const RECORD: &[u8] = b"once:a";

/// An engine before the Redis at `url`, with routes for both roles that have `more` settings.
fn engine(url: &str, more: &str) -> Engine {
    let text = format!(
        "[redis]\nnodes = [\"{url}\"]\n\
         [[routes]]\nkeys = \"lock:*\"\nrole = \"lock\"\n{more}\n\
         [[routes]]\nkeys = \"once:*\"\nrole = \"idempotency\"\n{more}\n\
         [[routes]]\nkeys = \"page:*\"\nrole = \"cache\"\nmax_stale = \"1m\"\n"
    );
    let loaded = settings::parse(&text, "failsoft.toml").unwrap_or_else(|problems| panic!("{problems}"));
    Engine::new(loaded.settings, 1).unwrap()
}

fn here(engine: &Engine) -> Context {
    engine.context(0, Lane::default())
}

/// A replica has to have everything, and a busy machine is given time.
const WAITING: &str = "wait_replicas = 1\nwait_timeout = \"1s\"\ntimeout = \"5s\"\ndeadline = \"10s\"";

async fn lock(context: &Context) -> Result<Option<Grant>, Refusal> {
    lock::acquire(context, KEY, TTL, &Nonce::random()).await
}

async fn granted(context: &Context) -> Grant {
    lock(context).await.unwrap().expect("nobody else asks")
}

/// What Redis answers, as text.
async fn say(redis: &Redis, words: &[&str]) -> String {
    redis::from_redis_value(redis.command(words).await).unwrap()
}

async fn number(redis: &Redis, words: &[&str]) -> i64 {
    redis::from_redis_value(redis.command(words).await).unwrap()
}

/// The server's clock, in microseconds.
async fn micros(redis: &Redis) -> u64 {
    let (seconds, micros): (u64, u64) = redis::from_redis_value(redis.command(&["TIME"]).await).unwrap();
    seconds * 1_000_000 + micros
}

fn token(number: u64) -> Token {
    Token::new(number).unwrap()
}

/// The fence of [`KEY`].
const FENCE: &str = "failsoft:fence:{lock:a}";

#[tokio::test]
async fn a_lock_is_held_by_one_and_given_back_by_its_token_alone() {
    let redis = Redis::start().await;
    let engine = engine(&redis.url(), "");
    let context = here(&engine);
    let first = granted(&context).await;
    assert_eq!(lock(&context).await.unwrap(), None);
    let stranger = token(first.token.number() - 1);
    assert_eq!(lock::release(&context, KEY, stranger).await.unwrap_err().kind(), Kind::NotHeld);
    assert_eq!(lock::extend(&context, KEY, stranger, TTL).await.unwrap_err().kind(), Kind::NotHeld);
    assert_eq!(lock(&context).await.unwrap(), None, "somebody else's token does nothing");
    let extended = lock::extend(&context, KEY, first.token, 2 * TTL).await.unwrap();
    assert!(extended.proven_until() > first.lease.proven_until());
    lock::release(&context, KEY, first.token).await.unwrap();
    assert_eq!(lock::release(&context, KEY, first.token).await.unwrap_err().kind(), Kind::NotHeld);
    let second = granted(&context).await;
    assert!(second.token > first.token);
}

/// The script counts as the core does.
#[tokio::test]
async fn the_next_token_is_the_one_that_the_rule_says() {
    let redis = Redis::start().await;
    let far = 9_000_000_000_000_000;
    for before in [None, Some(far), Some(far - 1), Some(1)] {
        for seen in [None, Some(far + 7), Some(1)] {
            let engine = engine(&redis.url(), "");
            let context = here(&engine);
            if let Some(seen) = seen {
                redis.command(&["SET", FENCE, &(seen - 1).to_string()]).await;
                let shown = granted(&context).await;
                lock::release(&context, KEY, shown.token).await.unwrap();
            }
            match before {
                Some(before) => redis.command(&["SET", FENCE, &before.to_string()]).await,
                None => redis.command(&["DEL", FENCE]).await,
            };
            let (earliest, told, latest) = (micros(&redis).await, granted(&context).await.token, micros(&redis).await);
            let rule = |micros| Token::next(before.map(token), seen.map(token), micros).unwrap();
            assert!(rule(earliest) <= told && told <= rule(latest), "{before:?} {seen:?} {told}");
            redis.command(&["FLUSHALL"]).await;
        }
    }
}

#[tokio::test]
async fn tokens_grow_when_redis_forgets_everything() {
    let redis = Redis::start().await;
    let engine = engine(&redis.url(), "");
    let context = here(&engine);
    redis.command(&["SET", FENCE, "9000000000000000"]).await;
    let before = granted(&context).await.token;
    assert_eq!(before.number(), 9_000_000_000_000_001, "the clock of this server once was far ahead");
    redis.command(&["FLUSHALL"]).await;
    assert_eq!(granted(&context).await.token.number(), 9_000_000_000_000_002);
}

#[tokio::test]
async fn a_token_is_remembered_until_the_clock_has_come_up_to_it() {
    let redis = Redis::start().await;
    let engine = engine(&redis.url(), "");
    let context = here(&engine);
    granted(&context).await;
    let day = 24 * 60 * 60 * 1000;
    let lives = number(&redis, &["PTTL", FENCE]).await;
    assert!(lives > day && lives <= day + 60_000 + 2_000, "{lives}");
    redis.command(&["DEL", "lock:a"]).await;
    redis.command(&["SET", FENCE, "9000000000000000"]).await;
    granted(&context).await;
    let lives = number(&redis, &["PTTL", FENCE]).await;
    assert!(lives > 7_000_000_000_000, "{lives}");
}

#[tokio::test]
async fn a_plain_set_excludes_and_is_excluded() {
    let redis = Redis::start().await;
    let engine = engine(&redis.url(), "");
    let context = here(&engine);
    redis.command(&["SET", "lock:a", "uuid", "NX", "PX", "60000"]).await;
    assert_eq!(lock(&context).await.unwrap(), None);
    assert_eq!(lock::release(&context, KEY, token(1)).await.unwrap_err().kind(), Kind::NotHeld);
    assert_eq!(say(&redis, &["GET", "lock:a"]).await, "uuid");
    redis.command(&["DEL", "lock:a"]).await;
    granted(&context).await;
    let before = say(&redis, &["GET", "lock:a"]).await;
    redis.command(&["SET", "lock:a", "uuid", "NX", "PX", "60000"]).await;
    assert_eq!(say(&redis, &["GET", "lock:a"]).await, before);
}

#[tokio::test]
async fn asked_again_with_the_callers_nonce_the_same_grant_is_told() {
    let redis = Redis::start().await;
    let engine = engine(&redis.url(), "");
    let context = here(&engine);
    let nonce = Nonce::of_caller(b"worker 7: job 12").unwrap();
    let ask = || async { lock::acquire(&context, KEY, TTL, &nonce).await.unwrap().map(|grant| grant.token) };
    let first = ask().await;
    assert!(first.is_some());
    assert_eq!(ask().await, first);
    assert_eq!(lock(&context).await.unwrap(), None);
}

#[tokio::test]
async fn what_makes_no_sense_is_told_in_a_sentence_and_nothing_is_done() {
    let redis = Redis::start().await;
    let engine = engine(&redis.url(), "");
    let context = here(&engine);
    let long = [b"lock:".as_slice(), &vec![b'x'; LONGEST_KEY]].concat();
    let day = Duration::from_secs(24 * 60 * 60);
    let random = Nonce::random();
    for (key, ttl, said) in [
        (&b"page:1"[..], TTL, "ERR key is on route page with role cache; FAILSOFT LOCK needs a route with role lock"),
        (b"once:1", TTL, "ERR key is on route once with role idempotency; FAILSOFT LOCK needs a route with role lock"),
        (b"other", TTL, "ERR key is on no route; FAILSOFT LOCK needs a route with role lock"),
        (&long, TTL, "ERR the key has 8197 bytes; that of a lease may have 8192"),
        (KEY, Duration::ZERO, "ERR a ttl of 0 ms is over before its holder has heard of it; the least is 10"),
        (KEY, Duration::from_millis(9), "ERR a ttl of 9 ms is over before its holder has heard of it; the least is 10"),
        (KEY, 367 * day, "ERR a ttl of 31708800000 ms is too long; the most is 31622400000 (366 days)"),
    ] {
        let refusal = lock::acquire(&context, key, ttl, &random).await.unwrap_err();
        assert_eq!((refusal.to_string().as_str(), refusal.kind()), (said, Kind::Error));
    }
    for len in [0, 65] {
        let refusal = Nonce::of_caller(&vec![b'n'; len]).unwrap_err();
        assert_eq!(refusal.to_string(), format!("ERR a nonce has 1 to 64 bytes; this one has {len}"));
    }
    let result = vec![b'r'; MOST_RESULT + 1];
    let refusal = idempotency::commit(&context, RECORD, token(1), &result, None).await.unwrap_err();
    let said = "ERR the result has 1048577 bytes, 1048576 are the most; keep it elsewhere and commit where it is";
    assert_eq!(refusal.to_string(), said);
    assert_eq!(say(&redis, &["DBSIZE"]).await, "0");
}

#[tokio::test]
async fn what_is_something_else_in_redis_is_told_in_its_words_and_left_alone() {
    let redis = Redis::start().await;
    let engine = engine(&redis.url(), "");
    let context = here(&engine);
    redis.command(&["RPUSH", "lock:a", "x"]).await;
    redis.command(&["RPUSH", "once:a", "x"]).await;
    let wrong = "WRONGTYPE Operation against a key holding the wrong kind of value";
    let some = token(7);
    for told in [
        lock(&context).await.map(drop),
        lock::extend(&context, KEY, some, TTL).await.map(drop),
        lock::release(&context, KEY, some).await,
        idempotency::begin(&context, RECORD, TTL, &Nonce::random()).await.map(drop),
        idempotency::commit(&context, RECORD, some, b"r", None).await,
        idempotency::abort(&context, RECORD, some).await,
    ] {
        assert_eq!(told.unwrap_err().to_string(), wrong);
    }
    assert_eq!(say(&redis, &["DBSIZE"]).await, "2", "no fence either");
    redis.command(&["DEL", "lock:a"]).await;
    redis.command(&["SET", FENCE, "yesterday"]).await;
    let told = lock(&context).await.unwrap_err().to_string();
    assert_eq!(told, "ERR the fence of this key holds something else than a token");
    redis.command(&["SET", FENCE, "9007199254740991"]).await;
    let told = lock(&context).await.unwrap_err().to_string();
    assert_eq!(told, "ERR there is no greater fencing token than the last one");
    redis.command(&["DEL", FENCE]).await;
    redis.oom().await;
    assert!(lock(&context).await.unwrap_err().to_string().contains("OOM"));
    redis.heal().await;
    assert_eq!(say(&redis, &["EXISTS", "lock:a", FENCE]).await, "0");
}

#[tokio::test]
async fn what_replicas_do_not_have_is_taken_back() {
    let redis = Redis::start().await;
    let replica = Redis::builder().replica_of(&redis).start().await;
    replica.wait_synced().await;
    let engine = engine(&redis.url(), WAITING);
    let context = here(&engine);
    let first = granted(&context).await;
    assert_eq!(say(&replica, &["GET", "lock:a"]).await, say(&redis, &["GET", "lock:a"]).await);

    replica.pause();
    let refusal = lock::extend(&context, KEY, first.token, TTL).await.unwrap_err();
    assert_eq!(refusal.kind(), Kind::OutcomeUnknown);
    assert!(refusal.to_string().contains("reason=not_replicated"), "{refusal}");
    lock::release(&context, KEY, first.token).await.unwrap();
    let refusal = lock(&context).await.unwrap_err();
    assert_eq!(refusal.kind(), Kind::Unavailable);
    let words = "UNAVAILABLE what was granted has been taken back, nothing is held tier=primary outcome=failed \
                 reason=not_replicated retry-after-ms=100";
    assert_eq!(refusal.to_string(), words);
    assert_eq!(refusal.retry_after(), Some(Duration::from_millis(100)));
    assert_eq!(say(&redis, &["EXISTS", "lock:a"]).await, "0");

    replica.resume();
    let second = eventually_some("the replica to take part again", TTL, || async { lock(&context).await.ok()? }).await;
    assert!(second.token > first.token);
}

#[tokio::test]
async fn a_replica_that_was_seen_is_asked_for_from_then_on() {
    let redis = Redis::start().await;
    let alone = engine(&redis.url(), "");
    granted(&here(&alone)).await;
    redis.command(&["DEL", "lock:a"]).await;
    let text = format!(
        "[redis]\nnodes = [\"{}\"]\nreplicas = [\"redis://127.0.0.1:1\"]\n[[routes]]\nkeys = \"lock:*\"\nrole = \"lock\"\n",
        redis.url()
    );
    let named = Engine::new(settings::parse(&text, "failsoft.toml").unwrap().settings, 1).unwrap();
    let refusal = lock(&here(&named)).await.unwrap_err();
    assert!(refusal.to_string().contains("reason=not_replicated"), "{refusal}");
}

#[tokio::test]
async fn a_result_is_told_to_everybody_who_begins_again() {
    let redis = Redis::start().await;
    let engine = engine(&redis.url(), "");
    let context = here(&engine);
    let begin = || async { idempotency::begin(&context, RECORD, TTL, &Nonce::random()).await.unwrap() };
    let Begun::New(grant) = begin().await else { panic!("nobody has begun") };
    let Begun::InProgress(Some(left)) = begin().await else { panic!("it is under way") };
    assert!(left <= TTL && left > TTL / 2);
    let result = b"paid\r\n\0 42 failsoft:1:x";
    idempotency::commit(&context, RECORD, grant.token, result, None).await.unwrap();
    assert_eq!(begin().await, Begun::Done(result.to_vec()));
    idempotency::commit(&context, RECORD, grant.token, b"other", None).await.unwrap();
    assert_eq!(begin().await, Begun::Done(result.to_vec()), "the first result stays");
    assert_eq!(idempotency::abort(&context, RECORD, grant.token).await.unwrap_err().kind(), Kind::NotHeld);
    let left = number(&redis, &["PTTL", "once:a"]).await;
    assert!(left <= 60_000, "the time that it was begun with is kept");
    idempotency::commit(&context, RECORD, grant.token, b"", Some(10 * TTL)).await.unwrap();
    let left = number(&redis, &["PTTL", "once:a"]).await;
    assert!(left > 500_000);
}

#[tokio::test]
async fn a_commit_that_comes_too_late_stores_nothing() {
    let redis = Redis::start().await;
    let engine = engine(&redis.url(), "");
    let context = here(&engine);
    let begin = || async { idempotency::begin(&context, RECORD, TTL, &Nonce::random()).await.unwrap() };
    let Begun::New(first) = begin().await else { panic!("nobody has begun") };
    redis.command(&["DEL", "once:a"]).await;
    let late = || async { idempotency::commit(&context, RECORD, first.token, b"1", None).await.unwrap_err().kind() };
    assert_eq!(late().await, Kind::NotHeld, "over");
    assert_eq!(say(&redis, &["EXISTS", "once:a"]).await, "0");
    let Begun::New(second) = begin().await else { panic!("it is over") };
    assert!(second.token > first.token);
    assert_eq!(late().await, Kind::NotHeld, "superseded");
    idempotency::abort(&context, RECORD, second.token).await.unwrap();
    assert!(matches!(begin().await, Begun::New(_)), "freed");
}

#[tokio::test]
async fn a_commit_whose_replicas_were_not_heard_is_proven_by_repeating_it() {
    let redis = Redis::start().await;
    let replica = Redis::builder().replica_of(&redis).start().await;
    replica.wait_synced().await;
    let engine = engine(&redis.url(), WAITING);
    let context = here(&engine);
    let Begun::New(grant) = idempotency::begin(&context, RECORD, TTL, &Nonce::random()).await.unwrap() else {
        panic!("nobody has begun")
    };
    replica.pause();
    let commit = || idempotency::commit(&context, RECORD, grant.token, b"1", None);
    for _ in 0..2 {
        let refusal = commit().await.unwrap_err();
        assert_eq!(refusal.kind(), Kind::OutcomeUnknown, "{refusal}: also on a connection that has written nothing");
    }
    replica.resume();
    eventually("the replica to have it", TTL, || async { commit().await.is_ok() }).await;
    assert_eq!(say(&replica, &["GET", "once:a"]).await, say(&redis, &["GET", "once:a"]).await);
}

#[tokio::test]
async fn an_answer_that_comes_late_is_made_up_for_on_the_same_connection() {
    let redis = Redis::start().await;
    let proxy = FaultProxy::start(redis.addr()).await;
    let engine = engine(&proxy.url(), "timeout = \"300ms\"\ndeadline = \"10s\"");
    let context = here(&engine);
    let warm = eventually_some("a lock", TTL, || async { lock(&context).await.ok()? }).await;
    lock::release(&context, KEY, warm.token).await.unwrap();
    redis.pause();
    let stopped = async {
        // sleeps: for how long Redis is stopped is the fault
        sleep(Duration::from_secs(1)).await;
        redis.resume();
    };
    let refusal = tokio::join!(lock(&context), stopped).0.unwrap_err();
    assert_eq!(refusal.kind(), Kind::Unavailable, "{refusal}");
    assert!(
        refusal.to_string().contains("has been taken back, nothing is held tier=primary outcome=silent"),
        "{refusal}"
    );
    assert_eq!(say(&redis, &["EXISTS", "lock:a"]).await, "0");
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_unknown_and_a_nonce_resolves_it() {
    let redis = Redis::start().await;
    let proxy = FaultProxy::start(redis.addr()).await;
    let engine = engine(&proxy.url(), "timeout = \"100ms\"\ndeadline = \"300ms\"");
    let context = here(&engine);
    let nonce = Nonce::of_caller(b"mine").unwrap();
    let ask = || lock::acquire(&context, KEY, TTL, &nonce);
    let warm = eventually_some("a lock", TTL, || async { ask().await.ok()? }).await;
    eventually("it to be given back", TTL, || async { lock::release(&context, KEY, warm.token).await.is_ok() }).await;
    proxy.set_mode(Mode::DropReplies).await;
    assert_eq!(ask().await.unwrap_err().kind(), Kind::OutcomeUnknown);
    assert_eq!(say(&redis, &["EXISTS", "lock:a"]).await, "1", "it was done");
    proxy.set_mode(Mode::Pass).await;
    let found = eventually_some("an answer", TTL, || async { ask().await.ok() }).await;
    let held = say(&redis, &["GET", "lock:a"]).await;
    assert_eq!(held, format!("failsoft:{}:mine", found.unwrap().token));
}

#[tokio::test]
async fn who_stops_waiting_for_a_lock_leaves_none_behind() {
    let redis = Redis::start().await;
    let engine = engine(&redis.url(), "timeout = \"10s\"\ndeadline = \"20s\"");
    let context = here(&engine);
    let before = granted(&context).await;
    lock::release(&context, KEY, before.token).await.unwrap();
    redis.pause();
    assert!(timeout(Duration::from_millis(50), lock(&context)).await.is_err(), "Redis is stopped");
    redis.resume();
    let fence = || async { redis.get(FENCE).await.and_then(|text| text.parse::<u64>().ok()) };
    eventually("it to be granted", TTL, || async { fence().await > Some(before.token.number()) }).await;
    eventually("it to be given back", TTL / 2, || async { number(&redis, &["EXISTS", "lock:a"]).await == 0 }).await;
}

#[tokio::test]
async fn a_redis_that_evicts_is_told_of() {
    let redis = Redis::builder().set("maxmemory", "100mb").set("maxmemory-policy", "volatile-ttl").start().await;
    let engine = engine(&redis.url(), "");
    let context = here(&engine);
    granted(&context).await;
    let node = &context.views.redis.nodes()[0];
    eventually("the node to be asked", TTL, || async { node.stats().eviction.may_evict() == Some(true) }).await;
}

#[tokio::test]
async fn without_redis_nothing_is_held_and_the_wait_is_told() {
    let redis = Redis::start().await;
    let engine = engine(&redis.url(), "");
    let context = here(&engine);
    let held = granted(&context).await;
    redis.kill().await;
    for told in [
        lock(&context).await.map(drop),
        lock::extend(&context, KEY, held.token, TTL).await.map(drop),
        lock::release(&context, KEY, held.token).await,
    ] {
        let refusal = told.unwrap_err();
        assert!(refusal.retry_after().is_some(), "{refusal}");
        assert!(matches!(refusal.kind(), Kind::Unavailable | Kind::OutcomeUnknown), "{refusal}");
    }
    assert_eq!(lock(&context).await.unwrap_err().kind(), Kind::Unavailable, "its connections are known to be gone");
}

/// FAULTS 43 and 44: the server's clock jumps.
#[tokio::test]
async fn a_clock_that_jumps_ends_leases_early_or_late_and_tokens_grow_all_the_same() {
    let clock = WallClock::new();
    let redis = Redis::builder().clock(&clock).start().await;
    let engine = engine(&redis.url(), "");
    let context = here(&engine);
    let first = granted(&context).await;
    clock.set_ahead(61);
    let second =
        eventually_some("the lease to be over by the server's clock", TTL, || async { lock(&context).await.unwrap() })
            .await;
    assert!(first.lease.is_proven(context.now()), "two holders: nobody could have known");
    assert!(second.token > first.token, "but the resource can");

    clock.set_ahead(-3600);
    assert_eq!(lock(&context).await.unwrap(), None, "the lease lasts an hour longer");
    lock::release(&context, KEY, second.token).await.unwrap();
    let third = granted(&context).await;
    assert_eq!(third.token.number(), second.token.number() + 1);
    say(&redis, &["FLUSHALL"]).await;
    assert_eq!(granted(&context).await.token.number(), third.token.number() + 1, "from this process' memory");
}

/// What the rule does not cover, so that nobody thinks it does: `docs/locks.md`.
#[tokio::test]
async fn a_fence_that_is_lost_while_the_clock_goes_back_is_missed_by_a_process_that_has_not_seen_it() {
    let clock = WallClock::new();
    let redis = Redis::builder().clock(&clock).start().await;
    let (one, other) = (engine(&redis.url(), ""), engine(&redis.url(), ""));
    let before = granted(&here(&one)).await;
    say(&redis, &["FLUSHALL"]).await;
    clock.set_ahead(-60);
    let after = granted(&here(&other)).await;
    assert!(after.token < before.token);
}
