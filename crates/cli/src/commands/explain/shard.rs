//! Where a command belongs, and how the nodes there are: for people and for programs.

use std::ops::RangeInclusive;
use std::sync::Arc;

use failsoft::explain::{Explanation, Located, Told};
use failsoft::node::Node;
use failsoft::topology::{Place, Shard, View};
use failsoft_core::cluster::{Slot, Standing};
use serde_json::{Value, json};

use super::look::{Asked, Looked};
use failsoft::explain::text::shown;

/// Every node that the explanation tells of.
pub(super) fn nodes_of(explanation: &Explanation<'_>) -> Vec<Arc<Node>> {
    let view = &explanation.view;
    let shards: Vec<&Shard> = match &explanation.told {
        Told::Scattered { parts } => parts.iter().filter_map(|part| at(view, &part.located)).collect(),
        Told::Everywhere(_) => view.shards().iter().collect(),
        Told::Here | Told::Own | Told::AboutCluster | Told::CrossSlot | Told::WrongArity => Vec::new(),
        Told::Dedicated | Told::Unknown { .. } | Told::Walked(_) | Told::TakenApart { .. } => explanation
            .located
            .as_ref()
            .map_or_else(|| anywhere(view), |located| at(view, located))
            .into_iter()
            .collect(),
    };
    shards.into_iter().flat_map(|shard| view.members_of(shard)).cloned().collect()
}

fn at<'v>(view: &'v View, located: &Located) -> Option<&'v Shard> {
    view.shard_of(Place::Slot(located.slot))
}

fn anywhere(view: &View) -> Option<&Shard> {
    view.shard_of(Place::Anywhere)
}

/// The shard at `located`, or the only one, in lines.
pub(super) fn lines(view: &View, located: Option<&Located>, looked: &Looked) -> Vec<String> {
    let shard = located.map_or_else(|| anywhere(view), |located| at(view, located));
    match (shard, &looked.asked) {
        (Some(shard), Asked::Needless | Asked::Offline | Asked::Understood | Asked::InVain(_)) => {
            lines_of(view, shard, looked)
        }
        (None, Asked::Understood) => vec!["none: nobody owns the slot".to_owned()],
        (None, Asked::InVain(not_seen)) => {
            vec![format!("not known: {}", not_seen.why), "each step is explained as if it were well".to_owned()]
        }
        (None, Asked::Needless | Asked::Offline) => {
            vec!["not known: nobody was asked (--offline); each step is explained as if it were well".to_owned()]
        }
    }
}

/// A shard that is known, in lines.
pub(super) fn lines_of(view: &View, shard: &Shard, looked: &Looked) -> Vec<String> {
    let slots = Some(shard.slots()).filter(|slots| !slots.is_empty());
    let slots = slots.map(|slots| format!("slots {}", ranges(slots)));
    slots.into_iter().chain(members(view, shard, looked)).collect()
}

fn members(view: &View, shard: &Shard, looked: &Looked) -> Vec<String> {
    let standing = shard.standing().map_or("", Standing::name);
    let primary =
        view.primary_of(shard).map(|node| format!("primary {}: {standing}{}", node.name(), greeted(node, looked)));
    let replicas = view
        .replicas_of(shard)
        .map(|node| format!("replica {}: {}", node.name(), greeted(node, looked).trim_start_matches(", ")));
    primary.or(Some("no primary is known".to_owned())).into_iter().chain(replicas).collect()
}

fn greeted(node: &Node, looked: &Looked) -> String {
    match looked.greeting(node) {
        None => String::new(),
        Some(Ok(())) => ", answers".to_owned(),
        Some(Err(failure)) => format!(", cannot be spoken to ({})", failure.name()),
    }
}

/// As Redis writes them: `0-99 200`.
fn ranges(slots: &[RangeInclusive<Slot>]) -> String {
    let range = |range: &RangeInclusive<Slot>| match (range.start(), range.end()) {
        (first, last) if first == last => first.to_string(),
        (first, last) => format!("{first}-{last}"),
    };
    slots.iter().map(range).collect::<Vec<_>>().join(" ")
}

/// The slot as JSON.
pub(super) fn slot_json(located: &Located) -> Value {
    json!({ "slot": located.slot.number(), "hash_tag": located.tag.as_deref().map(shown) })
}

/// The shard as JSON; null if it is not known.
pub(super) fn json(view: &View, located: Option<&Located>, looked: &Looked) -> Value {
    let shard = located.map_or_else(|| anywhere(view), |located| at(view, located));
    shard.map_or(Value::Null, |shard| shard_json(view, shard, looked))
}

/// A shard as JSON.
pub(super) fn shard_json(view: &View, shard: &Shard, looked: &Looked) -> Value {
    json!({
        "slots": ranges(shard.slots()),
        "standing": shard.standing().map(Standing::name),
        "primary": view.primary_of(shard).map(|node| node_json(node, looked)),
        "replicas": view.replicas_of(shard).map(|node| node_json(node, looked)).collect::<Vec<_>>(),
    })
}

fn node_json(node: &Node, looked: &Looked) -> Value {
    let greeting = looked.greeting(node);
    json!({
        "node": node.name().as_ref(),
        "answers": greeting.map(|greeted| greeted.is_ok()),
        "because": greeting.and_then(Result::err).map(|failure| failure.name()),
    })
}

/// Whether anybody was asked, as JSON.
pub(super) fn asked_json(looked: &Looked) -> Value {
    match &looked.asked {
        Asked::Needless => json!({ "looked": "needless" }),
        Asked::Offline => json!({ "looked": "offline" }),
        Asked::Understood => json!({ "looked": "understood" }),
        Asked::InVain(not_seen) => json!({ "looked": "in vain", "because": not_seen.to_string() }),
    }
}
