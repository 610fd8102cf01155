//! What is true of a Redis Cluster: which node owns which slot, and whether that may be believed.
//!
//! Every node of a cluster has a map, and after a failover or in a split they differ; a client that takes the first map
//! it gets sends writes to a primary that has been replaced. So a map here is a verdict: nodes are asked as
//! [`Witness`]es, [`believe`] weighs what they say, and a [`Layout`] comes out or a reason why not. Nothing here asks
//! anybody: texts and earlier verdicts go in. Whatever the texts say, nothing panics, and what is kept is bounded by
//! [`MAX_MEMBERS`] nodes and [`Slot::COUNT`] slots a witness.
//!
//! Source: the Redis cluster specification (redis.io, "Redis cluster specification") and `src/cluster.c` of Redis 6.2,
//! 7.0 and Valkey 8.0 (there `src/cluster_legacy.c`).

mod endpoint;
mod info;
mod layout;
mod node_id;
pub mod ranges;
mod redirect;
mod sighting;
mod slot;
mod unreadable;
mod verdict;
mod witness;

pub use endpoint::Endpoint;
pub use info::{ClusterInfo, ClusterState};
pub use layout::{Layout, MemberLayout, ShardLayout, Standing};
pub use node_id::NodeId;
pub use redirect::{Redirect, RedirectKind};
pub use sighting::{Condition, MAX_MEMBERS, Role, Sighting};
pub use slot::Slot;
pub use unreadable::{Part, Unreadable};
pub use verdict::{Disbelief, believe, mark};
pub use witness::Witness;
