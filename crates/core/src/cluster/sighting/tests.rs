//! Texts as real nodes give them (Redis 7.0.15 unless said otherwise), and texts that no honest node gives.

use proptest::prelude::*;

use super::*;
use crate::cluster::ClusterInfo;

const A: &str = "d4c902100e44501b02a3b609decbb9badc4ba801";
const B: &str = "82256f1d2dc1c421ab1b6c71b78394c138f34d3f";
const C: &str = "948fc93905bd1442e46f19525ada3e906b63c5a3";
const D: &str = "3f1c0f0ce747bf5b9b7043611c372760799859f3";

fn asked() -> Endpoint {
    Endpoint::new("10.0.0.9", 7000)
}

fn read(text: &str) -> Result<Vec<Sighting>, Unreadable> {
    Sighting::parse_lines(text.as_bytes(), &asked())
}

/// The sighting in one line, which is made the line of the one that answers if no other is.
fn one(line: &str) -> Sighting {
    let other = format!("{line}\n{D} 10.0.0.4:7004@17004 myself,master - 0 0 0 connected\n");
    let text = if line.contains("myself") { line } else { &other };
    read(text).unwrap().swap_remove(0)
}

fn slot(number: u16) -> Slot {
    Slot::new(number).unwrap()
}

fn id(text: &str) -> NodeId {
    NodeId::parse(text).unwrap()
}

#[test]
fn a_cluster_of_redis_7_0_in_the_middle_of_a_migration_and_a_failover_is_read() {
    let text = format!(
        "{B} 127.0.0.1:19402@29402 myself,master - 0 1795181031000 2 connected 5461-10922 [93-<-{A}]\n\
         ccc451536048a59e17ae868c5b46cfd4e227a11f 127.0.0.1:19406@29406 master - 0 1795181031287 7 connected 0-92 94-5460\n\
         83a8655096eb22a834309a096e9fb4b55337df18 127.0.0.1:19477@29477 handshake - 0 0 0 disconnected\n\
         {A} 127.0.0.1:19401@29401,redis-1.example.com master,fail - 1795181027262 1795181026256 1 disconnected 93\n\
         {D} 127.0.0.1:19405@29405 slave,fail? {C} 0 1795181032092 3 connected\n\
         {C} 127.0.0.1:19403@29403 master - 0 1795181032092 3 connected 10923-16383\n"
    );
    let members = read(&text).unwrap();
    assert_eq!(members[0].importing, [(slot(93), id(A))]);
    assert!(members[0].is_self && members[0].migrating.is_empty());
    assert_eq!(members[1].slots, [slot(0)..=slot(92), slot(94)..=slot(5460)]);
    assert_eq!((members[1].role, members[1].config_epoch), (Role::Primary, 7));
    assert_eq!((members[2].role, members[2].condition), (Role::Undecided, Condition::Handshake));
    assert_eq!((members[3].condition, members[3].link_up), (Condition::Failed, false));
    assert_eq!(members[3].endpoint, Some(Endpoint::new("127.0.0.1", 19401)));
    assert_eq!((members[4].role, members[4].condition), (Role::Replica { of: id(C) }, Condition::Suspected));
    assert!(!members[4].has_a_vote() && members[5].has_a_vote());
}

#[test]
fn a_slot_on_its_way_out_is_read() {
    let member =
        one(&format!("{A} 127.0.0.1:19401@29401 myself,master - 0 0 1 connected 0-5460 [93->-{B}] [94->-{B}]"));
    assert_eq!(member.migrating, [(slot(93), id(B)), (slot(94), id(B))]);
    assert_eq!(member.slots, [slot(0)..=slot(5460)]);
}

/// Redis 6.2 has no names of hosts; before 4.0 there was no port of the bus either.
#[test]
fn older_lines_are_read() {
    let member = one(&format!("{A} 192.168.1.7:7001@17001 master - 0 1426238316232 2 connected 5461-10922"));
    assert_eq!(member.endpoint, Some(Endpoint::new("192.168.1.7", 7001)));
    let member = one(&format!("{A} 192.168.1.7:7001 slave {B} 0 1426238316232 2 connected"));
    assert_eq!(member.endpoint, Some(Endpoint::new("192.168.1.7", 7001)));
}

/// Valkey 8 and Redis 7.2 may write more fields behind the name of the host, which may be empty.
#[test]
fn addresses_come_in_every_form() {
    let cases = [
        ("10.0.0.1:7001@17001,", Some("10.0.0.1:7001")),
        ("10.0.0.1:7001@17001,,shard-id=69bc080733d1355567173199cff4a6a039a2f024", Some("10.0.0.1:7001")),
        ("10.0.0.1:7001@17001,h.example.com,nodename=n 1", None),
        ("10.0.0.1:7001@17001,h.example.com,nodename=n1,shard-id=69bc,tls-port=0", Some("10.0.0.1:7001")),
        (":7001@17001,h.example.com", Some("h.example.com:7001")),
        ("h.example.com:7001@17001", Some("h.example.com:7001")),
        ("fd00::1:7001@17001", Some("[fd00::1]:7001")),
        ("::1:7001@17001,h", Some("[::1]:7001")),
        (":0@0", None),
        (":7001@17001", None),
        ("10.0.0.1:0@0", None),
    ];
    for (address, expected) in cases {
        let text =
            format!("{D} 10.0.0.4:7004@17004 myself,master - 0 0 0 connected\n{A} {address} master - 0 0 1 connected");
        let found = read(&text).ok().and_then(|members| members[1].endpoint.as_ref().map(ToString::to_string));
        assert_eq!(found.as_deref(), expected, "{address}");
    }
}

#[test]
fn a_node_that_does_not_know_its_address_is_where_it_was_asked() {
    let member = one(&format!("{A} :17999@27999 myself,master - 0 0 0 connected 0-5 7-9"));
    assert_eq!(member.endpoint, Some(Endpoint::new("10.0.0.9", 17999)));
}

#[test]
fn nodes_without_address_slots_or_primary_are_read() {
    let lost = one(&format!("{A} :0@0 master,noaddr - 1426238317239 1426238316232 2 disconnected"));
    assert_eq!((lost.condition, lost.endpoint, lost.slots), (Condition::NoAddress, None, vec![]));
    let lost = one(&format!("{A} :0@0 slave,fail,noaddr {B} 1426238317239 1426238316232 2 disconnected"));
    assert_eq!(lost.condition, Condition::NoAddress);
    let empty = one(&format!("{A} 10.0.0.1:7001@17001 master - 0 0 0 connected"));
    assert!(empty.role == Role::Primary && !empty.has_a_vote());
    let orphan = one(&format!("{A} 10.0.0.1:7001@17001 slave,nofailover - 0 0 0 connected"));
    assert_eq!(orphan.role, Role::Undecided);
    let unknown = one(&format!("{A} 10.0.0.1:7001@17001 noflags - 0 0 0 connected"));
    assert_eq!(unknown.role, Role::Undecided);
}

#[test]
fn a_line_that_does_not_read_as_one_is_named_by_its_number_and_part() {
    let good = format!("{A} 10.0.0.1:7001@17001 slave {B} 0 0 1 connected");
    let cases = [
        ("nonsense".to_owned(), Part::Id),
        (good.replace(A, &A[1..]), Part::Id),
        (good.replace("10.0.0.1", "10.0.0.1/8"), Part::Address),
        (good.replace(":7001", ":x"), Part::Address),
        (good.replace("slave", "slave,master"), Part::Flags),
        (A.to_owned() + " 10.0.0.1:7001@17001", Part::Flags),
        (good.replace(B, "somebody"), Part::Primary),
        (good.replace(" 1 connected", " one connected"), Part::Epoch),
        (good.replace(" 0 0 1 connected", ""), Part::Epoch),
        (good.replace("connected", "fine"), Part::Link),
        (good.clone() + " 16384", Part::Slots),
        (good.clone() + " 5-4", Part::Slots),
        (good.clone() + " [93->-x]", Part::Slots),
        (good.clone() + " [93", Part::Slots),
    ];
    for (line, part) in cases {
        let text = format!("{D} 10.0.0.4:7004@17004 myself,master - 0 0 0 connected\n\n{line}\n");
        assert_eq!(read(&text), Err(Unreadable::Line { number: 3, part }), "{line}");
    }
}

#[test]
fn what_contradicts_itself_is_refused() {
    let own = format!("{D} 10.0.0.4:7004@17004 myself,master - 0 0 0 connected 0-9 [1->-{A}]\n");
    let other = format!("{A} 10.0.0.1:7001@17001 master - 0 0 1 connected 10-19\n");
    let both = [own.as_str(), &other].concat();
    assert_eq!(read(&both).map(|members| members.len()), Ok(2));
    assert_eq!(read(&other), Err(Unreadable::NotOneSelf));
    assert_eq!(read(""), Err(Unreadable::NotOneSelf));
    assert_eq!(
        read(&both.replace("10.0.0.1:7001@17001 master", "10.0.0.1:7001@17001 myself,master")),
        Err(Unreadable::NotOneSelf)
    );
    assert_eq!(read(&[both.as_str(), &other].concat()), Err(Unreadable::SameMemberTwice));
    assert_eq!(read(&both.replace("10-19", "9-19")), Err(Unreadable::SlotTwice(slot(9))));
    assert_eq!(read(&both.replace("10-19", &format!("[1-<-{A}]"))), Err(Unreadable::SlotTwice(slot(1))));
    assert_eq!(Sighting::parse_lines(b"\xff", &asked()), Err(Unreadable::NotText));
}

#[test]
fn a_thousand_nodes_are_read_and_one_more_is_refused() {
    let line = |number: usize| {
        let flags = if number == 0 { "myself,master" } else { "master" };
        format!("{number:040x} 10.0.0.1:7001@17001 {flags} - 0 0 1 connected {number}\n")
    };
    let text = |count| (0..count).map(line).collect::<String>();
    assert_eq!(read(&text(MAX_MEMBERS)).map(|members| members.len()), Ok(MAX_MEMBERS));
    assert_eq!(read(&text(MAX_MEMBERS + 1)), Err(Unreadable::TooManyMembers));
}

proptest! {
    #[test]
    fn no_text_is_too_strange(bytes: Vec<u8>) {
        let _ = Sighting::parse_lines(&bytes, &asked());
        let _ = ClusterInfo::parse(&bytes);
    }

    #[test]
    fn no_line_is_too_strange(
        lines in prop::collection::vec(
            "[0-9a-f]{39,41} [0-9a-z.:]{0,9}:[0-9]{0,6}(@[0-9]{0,6})?(,[a-z=,]{0,9})? \
             (myself|master|slave|fail\\?|fail|handshake|noaddr|,){0,4} (-|[0-9a-f]{40}) \
             [0-9]{0,20} [0-9]{0,3} [0-9]{0,21} (dis)?connected( [0-9]{0,5}-?[0-9]{0,5}| \\[[0-9]{0,5}[->]{0,4}[0-9a-f]{0,40}\\]){0,4}",
            0..4,
        )
    ) {
        if let Ok(members) = read(&lines.join("\n")) {
            let owned: usize = members.iter().map(|member| ranges::count(&member.slots)).sum();
            prop_assert!(owned <= Slot::COUNT && members.len() <= lines.len());
        }
    }
}
