//! The trie behind the route table: grown pattern by pattern, then laid flat for reading.
//!
//! Flat means one array of nodes whose children stand side by side, with runs of single-child nodes folded into one
//! label. A key is then read with one comparison a label and one search among first bytes, in memory that is close
//! together.

use crate::pattern::{KeyPattern, ParameterKind};
use std::collections::BTreeMap;

/// A read-only trie of patterns, known by their place in the list.
#[derive(Clone, Debug)]
pub(super) struct Trie {
    nodes: Vec<Node>,
    labels: Vec<u8>,
    /// The byte that leads to each node, in step with `nodes`, so that a search among siblings reads bytes only.
    first_bytes: Vec<u8>,
    candidates: Vec<u32>,
}

#[derive(Clone, Debug)]
struct Node {
    label: Span,
    children: Span,
    candidates: Span,
    /// Where a parameter that ends at the next `:` leads; [`NONE`] where none does.
    past_parameter: u32,
    /// The earliest route here and below.
    earliest: u32,
}

/// A stretch of one of the arrays: half the size of a `Range<usize>`, so that a node fits a cache line.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    end: u32,
}

const NONE: u32 = u32::MAX;

impl Trie {
    pub(super) fn new<'p>(patterns: impl Iterator<Item = &'p KeyPattern>) -> Self {
        let mut root = Growing::default();
        for (index, pattern) in patterns.enumerate() {
            root.insert(pattern, index_u32(index));
        }
        let mut trie = Self { nodes: Vec::new(), labels: Vec::new(), first_bytes: Vec::new(), candidates: Vec::new() };
        let place = trie.reserve(1).start;
        trie.lay(place, root);
        trie
    }

    /// The earliest pattern on the way of `key` that `takes` says yes to.
    pub(super) fn first(&self, key: &[u8], mut takes: impl FnMut(usize) -> bool) -> Option<usize> {
        let mut best = NONE;
        self.descend(0, key, &mut best, &mut takes);
        (best != NONE).then_some(best as usize)
    }

    fn descend(&self, start: u32, mut rest: &[u8], best: &mut u32, takes: &mut impl FnMut(usize) -> bool) {
        let mut place = Some(start);
        while let Some(node) = place.map(|place| &self.nodes[place as usize]).filter(|node| node.earliest < *best) {
            let label = node.label.of(&self.labels);
            if !label.is_empty() && !rest.starts_with(label) {
                return;
            }
            rest = &rest[label.len()..];
            self.ask_candidates(node, best, takes);
            self.step_past_parameter(node, rest, best, takes);
            let Some((first, after)) = rest.split_first() else { return };
            place = self.child(node, *first);
            rest = after;
        }
    }

    fn ask_candidates(&self, node: &Node, best: &mut u32, takes: &mut impl FnMut(usize) -> bool) {
        for index in node.candidates.of(&self.candidates).iter().copied().take_while(|index| *index < *best) {
            if takes(index as usize) {
                *best = index;
                return;
            }
        }
    }

    fn step_past_parameter(&self, node: &Node, rest: &[u8], best: &mut u32, takes: &mut impl FnMut(usize) -> bool) {
        if node.past_parameter == NONE {
            return;
        }
        if let Some(len @ 1..) = rest.iter().position(|byte| *byte == b':') {
            self.descend(node.past_parameter, &rest[len..], best, takes);
        }
    }

    fn child(&self, node: &Node, first: u8) -> Option<u32> {
        let offset = node.children.of(&self.first_bytes).iter().position(|byte| *byte == first)?;
        Some(node.children.start + index_u32(offset))
    }

    fn reserve(&mut self, count: usize) -> Span {
        let start = self.nodes.len();
        let blank = Node {
            label: Span::default(),
            children: Span::default(),
            candidates: Span::default(),
            past_parameter: NONE,
            earliest: NONE,
        };
        self.nodes.resize(start + count, blank);
        self.first_bytes.resize(start + count, 0);
        Span::new(start, start + count)
    }

    /// Lays `growing` at `place`; gives the earliest route here and below.
    fn lay(&mut self, place: u32, growing: Growing) -> u32 {
        let (growing, label) = growing.fold();
        let children = self.reserve(growing.children.len());
        let past_parameter = growing.past_parameter.map(|past| (self.reserve(1).start, past));
        let mut earliest = growing.candidates.first().copied().unwrap_or(NONE);
        let label = append(&mut self.labels, label);
        let candidates = append(&mut self.candidates, growing.candidates);
        for (child_place, (byte, child)) in (children.start..).zip(growing.children) {
            self.first_bytes[child_place as usize] = byte;
            earliest = earliest.min(self.lay(child_place, child));
        }
        let past_place = past_parameter.map_or(NONE, |(past_place, past)| {
            earliest = earliest.min(self.lay(past_place, *past));
            past_place
        });
        self.nodes[place as usize] = Node { label, children, candidates, past_parameter: past_place, earliest };
        earliest
    }
}

impl Span {
    fn new(start: usize, end: usize) -> Self {
        Self { start: index_u32(start), end: index_u32(end) }
    }

    fn of<T>(self, all: &[T]) -> &[T] {
        &all[self.start as usize..self.end as usize]
    }
}

fn index_u32(index: usize) -> u32 {
    u32::try_from(index).expect("patterns are at most 512 bytes, so four thousand million steps are a million routes")
}

fn append<T>(all: &mut Vec<T>, more: Vec<T>) -> Span {
    let start = all.len();
    all.extend(more);
    Span::new(start, all.len())
}

/// A node while patterns are still being added: one byte a step.
#[derive(Default)]
struct Growing {
    children: BTreeMap<u8, Growing>,
    past_parameter: Option<Box<Growing>>,
    candidates: Vec<u32>,
}

impl Growing {
    fn insert(&mut self, pattern: &KeyPattern, index: u32) {
        let mut node = self.literal(pattern.prefix());
        for parameter in pattern.parameters() {
            if parameter.kind() == ParameterKind::Path || parameter.until().first() != Some(&b':') {
                break;
            }
            node = node.past_parameter.get_or_insert_default().literal(parameter.until());
        }
        node.candidates.push(index);
    }

    fn literal(&mut self, bytes: &[u8]) -> &mut Self {
        bytes.iter().fold(self, |node, byte| node.children.entry(*byte).or_default())
    }

    /// The first node that leaves a choice, and the steps to it.
    fn fold(mut self) -> (Self, Vec<u8>) {
        let mut label = Vec::new();
        while self.candidates.is_empty() && self.past_parameter.is_none() && self.children.len() == 1 {
            let Some((byte, only)) = self.children.pop_first() else { break };
            label.push(byte);
            self = only;
        }
        (self, label)
    }
}
