//! Flights by script, and against a plain list of flights.

use proptest::prelude::*;

use super::*;

fn lead(flights: &mut Flights<&'static str>, key: &'static str) -> FlightId {
    match flights.request(key) {
        Boarding::Lead(id) => id,
        other => panic!("not leading: {other:?}"),
    }
}

fn join(flights: &mut Flights<&'static str>, key: &'static str) -> (FlightId, Seat) {
    match flights.request(key) {
        Boarding::Join(id, seat) => (id, seat),
        other => panic!("not joining: {other:?}"),
    }
}

#[test]
fn one_leads_and_a_thousand_join() {
    let mut flights = Flights::new(10, 1_000);
    let id = lead(&mut flights, "a");
    let seats: Vec<_> = (0..1_000).map(|_| join(&mut flights, "a")).collect();
    assert!(seats.iter().all(|(joined, _)| *joined == id));
    assert_eq!((flights.in_flight(), flights.waiters()), (1, 1_000));
    let told = flights.handle_landed(id);
    assert_eq!(told.taken, seats.into_iter().map(|(_, seat)| seat).collect::<Vec<_>>());
    assert_eq!((told.result_use, flights.in_flight(), flights.waiters()), (ResultUse::AnswerAndStore, 0, 0));
}

#[test]
fn a_landed_flight_cannot_be_joined_or_landed_again() {
    let mut flights = Flights::new(1, 10);
    let first = lead(&mut flights, "a");
    flights.handle_landed(first);
    let second = lead(&mut flights, "a");
    let (_, seat) = join(&mut flights, "a");
    let again = flights.handle_landed(first);
    assert_eq!((again.taken, again.result_use), (vec![], ResultUse::AnswerOnly));
    flights.handle_left(first, seat);
    assert_eq!(flights.handle_landed(second).taken, [seat]);
}

#[test]
fn the_bounds_hold_and_say_which() {
    let mut flights = Flights::new(2, 1);
    let a = lead(&mut flights, "a");
    lead(&mut flights, "b");
    assert_eq!(flights.request("c"), Boarding::Full(FullReason::Flights));
    let (_, seat) = join(&mut flights, "a");
    assert_eq!(flights.request("b"), Boarding::Full(FullReason::Waiters));
    flights.handle_left(a, seat);
    join(&mut flights, "b");
    flights.handle_landed(a);
    lead(&mut flights, "c");
}

#[test]
fn an_invalidated_flight_answers_those_aboard_and_nobody_else() {
    let mut flights = Flights::new(10, 10);
    let old = lead(&mut flights, "a");
    let (_, aboard) = join(&mut flights, "a");
    flights.handle_invalidated("a");
    let new = lead(&mut flights, "a");
    let (joined, late) = join(&mut flights, "a");
    assert_eq!(joined, new);
    assert_eq!(flights.handle_landed(old), Seats { taken: vec![aboard], result_use: ResultUse::AnswerOnly });
    assert_eq!(join(&mut flights, "a").0, new, "the old flight's landing took the new one from the table");
    let told = flights.handle_landed(new);
    assert_eq!((told.taken[0], told.result_use), (late, ResultUse::AnswerAndStore));
}

#[test]
fn a_flush_invalidates_every_flight() {
    let mut flights = Flights::new(10, 10);
    let ids = [lead(&mut flights, "a"), lead(&mut flights, "b")];
    flights.handle_all_invalidated();
    lead(&mut flights, "a");
    assert!(ids.into_iter().all(|id| flights.handle_landed(id).result_use == ResultUse::AnswerOnly));
}

#[derive(Clone, Debug)]
enum Op {
    Request(u8),
    Land(prop::sample::Index),
    Leave(prop::sample::Index),
    Invalidate(u8),
    Flush,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (0..6u8).prop_map(Op::Request),
        3 => any::<prop::sample::Index>().prop_map(Op::Land),
        2 => any::<prop::sample::Index>().prop_map(Op::Leave),
        2 => (0..6u8).prop_map(Op::Invalidate),
        1 => Just(Op::Flush),
    ]
}

/// A flight as a plain list would have it.
struct Known {
    id: FlightId,
    key: u8,
    seats: Vec<Seat>,
    fresh: bool,
}

const MOST_FLIGHTS: usize = 4;
const MOST_WAITERS: usize = 6;

/// What boarding must come to, and its trace in the list.
fn check_boarding(known: &mut Vec<Known>, key: u8, boarding: Boarding) -> Result<(), TestCaseError> {
    let waiters: usize = known.iter().map(|flight| flight.seats.len()).sum();
    let flights = known.len();
    match (known.iter_mut().find(|flight| flight.key == key && flight.fresh), boarding) {
        (Some(flight), Boarding::Join(id, seat)) => {
            prop_assert!(flight.id == id && waiters < MOST_WAITERS);
            flight.seats.push(seat);
        }
        (Some(_), Boarding::Full(reason)) => {
            prop_assert!(reason == FullReason::Waiters && waiters == MOST_WAITERS);
        }
        (None, Boarding::Lead(id)) => {
            prop_assert!(flights < MOST_FLIGHTS && known.iter().all(|flight| flight.id != id));
            known.push(Known { id, key, seats: Vec::new(), fresh: true });
        }
        (None, Boarding::Full(reason)) => {
            prop_assert!(reason == FullReason::Flights && flights == MOST_FLIGHTS);
        }
        (Some(_), Boarding::Lead(_)) | (None, Boarding::Join(..)) => prop_assert!(false, "{boarding:?}"),
    }
    Ok(())
}

proptest! {
    #[test]
    fn flights_agree_with_a_plain_list(ops in prop::collection::vec(op(), 1..200)) {
        let mut flights = Flights::new(MOST_FLIGHTS as u32, MOST_WAITERS as u32);
        let mut known: Vec<Known> = Vec::new();
        for op in ops {
            match op {
                Op::Request(key) => check_boarding(&mut known, key, flights.request(key))?,
                Op::Land(index) if !known.is_empty() => {
                    let flight = known.swap_remove(index.index(known.len()));
                    let told = flights.handle_landed(flight.id);
                    prop_assert_eq!(told.taken, flight.seats);
                    prop_assert_eq!(told.result_use == ResultUse::AnswerAndStore, flight.fresh);
                }
                Op::Leave(index) if !known.is_empty() => {
                    let at = index.index(known.len());
                    let flight = &mut known[at];
                    if !flight.seats.is_empty() {
                        let seat = flight.seats.remove(index.index(flight.seats.len()));
                        flights.handle_left(flight.id, seat);
                        flights.handle_left(flight.id, seat);
                    }
                }
                Op::Land(_) | Op::Leave(_) => {}
                Op::Invalidate(key) => {
                    flights.handle_invalidated(&key);
                    known.iter_mut().filter(|flight| flight.key == key).for_each(|flight| flight.fresh = false);
                }
                Op::Flush => {
                    flights.handle_all_invalidated();
                    known.iter_mut().for_each(|flight| flight.fresh = false);
                }
            }
            prop_assert_eq!(flights.in_flight() as usize, known.len());
            prop_assert_eq!(flights.waiters() as usize, known.iter().map(|flight| flight.seats.len()).sum::<usize>());
        }
    }
}
