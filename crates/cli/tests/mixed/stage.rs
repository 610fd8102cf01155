//! Redis, a fault proxy and the sidecar, and what may be done to the way between them.

use std::time::Duration;

use failsoft_testkit::proxy::{FaultProxy, Mode, OneShot, Toxics};
use failsoft_testkit::redis::Redis;
use failsoft_testkit::sidecar::Sidecar;

use super::prepare;
use crate::tools::{Dice, bin, on_own_thread, settings};

/// Short times, and a circuit that stays closed: what is disturbed is the connections.
const QUICK: &str = "redis.connections = 1\nredis.timeout = \"300ms\"\nredis.probe_interval = \"100ms\"\n\
    breaker.failures = 10000\nbreaker.min_calls = 100000\nbreaker.cooldown = \"500ms\"\nbreaker.probe_cooldown = \"100ms\"\n";

/// Keep it whole: dropping a part of it ends that part.
pub struct Stage {
    pub redis: Redis,
    pub proxy: FaultProxy,
    pub sidecar: Sidecar,
    settings: String,
}

impl Stage {
    /// For so many clients; `more` are further settings.
    pub async fn start(clients: usize, more: &str) -> Self {
        let redis = Redis::start().await;
        prepare(&redis, clients).await;
        let redis_addr = redis.addr();
        let proxy = on_own_thread(async move { FaultProxy::start(redis_addr).await }).await;
        let settings = settings(&proxy.url(), &format!("{QUICK}{more}"));
        let sidecar = Sidecar::start(bin(), &settings).await;
        Self { redis, proxy, sidecar, settings }
    }

    /// Does one thing, and waits until the next may be done.
    pub async fn disturb(&self, dice: &mut Dice) {
        let Self { redis, proxy, sidecar, settings } = self;
        match dice.roll(8) {
            0 => proxy.cut().await,
            1 => proxy.nth(1 + dice.roll(50) as u64, OneShot::Reset { after: dice.roll(4) }),
            2 => {
                let shots = [OneShot::Garbage, OneShot::Truncate { keep: 1 }];
                proxy.nth(1 + dice.roll(50) as u64, shots[dice.roll(2)].clone());
            }
            3 => drop(redis.command(&["CLIENT", "KILL", "TYPE", "normal"]).await),
            4 => proxy.set_toxics(Toxics { latency: Duration::from_millis(dice.roll(20) as u64), ..Toxics::default() }),
            5 => proxy.set_toxics(Toxics { slice: [None, Some(7)][dice.roll(2)], ..Toxics::default() }),
            6 => {
                // Half of the time something that a client notices: the primary's connections are made anew.
                let timeout = ["300ms", "310ms"][dice.roll(2)];
                sidecar
                    .reload(&settings.replace("redis.timeout = \"300ms\"", &format!("redis.timeout = \"{timeout}\"")));
            }
            _ => {
                proxy.set_mode([Mode::DropReplies, Mode::DropRequests, Mode::HalfOpen][dice.roll(3)]).await;
                // sleeps: how long the line is silent, now and then for longer than anybody waits
                tokio::time::sleep(Duration::from_millis([5, 5, 5, 500][dice.roll(4)])).await;
                proxy.set_mode(Mode::Pass).await;
            }
        }
        // sleeps: the pace of the disturbances, slow enough for a connection to be made and used between them
        tokio::time::sleep(Duration::from_millis(100 + dice.roll(300) as u64)).await;
    }

    /// Everything passes again, on new connections: nobody waits for what was lost.
    pub async fn settle(&self) {
        self.proxy.reset_all().await;
        self.proxy.cut().await;
        self.sidecar.reload(&self.settings);
    }
}
