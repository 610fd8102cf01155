//! How many instances share the limits: a number in settings, or counted through Redis while it is there.
//!
//! Each instance has a random name and leaves a sign of life every [`BEAT`] in one sorted set, by the server's clock, and
//! counts those that are younger than [`LASTS`]. What is believed of the counts, and what holds while Redis is away, is
//! [`failsoft_core::fleet`]'s to say.
//!
//! Nothing is sent where nobody needs it: no route has a share, or settings say how many there are. Where the node's
//! user may not write the key, that is told once and the size stays what settings say it is at least.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use failsoft_core::circuit::{Permit, StateName};
use failsoft_core::fleet::FleetSize;
use failsoft_core::refusal::Refusal;
use failsoft_core::request::Manner;
use failsoft_core::{Outcome, Time};
use failsoft_resp::encode::Protocol;
use failsoft_resp::reply::{self, Head};
use parking_lot::Mutex;

use super::script::{Form, Script, is_unknown};
use crate::clock::dice;
use crate::context::Context;
use crate::delivery::{Delivered, not_sent, waiter};
use crate::node::{Author, Node, Question};
use crate::telemetry::counter::CounterMap;

/// How often a sign of life is left.
pub const BEAT: Duration = Duration::from_secs(2);
/// How long one lasts: three beats.
pub const LASTS: Duration = Duration::from_secs(6);

static COUNT: Script = Script::new(include_str!("fleet.lua"));

/// What settings say of the fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// How many there are, if they say so.
    pub(crate) size: Option<u32>,
    /// How many there are at least.
    pub(crate) least: u32,
    /// What the fleet is called.
    pub(crate) name: Arc<str>,
    /// Whether anything is divided by it.
    pub(crate) need: Need,
}

/// Whether anything is divided by the fleet's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Divides,
    Nothing,
}

/// What came of a beat: the values of the label `result`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// The signs of life have been counted.
    Counted(u32),
    /// Redis is away.
    Away,
    /// Redis does not let the key be written.
    Refused(Refusal),
}

/// How many instances there are.
pub struct Fleet {
    /// This instance, among the others.
    id: String,
    wanted: ArcSwap<Wanted>,
    counted: Mutex<FleetSize>,
    size: AtomicU32,
    beats: CounterMap,
}

impl Default for Fleet {
    fn default() -> Self {
        let wanted = Wanted { size: None, least: 1, name: "default".into(), need: Need::Nothing };
        Self {
            id: format!("{:016x}{:016x}", dice(), dice()),
            wanted: ArcSwap::from_pointee(wanted),
            counted: Mutex::new(FleetSize::new(1)),
            size: AtomicU32::new(1),
            beats: CounterMap::default(),
        }
    }
}

impl Fleet {
    /// How many there are taken to be; at least 1.
    pub fn size(&self) -> u32 {
        self.size.load(Ordering::Relaxed)
    }

    /// This instance's share of what the whole fleet may do `rate` times.
    pub fn share_of(&self, rate: f64) -> f64 {
        rate / f64::from(self.size())
    }

    /// Whether signs of life are left and counted.
    pub fn is_counting(&self) -> bool {
        let wanted = self.wanted.load();
        wanted.size.is_none() && wanted.need == Need::Divides
    }

    /// Beats, by what came of them.
    pub fn beats(&self) -> Vec<(&'static str, u64)> {
        self.beats.snapshot()
    }

    /// Goes by these settings from here on. What has been counted stays known, unless it was another fleet.
    pub(crate) fn take_up(&self, wanted: Wanted) {
        let mut counted = self.counted.lock();
        if self.wanted.load().name != wanted.name {
            *counted = FleetSize::new(wanted.least);
        }
        counted.set_least(wanted.least);
        self.size.store(wanted.size.unwrap_or(counted.size()), Ordering::Relaxed);
        self.wanted.store(Arc::new(wanted));
    }

    /// Leaves signs of life for as long as there is a context to do it in.
    pub(super) async fn beat_forever(&self, context: impl Fn() -> Option<Context>) {
        let mut told = None;
        let mut ticks = tokio::time::interval(BEAT);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let Some(context) = context() else { return };
            if self.is_counting() {
                let (before, beat) = (self.size(), self.beat(&context).await);
                self.handle(beat);
                tell(beat, &mut told);
                if self.size() != before {
                    context.world.set_sharers(self.size());
                }
            }
        }
    }

    fn handle(&self, beat: Beat) {
        self.beats.increment(beat.name());
        let mut counted = self.counted.lock();
        match beat {
            Beat::Counted(count) => counted.handle_counted(count),
            Beat::Away | Beat::Refused(_) => counted.handle_missed(),
        }
        let (wanted, size) = (self.wanted.load(), counted.size());
        let before = self.size.swap(wanted.size.unwrap_or(size), Ordering::Relaxed);
        if before != self.size() {
            tracing::info!(fleet = %wanted.name, before, size = self.size(), "the fleet has another size");
        }
    }

    async fn beat(&self, context: &Context) -> Beat {
        let key = format!("failsoft:fleet:{}", self.wanted.load().name);
        let mut delivered = self.ask(context, &key, Form::Name).await;
        if is_unknown(&delivered.reply) {
            delivered = self.ask(context, &key, Form::Text).await;
        }
        match (delivered.outcome, reply::head(&delivered.reply)) {
            (Outcome::Hit, Some(Head::Integer(count))) => Beat::Counted(u32::try_from(count).unwrap_or(1)),
            (Outcome::Refused(refusal), _) if !failsoft_core::outage::is_away(delivered.outcome) => {
                Beat::Refused(refusal)
            }
            _ => Beat::Away,
        }
    }

    async fn ask(&self, context: &Context, key: &str, form: Form) -> Delivered {
        let lasts = LASTS.as_millis().to_string();
        let frame = COUNT.frame(form, &[key.as_bytes()], &[self.id.as_bytes(), lasts.as_bytes()]);
        let Some(primary) = context.world.owner_of(key.as_bytes()) else {
            return not_sent(failsoft_core::outcome::Failure::Unowned);
        };
        let asked = context.now();
        let Some(permit) = leave(&primary, asked) else {
            return not_sent(failsoft_core::outcome::Failure::CircuitOpen);
        };
        let (sink, delivered) = waiter();
        let question = Question {
            sink,
            permit,
            by: asked + primary.options().timeout,
            asked,
            protocol: Protocol::Resp2,
            author: Author::Node,
            lane: context.lane,
            manner: Manner::Plain,
        };
        match primary.ask(context.worker, &frame.bytes, question) {
            Ok(()) => delivered.await,
            Err(failure) => not_sent(failure),
        }
    }
}

impl Beat {
    /// The values of the label.
    pub const RESULTS: [&'static str; 3] = ["counted", "away", "refused"];

    /// The name used in metric labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counted(_) => "counted",
            Self::Away => "away",
            Self::Refused(_) => "refused",
        }
    }
}

/// A sign of life is no reason to probe a node.
fn leave(primary: &Node, now: Time) -> Option<Permit> {
    match primary.health().state() {
        StateName::Closed | StateName::Ramp => primary.request_permit(now).ok(),
        StateName::Open | StateName::HalfOpen => None,
    }
}

/// Tells once that the fleet cannot be counted, until it could.
fn tell(beat: Beat, told: &mut Option<Refusal>) {
    match beat {
        Beat::Refused(refusal) if *told != Some(refusal) => {
            tracing::warn!(
                reason = refusal.name(),
                "the fleet cannot be counted: Redis refuses its key; set fleet.size"
            );
            *told = Some(refusal);
        }
        Beat::Counted(_) => *told = None,
        Beat::Refused(_) | Beat::Away => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(size: Option<u32>, least: u32) -> Wanted {
        Wanted { size, least, name: "shop".into(), need: Need::Divides }
    }

    #[test]
    fn what_settings_say_wins_and_what_was_counted_stays_known() {
        let fleet = Fleet::default();
        fleet.take_up(wanted(None, 3));
        assert_eq!((fleet.size(), fleet.is_counting()), (3, true));
        fleet.handle(Beat::Counted(8));
        assert_eq!(fleet.size(), 8);
        fleet.take_up(wanted(Some(5), 1));
        assert_eq!((fleet.size(), fleet.is_counting()), (5, false));
        fleet.take_up(wanted(None, 1));
        assert_eq!(fleet.size(), 8);
        fleet.take_up(Wanted { name: "other".into(), ..wanted(None, 2) });
        assert_eq!(fleet.size(), 2, "another fleet");
    }

    #[test]
    fn a_fleet_that_may_not_be_counted_stays_as_it_is() {
        let fleet = Fleet::default();
        fleet.take_up(wanted(None, 4));
        fleet.handle(Beat::Refused(Refusal::NoPermission));
        fleet.handle(Beat::Away);
        assert_eq!(fleet.size(), 4);
        assert_eq!(fleet.beats().iter().map(|(_, count)| count).sum::<u64>(), 2);
    }
}
