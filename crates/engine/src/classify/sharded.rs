//! What is particular about a command where keys are divided among shards.
//!
//! One that concerns several shards is taken apart, or refused where it cannot be; one about the cluster itself is
//! failsoft's own to answer, because to its clients failsoft is the cluster. All others go to the shard of their keys.
//! A command on one key is looked at no longer than it takes to see that it has no second.

use failsoft_core::cluster::Slot;
use failsoft_resp::commands::{self, Arguments, Class, Spec, Spread};

use super::{Course, touches, voids_of_server};
use crate::scatter::{KeysAt, keys_at};
use crate::topology::Place;
use crate::world::World;

/// The course of a command that does not go to one shard.
#[inline]
pub(super) fn course<A: Arguments + ?Sized>(world: &World, spec: &'static Spec, command: &A) -> Option<Course> {
    match spec.spread {
        Spread::Shards(_) | Spread::Cursor => Some(Course::Scatter { spec, voids: voids_of_server(spec) }),
        Spread::Keys(_) if lie_apart(spec, command) => {
            Some(Course::Scatter { spec, voids: touches(world, spec, command).1 })
        }
        Spread::Whole if lie_apart(spec, command) => Some(Course::CrossSlot),
        Spread::Whole if is_about_cluster(spec) => Some(Course::AboutCluster(spec)),
        Spread::Keys(_) | Spread::Whole => None,
    }
}

fn lie_apart<A: Arguments + ?Sized>(spec: &Spec, command: &A) -> bool {
    commands::keys(spec, command).nth(1).is_some() && keys_at(spec, command) == KeysAt::Apart
}

/// Whether it asks for or would change what a cluster is, or is what only a node of one is told.
fn is_about_cluster(spec: &Spec) -> bool {
    match spec.class {
        Class::Connection => matches!(spec.name, "readonly" | "readwrite" | "asking"),
        Class::Server => spec.name.starts_with("cluster|") && !is_about_keys(spec) && spec.name != "cluster|help",
        Class::Read
        | Class::Write
        | Class::Script
        | Class::Transaction
        | Class::PubSub
        | Class::Publish
        | Class::Blocking
        | Class::Monitor
        | Class::Own => false,
    }
}

/// Whether it is about keys that it names by their slot.
fn is_about_keys(spec: &Spec) -> bool {
    matches!(spec.name, "cluster|countkeysinslot" | "cluster|getkeysinslot")
}

/// Where a command without keys belongs.
pub(super) fn place_without_keys<A: Arguments + ?Sized>(spec: &Spec, command: &A) -> Place {
    if !is_about_keys(spec) {
        return Place::Anywhere;
    }
    let number = command.at(2).and_then(|word| std::str::from_utf8(word).ok()?.parse().ok());
    number.and_then(Slot::new).map_or(Place::Anywhere, Place::Slot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Engine;
    use crate::classify::classify;
    use crate::route::Way;
    use crate::settings;
    use crate::topology::View;
    use failsoft_core::Time;

    const SETTINGS: &str = r#"
[[routes]]
keys = "page:*"
role = "cache"
max_stale = "10m"
"#;

    fn with(view: &View, call: &str) -> Course {
        let engine = Engine::new(settings::parse(SETTINGS, "").unwrap().settings, 1).unwrap();
        let words: Vec<&[u8]> = call.split(' ').map(str::as_bytes).collect();
        classify(&engine.world().0, view, &words[..])
    }

    fn before_shards(call: &str) -> Course {
        with(&View::unknown_cluster(Time::ZERO), call)
    }

    #[test]
    fn what_concerns_several_shards_is_taken_apart() {
        for call in
            ["MGET a b", "DEL a b", "KEYS *", "SCAN 0", "DBSIZE", "PUBSUB CHANNELS", "SCRIPT LOAD x", "SCRIPT KILL"]
        {
            assert!(matches!(before_shards(call), Course::Scatter { .. }), "{call}");
        }
        for (call, voids_keys, voids_all) in
            [("MSET page:1 a page:2 b", true, false), ("MSET a 1 b 2", false, false), ("FLUSHALL", false, true)]
        {
            let Course::Scatter { voids, .. } = before_shards(call) else { panic!("{call}") };
            assert_eq!(matches!(voids, super::super::Voids::Keys(_)), voids_keys, "{call}");
            assert_eq!(voids == super::super::Voids::Everything, voids_all, "{call}");
        }
    }

    #[test]
    fn what_is_one_act_is_refused_if_its_keys_lie_apart() {
        for call in
            ["RENAME a b", "MSETNX a 1 b 2", "EVAL s 2 a b", "SUNION a b", "BLPOP a b 0", "WATCH a b", "SSUBSCRIBE a b"]
        {
            assert_eq!(before_shards(call), Course::CrossSlot, "{call}");
        }
    }

    #[test]
    fn what_lies_together_goes_whole_to_the_place_of_its_keys() {
        let slot = Place::Slot(Slot::of(b"t"));
        for call in ["GET {t}1", "MGET {t}1 {t}2", "SUNION {t}1 {t}2"] {
            assert!(matches!(before_shards(call), Course::Read(read) if read.place == slot), "{call}");
        }
        for call in ["DEL {t}1 {t}2", "EVAL s 2 {t}1 {t}2", "SPUBLISH {t} m"] {
            assert!(matches!(before_shards(call), Course::Change { place, .. } if place == slot), "{call}");
        }
        assert!(matches!(before_shards("BLPOP {t}1 {t}2 0"), Course::Dedicated { place, .. } if place == slot));
        let at = |number| Place::Slot(Slot::new(number).unwrap());
        let keys_of = |place| matches!(before_shards("CLUSTER GETKEYSINSLOT 77 1"), Course::Change { place: own, .. } if own == place);
        assert!(keys_of(at(77)) && !keys_of(at(78)));
        assert!(matches!(
            before_shards("CLUSTER COUNTKEYSINSLOT 99999"),
            Course::Change { place: Place::Anywhere, .. }
        ));
    }

    #[test]
    fn words_about_the_cluster_are_answered_only_before_one() {
        let engine = Engine::new(settings::parse(SETTINGS, "").unwrap().settings, 1).unwrap();
        let alone = engine.world().0.deployment().view();
        for call in [
            "CLUSTER SLOTS",
            "CLUSTER NODES",
            "CLUSTER MEET a 1",
            "CLUSTER newer",
            "READONLY",
            "ASKING",
            "cluster keyslot a",
        ] {
            assert!(matches!(before_shards(call), Course::AboutCluster(_)), "{call}");
            assert!(!matches!(with(&alone, call), Course::AboutCluster(_)), "{call}");
        }
        assert!(matches!(before_shards("CLUSTER HELP"), Course::Change { way: Way::Write, .. }));
        assert!(matches!(with(&alone, "MGET a b"), Course::Read(_)));
        assert!(matches!(with(&alone, "KEYS *"), Course::Change { .. }));
    }
}
