//! Sweeps stale routes: deletes all that the primaries hold of them, so that they can be believed again.
//!
//! `SCAN` goes through a primary's keys in steps at a bounded rate, by a glob that takes every key of the route and maybe
//! others; each key is judged by the route table before it is deleted. What a step could not do is done again, and a
//! connection that was lost in between does not matter as long as the same process is at its other end: a cursor means
//! nothing to another one, for which the sweep begins anew.
//!
//! A sweep covers what was given up before it began, in the slots that its primary owned from its beginning to its end. It
//! begins after a quiet while, so that nothing that is carried out late comes behind it.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use failsoft_core::cluster::Slot;
use failsoft_core::journal::QUIET;
use failsoft_core::journal::stale::Mark;
use failsoft_core::pattern::KeyPattern;
use failsoft_core::{Outcome, Time};
use failsoft_resp::reply::{self, Head};

use super::Journal;
use super::replay::{command, is_kept_away};
use crate::node::Node;
use crate::topology::View;
use crate::world::World;

/// Keys that Redis looks at in one step.
const COUNT: &[u8] = b"500";
/// The pause between two steps: at most 200 steps a second, 100,000 keys looked at.
const STEP_PAUSE: Duration = Duration::from_millis(5);
/// The pause after a step that could not be done, and between looks at what is to be swept.
const PAUSE: Duration = Duration::from_millis(100);
/// How often progress is told.
const TELL: Duration = Duration::from_secs(10);

/// Which process is at the other end.
type RunId = Option<Vec<u8>>;

/// One primary's share of a route.
struct Sweep {
    pattern: Arc<KeyPattern>,
    node: Arc<Node>,
    slots: Vec<RangeInclusive<Slot>>,
    /// Since when nothing has been known to be in the way.
    calm: Time,
    progress: Option<Progress>,
}

/// How far it has got.
struct Progress {
    covered: Mark,
    cursor: Vec<u8>,
    /// Connections to the node when its process was last asked who it is.
    connects: u64,
    run: RunId,
    deleted: u64,
    begun: Time,
    told: Time,
}

/// Why a step was not done.
struct NotNow;

pub(super) async fn sweep_forever(journal: Arc<Journal>) {
    let shutdown = journal.shutdown.clone();
    tokio::select! {
        () = keep_sweeping(journal) => {}
        () = shutdown.begun() => {}
    }
}

/// Until there is no world any more.
async fn keep_sweeping(journal: Arc<Journal>) {
    let mut sweeps = Vec::new();
    while let Some(world) = journal.world() {
        journal.line_up(&world, &mut sweeps);
        for sweep in &mut sweeps {
            journal.carry_on(&world, sweep).await;
        }
        drop(world);
        let is_idle = sweeps.is_empty();
        tokio::select! {
            () = journal.sweep_wanted.notified(), if is_idle => {}
            () = journal.sleep(if is_idle { TELL / 10 } else { PAUSE }) => {}
        }
    }
}

impl Journal {
    /// Has a sweep for each stale route at each primary that owns some of its stale slots, keeping those that are under way.
    fn line_up(&self, world: &World, sweeps: &mut Vec<Sweep>) {
        let view = world.deployment().view();
        let now = self.now();
        let mut wanted = Vec::new();
        let table = self.table.read();
        for route in table.stale().iter().filter(|route| !is_held(world, route.pattern())) {
            for (node, slots) in shares(&view).filter(|(_, slots)| route.is_stale_in(slots)) {
                let pattern = route.pattern().clone();
                let known = sweeps.iter().position(|sweep| sweep.is_of(&pattern, &node, &slots));
                let mut sweep = match known {
                    Some(index) => sweeps.swap_remove(index),
                    None => Sweep { pattern, node, slots, calm: now, progress: None },
                };
                let is_away = sweep.node.health().gate().denies(now).is_some();
                sweep.calm = if is_away { now } else { sweep.calm.max(route.last()) };
                wanted.push(sweep);
            }
        }
        *sweeps = wanted;
    }

    /// Goes on as far as it can be done.
    async fn carry_on(&self, world: &World, sweep: &mut Sweep) {
        if sweep.progress.is_none() && self.now() < sweep.calm + QUIET {
            return;
        }
        loop {
            match self.step(world, sweep).await {
                Ok(Some(progress)) => return self.end(world, sweep, &progress),
                Ok(None) => self.sleep(STEP_PAUSE).await,
                Err(NotNow) => return,
            }
        }
    }

    /// One step; its progress if it was the last.
    async fn step(&self, world: &World, sweep: &mut Sweep) -> Result<Option<Progress>, NotNow> {
        let mut progress = self.resume(sweep).await?;
        let glob = sweep.pattern.glob();
        let scan: [&[u8]; 5] = [&progress.cursor, b"MATCH", &glob, b"COUNT", COUNT];
        let scanned = self.ask(&sweep.node, &command(b"SCAN", &scan)).await;
        let found = match scanned.outcome {
            Outcome::Hit => found_in(&scanned.reply),
            Outcome::Miss(_) | Outcome::Refused(_) | Outcome::Failed(_) | Outcome::Silent(_) => None,
        };
        let Some((cursor, keys)) = found else {
            sweep.progress = Some(progress);
            return Err(NotNow);
        };
        let keys: Vec<&[u8]> = keys.into_iter().filter(|key| is_of(world, &sweep.pattern, key)).collect();
        if self.delete(world, &sweep.node, &keys).await.is_err() {
            sweep.progress = Some(progress);
            return Err(NotNow);
        }
        progress.deleted += keys.len() as u64;
        progress.cursor = cursor.to_vec();
        self.tell(sweep, &mut progress);
        if progress.cursor == b"0" {
            return Ok(Some(progress));
        }
        sweep.progress = Some(progress);
        Ok(None)
    }

    /// Where the sweep is, if it is still the same process that goes by its cursor.
    async fn resume(&self, sweep: &mut Sweep) -> Result<Progress, NotNow> {
        let connects = sweep.node.stats().connects.get();
        match sweep.progress.take() {
            Some(progress) if progress.connects == connects => Ok(progress),
            before => {
                let run = self.run_id(&sweep.node).await?;
                let (now, connects) = (self.now(), sweep.node.stats().connects.get());
                match before {
                    Some(before) if run.is_some() && before.run == run => Ok(Progress { connects, ..before }),
                    Some(_) | None => {
                        let covered = self.table.read().stale().latest();
                        let cursor = b"0".to_vec();
                        Ok(Progress { covered, cursor, connects, run, deleted: 0, begun: now, told: now })
                    }
                }
            }
        }
    }

    /// `None` if the node does not tell.
    async fn run_id(&self, node: &Arc<Node>) -> Result<RunId, NotNow> {
        let told = self.ask(node, &command(b"INFO", &[b"server"])).await;
        match told.outcome {
            Outcome::Hit => Ok(run_id_in(&told.reply)),
            Outcome::Refused(_) => Ok(None),
            Outcome::Miss(_) | Outcome::Failed(_) | Outcome::Silent(_) => Err(NotNow),
        }
    }

    async fn delete(&self, world: &World, node: &Arc<Node>, keys: &[&[u8]]) -> Result<(), NotNow> {
        let view = world.deployment().view();
        let mut keys: Vec<(Option<Slot>, &[u8])> =
            keys.iter().map(|key| (view.is_sharded().then(|| Slot::of(key)), *key)).collect();
        keys.sort_unstable();
        for together in keys.chunk_by(|one, other| one.0 == other.0) {
            let keys: Vec<&[u8]> = together.iter().map(|(_, key)| *key).collect();
            match self.ask(node, &command(b"UNLINK", &keys)).await.outcome {
                Outcome::Hit | Outcome::Miss(_) => self.stats.swept.add(keys.len() as u64),
                Outcome::Refused(_) | Outcome::Failed(_) | Outcome::Silent(_) => return Err(NotNow),
            }
        }
        Ok(())
    }

    fn tell(&self, sweep: &Sweep, progress: &mut Progress) {
        let now = self.now();
        if now.since(progress.told) >= TELL {
            progress.told = now;
            let (route, node, deleted) = (&sweep.pattern, sweep.node.name(), progress.deleted);
            tracing::info!(%route, %node, deleted, "a stale route is being swept");
        }
    }

    /// The primary has been gone through. What it owned all the while is believed again.
    fn end(&self, world: &World, sweep: &Sweep, progress: &Progress) {
        let view = world.deployment().view();
        if !shares(&view).any(|(node, slots)| sweep.is_of(&sweep.pattern, &node, &slots)) {
            return;
        }
        self.with_table(|table| table.stale_mut().handle_swept(&sweep.pattern, &sweep.slots, progress.covered));
        let (route, node, deleted) = (&sweep.pattern, sweep.node.name(), progress.deleted);
        let took = self.now().since(progress.begun);
        tracing::info!(%route, %node, deleted, ?took, "a stale route has been swept");
    }
}

impl Sweep {
    fn is_of(&self, pattern: &KeyPattern, node: &Arc<Node>, slots: &[RangeInclusive<Slot>]) -> bool {
        *self.pattern == *pattern && Arc::ptr_eq(&self.node, node) && self.slots == slots
    }
}

/// The believed primaries, each with the slots that it owns.
fn shares(view: &View) -> impl Iterator<Item = (Arc<Node>, Vec<RangeInclusive<Slot>>)> + '_ {
    view.shards().iter().filter_map(|shard| {
        let node = view.primary_of(shard).filter(|node| view.has_primary(node))?;
        let slots = if view.is_sharded() { shard.slots().to_vec() } else { vec![Slot::FIRST..=Slot::LAST] };
        Some((node.clone(), slots))
    })
}

/// Whether the operator wants no node to be asked for keys of this route.
fn is_held(world: &World, pattern: &Arc<KeyPattern>) -> bool {
    let own = world.routes().map(|(_, route)| route).find(|route| route.journalled.as_ref() == Some(pattern));
    own.is_some_and(is_kept_away)
}

/// Whether `key` is to be swept with `pattern`: it is of that route, or the route has gone and its keys have another that
/// is journalled.
fn is_of(world: &World, pattern: &Arc<KeyPattern>, key: &[u8]) -> bool {
    let is_there = || world.routes().any(|(_, route)| route.journalled.as_ref() == Some(pattern));
    let own = world.route(world.route_of(key)).journalled.as_ref();
    pattern.matches(key) && own.is_some_and(|own| own == pattern || !is_there())
}

/// The next cursor, and the keys.
fn found_in(reply: &[u8]) -> Option<(&[u8], Vec<&[u8]>)> {
    let mut parts = reply::elements(reply);
    let (cursor, keys) = (bulk(parts.next()?)?, parts.next()?);
    Some((cursor, reply::elements(keys).filter_map(bulk).collect()))
}

fn run_id_in(reply: &[u8]) -> RunId {
    let text = std::str::from_utf8(bulk(reply)?).ok()?;
    text.lines().find_map(|line| line.strip_prefix("run_id:")).map(|id| id.trim().as_bytes().to_vec())
}

fn bulk(element: &[u8]) -> Option<&[u8]> {
    match reply::head(element) {
        Some(Head::Bulk(bytes)) => Some(bytes),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_a_scan_is_read() {
        let reply = b"*2\r\n$2\r\n17\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n";
        assert_eq!(found_in(reply), Some((&b"17"[..], vec![&b"a"[..], b"b"])));
        assert_eq!(found_in(b"*2\r\n$1\r\n0\r\n*0\r\n"), Some((&b"0"[..], Vec::new())));
        assert_eq!(found_in(b"*0\r\n"), None);
    }

    #[test]
    fn a_process_is_known_by_its_run_id() {
        assert_eq!(run_id_in(b"$25\r\n# Server\r\nrun_id:abc\r\nx:y\r\n\r\n"), Some(b"abc".to_vec()));
        assert_eq!(run_id_in(b"$2\r\nab\r\n"), None);
    }
}
