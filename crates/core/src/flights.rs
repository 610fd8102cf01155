//! One load per key, however many ask: the first asker leads a flight, the others join it and are told its result.
//!
//! An invalidation while a flight is under way does not stop it: those aboard asked before the invalidation and may
//! have its result. But the result must not be stored, and who asks afterwards starts another flight, because this
//! one may carry the old value. So there can be several flights for one key, of which only the latest can be joined.
//!
//! Flights and waiters are bounded; at a bound the asker is told and takes another tier. Nothing here iterates over
//! the table, so its hasher cannot be noticed; keys come from clients, so the default one resists flooding.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};

/// A load under way. It is never that of another load, even after this one has landed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlightId {
    slot: u32,
    serial: u64,
}

/// A waiter's place in its flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seat(u64);

/// What becomes of one who asks for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boarding {
    /// Nobody loads the key: do it, and report it landed whatever comes of it.
    Lead(FlightId),
    /// The key is being loaded: wait to be told.
    Join(FlightId, Seat),
    /// There is no room.
    Full(FullReason),
}

/// Which bound was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FullReason {
    /// As many loads as allowed are under way.
    Flights,
    /// As many as allowed wait, in all flights together.
    Waiters,
}

impl FullReason {
    /// The name used in logs, metric labels and error details.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flights => "flights-full",
            Self::Waiters => "waiters-full",
        }
    }
}

impl fmt::Display for FullReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a flight's result may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultUse {
    /// To answer those aboard, and to be stored.
    AnswerAndStore,
    /// Only to answer those aboard: the key was invalidated under way.
    AnswerOnly,
}

/// Who is to be told of a result, and what else may be done with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seats {
    /// Those still waiting, in the order in which they joined. The leader is not among them.
    pub taken: Vec<Seat>,
    /// What the result may be used for.
    pub result_use: ResultUse,
}

#[derive(Debug)]
struct Flight<K> {
    serial: u64,
    key: K,
    /// Ascending, as seats are numbered in the order in which they are taken.
    taken: Vec<Seat>,
    result_use: ResultUse,
}

/// The loads under way.
#[derive(Debug)]
pub struct Flights<K, S = RandomState> {
    /// For each key, the slot of the flight that can be joined.
    joinable: HashMap<K, u32, S>,
    slots: Vec<Option<Flight<K>>>,
    free: Vec<u32>,
    waiters: u32,
    max_flights: u32,
    max_waiters: u32,
    next_serial: u64,
    next_seat: u64,
}

impl<K: Eq + Hash + Clone> Flights<K> {
    /// No flights, with room for so many, and for so many waiters in all of them together.
    pub fn new(max_flights: u32, max_waiters: u32) -> Self {
        Self::with_hasher(max_flights, max_waiters, RandomState::new())
    }
}

impl<K: Eq + Hash + Clone, S: BuildHasher> Flights<K, S> {
    /// As `new`, with a hasher of the caller's. Where clients choose the keys, it should be seeded.
    pub fn with_hasher(max_flights: u32, max_waiters: u32, hasher: S) -> Self {
        Self {
            joinable: HashMap::with_hasher(hasher),
            slots: Vec::new(),
            free: Vec::new(),
            waiters: 0,
            max_flights,
            max_waiters,
            next_serial: 0,
            next_seat: 0,
        }
    }

    /// Asks for `key`.
    pub fn request(&mut self, key: K) -> Boarding {
        match self.joinable.get(&key).copied() {
            Some(slot) => self.join(slot),
            None => self.lead(key),
        }
    }

    /// A load ended, well or not. One that has landed before has nobody aboard and nothing to store.
    pub fn handle_landed(&mut self, id: FlightId) -> Seats {
        let Some(flight) = self.remove(id) else {
            return Seats { taken: Vec::new(), result_use: ResultUse::AnswerOnly };
        };
        self.free.push(id.slot);
        self.waiters -= count(&flight.taken);
        if self.joinable.get(&flight.key) == Some(&id.slot) {
            self.joinable.remove(&flight.key);
        }
        Seats { taken: flight.taken, result_use: flight.result_use }
    }

    /// A waiter gave up. The flight goes on, even with nobody left aboard.
    pub fn handle_left(&mut self, id: FlightId, seat: Seat) {
        let Some(flight) = self.flight_mut(id) else { return };
        if let Ok(place) = flight.taken.binary_search(&seat) {
            flight.taken.remove(place);
            self.waiters -= 1;
        }
    }

    /// `key` was invalidated: what is under way for it must not be stored, nor joined.
    pub fn handle_invalidated<Q>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let Some(slot) = self.joinable.remove(key) else { return };
        if let Some(Some(flight)) = self.slots.get_mut(slot as usize) {
            flight.result_use = ResultUse::AnswerOnly;
        }
    }

    /// Every key was invalidated (a flush, or a gap in the invalidations).
    pub fn handle_all_invalidated(&mut self) {
        self.joinable.clear();
        for flight in self.slots.iter_mut().flatten() {
            flight.result_use = ResultUse::AnswerOnly;
        }
    }

    /// The load under way for `key` that can be joined.
    pub fn joinable<Q>(&self, key: &Q) -> Option<FlightId>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let slot = *self.joinable.get(key)?;
        let flight = self.slots.get(slot as usize)?.as_ref()?;
        Some(FlightId { slot, serial: flight.serial })
    }

    /// What is loaded, as long as it is under way.
    pub fn key(&self, id: FlightId) -> Option<&K> {
        let flight = self.slots.get(id.slot as usize)?.as_ref()?;
        (flight.serial == id.serial).then_some(&flight.key)
    }

    /// Loads that may be under way at once.
    pub fn max_flights(&self) -> u32 {
        self.max_flights
    }

    /// Waiters that there may be.
    pub fn max_waiters(&self) -> u32 {
        self.max_waiters
    }

    /// Loads under way.
    pub fn in_flight(&self) -> u32 {
        // At most `max_flights` slots are ever made.
        count(&self.slots) - count(&self.free)
    }

    /// Waiters aboard all flights.
    pub fn waiters(&self) -> u32 {
        self.waiters
    }

    fn join(&mut self, slot: u32) -> Boarding {
        if self.waiters >= self.max_waiters {
            return Boarding::Full(FullReason::Waiters);
        }
        let seat = Seat(self.next_seat);
        let Some(Some(flight)) = self.slots.get_mut(slot as usize) else {
            return Boarding::Full(FullReason::Flights);
        };
        flight.taken.push(seat);
        self.next_seat += 1;
        self.waiters += 1;
        Boarding::Join(FlightId { slot, serial: flight.serial }, seat)
    }

    fn lead(&mut self, key: K) -> Boarding {
        let Some(slot) = self.free_slot() else { return Boarding::Full(FullReason::Flights) };
        let serial = self.next_serial;
        self.next_serial += 1;
        self.joinable.insert(key.clone(), slot);
        self.slots[slot as usize] =
            Some(Flight { serial, key, taken: Vec::new(), result_use: ResultUse::AnswerAndStore });
        Boarding::Lead(FlightId { slot, serial })
    }

    fn free_slot(&mut self) -> Option<u32> {
        if let Some(slot) = self.free.pop() {
            return Some(slot);
        }
        let slot = count(&self.slots);
        (slot < self.max_flights).then(|| {
            self.slots.push(None);
            slot
        })
    }

    fn flight_mut(&mut self, id: FlightId) -> Option<&mut Flight<K>> {
        let flight = self.slots.get_mut(id.slot as usize)?.as_mut()?;
        (flight.serial == id.serial).then_some(flight)
    }

    fn remove(&mut self, id: FlightId) -> Option<Flight<K>> {
        self.slots.get_mut(id.slot as usize)?.take_if(|flight| flight.serial == id.serial)
    }
}

/// The length of something whose length a `u32` bounds.
fn count<T>(bounded: &[T]) -> u32 {
    u32::try_from(bounded.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
