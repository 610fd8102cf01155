//! A name that whoever asks for a lease gives it before it is granted: the token is made where the answer comes from, so
//! without one, a grant whose answer was lost could be neither recognised nor undone by anybody.

use std::fmt;

use super::refusal::Refusal;
use crate::clock::dice;

/// Bytes that a nonce may have.
pub(super) const LONGEST_NONCE: usize = 64;

/// A name for one grant.
#[derive(Clone, PartialEq, Eq)]
pub struct Nonce {
    bytes: Box<[u8]>,
    whose: Whose,
}

/// Who will ask with a nonce again, if the answer is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// Nobody: a grant that nobody has heard of is taken back.
    Ours,
    /// The caller: asked again with it, the same grant is told.
    Callers,
}

impl Nonce {
    /// One that nobody else has.
    pub fn random() -> Self {
        let bytes = format!("{:016x}{:016x}", dice(), dice()).into_bytes().into();
        Self { bytes, whose: Whose::Ours }
    }

    /// The caller's own, with which it will ask again where it has not heard what came of it.
    ///
    /// # Errors
    /// It is empty, or longer than 64 bytes.
    pub fn of_caller(bytes: &[u8]) -> Result<Self, Refusal> {
        match bytes.len() {
            1..=LONGEST_NONCE => Ok(Self { bytes: bytes.into(), whose: Whose::Callers }),
            len => Err(Refusal::error(format!("a nonce has 1 to {LONGEST_NONCE} bytes; this one has {len}"))),
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn whose(&self) -> Whose {
        self.whose
    }
}

impl fmt::Debug for Nonce {
    /// Not what it is: a caller may have put anything into it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nonce({:?}, {} bytes)", self.whose, self.bytes.len())
    }
}
