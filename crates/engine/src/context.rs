//! Where a request is carried out: in which world, by which views, on whose connections, by which clock.

use std::sync::Arc;

use failsoft_core::Time;

use crate::clock::Clock;
use crate::node::Lane;
use crate::topology::Views;
use crate::world::World;

/// Where a job runs.
#[derive(Clone)]
pub struct Context {
    /// What is known from settings.
    pub world: Arc<World>,
    /// What is known of the deployments.
    pub views: Views,
    /// Whose connections are used.
    pub worker: usize,
    /// Among whose questions its own keep their turn.
    pub lane: Lane,
    /// What time it is.
    pub clock: Clock,
}

impl Context {
    /// The present moment.
    pub fn now(&self) -> Time {
        self.clock.now()
    }
}
