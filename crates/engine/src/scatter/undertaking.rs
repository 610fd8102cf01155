//! What a command for several shards comes down to: who is asked what, and what is made of the answers.

use failsoft_resp::commands::{self, Arguments, Merge, Spec, Spread};
use failsoft_resp::encode;

use super::apart::{Part, take_apart, take_to_pieces};
use super::cursor::{Position, Survey};
use super::merge::{Act, Unit};
use super::scan;
use crate::clock::dice;
use crate::topology::{Place, Shard, View};
use crate::words::Words;

/// A command for several shards, about to be asked.
pub struct Undertaking {
    pub(super) spec: &'static Spec,
    pub(super) goal: Goal,
    /// In the order in which they are asked.
    pub(super) pieces: Vec<Piece>,
}

/// What is made of the answers.
pub(super) enum Goal {
    /// One answer.
    Merged(Act),
    /// The next step of a scan.
    Scanned(Survey, Position),
    /// The only answer as it is.
    Passed,
}

/// What one shard is asked.
pub(super) struct Piece {
    /// Which of the command's keys it is about, or which shard.
    pub(super) about: Vec<usize>,
    pub(super) place: Place,
    pub(super) frame: Vec<u8>,
}

impl Undertaking {
    /// What `command`, whose bytes are `frame`, comes down to before the shards of `view`.
    ///
    /// # Errors
    /// The error reply, if it makes no sense.
    pub fn of<A>(view: &View, spec: &'static Spec, command: &A, frame: &[u8]) -> Result<Self, Vec<u8>>
    where
        A: Arguments + ?Sized,
    {
        let (goal, pieces) = match (spec.spread, Act::of(spec)) {
            (Spread::Keys(_), Some(act)) => (Goal::Merged(act), pieces_of_keys(spec, command)?),
            (Spread::Shards(merge), Some(act)) => (Goal::Merged(act), pieces_of_shards(view, merge, frame)),
            (Spread::Cursor, _) => return Self::scan(view, spec, command, frame),
            (Spread::Whole, _) | (Spread::Keys(_) | Spread::Shards(_), None) => {
                (Goal::Passed, vec![whole(Place::Anywhere, 0, frame)])
            }
        };
        Ok(Self { spec, goal, pieces })
    }

    /// What a command on several keys comes down to when each is asked for by itself, whether or not they lie together.
    /// `None` if it has one key, is not to be [taken apart](Spread::Keys), or promises to be one act on what lies in one
    /// slot: a node carries out MSET whole, and so it is carried out.
    pub fn key_by_key(frame: &[u8]) -> Option<Self> {
        let words = Words::of(frame);
        let spec = commands::lookup(words.as_slices().first()?, None)?;
        let falls_apart = |act: &Act| act.unit == Unit::Keys && act.merge != Merge::Unanimous;
        let goal = Goal::Merged(Act::of(spec).filter(falls_apart)?);
        let pieces: Vec<Piece> = take_to_pieces(spec, words.as_slices()).into_iter().map(piece).collect();
        (pieces.len() > 1).then_some(Self { spec, goal, pieces })
    }

    /// How many questions it comes down to.
    pub fn pieces(&self) -> usize {
        self.pieces.len()
    }

    fn scan<A>(view: &View, spec: &'static Spec, command: &A, frame: &[u8]) -> Result<Self, Vec<u8>>
    where
        A: Arguments + ?Sized,
    {
        let name = |shard| view.primary_of(shard).map(|node| node.options().address.to_string());
        let shards = view.shards().iter().map(|shard| (shard.slots(), name(shard)));
        let Some(survey) = Survey::of(shards) else {
            return Ok(Self { spec, goal: Goal::Passed, pieces: vec![whole(Place::Anywhere, 0, frame)] });
        };
        let position = survey.find(command.at(1).unwrap_or_default()).map_err(|error| {
            let mut told = Vec::new();
            scan::refuse(error, &mut told);
            told
        })?;
        let place = Place::Slot(survey.lowest_slot(position));
        let piece = Piece { about: vec![0], place, frame: scan::ask(command, position) };
        Ok(Self { spec, goal: Goal::Scanned(survey, position), pieces: vec![piece] })
    }
}

fn pieces_of_keys<A: Arguments + ?Sized>(spec: &Spec, command: &A) -> Result<Vec<Piece>, Vec<u8>> {
    let parts = take_apart(spec, command);
    if parts.is_empty() {
        let mut told = Vec::new();
        encode::error(&mut told, &format!("ERR wrong number of arguments for '{}' command", spec.name));
        return Err(told);
    }
    Ok(parts.into_iter().map(piece).collect())
}

fn piece(part: Part) -> Piece {
    Piece { about: part.keys, place: Place::Slot(part.slot), frame: part.frame }
}

/// One for each shard that has slots. Where one of them is taken they do not always begin with the same.
fn pieces_of_shards(view: &View, merge: Merge, frame: &[u8]) -> Vec<Piece> {
    let places = view.shards().iter().filter_map(place_of);
    let mut pieces: Vec<Piece> = places.enumerate().map(|(shard, place)| whole(place, shard, frame)).collect();
    if pieces.is_empty() {
        return vec![whole(Place::Anywhere, 0, frame)];
    }
    if merge == Merge::FirstFound {
        let first = (dice() % pieces.len() as u64) as usize;
        pieces.rotate_left(first);
    }
    pieces
}

/// Where `shard` is asked for all that it has: at one of its slots.
fn place_of(shard: &Shard) -> Option<Place> {
    shard.slots().iter().map(|range| *range.start()).min().map(Place::Slot)
}

fn whole(place: Place, shard: usize, frame: &[u8]) -> Piece {
    Piece { about: vec![shard], place, frame: frame.to_vec() }
}
