//! Plays the phases one after the other while reads go on, and gathers what was seen.
//!
//! A phase begins when its reads begin, just before something is done to Redis, and it lasts until the next begins:
//! nothing falls between two of them; its time is counted from when that is done. A phase that is to heal lasts until there is a primary for every key that failsoft trusts, within a bound.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::LocalSet;
use tokio::time::sleep;

use super::aside::Aside;
use super::error::DemoError;
use super::live::Live;
use super::load::{Outcome, Side};
use super::pacer::Pacer;
use super::page::{Figures, Scraper};
use super::peak::peak_of_events;
use super::plan::{Phase, Plan, Until};
use super::progress::Progress;
use super::report::{Act, Report};
use super::stage::Stage;
use super::through::Through;
use super::watch::Watch;

/// Bound on the way back to a primary for every key: a cluster takes two seconds to miss one, one to replace it, and two to
/// trust itself after a restart; failsoft's settings ask for two or three.
const TRUST_WITHIN: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(100);
const SHORTEST_POLL: Duration = Duration::from_millis(1);

/// What of a phase is known when it ends.
struct Scene {
    phase: Phase,
    from: Instant,
    to: Instant,
    is_redis_trusted: bool,
    /// The sidecar's figures at its end, which is the beginning of the next.
    figures: Figures,
}

/// Plays it all; the stage is given back as it is at the end.
pub(super) async fn play(plan: &Plan, mut stage: Stage) -> Result<(Stage, Report), DemoError> {
    let report = LocalSet::new().run_until(perform(plan, &mut stage)).await?;
    Ok((stage, report))
}

async fn perform(plan: &Plan, stage: &mut Stage) -> Result<Report, DemoError> {
    let phases = plan.play.phases();
    let lives = [Arc::new(Live::new(phases.len())), Arc::new(Live::new(phases.len()))];
    let (listen, redis, database) = (stage.at.listen, stage.at.redis.clone(), stage.database());
    let play = plan.play;
    let (through, to_failsoft) =
        Side::start("failsoft", Arc::clone(&lives[0]), async move || Through::connect(listen).await).await?;
    let (aside, to_aside) =
        Side::start("cache-aside", Arc::clone(&lives[1]), async move || Aside::connect(play, &redis, &database).await)
            .await?;
    let scraper = Scraper::new(stage.admin())?;
    let watch = Watch::start(scraper.clone());
    let pacer = Pacer::start(plan.rate, vec![to_failsoft, to_aside])?;
    let progress = Progress::new(phases, lives);
    let cast = Cast { plan, pacer, watch, scraper, progress };
    let before = cast.scraper.figures().await.unwrap_or_default();
    let mut scenes = Vec::with_capacity(phases.len());
    for (place, phase) in phases.iter().enumerate() {
        scenes.push(cast.enact(place, *phase, stage).await?);
    }
    let watch = cast.end_load();
    let (through, aside) = (through.finish().await?, aside.finish().await?);
    Ok(Report { rate: plan.rate, acts: acts(before, &scenes, [&through, &aside], &watch) })
}

fn acts(before: Figures, scenes: &[Scene], [through, aside]: [&Outcome; 2], watch: &Watch) -> Vec<Act> {
    let earlier = [before].into_iter().chain(scenes.iter().map(|scene| scene.figures));
    let act = |(place, (scene, earlier)): (usize, (&Scene, Figures))| Act {
        phase: scene.phase,
        lasted: scene.to - scene.from,
        is_redis_trusted: scene.is_redis_trusted,
        failsoft: through.tallies[place].clone(),
        tiers: scene.figures.answers_since(&earlier),
        redirects: scene.figures.redirects_since(&earlier),
        origin_peak: watch.origin_peak(scene.from, scene.to),
        aside: aside.tallies[place].clone(),
        aside_peak: peak_of_events(&aside.asked, scene.from, scene.to),
    };
    scenes.iter().zip(earlier).enumerate().map(act).collect()
}

/// Everybody who has a part in every phase.
struct Cast<'a> {
    plan: &'a Plan,
    pacer: Pacer,
    watch: Watch,
    scraper: Scraper,
    progress: Progress,
}

impl Cast<'_> {
    async fn enact(&self, place: usize, phase: Phase, stage: &mut Stage) -> Result<Scene, DemoError> {
        let from = Instant::now();
        self.progress.show(place);
        self.pacer.enter(place);
        stage.open(phase.deed).await?;
        let opened = Instant::now();
        while !self.is_over(phase, opened) {
            sleep(POLL.min(self.plan.phase.saturating_sub(opened.elapsed())).max(SHORTEST_POLL)).await;
            stage.check_sidecar()?;
            self.progress.show(place);
        }
        let figures = self.scraper.figures().await.unwrap_or_default();
        self.progress.leave(place);
        let is_redis_trusted = self.watch.is_redis_trusted(opened);
        Ok(Scene { phase, from, to: Instant::now(), is_redis_trusted, figures })
    }

    fn is_over(&self, phase: Phase, opened: Instant) -> bool {
        let time_is_up = opened.elapsed() >= self.plan.phase;
        match phase.until {
            Until::TimeIsUp => time_is_up,
            Until::RedisIsTrusted => {
                let gives_up = opened.elapsed() >= self.plan.phase + TRUST_WITHIN;
                time_is_up && (self.watch.is_redis_trusted(opened) || gives_up)
            }
        }
    }

    /// No more reads are handed out; what was seen is kept.
    fn end_load(self) -> Watch {
        drop((self.pacer, self.progress));
        self.watch
    }
}
