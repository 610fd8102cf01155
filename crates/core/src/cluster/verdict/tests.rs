//! Clusters of three shards, told by witnesses who agree, differ, are late, cut off or lost.

use proptest::prelude::*;

use super::*;
use crate::cluster::Endpoint;

const HEALTHY: &str = "1 master 1 0-5460; 2 master 2 5461-10922; 3 master 3 10923-16383; \
                       4 slave:1 1; 5 slave:2 2; 6 slave:3 3";
/// 1 has been killed and 4 elected.
const PROMOTED: &str = "1 master,fail 1; 2 master 2 5461-10922; 3 master 3 10923-16383; \
                        4 master 7 0-5460; 5 slave:2 2; 6 slave:3 3";
/// 1 is down, and nobody has been elected yet.
const HEADLESS: &str = "1 master,fail 1 0-5460; 2 master 2 5461-10922; 3 master 3 10923-16383; \
                        4 slave:1 1; 5 slave:2 2; 6 slave:3 3";
/// As 1 sees it, alone on its side of a split.
const ALONE: &str = "1 master 1 0-5460; 2 master,fail? 2 5461-10922; 3 master,fail? 3 10923-16383; \
                     4 slave,fail?:1 1; 5 slave,fail?:2 2; 6 slave,fail?:3 3";

/// What node `me` says: nodes as `number flags[:primary] epoch slots...`; who is down has no link.
fn witness(me: u64, current_epoch: u64, map: &str) -> Witness {
    let info = format!("cluster_state:ok\r\ncluster_current_epoch:{current_epoch}\r\ncluster_my_epoch:1\r\n");
    let lines = map.split(';').map(|node| line(me, node)).collect::<String>();
    Witness::read(endpoint(me), info.as_bytes(), lines.as_bytes()).unwrap()
}

fn line(me: u64, node: &str) -> String {
    let mut words = node.split_whitespace();
    let number: u64 = words.next().unwrap().parse().unwrap();
    let (flags, primary) =
        words.next().unwrap().split_once(':').unwrap_or((node.split_whitespace().nth(1).unwrap(), ""));
    let primary = primary.parse::<u64>().map_or("-".to_owned(), |primary| format!("{primary:040x}"));
    let myself = if number == me { "myself," } else { "" };
    let address = if flags.contains("noaddr") { ":0".to_owned() } else { endpoint(number).to_string() };
    let link = if flags.contains("fail") { "disconnected" } else { "connected" };
    let epoch = words.next().unwrap();
    let slots = words.collect::<Vec<_>>().join(" ");
    format!("{number:040x} {address}@17000 {myself}{flags} {primary} 0 0 {epoch} {link} {slots}\n")
}

fn endpoint(number: u64) -> Endpoint {
    Endpoint::new(format!("10.0.0.{number}"), 7000)
}

/// `slots: primary standing + replica standing ...`, a line per shard.
fn shown(layout: &Layout) -> Vec<String> {
    let member = |member: &MemberLayout| {
        let number = u64::from_str_radix(&member.id.to_string()[24..], 16).unwrap();
        format!("{number} {}", member.standing)
    };
    let shard = |shard: &ShardLayout| {
        let slots = shard.slots.iter().map(|range| format!("{}-{}", range.start(), range.end())).collect::<Vec<_>>();
        let primary = shard.primary.as_ref().map_or("nowhere".to_owned(), member);
        let replicas = shard.replicas.iter().map(|replica| format!(" + {}", member(replica))).collect::<String>();
        format!("{}: {primary}{replicas}", slots.join(" "))
    };
    layout.shards.iter().map(shard).collect()
}

fn healthy() -> Layout {
    believe(&[1, 2, 3].map(|me| witness(me, 6, HEALTHY)), None).unwrap()
}

fn first_shard(layout: &Layout) -> String {
    shown(layout).swap_remove(0)
}

#[test]
fn a_healthy_cluster_of_which_all_primaries_have_spoken_is_sound() {
    let layout = healthy();
    assert_eq!(
        shown(&layout),
        ["0-5460: 1 sound + 4 sound", "5461-10922: 2 sound + 5 sound", "10923-16383: 3 sound + 6 sound"]
    );
    assert_eq!((layout.slots_assigned(), layout.slots_ok()), (Slot::COUNT, Slot::COUNT));
    assert_eq!(layout.shard_of(Slot::new(5461).unwrap()), layout.shards.get(1));
    assert_eq!(layout.members().count(), 6);
}

#[test]
fn primaries_without_slots_stand_by_while_they_are_well() {
    let grown =
        format!("{HEALTHY}; 7 master 8; 8 master,fail 9; 9 master,fail? 0; 10 master,handshake 0; 11 slave:7 8");
    let layout = believe(&[1, 2, 3].map(|me| witness(me, 9, &grown)), Some(&healthy())).unwrap();
    assert_eq!(layout.shards, healthy().shards);
    let spare: Vec<_> = layout.spare.iter().map(|member| &member.endpoint).collect();
    assert_eq!(spare, [&endpoint(7)]);
    assert!(believe(&[witness(2, 7, PROMOTED)], None).unwrap().spare.is_empty(), "the old primary is dead");
}

#[test]
fn primaries_that_have_not_spoken_are_unproven_at_first_and_sound_if_they_were_sound_before() {
    let spoke = [witness(5, 6, HEALTHY)];
    let first = believe(&spoke, None).unwrap();
    assert_eq!(first_shard(&first), "0-5460: 1 unproven + 4 sound");
    assert_eq!(first.slots_ok(), 0);
    assert_eq!(believe(&spoke, Some(&first)).unwrap(), first, "unproven is not proven by being repeated");
    assert_eq!(believe(&spoke, Some(&healthy())), Ok(healthy()));
}

#[test]
fn a_witness_in_the_minority_never_changes_the_layout() {
    let elsewhere = ALONE.replace("0-5460", "0-9999").replace("5461-10922", "10000-10922");
    let with_minority = [witness(1, 99, &elsewhere), witness(2, 7, PROMOTED), witness(4, 7, PROMOTED)];
    let layout = believe(&with_minority, Some(&healthy())).unwrap();
    assert_eq!(shown(&layout)[..2], ["0-5460: 4 sound", "5461-10922: 2 sound + 5 sound"]);
    assert_eq!(believe(&with_minority[1..], Some(&healthy())), Ok(layout));
}

#[test]
fn a_primary_that_is_cut_off_is_marked_even_where_the_majority_has_not_noticed() {
    let layout = believe(&[witness(1, 6, ALONE), witness(2, 6, HEALTHY)], Some(&healthy())).unwrap();
    assert_eq!(first_shard(&layout), "0-5460: 1 minority + 4 sound");
    let silent = believe(&[witness(2, 6, HEALTHY)], Some(&layout)).unwrap();
    assert_eq!(first_shard(&silent), "0-5460: 1 unproven + 4 sound", "it has to say itself that it is back");
    let back = believe(&[witness(1, 6, HEALTHY)], Some(&layout)).unwrap();
    assert_eq!(first_shard(&back), "0-5460: 1 sound + 4 sound");
}

#[test]
fn where_all_who_speak_are_in_the_minority_the_old_layout_stays_and_is_marked() {
    let alone = [witness(1, 6, ALONE)];
    assert_eq!(believe(&alone, Some(&healthy())), Err(Disbelief::NoMajority));
    let marked = mark(&healthy(), &alone);
    assert_eq!(shown(&marked)[..2], ["0-5460: 1 minority + 4 sound", "5461-10922: 2 sound + 5 sound"]);
    assert_eq!(mark(&healthy(), &[]), healthy());
    assert_eq!(mark(&healthy(), &[witness(2, 6, HEALTHY)]), healthy());
}

#[test]
fn the_highest_epoch_wins_over_any_number_of_those_who_are_late() {
    let late = [1, 2, 3, 5, 6].map(|me| witness(me, 6, HEALTHY));
    let witnesses = [&late[..], &[witness(4, 7, PROMOTED)]].concat();
    let layout = believe(&witnesses, Some(&healthy())).unwrap();
    assert_eq!(first_shard(&layout), "0-5460: 4 sound");
}

#[test]
fn a_promoted_primary_is_unproven_until_it_says_so_itself() {
    let before = healthy();
    let others = [witness(2, 7, PROMOTED), witness(3, 7, PROMOTED)];
    let told = believe(&others, Some(&before)).unwrap();
    assert_eq!(first_shard(&told), "0-5460: 4 unproven");
    let denied = believe(&[&others[..], &[witness(4, 6, HEADLESS)]].concat(), Some(&told)).unwrap();
    assert_eq!(first_shard(&denied), "0-5460: 4 unproven", "it says that it is a replica");
    let said = believe(&[&others[..], &[witness(4, 7, PROMOTED)]].concat(), Some(&told)).unwrap();
    assert_eq!(first_shard(&said), "0-5460: 4 sound");
    assert_eq!(believe(&others, Some(&said)), Ok(said));
}

#[test]
fn an_old_primary_that_returns_as_one_with_an_older_epoch_does_not_get_its_slots_back() {
    let returned = witness(1, 6, HEALTHY);
    assert!(returned.sees_majority());
    let layout = believe(&[returned.clone(), witness(2, 7, PROMOTED), witness(4, 7, PROMOTED)], None).unwrap();
    assert_eq!(first_shard(&layout), "0-5460: 4 sound");
    let follows = PROMOTED.replace("1 master,fail 1", "1 slave:4 7");
    let layout = believe(&[returned, witness(4, 7, &follows)], Some(&layout)).unwrap();
    assert_eq!(first_shard(&layout), "0-5460: 4 sound + 1 unproven", "it does not know yet that it is a replica");
    let layout = believe(&[witness(1, 7, &follows), witness(4, 7, &follows)], Some(&layout)).unwrap();
    assert_eq!(first_shard(&layout), "0-5460: 4 sound + 1 sound");
}

#[test]
fn a_dead_primary_without_successor_keeps_its_shard_and_its_replicas() {
    let layout = believe(&[witness(2, 6, HEADLESS), witness(3, 6, HEADLESS)], Some(&healthy())).unwrap();
    assert_eq!(first_shard(&layout), "0-5460: 1 failed + 4 sound");
    assert_eq!((layout.slots_assigned(), layout.slots_ok()), (Slot::COUNT, Slot::COUNT - 5461));
    let one_of_two = believe(&[witness(2, 6, HEADLESS), witness(3, 6, HEALTHY)], Some(&healthy())).unwrap();
    assert_eq!(first_shard(&one_of_two), "0-5460: 1 sound + 4 sound", "half is no majority");
}

#[test]
fn of_witnesses_who_differ_over_a_slot_the_higher_configuration_epoch_is_right() {
    let moved = HEALTHY.replace("0-5460", "0-99 101-5460").replace("2 master 2 5461", "2 master 8 100 5461");
    let layout = believe(&[1, 3, 5].map(|me| witness(me, 8, HEALTHY)), None).unwrap();
    assert_eq!(layout.shards[0].slots.len(), 1);
    let told_by_one = [witness(1, 8, HEALTHY), witness(3, 8, HEALTHY), witness(2, 8, &moved)];
    let layout = believe(&told_by_one, None).unwrap();
    assert_eq!(shown(&layout)[..2], ["0-99 101-5460: 1 sound + 4 sound", "100-100 5461-10922: 2 sound + 5 sound"]);
}

/// As Redis 7.0 tells it: 2 was importing slot 93 when 1 died, and does not see the slot go to 4.
#[test]
fn a_node_that_imports_a_slot_from_a_dead_primary_does_not_leave_it_there() {
    let importing = PROMOTED.replace("1 master,fail 1", "1 master,fail 1 93").replace("7 0-5460", "7 0-92 94-5460");
    let layout = believe(&[witness(2, 7, &importing), witness(3, 7, PROMOTED)], Some(&healthy())).unwrap();
    assert_eq!(first_shard(&layout), "0-5460: 4 unproven");
    let only_importing = believe(&[witness(2, 7, &importing)], Some(&healthy())).unwrap();
    assert_eq!(shown(&only_importing)[..2], ["0-92 94-5460: 4 unproven", "93-93: 1 failed"]);
}

#[test]
fn at_equal_epochs_the_map_of_more_witnesses_is_right() {
    let other =
        HEALTHY.replace("0-5460", "0-5459").replace("2 master 2 5461", "2 master 1 5460").replace("2:2 2", "2:2 1");
    let [few, many] = [witness(1, 6, HEALTHY), witness(2, 6, &other)];
    let witnesses = [few, many, witness(3, 6, &other)];
    assert_eq!(first_shard(&believe(&witnesses, None).unwrap()), "0-5459: 1 sound + 4 sound");
}

#[test]
fn empty_primaries_are_no_shards_and_slots_may_belong_to_nobody() {
    let map = "1 master 1 0-99; 2 master 2; 3 slave:2 2";
    let layout = believe(&[witness(1, 6, map), witness(2, 6, map)], None).unwrap();
    assert_eq!(shown(&layout), ["0-99: 1 sound"]);
    assert_eq!(layout.slots_assigned(), 100);
    assert_eq!(layout.shard_of(Slot::new(100).unwrap()), None);
}

#[test]
fn replicas_of_replicas_hang_at_the_primary_and_rings_nowhere() {
    let map =
        "1 master 1 0-16383; 2 slave:1 1; 3 slave:2 1; 4 slave:3 1; 5 slave:6 1; 6 slave:5 1; 7 slave:99 1; 8 slave 0";
    let layout = believe(&[witness(1, 6, map)], None).unwrap();
    assert_eq!(shown(&layout), ["0-16383: 1 sound + 2 sound + 3 sound + 4 sound"]);
}

#[test]
fn an_owner_of_slots_is_nobodys_replica() {
    let late = witness(2, 6, "1 master 1 0-10; 2 master 2 11-20");
    let latest = witness(3, 6, "1 slave:2 7; 2 master 7 0-9 11-20; 3 slave:1 7");
    let layout = believe(&[late, latest], None).unwrap();
    assert_eq!(shown(&layout), ["0-9 11-20: 2 sound", "10-10: 1 unproven + 3 sound"]);
    let claimed = believe(&[witness(1, 6, "1 master 1 0-9; 2 slave:1 1 10-19")], None).unwrap();
    assert_eq!(shown(&claimed), ["0-9: 1 sound", "10-19: 2 unproven"]);
}

#[test]
fn nodes_that_are_being_met_or_have_no_address_are_left_out() {
    let map = "1 master 1 0-9; 2 master,noaddr 2 10-19; 3 slave,noaddr,fail:1 1; 4 handshake 0; 5 slave:2 2; 6 master 3 20-29";
    let layout = believe(&[witness(1, 6, map)], None).unwrap();
    assert_eq!(shown(&layout), ["0-9: 1 sound", "10-19: nowhere + 5 sound", "20-29: 6 unproven"]);
}

#[test]
fn seeds_of_different_clusters_are_named() {
    let others = "11 master 1 0-8191; 12 master 2 8192-16383";
    let strangers = [witness(2, 6, HEALTHY), witness(3, 6, HEALTHY), witness(11, 2, others)];
    let disbelief = believe(&strangers, None).unwrap_err();
    assert_eq!(disbelief, Disbelief::DifferentClusters { one: endpoint(2), other: endpoint(11) });
    let sentence = "these nodes belong to different clusters: 10.0.0.2:7000 and 10.0.0.11:7000 know no node in common";
    assert_eq!(disbelief.to_string(), sentence);
}

#[test]
fn an_address_that_was_given_to_another_cluster_is_not_heard_while_one_of_ours_speaks() {
    let others =
        [witness(11, 99, "11 master 1 0-8191; 12 master 2 8192-16383"), witness(12, 99, "12 master 2 0-16383")];
    let with_ours = [&others[..1], &[witness(2, 6, HEALTHY)]].concat();
    assert_eq!(believe(&with_ours, Some(&healthy())), Ok(healthy()));
    let cut_off = [&others[..1], &[witness(1, 6, ALONE)]].concat();
    assert_eq!(believe(&cut_off, Some(&healthy())), Err(Disbelief::NoMajority));
    let made_anew = believe(&others[..1], Some(&healthy())).unwrap();
    assert_eq!(shown(&made_anew), ["0-8191: 11 sound", "8192-16383: 12 unproven"]);
}

#[test]
fn a_node_that_was_reset_disturbs_nobody() {
    let reset = witness(9, 0, "9 master 0");
    let layout =
        believe(&[reset.clone(), witness(1, 6, HEALTHY), witness(2, 6, HEALTHY), witness(3, 6, HEALTHY)], None);
    assert_eq!(layout, Ok(healthy()));
    assert_eq!(believe(&[reset], None), Err(Disbelief::NoSlots));
    assert_eq!(believe(&[], Some(&healthy())), Err(Disbelief::NobodySpoke));
}

#[test]
fn a_majority_is_more_than_half_of_the_primaries_that_have_slots() {
    let two = "1 master 1 0-9; 2 master,fail? 2 10-19; 3 master 3";
    assert!(!witness(1, 6, two).sees_majority(), "an empty primary has no vote");
    assert!(witness(1, 6, &two.replace(",fail?", "")).sees_majority());
    assert!(!witness(3, 6, two).sees_majority());
    assert!(witness(1, 6, "1 master 1 0-9").sees_majority());
    let mut without_link = witness(1, 6, HEALTHY);
    without_link.members.iter_mut().skip(1).for_each(|member| member.link_up = false);
    assert!(!without_link.sees_majority());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever nodes say, every slot has at most one owner, nobody is in two places, and nothing panics.
    #[test]
    fn no_testimony_is_too_strange(
        told in prop::collection::vec(
            (1u64..9, 0u64..4, prop::collection::vec((1u64..9, 0usize..6, 0u64..9, 0u64..4, 0u16..90), 0..8)), 0..5,
        ),
        again: bool,
    ) {
        let witnesses = told.iter().filter_map(|(me, epoch, nodes)| any_witness(*me, *epoch, nodes)).collect::<Vec<_>>();
        let before = again.then(healthy);
        if let Ok(layout) = believe(&witnesses, before.as_ref()) {
            prop_assert!(layout.slots_ok() <= layout.slots_assigned() && layout.slots_assigned() <= Slot::COUNT);
            let mut names = layout.members().map(|member| member.id).collect::<Vec<_>>();
            names.sort();
            let all = names.len();
            names.dedup();
            prop_assert_eq!(names.len(), all);
            prop_assert_eq!(mark(&layout, &witnesses).slots_assigned(), layout.slots_assigned());
        }
    }
}

const FLAGS: [&str; 6] = ["master", "slave", "master,fail", "slave,fail?", "handshake", "master,noaddr"];

fn any_witness(me: u64, epoch: u64, nodes: &[(u64, usize, u64, u64, u16)]) -> Option<Witness> {
    let own = line(me, &format!("{me} master 1 0-5"));
    let lines = nodes.iter().map(|(number, flags, of, config_epoch, slot)| {
        line(me, &format!("{number} {}:{of} {config_epoch} {slot}", FLAGS[*flags]))
    });
    let text = own + &lines.collect::<String>();
    let info = format!("cluster_state:ok\r\ncluster_current_epoch:{epoch}\r\ncluster_my_epoch:1\r\n");
    Witness::read(endpoint(me), info.as_bytes(), text.as_bytes()).ok()
}
