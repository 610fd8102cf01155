//! Carries a job out to its end, in a task of its own: the way of every request that the first question did not
//! settle.

use std::sync::Arc;

use failsoft_core::Tier;
use failsoft_core::Time;
use failsoft_core::circuit::Evidence;
use failsoft_core::outcome::Failure;
use failsoft_core::request::{Ask, Ending};
use tokio::time::sleep_until;

use crate::clock::Clock;
use crate::delivery::{Delivered, not_sent, waiter};
use crate::errand::Errand;
use crate::job::{Job, Progress};
use crate::node::{Lane, Node, Question};
use crate::world::World;

/// Where a job runs: in which world, on whose connections, by which clock.
#[derive(Clone)]
pub struct Context {
    /// What is known.
    pub world: Arc<World>,
    /// Whose connections are used.
    pub worker: usize,
    /// Among whose questions its own keep their turn.
    pub lane: Lane,
    /// What time it is.
    pub clock: Clock,
}

impl Context {
    /// Carries `job` on from `progress` to its end and counts it; render the reply from the job and the ending.
    pub async fn run(&self, job: &mut Job, mut progress: Progress) -> Ending {
        loop {
            progress = match progress {
                Progress::Done(ending) => {
                    job.finish(&self.world, ending, self.clock.now());
                    return ending;
                }
                Progress::Wait(until) => {
                    sleep_until(self.clock.instant(until)).await;
                    job.advance(&self.world, self.clock.now())
                }
                Progress::Ask(ask) => self.ask(job, ask).await,
            };
        }
    }

    /// Carries `job` out from its beginning and appends the reply.
    pub async fn run_whole(&self, mut job: Job, out: &mut Vec<u8>) -> Ending {
        let progress = job.advance(&self.world, self.clock.now());
        let ending = self.run(&mut job, progress).await;
        job.render(&self.world, ending, &[], out);
        ending
    }

    async fn ask(&self, job: &mut Job, ask: Ask) -> Progress {
        match ask.tier {
            Tier::Origin => self.load(job, ask).await,
            Tier::Primary | Tier::Replica | Tier::Regional | Tier::Local | Tier::Default => {
                let delivered = self.ask_node(self.node(ask), job, ask).await;
                job.handle_kept_reply(&self.world, delivered.outcome, delivered.reply, self.clock.now())
            }
        }
    }

    /// Gives back the leave that `job` has been given for a step that will not be taken.
    pub fn give_back(&self, job: &Job, progress: Progress, now: Time) {
        let Progress::Ask(ask) = progress else {
            return;
        };
        let health = match (ask.tier, &self.world.route(job.matter().route).source) {
            (Tier::Origin, Some(source)) => source.origin.health(),
            _ => self.node(ask).health().as_ref(),
        };
        health.handle_evidence(ask.grant.permit, Evidence::Abandoned, now);
    }

    /// The node that `ask` is for.
    pub fn node(&self, ask: Ask) -> &Arc<Node> {
        match ask.tier {
            Tier::Replica => &self.world.replicas()[usize::from(ask.grant.node)],
            Tier::Primary | Tier::Regional | Tier::Local | Tier::Origin | Tier::Default => self.world.primary(),
        }
    }

    async fn ask_node(&self, node: &Node, job: &Job, ask: Ask) -> Delivered {
        let (sink, delivered) = waiter();
        let (permit, protocol) = (ask.grant.permit, job.matter().protocol);
        let question = Question {
            sink,
            permit,
            by: ask.by,
            asked: self.clock.now(),
            protocol,
            author: job.author(),
            lane: self.lane,
        };
        match node.ask(self.worker, job.frame(), question) {
            Ok(()) => delivered.await,
            Err(failure) => not_sent(failure),
        }
    }

    async fn load(&self, job: &mut Job, ask: Ask) -> Progress {
        let matter = job.matter();
        let Some(source) = &self.world.route(matter.route).source else {
            let failed = failsoft_core::Outcome::Failed(Failure::OriginError);
            return job.handle_loaded(&self.world, failed, None, self.clock.now());
        };
        let errand = Errand::new(self.world.clone(), self.worker, matter.route, job.key(), self.clock.now());
        let loaded = source.origin.load(errand, ask.grant.permit, ask.by).await;
        job.handle_loaded(&self.world, loaded.outcome, loaded.value, self.clock.now())
    }

    /// The present moment.
    pub fn now(&self) -> Time {
        self.clock.now()
    }
}
