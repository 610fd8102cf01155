//! Messages that wait, by script and by property: within bounds, in order, and none lost without a trace.

use proptest::prelude::*;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn bounds(messages: usize, bytes: usize) -> Bounds {
    Bounds { messages, bytes, keep_for: MINUTE }
}

fn anywhere(_: &Channel) -> bool {
    true
}

fn channel(name: &str) -> Channel {
    Channel { reach: Reach::Everywhere, name: name.as_bytes().into() }
}

fn shown(items: &[Item]) -> Vec<(String, Option<String>)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    items.iter().map(|item| (text(&item.channel.name), item.payload.as_deref().map(text))).collect()
}

fn told(name: &str, payload: Option<&str>) -> (String, Option<String>) {
    (name.to_owned(), payload.map(str::to_owned))
}

#[test]
fn messages_come_out_in_their_order_and_stay_until_they_have_been_published() {
    let mut queue = Unpublished::new(bounds(10, 10_000));
    for payload in ["1", "2", "3"] {
        queue.handle_unpublished(channel("a"), payload.as_bytes(), Time::ZERO).unwrap();
    }
    let items = queue.poll_items(2, anywhere, Time::ZERO);
    assert_eq!(shown(&items), [told("a", Some("1")), told("a", Some("2"))]);
    assert_eq!(queue.poll_items(2, anywhere, Time::ZERO), items);
    queue.handle_published(&items[0]);
    assert_eq!(shown(&queue.poll_items(9, anywhere, Time::ZERO)), [told("a", Some("2")), told("a", Some("3"))]);
}

#[test]
fn the_oldest_goes_for_the_newest_and_leaves_a_gap_that_is_told_first() {
    let mut queue = Unpublished::new(bounds(2, 10_000));
    for name in ["a", "b", "c", "a"] {
        queue.handle_unpublished(channel(name), b"x", Time::ZERO).unwrap();
    }
    let items = queue.poll_items(9, anywhere, Time::ZERO);
    assert_eq!(shown(&items), [told("a", None), told("b", None), told("c", Some("x")), told("a", Some("x"))]);
    assert_eq!((queue.lost(Loss::Overflow), queue.lost(Loss::Age)), (2, 0));
    items.iter().for_each(|item| queue.handle_published(item));
    assert_eq!((queue.items(), queue.bytes()), (0, 0));
}

#[test]
fn what_is_older_than_the_bound_is_a_gap_and_what_is_just_as_old_is_not() {
    let mut queue = Unpublished::new(bounds(9, 10_000));
    queue.handle_unpublished(channel("a"), b"x", Time::ZERO).unwrap();
    assert_eq!(shown(&queue.poll_items(9, anywhere, Time::ZERO + MINUTE)), [told("a", Some("x"))]);
    let later = Time::ZERO + MINUTE + Duration::from_millis(1);
    assert_eq!(shown(&queue.poll_items(9, anywhere, later)), [told("a", None)]);
    assert_eq!(queue.lost(Loss::Age), 1);
}

#[test]
fn a_loss_after_a_gap_was_handed_out_is_another_gap() {
    let mut queue = Unpublished::new(bounds(1, 10_000));
    for _ in 0..2 {
        queue.handle_unpublished(channel("a"), b"x", Time::ZERO).unwrap();
    }
    let handed_out = queue.poll_items(1, anywhere, Time::ZERO);
    queue.handle_unpublished(channel("a"), b"y", Time::ZERO).unwrap();
    queue.handle_published(&handed_out[0]);
    assert_eq!(shown(&queue.poll_items(9, anywhere, Time::ZERO)), [told("a", None), told("a", Some("y"))]);
}

#[test]
fn a_message_is_not_taken_if_what_goes_for_it_could_not_be_remembered() {
    let mut queue = Unpublished::new(bounds(1, 1 << 20));
    for index in 0..=MOST_GAPS {
        queue.handle_unpublished(channel(&index.to_string()), b"x", Time::ZERO).unwrap();
    }
    assert_eq!(queue.handle_unpublished(channel("new"), b"x", Time::ZERO), Err(Full));
    assert_eq!(shown(&queue.poll_items(9_999, anywhere, Time::ZERO)).len(), MOST_GAPS + 1);
    let gap = queue.poll_items(1, anywhere, Time::ZERO);
    queue.handle_published(&gap[0]);
    assert_eq!(queue.handle_unpublished(channel("new"), b"x", Time::ZERO), Ok(()));
}

#[test]
fn what_may_not_be_published_now_does_not_hold_up_the_rest() {
    let mut queue = Unpublished::new(bounds(9, 10_000));
    for name in ["a", "b", "a", "b"] {
        queue.handle_unpublished(channel(name), name.as_bytes(), Time::ZERO).unwrap();
    }
    let items = queue.poll_items(9, |channel| *channel.name == *b"b", Time::ZERO);
    assert_eq!(shown(&items), [told("b", Some("b")), told("b", Some("b"))]);
    items.iter().for_each(|item| queue.handle_published(item));
    assert_eq!(shown(&queue.poll_items(9, anywhere, Time::ZERO)), [told("a", Some("a")), told("a", Some("a"))]);
}

#[test]
fn what_could_never_fit_is_not_taken() {
    let mut queue = Unpublished::new(bounds(9, 1_000));
    assert_eq!(queue.handle_unpublished(channel("a"), &[0; 1_000], Time::ZERO), Err(Full));
    assert_eq!(Unpublished::new(bounds(0, 1_000)).handle_unpublished(channel("a"), b"", Time::ZERO), Err(Full));
}

#[test]
fn nothing_goes_for_what_could_never_fit() {
    let mut queue = Unpublished::new(bounds(9, 1_000));
    queue.handle_unpublished(channel("a"), b"x", Time::ZERO).unwrap();
    assert_eq!(queue.handle_unpublished(channel("b"), &[0; 1_000], Time::ZERO), Err(Full));
    assert_eq!(shown(&queue.poll_items(9, anywhere, Time::ZERO)), [told("a", Some("x"))]);
    assert_eq!(queue.lost(Loss::Overflow), 0);
}

#[derive(Clone, Debug)]
enum Event {
    Publish { channel: u8, bytes: usize },
    Send { most: usize, done: usize },
    Wait(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => (0..6_u8, 0..400_usize).prop_map(|(channel, bytes)| Event::Publish { channel, bytes }),
        2 => (0..6_usize, 0..6_usize).prop_map(|(most, done)| Event::Send { most, done }),
        1 => (0..40_u64).prop_map(Event::Wait),
    ];
    proptest::collection::vec(event, 0..200)
}

proptest! {
    /// Whatever happens: within the bounds, in order, and of each message taken either it or a later gap in its channel
    /// is published.
    #[test]
    fn no_message_is_lost_without_a_trace(events in events()) {
        let bounds = bounds(4, 1_500);
        let mut queue = Unpublished::new(bounds);
        let (mut now, mut count) = (Time::ZERO, 0_u64);
        // With how much had been sent when each was taken.
        let mut taken: Vec<(u8, u64, usize)> = Vec::new();
        let mut sent: Vec<(u8, Option<u64>)> = Vec::new();
        for event in events {
            match event {
                Event::Publish { channel, bytes } => {
                    count += 1;
                    let payload = [&count.to_be_bytes()[..], &vec![0; bytes]].concat();
                    let name: Arc<[u8]> = [channel][..].into();
                    let put = queue.handle_unpublished(Channel { reach: Reach::Shard, name }, &payload, now);
                    if put.is_ok() {
                        taken.push((channel, count, sent.len()));
                    }
                }
                Event::Send { most, done } => send(&mut queue, most, done, now, &mut sent),
                Event::Wait(seconds) => now = now + Duration::from_secs(seconds),
            }
            prop_assert!(queue.messages() <= bounds.messages && queue.bytes() <= bounds.bytes);
        }
        send(&mut queue, usize::MAX, usize::MAX, now, &mut sent);
        prop_assert_eq!((queue.items(), queue.bytes()), (0, 0));
        let numbers: Vec<u64> = sent.iter().filter_map(|(_, number)| *number).collect();
        prop_assert!(numbers.is_sorted());
        for (channel, number, since) in taken {
            let is_trace = |(other, own): &(u8, Option<u64>)| *other == channel && own.is_none_or(|own| own == number);
            prop_assert!(sent[since..].iter().any(is_trace), "{} of {} is missing", number, channel);
        }
    }
}

fn send(queue: &mut Unpublished, most: usize, done: usize, now: Time, sent: &mut Vec<(u8, Option<u64>)>) {
    let number_of = |payload: &[u8]| u64::from_be_bytes(payload[..8].try_into().unwrap());
    for item in queue.poll_items(most, anywhere, now).iter().take(done) {
        sent.push((item.channel.name[0], item.payload.as_deref().map(number_of)));
        queue.handle_published(item);
    }
}
