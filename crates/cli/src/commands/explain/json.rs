//! An explanation as JSON. Times are whole milliseconds.

use std::time::Duration;

use failsoft::explain::{Event, Sent, Stage, Told, Unasked, Walk};
use failsoft::route::Way;
use failsoft_core::role::Stance;
use failsoft_core::stale::Acceptance;
use serde_json::{Value, json};

use failsoft::explain::text;

use super::{Explained, shard};

/// The explanation.
pub(super) fn of(explained: &Explained<'_>) -> Value {
    let explanation = explained.explanation;
    let (course, walks, whole) = course(&explanation.told);
    let (view, located, looked) = (&explanation.view, explanation.located.as_ref(), explained.looked);
    json!({
        "command": text::name_of(explanation, explained.words),
        "class": explanation.class.map(|class| class.to_string()),
        "when": explained.when,
        "course": course,
        "deployment": shard::asked_json(looked),
        "located": located.map(shard::slot_json),
        "shard": located.map(|located| shard::json(view, Some(located), looked)),
        "parts": parts(explained),
        "whole": whole,
        "walks": walks.into_iter().map(|told| walk(explained, told)).collect::<Vec<_>>(),
    })
}

/// Slot by slot, or shard by shard.
fn parts(explained: &Explained<'_>) -> Vec<Value> {
    let (view, looked) = (&explained.explanation.view, explained.looked);
    match &explained.explanation.told {
        Told::Scattered { parts } => parts
            .iter()
            .map(|part| {
                json!({
                    "located": shard::slot_json(&part.located),
                    "keys": part.keys.iter().map(|key| text::shown(key)).collect::<Vec<_>>(),
                    "shard": shard::json(view, Some(&part.located), looked),
                })
            })
            .collect(),
        Told::Everywhere(_) => {
            view.shards().iter().map(|told| json!({ "shard": shard::shard_json(view, told, looked) })).collect()
        }
        Told::Here
        | Told::Dedicated
        | Told::WrongArity
        | Told::Unknown { .. }
        | Told::Own
        | Told::AboutCluster
        | Told::CrossSlot
        | Told::Walked(_)
        | Told::TakenApart { .. } => Vec::new(),
    }
}

/// What it is called, the ways it goes, and the question that comes before them.
fn course<'t, 'w>(told: &'t Told<'w>) -> (&'static str, Vec<&'t Walk<'w>>, Option<Value>) {
    match told {
        Told::Here => ("answered here", Vec::new(), None),
        Told::Dedicated => ("dedicated connection", Vec::new(), None),
        Told::WrongArity => ("wrong number of arguments", Vec::new(), None),
        Told::AboutCluster => ("answered for the cluster", Vec::new(), None),
        Told::Own => ("answered as failsoft's own", Vec::new(), None),
        Told::CrossSlot => ("refused: keys in several slots", Vec::new(), None),
        Told::Unknown { walk, .. } => ("unknown command", vec![walk], None),
        Told::Walked(walk) => ("routed", vec![walk], None),
        Told::Everywhere(walk) => ("every shard", vec![walk], None),
        Told::Scattered { parts } => {
            ("slot by slot", parts.iter().flat_map(|part| course(&part.told).1).collect(), None)
        }
        Told::TakenApart { whole, keys } => ("taken apart", keys.iter().collect(), Some(stage(whole))),
    }
}

fn walk(explained: &Explained<'_>, walk: &Walk<'_>) -> Value {
    let plan = walk.plan();
    json!({
        "key": walk.key.as_deref().map(text::shown),
        "route": walk.route.name.as_ref(),
        "pattern": walk.pattern,
        "line": walk.place.and_then(|place| explained.lines.get(place)),
        "role": walk.route.role.name(),
        "stance": match walk.route.role.stance() {
            Stance::Open => "open",
            Stance::Closed => "closed",
        },
        "way": match walk.way {
            Way::Through => "through",
            Way::Made => "made",
            Way::Nodes => "nodes",
            Way::Write => "write",
            Way::Script => "script",
        },
        "bound": walk.bound.iter().map(|(name, value)| (name.clone(), text::shown(value).into())).collect::<serde_json::Map<_, _>>(),
        "steps": walk.stages.iter().map(stage).collect::<Vec<_>>(),
        "unasked": walk.unasked.iter().map(|(tier, why)| json!({ "tier": tier.name(), "because": because(*why) })).collect::<Vec<_>>(),
        "reply": walk.reply.as_deref().map(text::shown),
        "ending": text::ending(walk.ending, walk),
        "at_most_ms": millis(walk.at_most),
        "deadline_ms": millis(plan.deadline),
        "when_all_fail": {
            "steps": walk.when_all_fail.iter().map(stage).collect::<Vec<_>>(),
            "ending": text::ending(walk.ending_when_all_fail, walk),
        },
    })
}

fn stage(stage: &Stage) -> Value {
    let mut told = match &stage.event {
        Event::Asked { within, outcome, sent } => {
            json!({ "event": "asked", "sent": by(*sent), "within_ms": millis(*within), "outcome": outcome.word(), "reason": outcome.reason() })
        }
        Event::Learned { within } => json!({ "event": "map learned", "within_ms": millis(*within) }),
        Event::Looked { acceptance, outcome } => {
            let coherent = *acceptance == Acceptance::Coherent;
            let stale = match acceptance {
                Acceptance::Coherent | Acceptance::Fresh => Duration::ZERO,
                Acceptance::StaleUpTo(budget) => *budget,
            };
            json!({ "event": "looked", "coherent": coherent, "stale_up_to_ms": millis(stale), "outcome": outcome.word(), "reason": outcome.reason() })
        }
        Event::Paused(pause) => json!({ "event": "paused", "for_ms": millis(*pause) }),
        Event::PassedOver(outcome) => {
            json!({ "event": "passed over", "outcome": outcome.word(), "reason": outcome.reason() })
        }
        Event::Served => json!({ "event": "served" }),
    };
    told["tier"] = stage.tier.name().into();
    told["whom"] = stage.whom.as_deref().into();
    told["at_ms"] = millis(stage.at).into();
    told
}

fn by(sent: Sent) -> &'static str {
    match sent {
        Sent::Directly => "directly",
        Sent::ByMoved => "moved",
        Sent::ByAsk => "ask",
    }
}

fn because(why: Unasked) -> &'static str {
    match why {
        Unasked::NotNeeded => "not needed",
        Unasked::AbsentAbove => "a node has said absent",
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
