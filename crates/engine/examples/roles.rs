//! A handle a role: sessions, locks, work that is done once, limits, flags. `cargo run -p failsoft --example roles [URL]`.
#![allow(clippy::print_stdout, dead_code, unreachable_pub)]

use std::error::Error;
use std::time::Duration;

use failsoft::client::{Done, Failsoft, Limit, Route, Toggle};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Session {
    user: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Receipt {
    number: u64,
}

/// All of it, before the Redis at this URL.
pub async fn run(redis: &str) -> Result<(), Box<dyn Error>> {
    let failsoft = Failsoft::builder()
        .redis([redis])
        .route(Route::session("session:*"))
        .route(Route::lock("lock:*"))
        .route(Route::idempotency("payment:*"))
        .route(Route::rate_limit("limit:*"))
        .route(Route::flag("flag:*"))
        .build()?;

    let sessions = failsoft.sessions::<Session>("session")?;
    sessions.set("session:abc", &Session { user: 42 }, Duration::from_secs(3600)).await?;
    match sessions.get("session:abc").await {
        Ok(Some(session)) => println!("user {}", session.user),
        Ok(None) => println!("logged out"),
        // Redis is away: nobody is logged out by that.
        Err(error) if error.is_retryable() => println!("503, again in {:?}", error.retry_after()),
        Err(error) => return Err(error.into()),
    }

    let locks = failsoft.locks("lock")?;
    if let Some(lock) = locks.try_acquire("lock:report", Duration::from_secs(10)).await? {
        tokio::select! {
            () = write_the_report(lock.token()) => println!("written under the lock"),
            () = lock.lost() => println!("the lock is lost: stopped"),
        }
        lock.release().await?;
    }

    let payments = failsoft.idempotency("payment")?;
    for _ in 0..2 {
        match payments.run("payment:4711", Duration::from_secs(86_400), charge).await? {
            Done::Now(receipt) => println!("charged: {receipt:?}"),
            Done::Before(receipt) => println!("charged before: {receipt:?}"),
        }
    }
    let limiter = failsoft.limiter("limit")?;
    let decision = limiter.check("limit:42", Limit::new(10, Duration::from_secs(1), 10)?).await?;
    println!("allowed: {}, decided by {}", decision.verdict.allowed, decision.basis.name());

    let checkout = failsoft.flags("flag")?.get("flag:new-checkout", Toggle::Off).await?;
    println!("new checkout: {:?}, says {}", checkout.value, checkout.tier);
    failsoft.shutdown(Duration::from_secs(5)).await?;
    Ok(())
}

/// A resource that remembers the greatest token it has seen turns away holders who were overtaken.
async fn write_the_report(_token: u64) {}

async fn charge(_token: u64) -> Result<Receipt, std::io::Error> {
    Ok(Receipt { number: 1 })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    run(&std::env::args().nth(1).unwrap_or_else(|| "redis://127.0.0.1:6379".into())).await
}
