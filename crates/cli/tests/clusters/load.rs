//! Clients that go on asking for as long as a test wants, and what became of each of their requests.
//!
//! They are raw clients, so that the bytes of a reply are seen as they came. Each waits for its reply before it asks again,
//! and keeps a pace: the load is what the test asks for as long as the machine has it, and no queue of the test's own is
//! measured.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use failsoft_testkit::cluster::slot;
use failsoft_testkit::hostile::HostileClient;
use failsoft_testkit::wait::eventually;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// Clients under way.
#[must_use = "the clients go on until `end`"]
pub struct Load {
    is_over: Arc<AtomicBool>,
    /// How many requests of each client have been answered.
    counts: Vec<Arc<AtomicUsize>>,
    clients: JoinSet<Vec<Answered>>,
}

/// One request and its reply.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The slot of its first key.
    pub slot: u16,
    pub words: Vec<String>,
    pub reply: String,
    pub began: Instant,
    pub took: Duration,
}

impl Answered {
    /// Whether the reply is an error.
    pub fn is_error(&self) -> bool {
        self.reply.starts_with('-')
    }
}

impl Load {
    /// Starts `clients` that ask what `next` says, given the number of the client and of its request, once in `pace` or as
    /// often as they are answered.
    pub fn start(
        addr: SocketAddr,
        clients: usize,
        pace: Duration,
        next: impl Fn(usize, usize) -> Vec<String> + Clone + Send + 'static,
    ) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let counts: Vec<_> = (0..clients).map(|_| Arc::new(AtomicUsize::new(0))).collect();
        let mut asking = JoinSet::new();
        for (client, count) in counts.iter().cloned().enumerate() {
            let (is_over, next) = (is_over.clone(), next.clone());
            asking.spawn(async move {
                let mut connection = HostileClient::connect(addr).await;
                let mut answered = Vec::new();
                let mut turns = tokio::time::interval(pace);
                turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
                while !is_over.load(Ordering::Relaxed) {
                    turns.tick().await;
                    answered.push(ask(&mut connection, next(client, answered.len())).await);
                    count.store(answered.len(), Ordering::Relaxed);
                }
                answered
            });
        }
        Self { is_over, counts, clients: asking }
    }

    /// Returns when each client has been answered `more` times; after the first, nothing is under way that was before.
    pub async fn each_answered(&self, more: usize) {
        let now = || self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        let wanted: Vec<_> = now().map(|count| count + more).collect();
        eventually("each client to be answered", crate::PATIENCE, || async {
            now().zip(&wanted).all(|(count, wanted)| count >= *wanted)
        })
        .await;
    }

    /// Stops the clients, and returns what they were answered.
    pub async fn end(self) -> Vec<Answered> {
        self.is_over.store(true, Ordering::Relaxed);
        self.clients.join_all().await.into_iter().flatten().collect()
    }
}

async fn ask(connection: &mut HostileClient, words: Vec<String>) -> Answered {
    let began = Instant::now();
    let borrowed: Vec<&str> = words.iter().map(String::as_str).collect();
    let reply = connection.ask(&borrowed, crate::PATIENCE).await;
    let slot = words.get(1).map_or(0, |key| slot::of(key));
    Answered { slot, words, reply, began, took: began.elapsed() }
}

/// The time that `hundredths` of these requests took at most.
pub fn percentile<'a>(answered: impl IntoIterator<Item = &'a Answered>, hundredths: usize) -> Duration {
    let mut took: Vec<_> = answered.into_iter().map(|answered| answered.took).collect();
    took.sort_unstable();
    took.get((took.len() * hundredths / 100).min(took.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// `kind reply` and how often it came, for a failed assertion: errors by their first word and reason.
pub fn kinds<'a>(answered: impl IntoIterator<Item = &'a Answered>) -> std::collections::BTreeMap<String, usize> {
    let mut kinds = std::collections::BTreeMap::new();
    for answered in answered {
        let kind = match answered.is_error() {
            true => format!(
                "{} {}",
                answered.words[0],
                answered.reply.trim_end().split(" retry-after").next().unwrap_or("")
            ),
            false => format!("{} answered", answered.words[0]),
        };
        *kinds.entry(kind).or_insert(0) += 1;
    }
    kinds
}
