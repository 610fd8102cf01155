//! Copies on their way, copies in front, and the bounds of what is kept.

use bytes::Bytes;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn copy(text: &'static str) -> Copy {
    let value = Some(Value::Raw(Bytes::from_static(text.as_bytes())));
    Copy { value, stamp: Stamp { obtained: Time::ZERO, fresh_for: MINUTE }, epoch: Epoch::NONE, kind: CopyKind::Seen }
}

#[test]
fn a_copy_asked_for_before_a_write_is_not_kept_after_it() {
    let local = Local::new(1 << 20, 1 << 10);
    let version = local.version(b"k");
    local.invalidate(b"k");
    local.keep(b"k", copy("old"), version);
    assert!(local.look(b"k", Acceptance::Fresh, Time::ZERO).is_err());
    local.keep(b"k", copy("new"), local.version(b"k"));
    assert!(local.look(b"k", Acceptance::Fresh, Time::ZERO).is_ok());
}

#[test]
fn clearing_voids_what_is_on_its_way() {
    for clear in [Local::clear, Local::clear_told] {
        let local = Local::new(1 << 20, 1 << 10);
        let version = local.version(b"k");
        clear(&local);
        local.keep(b"k", copy("old"), version);
        assert_eq!(local.entries(), 0);
    }
}

#[test]
fn what_redis_tells_of_voids_what_is_kept_and_what_is_on_its_way() {
    let local = Local::new(1 << 20, 1 << 10);
    local.keep(b"k", copy("old"), local.version(b"k"));
    let version = local.version(b"k");
    local.invalidate_told(b"k");
    local.keep(b"k", copy("old"), version);
    assert_eq!(local.entries(), 0);
    assert!(local.is_unwritten(version) && !local.is_current(version));
}

#[test]
fn in_front_only_what_is_vouched_for_is_found_and_the_others_may_still_be_a_fallback() {
    let local = Local::new(1 << 20, 1 << 10);
    let holder = local.vouching().take_over();
    local.vouching().begin(holder);
    local.vouching().vouch_until(holder, Time::from_millis(1_000));
    let told = Copy { epoch: local.vouching().epoch(), ..copy("from the primary") };
    local.keep(b"k", told, local.version(b"k"));
    local.keep(b"l", copy("from an origin"), local.version(b"l"));
    let look = |key: &[u8], acceptance, millis| local.look(key, acceptance, Time::from_millis(millis)).is_ok();
    assert!(look(b"k", Acceptance::Coherent, 1_000) && !look(b"l", Acceptance::Coherent, 1_000));
    assert!(!look(b"k", Acceptance::Coherent, 1_001) && look(b"k", Acceptance::Fresh, 1_001));
    local.vouching().vouch_until(holder, Time::from_millis(100_000));
    assert!(look(b"k", Acceptance::Coherent, 60_000) && !look(b"k", Acceptance::Coherent, 60_001));
    local.vouching().end(holder);
    assert!(!look(b"k", Acceptance::Coherent, 1_000) && look(b"k", Acceptance::Fresh, 1_000));
    assert_eq!(local.stats().unverified.get(), 3);
}

#[test]
fn a_copy_of_an_earlier_epoch_is_not_recent_in_the_next() {
    let local = Local::new(1 << 20, 1 << 10);
    local.keep(b"k", copy("v"), local.version(b"k"));
    assert!(local.is_recent(b"k", Epoch::NONE, Time::ZERO));
    assert!(!local.is_recent(b"k", Epoch::NONE.next(), Time::ZERO));
}

#[test]
fn what_was_written_here_replaces_what_was_there_and_is_never_served_stale_nor_taken_for_the_primarys() {
    let local = Local::new(1 << 20, 1 << 10);
    let version = local.version(b"k");
    let stamp = Stamp { obtained: Time::ZERO, fresh_for: Duration::from_secs(5) };
    let written = Copy { stamp, kind: CopyKind::Gutter, ..copy("new") };
    assert!(local.keep_written(b"k", written));
    local.keep(b"k", copy("old"), version);
    let found =
        |millis| local.look(b"k", Acceptance::StaleUpTo(MINUTE), Time::from_millis(millis)).map(|found| found.copy);
    assert_eq!(found(5_000).unwrap().value, copy("new").value);
    assert!(found(5_001).is_err() && !local.holds(b"k", Acceptance::StaleUpTo(MINUTE), Time::from_millis(5_001)));
    assert!(!local.is_recent(b"k", Epoch::NONE, Time::ZERO), "what the primary says takes its place");
}

#[test]
fn what_is_too_large_to_be_kept_leaves_nothing_older_in_its_place() {
    let local = Local::new(1 << 20, 4);
    local.keep(b"k", copy("old"), local.version(b"k"));
    assert!(!local.keep_written(b"k", Copy { kind: CopyKind::Gutter, ..copy("too large") }));
    assert_eq!(local.entries(), 0);
}

#[test]
fn bytes_stay_within_the_capacity_whatever_is_kept() {
    let local = Local::new(64 << 10, 1 << 10);
    for i in 0..10_000_u32 {
        let key = i.to_be_bytes();
        local.keep(&key, copy("some value of some length"), local.version(&key));
        assert!(local.bytes() <= local.capacity());
    }
    assert!(local.entries() > 50);
}

#[test]
fn too_large_an_entry_is_not_kept() {
    let local = Local::new(1 << 20, 4);
    local.keep(b"k", copy("12345"), local.version(b"k"));
    assert_eq!(local.entries(), 0);
    local.keep(b"k", copy("1234"), local.version(b"k"));
    assert_eq!(local.entries(), 1);
}

#[test]
fn flags_are_not_pushed_out_by_others_and_not_even_their_absence_is_forgotten() {
    let local = Local::new(64 << 10, 1 << 10).with_flags(64 << 10);
    local.keep_flag(b"flag", copy("on"), local.version(b"flag"));
    local.keep_flag(b"none", Copy { value: None, ..copy("") }, local.version(b"none"));
    for i in 0..10_000_u32 {
        let key = i.to_be_bytes();
        local.keep(&key, copy("some value of some length"), local.version(&key));
    }
    let late = Acceptance::StaleUpTo(MINUTE);
    let value = |key: &[u8]| local.look(key, late, Time::from_millis(90_000)).map(|found| found.copy.value.is_some());
    assert_eq!((value(b"flag"), value(b"none")), (Ok(true), Ok(false)));
    assert!(local.is_known(b"none", None, Epoch::NONE, Time::ZERO));
    local.invalidate(b"flag");
    assert!(value(b"flag").is_err());
    local.clear();
    assert!(value(b"none").is_err() && local.flags().0 == 0);
}

#[test]
fn flags_beyond_their_bound_go_and_are_counted() {
    let local = Local::new(1 << 20, 1 << 10).with_flags(16 << 10);
    for i in 0..1_000_u32 {
        let key = i.to_be_bytes();
        local.keep_flag(&key, copy("on"), local.version(&key));
    }
    let (entries, bytes, capacity) = local.flags();
    assert!(entries > 10 && bytes <= capacity);
    assert_eq!(local.stats().flags_evicted.get(), 1_000 - entries as u64);
}

#[test]
fn an_absence_is_never_served_stale() {
    let local = Local::new(1 << 20, 1 << 10);
    let stamp = Stamp { obtained: Time::ZERO, fresh_for: Duration::from_secs(5) };
    let absence = Copy { value: None, stamp, epoch: Epoch::NONE, kind: CopyKind::Loaded };
    local.keep(b"k", absence, local.version(b"k"));
    assert!(local.look(b"k", Acceptance::StaleUpTo(MINUTE), Time::from_millis(4_000)).is_ok());
    assert!(local.look(b"k", Acceptance::StaleUpTo(MINUTE), Time::from_millis(6_000)).is_err());
}
