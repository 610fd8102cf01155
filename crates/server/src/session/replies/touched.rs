//! What a command changes, as far as copies of it are concerned.

use failsoft::world::World;

/// Of which keys a command makes copies void, beyond what is done when it is sent.
pub(crate) enum Touched {
    /// Of none.
    Nothing,
    /// Of these.
    Keys(Vec<Box<[u8]>>),
    /// Of all.
    Everything,
}

impl Touched {
    /// These as well. There is a bound on keys that are remembered by name; beyond it all are meant.
    pub(crate) fn add(&mut self, more: &Self) {
        const MOST_NAMED: usize = 1_024;
        match (&mut *self, more) {
            (_, Self::Nothing) | (Self::Everything, _) => {}
            (Self::Keys(keys), Self::Keys(more)) if keys.len() + more.len() <= MOST_NAMED => {
                keys.extend_from_slice(more);
            }
            (Self::Nothing, Self::Keys(more)) if more.len() <= MOST_NAMED => *self = Self::Keys(more.clone()),
            (Self::Nothing | Self::Keys(_), Self::Keys(_) | Self::Everything) => *self = Self::Everything,
        }
    }

    /// Voids the copies.
    pub(crate) fn invalidate(&self, world: &World) {
        match self {
            Self::Nothing => {}
            Self::Keys(keys) => keys.iter().for_each(|key| world.invalidate(key)),
            Self::Everything => world.invalidate_all(),
        }
    }
}
