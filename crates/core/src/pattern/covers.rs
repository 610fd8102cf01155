//! Whether one pattern surely takes every key of another, for the warning about routes that can never be reached.
//!
//! Both patterns are laid out as atoms and read side by side: the earlier pattern reads the later one as if it were a
//! key in which some stretches are not known. Where what is unknown could make a difference, the answer is no.

use super::{KeyPattern, Parameter, ParameterKind, Tail, canonical_int};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Atom<'p> {
    Byte(u8),
    Parameter(&'p Parameter),
    AnyRest,
}

pub(super) fn covers(pattern: &KeyPattern, other: &KeyPattern) -> bool {
    let shared = pattern.prefix.len().min(other.prefix.len());
    if pattern.prefix[..shared] != other.prefix[..shared] {
        return false;
    }
    match (&*other.parameters, other.tail) {
        ([], Tail::End) => pattern.matches(&other.prefix),
        _ => reads(&atoms(pattern), &atoms(other)),
    }
}

fn atoms(pattern: &KeyPattern) -> Vec<Atom<'_>> {
    let mut atoms: Vec<_> = pattern.prefix.iter().copied().map(Atom::Byte).collect();
    for parameter in &pattern.parameters {
        atoms.push(Atom::Parameter(parameter));
        atoms.extend(parameter.until.iter().copied().map(Atom::Byte));
    }
    if pattern.tail == Tail::AnyRest {
        atoms.push(Atom::AnyRest);
    }
    atoms
}

fn reads(mut pattern: &[Atom<'_>], mut other: &[Atom<'_>]) -> bool {
    while let Some((first, rest)) = pattern.split_first() {
        let taken = match first {
            Atom::AnyRest => return true,
            Atom::Byte(_) => usize::from(other.first() == Some(first)),
            Atom::Parameter(parameter) => reach(parameter, other),
        };
        if taken == 0 {
            return false;
        }
        (pattern, other) = (rest, &other[taken..]);
    }
    other.is_empty()
}

/// How many atoms of `other` the parameter surely takes, neither more nor fewer; none when that is not sure.
fn reach(parameter: &Parameter, other: &[Atom<'_>]) -> usize {
    if let Some(Atom::Parameter(theirs)) = other.first()
        && theirs.until == parameter.until
    {
        return usize::from(takes_all_of(parameter.kind, theirs.kind));
    }
    let len = match parameter.until.first() {
        None => other.len(),
        Some(b':') => other.iter().position(|atom| *atom == Atom::Byte(b':')).unwrap_or(0),
        Some(_) => 0,
    };
    if takes_stretch(parameter, &other[..len]) { len } else { 0 }
}

fn takes_all_of(ours: ParameterKind, theirs: ParameterKind) -> bool {
    match ours {
        ParameterKind::Path => true,
        ParameterKind::Text => theirs != ParameterKind::Path,
        ParameterKind::Int => theirs == ParameterKind::Int,
    }
}

fn takes_stretch(parameter: &Parameter, stretch: &[Atom<'_>]) -> bool {
    match parameter.kind {
        ParameterKind::Text => !stretch.is_empty() && stretch.iter().all(|atom| is_free_of_colons(*atom)),
        ParameterKind::Path if parameter.until.is_empty() => stretch.iter().any(|atom| *atom != Atom::AnyRest),
        ParameterKind::Path => !stretch.is_empty() && stretch.iter().all(|atom| is_free_of_colons(*atom)),
        ParameterKind::Int => spells_int(stretch),
    }
}

fn is_free_of_colons(atom: Atom<'_>) -> bool {
    match atom {
        Atom::Byte(byte) => byte != b':',
        Atom::Parameter(parameter) => parameter.kind != ParameterKind::Path,
        Atom::AnyRest => false,
    }
}

fn spells_int(stretch: &[Atom<'_>]) -> bool {
    if let [Atom::Parameter(only)] = stretch {
        return only.kind == ParameterKind::Int;
    }
    let bytes: Option<Vec<u8>> = stretch
        .iter()
        .map(|atom| match atom {
            Atom::Byte(byte) => Some(*byte),
            Atom::Parameter(_) | Atom::AnyRest => None,
        })
        .collect();
    bytes.is_some_and(|bytes| canonical_int(&bytes).is_some())
}
