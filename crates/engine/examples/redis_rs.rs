//! Code written for redis-rs on failsoft: `cargo run -p failsoft --features redis --example redis_rs [URL]`.
#![allow(clippy::print_stdout, dead_code, unreachable_pub)]

use std::error::Error;
use std::time::Duration;

use failsoft::client::{Failsoft, Route};
use redis::AsyncCommands;
use redis::aio::ConnectionLike;

/// Knows nothing of failsoft: any connection of redis-rs does.
async fn visits(con: &mut (impl ConnectionLike + Send), page: &str) -> redis::RedisResult<(i64, Option<String>)> {
    let (count, last): (i64, Option<String>) =
        redis::pipe().atomic().incr(format!("visits:{page}"), 1).get(format!("last:{page}")).query_async(con).await?;
    redis::cmd("SET").arg(format!("last:{page}")).arg("now").exec_async(con).await?;
    Ok((count, last))
}

/// All of it, before the Redis at this URL.
pub async fn run(redis: &str) -> Result<(), Box<dyn Error>> {
    let failsoft = Failsoft::builder()
        .redis([redis])
        .route(Route::cache("page:*").aside().max_stale(Duration::from_secs(600)))
        .build()?;
    let mut con = failsoft.redis_connection();
    for _ in 0..2 {
        println!("{:?}", visits(&mut con, "start").await?);
    }
    let () = con.set_ex("page:start", "<html>", 60).await?;
    let page: Option<String> = con.get("page:start").await?;
    println!("{page:?}");
    failsoft.shutdown(Duration::from_secs(5)).await?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    run(&std::env::args().nth(1).unwrap_or_else(|| "redis://127.0.0.1:6379".into())).await
}
