//! Where in a deployment a request belongs.

use failsoft_core::cluster::Slot;

/// Where in a deployment a request belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Place {
    /// At any shard: the request names no key, or there is only one shard.
    #[default]
    Anywhere,
    /// At the shard that owns this slot.
    Slot(Slot),
}
