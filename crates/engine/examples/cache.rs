//! A cache that goes on answering when Redis does not: `cargo run -p failsoft --example cache [redis://127.0.0.1:6379]`.
#![allow(clippy::print_stdout, dead_code, unreachable_pub)]

use std::error::Error;
use std::time::Duration;

use failsoft::client::{Failsoft, Route};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct User {
    name: String,
    email: String,
}

/// Stands for a query to your database.
async fn from_the_database(id: u64) -> Result<Option<User>, std::io::Error> {
    Ok((id == 42).then(|| User { name: "Ada".into(), email: "ada@example.org".into() }))
}

/// All of it, before the Redis at this URL.
pub async fn run(redis: &str) -> Result<(), Box<dyn Error>> {
    let failsoft = Failsoft::builder()
        .redis([redis])
        .route(
            Route::cache("user:{id}")
                .ttl(Duration::from_secs(60)) // fresh for a minute
                .max_stale(Duration::from_secs(600)) // ten more when nothing fresher answers
                .max_rate(500.0) // loads a second that the database can bear
                .max_concurrency(20),
        )
        .build()?;
    let users = failsoft.cache::<User>("user")?;
    for _ in 0..2 {
        let answer = users.get_or_load("user:42", || from_the_database(42)).await?;
        println!("{:?} from {}, {:?} old", answer.value, answer.tier, answer.age);
    }
    users.invalidate("user:42").await?;
    let nobody = users.get_or_load("user:7", || from_the_database(7)).await?;
    println!("{:?} from {}", nobody.value, nobody.tier);
    failsoft.shutdown(Duration::from_secs(5)).await?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    run(&std::env::args().nth(1).unwrap_or_else(|| "redis://127.0.0.1:6379".into())).await
}
