//! Replays invalidations: `UNLINK`, as soon as the primary of a key may be asked.
//!
//! The ramp by which traffic comes back does not hold it up, because nobody believes the primary before it has been done;
//! and where nobody else asks a half-open circuit's one question, the replay is it. Many keys go in one command, and many
//! commands at once, within bounds. What was not answered is asked again: deleting twice is deleting.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use failsoft_core::Outcome;
use failsoft_core::cluster::Slot;
use failsoft_core::journal::{Due, Key};
use failsoft_core::mode::Mode;
use failsoft_core::outcome::Doubt;
use failsoft_core::refusal::Refusal;
use failsoft_core::request::Manner;
use failsoft_resp::encode::{self, Protocol};
use tokio::task::JoinSet;

use super::Journal;
use crate::clock::dice;
use crate::delivery::{Delivered, not_sent, waiter};
use crate::node::{Author, Backoff, Lane, Node, Question};
use crate::route::Route;
use crate::topology::{Hint, Place, View};
use crate::world::World;

/// Invalidations that are under way at once.
const AT_ONCE: usize = 1_024;
/// Keys of one command.
const KEYS_PER_COMMAND: usize = 128;
/// How long nothing is asked after something could not be.
const RETRY: Duration = Duration::from_millis(25);
/// How often it is looked whether the engine is still there.
const GLANCE: Duration = Duration::from_secs(1);
/// Whose connections are used.
const WORKER: usize = 0;

/// What came of some invalidations.
struct Replayed {
    primary: Arc<str>,
    done: Vec<Due>,
    undone: Vec<Due>,
    round: Round,
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Round {
    /// All was done.
    Done,
    /// Something was not, which may be in a moment.
    Undone,
    /// Something was refused, and will be until somebody has mended it.
    Refused,
}

pub(super) async fn replay_forever(journal: Arc<Journal>) {
    let shutdown = journal.shutdown.clone();
    tokio::select! {
        () = keep_replaying(journal) => {}
        () = shutdown.begun() => {}
    }
}

/// Until there is no world any more.
async fn keep_replaying(journal: Arc<Journal>) {
    let mut backoff = Backoff::default();
    while let Some(world) = journal.world() {
        let due = journal.take_due(&world);
        if due.is_empty() {
            drop(world);
            journal.await_due().await;
        } else {
            match journal.replay(&world, due).await {
                Round::Done => backoff.handle_success(),
                Round::Undone => journal.sleep(RETRY).await,
                Round::Refused => journal.sleep(backoff.handle_failure(dice())).await,
            }
        }
    }
}

impl Journal {
    /// Returns when there may be something to be replayed.
    async fn await_due(&self) {
        let (has_waiting, settled) = {
            let table = self.table.read();
            (table.has_waiting(), table.next_settled())
        };
        if has_waiting {
            // What has come since changes nothing about a primary that is away.
            return self.sleep(RETRY).await;
        }
        let pause = settled.map_or(GLANCE, |settled| settled.since(self.now()).clamp(RETRY, GLANCE));
        tokio::select! {
            () = self.wanted.notified() => {}
            () = self.sleep(pause) => {}
        }
    }

    fn take_due(&self, world: &World) -> Vec<Due> {
        if !self.is_busy() {
            return Vec::new();
        }
        let view = world.deployment().view();
        let now = self.now();
        let may_ask: Vec<bool> = view.nodes().iter().map(|node| node.health().gate().denies(now).is_none()).collect();
        if !may_ask.contains(&true) {
            return Vec::new();
        }
        let may_be_asked = |key: &[u8]| {
            let may_ask_owner = view.owner_of(view.place_of(key)).is_ok_and(|node| may_ask[usize::from(node)]);
            may_ask_owner && !is_kept_away(world.route(world.route_of(key)))
        };
        self.with_table(|table| table.poll_due(now, AT_ONCE, may_be_asked))
    }

    async fn replay(self: &Arc<Self>, world: &Arc<World>, due: Vec<Due>) -> Round {
        let view = world.deployment().view();
        let mut under_way = JoinSet::new();
        let mut orphans = Vec::new();
        for (place, due) in by_place(&view, due) {
            match view.owner(place) {
                Ok(node) => {
                    let (journal, world, node) = (self.clone(), world.clone(), node.clone());
                    under_way.spawn(async move { journal.replay_at(&world, &node, due).await });
                }
                Err(_) => orphans.extend(due),
            }
        }
        let round = if orphans.is_empty() { Round::Done } else { Round::Undone };
        let mut worst = self.note(world, Replayed { primary: "".into(), done: Vec::new(), undone: orphans, round });
        while let Some(replayed) = under_way.join_next().await {
            worst = worst.max(replayed.map_or(Round::Undone, |replayed| self.note(world, replayed)));
        }
        worst
    }

    async fn replay_at(&self, world: &World, node: &Arc<Node>, due: Vec<Due>) -> Replayed {
        let keys: Vec<&Key> = due.iter().map(|due| &due.key).collect();
        let outcome = self.ask(node, &command(b"UNLINK", &keys)).await.outcome;
        let (primary, round) = (node.name().clone(), Round::Done);
        let mut replayed = Replayed { primary, done: Vec::new(), undone: Vec::new(), round };
        match outcome {
            Outcome::Hit | Outcome::Miss(_) => replayed.done = due,
            // It has no such command, or not all of the keys are failsoft's to delete.
            Outcome::Refused(Refusal::NoPermission | Refusal::Other) => {
                for due in due {
                    let deleted = self.ask(node, &command(b"DEL", &[&due.key])).await.outcome;
                    self.sort(world, deleted, due, &mut replayed);
                }
            }
            Outcome::Refused(_) | Outcome::Failed(_) | Outcome::Silent(_) => {
                due.into_iter().for_each(|due| self.sort(world, outcome, due, &mut replayed));
            }
        }
        replayed
    }

    fn sort(&self, world: &World, outcome: Outcome, due: Due, replayed: &mut Replayed) {
        match outcome {
            Outcome::Hit | Outcome::Miss(_) => replayed.done.push(due),
            Outcome::Refused(_) | Outcome::Failed(_) | Outcome::Silent(_) => {
                self.stats.unreplayed.increment(outcome.reason());
                if outcome.doubt() == Some(Doubt::Moved) {
                    world.deployment().hint(Hint::Moved);
                }
                let is_refused = matches!(outcome, Outcome::Refused(Refusal::NoPermission | Refusal::Other));
                replayed.round = replayed.round.max(if is_refused { Round::Refused } else { Round::Undone });
                replayed.undone.push(due);
            }
        }
    }

    fn note(&self, world: &World, replayed: Replayed) -> Round {
        let Replayed { primary, done, undone, round } = replayed;
        let now = self.now();
        self.with_table(|table| {
            done.iter().for_each(|due| table.handle_replayed(due, now));
            undone.iter().for_each(|due| table.handle_unreplayed(due, now));
        });
        self.stats.replayed.add(done.len() as u64);
        if world.deployment().is_discovered() {
            self.handle_acknowledged(WORKER, &primary, done.into_iter().map(|due| due.key));
        }
        round
    }

    /// Puts a command to `node`, if its circuit lets anybody through at all.
    pub(super) async fn ask(&self, node: &Arc<Node>, frame: &[u8]) -> Delivered {
        let asked = self.now();
        let permit = match node.health().request_first(asked) {
            Ok(permit) => permit,
            Err(denial) => return not_sent(denial.reason.into()),
        };
        let (sink, delivered) = waiter();
        let question = Question {
            sink,
            permit,
            by: asked + node.options().timeout,
            asked,
            protocol: Protocol::Resp2,
            author: Author::Node,
            lane: Lane::default(),
            manner: Manner::Plain,
        };
        match node.ask(WORKER, frame, question) {
            Ok(()) => delivered.await,
            Err(failure) => not_sent(failure),
        }
    }
}

/// Whether the operator wants no node to be asked for keys of `route`.
pub(super) fn is_kept_away(route: &Route) -> bool {
    route.mode.get() == Mode::OriginOnly
}

/// Keys that may go in one command.
fn by_place(view: &View, due: Vec<Due>) -> Vec<(Place, Vec<Due>)> {
    let mut places: BTreeMap<Option<Slot>, Vec<Due>> = BTreeMap::new();
    for due in due {
        let slot = match view.place_of(&due.key) {
            Place::Slot(slot) => Some(slot),
            Place::Anywhere => None,
        };
        places.entry(slot).or_default().push(due);
    }
    let place = |slot: Option<Slot>| slot.map_or(Place::Anywhere, Place::Slot);
    let chunks = |(slot, due): (Option<Slot>, Vec<Due>)| {
        let chunks: Vec<_> = due.chunks(KEYS_PER_COMMAND).map(|chunk| (place(slot), chunk.to_vec())).collect();
        chunks
    };
    places.into_iter().flat_map(chunks).collect()
}

pub(super) fn command<K: AsRef<[u8]>>(name: &[u8], keys: &[K]) -> Vec<u8> {
    let words: Vec<&[u8]> = std::iter::once(name).chain(keys.iter().map(AsRef::as_ref)).collect();
    let mut frame = Vec::new();
    encode::command(&mut frame, words);
    frame
}
