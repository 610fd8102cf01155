//! The task that publishes what waits, as soon as the primary is let through: in order, some at a time.
//!
//! Each is a request like any other, so that redirections, the circuit and the ramp hold for it. Where one does not arrive
//! what is behind it in its channel is left for the next time too, also if that did arrive: some is then told twice, and
//! none for the last time before what came before it. A shard that is away does not hold up the others.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use failsoft_core::circuit::StateName;
use failsoft_core::refusal::{Health, Refusal};
use failsoft_core::request::Ending;
use failsoft_core::unpublished::{Channel, Item, Reach};
use failsoft_resp::Protocol;
use failsoft_resp::encode;
use failsoft_resp::reply::{Head, head};

use super::Publishing;
use crate::context::Context;
use crate::job::{Job, Matter};
use crate::node::{Lane, Node};
use crate::route::Way;
use crate::topology::Place;
use crate::world::World;

/// Messages under way at once.
const AT_ONCE: usize = 64;
/// How long until it is looked again whether any of it is let through.
const PAUSE: Duration = Duration::from_millis(100);
/// How long until the rest is tried where some of it was: in the ramp only a share is.
const SHORT_PAUSE: Duration = Duration::from_millis(10);

/// What has become of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Published,
    /// Redis will not have it.
    Rejected(Refusal),
    /// Not now.
    Away,
}

impl Publishing {
    pub(super) async fn send_forever(self: Arc<Self>) {
        let shutdown = self.shutdown.clone();
        tokio::select! {
            () = self.keep_sending() => {}
            () = shutdown.begun() => {}
        }
    }

    async fn keep_sending(&self) {
        loop {
            if !self.is_waiting() {
                self.filled.notified().await;
            }
            let Some(world) = self.world.lock().upgrade() else {
                return;
            };
            if let Some(pause) = self.send_some(world).await {
                tokio::time::sleep(pause).await;
            }
        }
    }

    /// How long to wait before the rest.
    async fn send_some(&self, world: Arc<World>) -> Option<Duration> {
        let views = world.views();
        let context = Context { views, world, worker: 0, lane: Lane::default(), clock: self.clock };
        let doors = Doors::default();
        let items = self.next(AT_ONCE, |channel| doors.let_through(&context, channel));
        if items.is_empty() {
            return Some(PAUSE);
        }
        let fates = in_order(items.iter().map(|item| Box::pin(publish(&context, item))).collect()).await;
        let (mut left, count) = (BTreeSet::new(), fates.len());
        for (item, fate) in items.iter().zip(fates) {
            match fate {
                _ if left.contains(&item.channel) => continue,
                Fate::Away => {
                    left.insert(&item.channel);
                    continue;
                }
                Fate::Rejected(refusal) => self.stats.rejected.increment(refusal.name()),
                Fate::Published if item.payload.is_some() => self.stats.sent.increment(),
                Fate::Published => self.stats.gaps.increment(),
            }
            self.handle_published(item);
        }
        (!left.is_empty() || count < items.len()).then_some(SHORT_PAUSE)
    }
}

/// Which primaries let messages through, each looked at once.
#[derive(Default)]
struct Doors(RefCell<Vec<(Arc<Node>, bool)>>);

impl Doors {
    fn let_through(&self, context: &Context, channel: &Channel) -> bool {
        let Ok(owner) = context.views.redis.owner(place_of(context, channel)) else {
            return false;
        };
        let mut known = self.0.borrow_mut();
        let seen = known.iter().find(|(node, _)| Arc::ptr_eq(node, owner)).map(|(_, is_open)| *is_open);
        seen.unwrap_or_else(|| {
            let lets_through = lets_through(owner);
            known.push((owner.clone(), lets_through));
            lets_through
        })
    }
}

/// The half-open state's one probe is for somebody who waits for an answer.
fn lets_through(owner: &Node) -> bool {
    match owner.health().state() {
        StateName::Closed | StateName::Ramp => true,
        StateName::Open | StateName::HalfOpen => false,
    }
}

async fn publish(context: &Context, item: &Item) -> Fate {
    let (world, name) = (&context.world, &*item.channel.name);
    let payload = item.payload.as_deref().or_else(|| world.gap_message(name));
    let Some(payload) = payload else {
        // Nobody listens there for gaps any more.
        return Fate::Published;
    };
    let mut frame = Vec::new();
    let word: &[u8] = match item.channel.reach {
        Reach::Everywhere => b"PUBLISH",
        Reach::Shard => b"SPUBLISH",
    };
    encode::command(&mut frame, [word, name, payload]);
    let matter = Matter {
        route: world.route_of(name),
        way: Way::Write,
        verb: None,
        key: 0..0,
        place: place_of(context, &item.channel),
        protocol: Protocol::Resp2,
        stand_in: None,
    };
    let mut reply = Vec::new();
    let mut job = Job::new(world, matter, frame, context.now());
    let progress = job.advance(context, context.now());
    let ending = context.run(&mut job, progress).await;
    job.render(world, ending, &[], &mut reply);
    fate(ending, &reply)
}

fn fate(ending: Ending, reply: &[u8]) -> Fate {
    match (ending, head(reply)) {
        (Ending::Unavailable(_) | Ending::Overloaded(_) | Ending::OutcomeUnknown(_), _) => Fate::Away,
        (_, Some(Head::Error(text))) => match Refusal::from_error(text) {
            refusal if refusal.health() == Health::Well => Fate::Rejected(refusal),
            _ => Fate::Away,
        },
        (Ending::Value(_) | Ending::Absent(_) | Ending::PassOn(_), _) => Fate::Published,
    }
}

fn place_of(context: &Context, channel: &Channel) -> Place {
    match channel.reach {
        Reach::Everywhere => Place::Anywhere,
        Reach::Shard => context.views.redis.place_of(&channel.name),
    }
}

/// Carries them out at once, each begun before the next; those behind one that is not let through are not begun. Returns
/// what has become of those before that.
async fn in_order<F: Future<Output = Fate> + ?Sized>(mut waiting: Vec<Pin<Box<F>>>) -> Vec<Fate> {
    let mut fates: Vec<Option<Fate>> = Vec::new();
    poll_fn(|turn| {
        for (future, fate) in waiting.iter_mut().zip(&mut fates).filter(|(_, fate)| fate.is_none()) {
            *fate = ready(future.as_mut().poll(turn));
        }
        while let Some(future) = waiting.get_mut(fates.len()) {
            match ready(future.as_mut().poll(turn)) {
                Some(Fate::Away) => waiting.truncate(fates.len()),
                fate => fates.push(fate),
            }
        }
        if fates.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    fates.into_iter().flatten().collect()
}

fn ready<T>(polled: Poll<T>) -> Option<T> {
    match polled {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

#[cfg(test)]
mod tests {
    use failsoft_core::Tier;
    use parking_lot::Mutex;

    use super::*;

    #[test]
    fn what_redis_will_never_have_is_not_tried_again_and_what_it_may_have_later_is() {
        let fate = |reply: &[u8]| fate(Ending::PassOn(Tier::Primary), reply);
        assert_eq!(fate(b"-NOPERM no\r\n"), Fate::Rejected(Refusal::NoPermission));
        assert_eq!(fate(b"-NOAUTH Authentication required.\r\n"), Fate::Away);
        assert_eq!(fate(b"-LOADING Redis is loading\r\n"), Fate::Away);
        assert_eq!(super::fate(Ending::Value(Tier::Primary), b":3\r\n"), Fate::Published);
    }

    async fn later(begun: &Mutex<Vec<usize>>, index: usize, fate: Fate) -> Fate {
        begun.lock().push(index);
        tokio::task::yield_now().await;
        fate
    }

    #[tokio::test]
    async fn each_is_begun_before_the_next() {
        let begun = Mutex::new(Vec::new());
        let fates = [Fate::Published, Fate::Away, Fate::Published];
        let waiting = fates.iter().enumerate().map(|(index, fate)| Box::pin(later(&begun, index, *fate)));
        assert_eq!(in_order(waiting.collect()).await, fates);
        assert_eq!(*begun.lock(), [0, 1, 2]);
    }

    #[tokio::test]
    async fn what_is_behind_one_that_is_not_let_through_is_not_begun() {
        let begun = &Mutex::new(Vec::new());
        let waiting = (0..4).map(|index| {
            let future =
                async move { if index == 2 { Fate::Away } else { later(begun, index, Fate::Published).await } };
            Box::pin(future)
        });
        assert_eq!(in_order(waiting.collect()).await, [Fate::Published; 2]);
        assert_eq!(*begun.lock(), [0, 1]);
    }
}
