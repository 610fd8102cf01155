//! Verdicts by script: who says what, and what is believed.

use proptest::prelude::*;

use super::*;

const SENTINELS: [&str; 5] = ["s1:26379", "s2:26379", "s3:26379", "s4:26379", "s5:26379"];

fn at(text: &str) -> Endpoint {
    Endpoint::parse(text).unwrap()
}

/// A name made from a word.
fn id(word: &str) -> NodeId {
    let digits: String = word.bytes().map(|byte| format!("{byte:02x}")).collect();
    NodeId::parse(&format!("{digits:0>40}")).unwrap()
}

/// What the sentinel at `from`, one of `of`, says: that `primary` is the primary since `epoch`.
fn says(from: &str, of: &[&str], primary: &str, epoch: u64) -> SentinelWitness {
    let others = of.iter().filter(|other| **other != from);
    let sentinels = others
        .map(|other| SentinelSighting { endpoint: at(other), id: Some(id(other)), condition: Condition::Well })
        .collect();
    let watch = Watch {
        primary: at(primary),
        run_id: Some(id(primary)),
        condition: Condition::Well,
        config_epoch: epoch,
        quorum: 2,
        replicas: Vec::new(),
        sentinels,
    };
    SentinelWitness { from: at(from), id: Some(id(from)), word: Word::Watching(watch) }
}

fn watch(witness: &mut SentinelWitness) -> &mut Watch {
    match &mut witness.word {
        Word::Watching(watch) => watch,
        Word::NoSuchName | Word::NoSentinel => panic!("watches nothing"),
    }
}

fn replica(place: &str, condition: Condition, priority: u32, offset: u64) -> ReplicaSighting {
    ReplicaSighting { endpoint: at(place), run_id: Some(id(place)), condition, priority, offset }
}

fn primary_of(witnesses: &[SentinelWitness], seeds: usize) -> Result<String, Disbelief> {
    believe(witnesses, seeds, None).map(|layout| layout.primary.to_string())
}

#[test]
fn a_majority_of_all_sentinels_is_believed_and_one_fewer_is_not() {
    let three = &SENTINELS[..3];
    let said: Vec<_> = three.iter().map(|from| says(from, three, "a:1", 1)).collect();
    assert_eq!(primary_of(&said, 3), Ok("a:1".into()));
    assert_eq!(primary_of(&said[..2], 3), Ok("a:1".into()));
    assert_eq!(primary_of(&said[..1], 3), Err(Disbelief::NoMajority { agree: 1, of: 3 }));
    assert_eq!(primary_of(&said[..1], 1), Err(Disbelief::NoMajority { agree: 1, of: 3 }), "it knows of two others");
}

#[test]
fn whichever_are_more_count_those_in_the_settings_or_those_that_are_known() {
    let two = &SENTINELS[..2];
    let said: Vec<_> = two.iter().map(|from| says(from, two, "a:1", 1)).collect();
    assert_eq!(primary_of(&said, 3), Ok("a:1".into()));
    assert_eq!(primary_of(&said, 4), Err(Disbelief::NoMajority { agree: 2, of: 4 }));
    let of_five: Vec<_> = SENTINELS[..2].iter().map(|from| says(from, &SENTINELS, "a:1", 1)).collect();
    assert_eq!(primary_of(&of_five, 2), Err(Disbelief::NoMajority { agree: 2, of: 5 }));
}

#[test]
fn a_cut_off_minority_with_the_old_primary_does_not_win_nor_does_one_with_a_new_one() {
    let old: Vec<_> = SENTINELS[..2].iter().map(|from| says(from, &SENTINELS, "old:1", 1)).collect();
    let new: Vec<_> = SENTINELS[2..].iter().map(|from| says(from, &SENTINELS, "new:1", 2)).collect();
    assert_eq!(primary_of(&[&old[..], &new].concat(), 5), Ok("new:1".into()));
    assert_eq!(
        primary_of(&[&old[..], &new[1..]].concat(), 5),
        Err(Disbelief::NoMajority { agree: 2, of: 5 }),
        "two against two"
    );
    let late: Vec<_> = SENTINELS[..3].iter().map(|from| says(from, &SENTINELS, "old:1", 1)).collect();
    assert_eq!(
        primary_of(&[&late[..], &new[1..]].concat(), 5),
        Ok("old:1".into()),
        "as long as most have not heard of the failover it has not happened"
    );
}

#[test]
fn a_sentinel_that_is_reached_by_two_addresses_has_one_voice() {
    let three = &SENTINELS[..3];
    let first = says("s1:26379", three, "a:1", 1);
    let again = SentinelWitness { from: at("127.0.0.1:26379"), ..first.clone() };
    assert_eq!(primary_of(&[first.clone(), again.clone()], 3), Err(Disbelief::NoMajority { agree: 1, of: 3 }));
    let nameless = |witness: &SentinelWitness| SentinelWitness { id: None, ..witness.clone() };
    let twice = [nameless(&first), nameless(&again)];
    assert!(matches!(primary_of(&twice, 3), Err(Disbelief::NoMajority { agree: 1, .. })));
    let both = [nameless(&first), nameless(&says("s2:26379", three, "a:1", 1))];
    assert!(believe(&distinct_names(&both), 2, None).is_ok());
}

/// As sentinels before Redis 6.2 are seen: neither they nor the others have names.
fn distinct_names(witnesses: &[SentinelWitness]) -> Vec<SentinelWitness> {
    let mut witnesses = witnesses.to_vec();
    witnesses.iter_mut().for_each(|one| watch(one).sentinels.iter_mut().for_each(|other| other.id = None));
    witnesses
}

#[test]
fn seeds_of_different_deployments_are_named_both() {
    let (here, there) = (&SENTINELS[..2], &SENTINELS[2..4]);
    let mixed = [says("s1:26379", here, "a:1", 1), says("s3:26379", there, "b:1", 1)];
    assert_eq!(
        primary_of(&mixed, 2),
        Err(Disbelief::DifferentDeployments { one: at("s1:26379"), other: at("s3:26379") })
    );
    let mut one_with_a_node_of_the_other = mixed;
    watch(&mut one_with_a_node_of_the_other[1]).replicas.push(replica("a:1", Condition::Well, 100, 0));
    assert!(matches!(primary_of(&one_with_a_node_of_the_other, 2), Err(Disbelief::NoMajority { .. })));
}

#[test]
fn an_address_that_was_given_to_another_deployment_does_not_speak_for_this_one() {
    let three = &SENTINELS[..3];
    let ours: Vec<_> = three.iter().map(|from| says(from, three, "a:1", 1)).collect();
    let before = believe(&ours, 3, None).unwrap();
    let strangers: Vec<_> = SENTINELS[3..].iter().map(|from| says(from, &SENTINELS[3..], "b:1", 99)).collect();
    let both = [&strangers[..], &ours[1..]].concat();
    assert_eq!(believe(&both, 3, Some(&before)).unwrap().primary, at("a:1"));
    assert!(matches!(believe(&both, 3, None), Err(Disbelief::DifferentDeployments { .. })));
    let rebuilt = believe(&strangers, 2, Some(&before)).unwrap();
    assert_eq!(rebuilt.primary, at("b:1"), "where none of the old is left, the new is all there is");
}

#[test]
fn a_sentinel_joins_the_family_by_what_it_shares_with_any_of_it() {
    let mut chain =
        [says("s1:26379", &["s1:26379", "s2:26379"], "a:1", 1), says("s3:26379", &["s3:26379", "s2:26379"], "b:1", 1)];
    assert!(matches!(primary_of(&chain, 2), Err(Disbelief::NoMajority { agree: 1, of: 3 })));
    watch(&mut chain[1]).primary = at("a:1");
    assert_eq!(primary_of(&chain, 2), Ok("a:1".into()));
}

#[test]
fn who_watches_nothing_of_that_name_is_told_apart_from_who_is_no_sentinel() {
    let other = |word| SentinelWitness { from: at("s9:1"), id: None, word };
    assert_eq!(primary_of(&[], 3), Err(Disbelief::NobodySpoke));
    assert_eq!(primary_of(&[other(Word::NoSuchName)], 1), Err(Disbelief::UnknownName));
    assert_eq!(primary_of(&[other(Word::NoSentinel)], 1), Err(Disbelief::NoSentinel { at: at("s9:1") }));
    assert_eq!(primary_of(&[other(Word::NoSentinel), other(Word::NoSuchName)], 2), Err(Disbelief::UnknownName));
    let with_one = [says("s1:26379", &["s1:26379"], "a:1", 1), other(Word::NoSentinel)];
    assert_eq!(primary_of(&with_one, 1), Ok("a:1".into()));
}

#[test]
fn replicas_that_are_missed_are_left_out_and_the_rest_stands_in_order() {
    let two = &SENTINELS[..2];
    let mut said: Vec<_> = two.iter().map(|from| says(from, two, "a:1", 1)).collect();
    for one in &mut said {
        watch(one).replicas = vec![
            replica("never:1", Condition::Well, 0, 900),
            replica("late:1", Condition::Well, 10, 100),
            replica("soon:1", Condition::Well, 10, 200),
            replica("first:1", Condition::Well, 5, 1),
            replica("half:1", Condition::Well, 1, 999),
            replica("gone:1", Condition::Missed, 1, 999),
            replica("a:1", Condition::Well, 1, 999),
        ];
    }
    watch(&mut said[1]).replicas[4].condition = Condition::Missed;
    let layout = believe(&said, 2, None).unwrap();
    let order: Vec<_> = layout.replicas.iter().map(|replica| replica.endpoint.host.as_str()).collect();
    assert_eq!(order, ["first", "soon", "late", "never"]);
}

#[test]
fn a_primary_is_down_when_more_than_half_say_so() {
    let three = &SENTINELS[..3];
    let condition = |conditions: [Condition; 3]| {
        let mut said: Vec<_> = three.iter().map(|from| says(from, three, "a:1", 1)).collect();
        said.iter_mut().zip(conditions).for_each(|(one, condition)| watch(one).condition = condition);
        believe(&said, 3, None).unwrap().condition
    };
    use Condition::{Down, Missed, Well};
    assert_eq!(condition([Well, Well, Down]), Well);
    assert_eq!(condition([Well, Missed, Missed]), Missed);
    assert_eq!(condition([Missed, Missed, Down]), Missed);
    assert_eq!(condition([Missed, Down, Down]), Down);
}

#[test]
fn sentinels_that_are_known_are_asked_next_and_those_that_are_missed_last() {
    let three = &SENTINELS[..3];
    let mut first = says("127.0.0.1:5000", three, "a:1", 1);
    first.id = Some(id("s1:26379"));
    watch(&mut first).sentinels.retain(|other| other.endpoint != at("s1:26379"));
    assert_eq!(yet_unheard(std::slice::from_ref(&first)), [at("s2:26379"), at("s3:26379")]);
    watch(&mut first).sentinels[0].condition = Condition::Missed;
    assert_eq!(yet_unheard(std::slice::from_ref(&first)), [at("s3:26379"), at("s2:26379")]);
    let third = says("s3:26379", three, "a:1", 1);
    assert_eq!(yet_unheard(&[third, first]), [at("s2:26379")]);
}

/// What one sentinel does when everybody is asked: whom it names since when, and at how many of its addresses it is asked.
type Voice = (usize, u64, usize);

fn chorus(voices: &[Voice]) -> Vec<SentinelWitness> {
    let names: Vec<String> = (0..voices.len()).map(|number| format!("s{number}:26379")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let words = voices.iter().zip(&names).flat_map(|((primary, epoch, addresses), name)| {
        let word = says(name, &names, ["a:1", "b:1", "c:1"][*primary], *epoch);
        (0..*addresses).map(move |address| SentinelWitness { from: at(&format!("{address}.{name}")), ..word.clone() })
    });
    words.collect()
}

proptest! {
    #[test]
    fn a_primary_is_believed_exactly_if_more_than_half_of_all_name_it_in_whatever_order_they_speak(
        voices in prop::collection::vec((0..3_usize, 0..3_u64, 0..3_usize), 1..8),
        turn in 0..16_usize,
    ) {
        let votes = |primary| voices.iter().filter(|voice| voice.0 == primary && voice.2 > 0).count();
        let elected = (0..3).find(|primary| votes(*primary) * 2 > voices.len());
        let mut witnesses = chorus(&voices);
        let turn = turn % witnesses.len().max(1);
        witnesses.rotate_left(turn);
        let believed = believe(&witnesses, 1, None).ok().map(|layout| layout.primary.to_string());
        prop_assert_eq!(believed, elected.map(|primary| ["a:1", "b:1", "c:1"][primary].to_owned()));
    }
}
