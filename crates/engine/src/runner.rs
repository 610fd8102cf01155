//! Carries a job out to its end, in a task of its own: the way of every request that the first question did not
//! settle.

use failsoft_core::circuit::Evidence;
use failsoft_core::outcome::Failure;
use failsoft_core::request::{Ask, Ending};
use failsoft_core::stale::Acceptance;
use failsoft_core::{Tier, Time};
use tokio::time::sleep_until;

use crate::context::Context;
use crate::delivery::{Delivered, not_sent, waiter};
use crate::errand::Errand;
use crate::facts::Answered;
use crate::job::{Job, Progress};
use crate::node::Question;
use crate::origin::Loader;
use crate::tier::aside::InHand;
use crate::topology::Hint;

impl Context {
    /// Carries `job` on from `progress` to its end and counts it; render the reply from the job and the ending.
    pub async fn run(&self, job: &mut Job, progress: Progress) -> Ending {
        self.run_with(job, progress, &mut None).await
    }

    /// The same, with a value that is to be made made by `loader`, which is taken if it is this job that makes it.
    pub async fn run_with(&self, job: &mut Job, mut progress: Progress, loader: &mut Option<Loader>) -> Ending {
        loop {
            progress = match progress {
                Progress::Done(ending) => {
                    job.finish(&self.world, ending, self.clock.now());
                    return ending;
                }
                Progress::Wait(until) => {
                    sleep_until(self.clock.instant(until)).await;
                    job.advance(self, self.clock.now())
                }
                Progress::Learn(by) => {
                    self.learn(by).await;
                    job.take_up(self.world.views());
                    job.advance(self, self.clock.now())
                }
                Progress::Ask(ask) => self.ask(job, ask, loader).await,
            };
        }
    }

    /// Carries `job` out from its beginning.
    pub async fn answer(&self, mut job: Job) -> Answered {
        let progress = job.advance(self, self.clock.now());
        self.end(job, progress).await
    }

    /// Carries `job` out from its beginning; a value that is to be made is made by `loader`, which is taken if it is this
    /// job that makes it.
    pub async fn answer_with(&self, mut job: Job, loader: &mut Option<Loader>) -> Answered {
        let progress = job.advance(self, self.clock.now());
        let ending = self.run_with(&mut job, progress, loader).await;
        self.rendered(&job, ending)
    }

    /// Carries `job` on from `progress` to its end.
    pub async fn end(&self, mut job: Job, progress: Progress) -> Answered {
        let ending = self.run(&mut job, progress).await;
        self.rendered(&job, ending)
    }

    fn rendered(&self, job: &Job, ending: Ending) -> Answered {
        let mut reply = Vec::new();
        job.render(&self.world, ending, &[], &mut reply);
        Answered { reply, facts: job.facts(ending, self.clock.now()) }
    }

    async fn ask(&self, job: &mut Job, ask: Ask, loader: &mut Option<Loader>) -> Progress {
        match ask.tier {
            Tier::Origin => self.load(job, ask, loader.take()).await,
            Tier::Primary | Tier::Replica | Tier::Regional | Tier::Local | Tier::Default => {
                let delivered = self.ask_node(job, ask).await;
                job.handle_kept_reply(self, delivered.outcome, delivered.reply, self.clock.now())
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
            (Tier::Origin, None) => return,
            _ => job.node(self, ask).health().as_ref(),
        };
        health.handle_evidence(ask.grant.permit, Evidence::Abandoned, now);
    }

    /// Returns when it has been looked anew which nodes there are, or when it is time.
    pub async fn learn(&self, by: Time) {
        let deployment = self.world.deployment();
        if let Some(look) = deployment.hint(Hint::Moved) {
            deployment.learned(look, by.since(self.clock.now())).await;
        }
    }

    /// Puts the job's command to the node that `ask` is for.
    pub(crate) async fn ask_node(&self, job: &Job, ask: Ask) -> Delivered {
        let (sink, delivered) = waiter();
        let question = Question {
            sink,
            permit: ask.grant.permit,
            by: ask.by,
            asked: self.clock.now(),
            protocol: job.matter().protocol,
            author: job.author(),
            lane: self.lane,
            manner: ask.grant.manner,
        };
        match job.node(self, ask).ask(self.worker, job.frame(), question) {
            Ok(()) => delivered.await,
            Err(failure) => not_sent(failure),
        }
    }

    /// What there is to be served if nobody makes the value.
    fn in_hand(&self, job: &Job) -> InHand {
        let route = self.world.route(job.matter().route);
        let budget = Acceptance::StaleUpTo(route.through.max_stale);
        let has_copy = route.keeps_local() && self.world.local().holds(job.key(), budget, self.clock.now());
        if has_copy { InHand::Copy } else { InHand::Nothing }
    }

    async fn load(&self, job: &mut Job, ask: Ask, loader: Option<Loader>) -> Progress {
        let matter = job.matter();
        let route = self.world.route(matter.route);
        if let Some(aside) = &route.aside {
            let outcome =
                aside.request(job.key(), aside.asker(self.lane), job.begun(), self.in_hand(job), ask.by).await;
            return job.handle_loaded(self, outcome, None, self.clock.now());
        }
        let Some(source) = &route.source else {
            let failed = failsoft_core::Outcome::Failed(Failure::OriginError);
            return job.handle_loaded(self, failed, None, self.clock.now());
        };
        let errand = Errand::new(self.world.clone(), self.worker, matter.route, job.key(), self.clock.now());
        let errand = errand.with(loader);
        let loaded = source.origin.load(errand, ask.grant.permit, ask.by).await;
        job.handle_loaded(self, loaded.outcome, loaded.value, self.clock.now())
    }
}
