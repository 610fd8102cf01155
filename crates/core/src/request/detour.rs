//! What a request has had to do with the map of the deployment, in one byte: how often it was sent elsewhere, and whether
//! the map was learned anew for its sake.

/// A request's detours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Detour(u8);

/// The map has been learned anew.
const LEARNED: u8 = 1 << 7;
/// It was sent somewhere that is not gone to.
const ASTRAY: u8 = 1 << 6;
const HOPS: u8 = ASTRAY - 1;

impl Detour {
    /// Redirections that have been followed, or have led back.
    pub(super) fn hops(self) -> u8 {
        self.0 & HOPS
    }

    /// Whether the map has been learned anew.
    pub(super) fn has_learned(self) -> bool {
        self.0 & LEARNED != 0
    }

    /// Whether there is a map, and the request has been sent elsewhere: what sent it there is no answer to its caller.
    pub(super) fn is_begun(self) -> bool {
        self.0 != 0
    }

    pub(super) fn handle_hop(&mut self) {
        debug_assert!(self.hops() < HOPS, "the bound on hops is far below");
        self.0 += 1;
    }

    pub(super) fn handle_learned(&mut self) {
        self.0 |= LEARNED;
    }

    pub(super) fn handle_astray(&mut self) {
        self.0 |= ASTRAY;
    }
}
