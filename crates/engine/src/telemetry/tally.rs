//! Requests that went as they should, counted a run at a time.
//!
//! What a client has pipelined is asked at one moment and answered at another: the requests differ in nothing that is
//! counted. A tally gathers them until one is different, or until whoever keeps it has to speak up.

use std::time::Duration;

use crate::world::{RouteId, World};

/// Requests of one route that the primary answered with a value, all after the same time.
#[derive(Debug)]
pub struct Tally {
    route: RouteId,
    took: Duration,
    count: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self { route: RouteId::PLAIN, took: Duration::ZERO, count: 0 }
    }
}

impl Tally {
    /// One more.
    pub fn add(&mut self, world: &World, route: RouteId, took: Duration) {
        if (route, took) != (self.route, self.took) {
            self.tell(world);
            (self.route, self.took) = (route, took);
        }
        self.count += 1;
    }

    /// Counts what has been gathered; `world` is the one it was gathered in.
    pub fn tell(&mut self, world: &World) {
        if self.count > 0 {
            world.route(self.route).stats.handle_values_of_primary(self.took, self.count);
            self.count = 0;
        }
    }
}
