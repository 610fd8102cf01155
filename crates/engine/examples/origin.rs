//! An origin of the program's own, behind the guard that databases have: `cargo run -p failsoft --example origin [URL]`.
#![allow(clippy::print_stdout, dead_code, unreachable_pub)]

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use failsoft::client::{BoxError, Failsoft, Origin, Params, Pressure, Raw, Route};

/// Stands for a client of another service.
struct Prices(HashMap<&'static str, &'static str>);

impl Origin for Prices {
    async fn load(&self, _key: &[u8], params: Params<'_>) -> Result<Option<Bytes>, BoxError> {
        let article = params.text("article").ok_or("no text")?;
        Ok(self.0.get(article).map(|price| Bytes::from_static(price.as_bytes())))
    }
}

/// All of it, before the Redis at this URL.
pub async fn run(redis: &str) -> Result<(), Box<dyn Error>> {
    let prices = Prices(HashMap::from([("tea", "3.20"), ("coffee", "4.10")]));
    let pressure = Pressure::new().max_rate(100.0).max_concurrency(5).timeout(Duration::from_millis(500));
    let failsoft = Failsoft::builder()
        .redis([redis])
        .origin("prices", prices, pressure)
        .route(Route::cache("price:{article}").origin("prices").ttl(Duration::from_secs(30)))
        .build()?;
    // The values are text as it is, not JSON.
    let prices = failsoft.cache::<String>("price")?.with_codec(Raw);
    for article in ["tea", "coffee", "gold"] {
        let answer = prices.get(format!("price:{article}")).await?;
        println!("{article}: {:?} from {}", answer.value, answer.tier);
    }
    println!("{:?}", failsoft.health().status);
    failsoft.shutdown(Duration::from_secs(5)).await?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    run(&std::env::args().nth(1).unwrap_or_else(|| "redis://127.0.0.1:6379".into())).await
}
