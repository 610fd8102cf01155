//! A short look at the deployment as it is now: whom a key belongs to is nowhere in the settings of a cluster.
//!
//! It is understood by the code that watches it while failsoft serves. Each node that the explanation names is connected to
//! and greeted, once; nothing is read or written. What cannot be found out is said on stderr and explained without.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use failsoft::Engine;
use failsoft::node::Node;
use failsoft::topology::{Deployment, NotSeen};
use failsoft_core::outcome::Failure;
use tokio::task::JoinSet;

/// How long the look may take. Every question in it has its own, shorter bound in the settings.
const LOOK_WITHIN: Duration = Duration::from_secs(5);
/// Nodes that are greeted at once.
const AT_ONCE: usize = 64;

/// What came of looking.
#[derive(Debug)]
pub(super) struct Looked {
    /// Whether anybody was asked.
    pub(super) asked: Asked,
    /// What has become of greeting each node.
    greeted: BTreeMap<Arc<str>, Result<(), Failure>>,
}

/// Whether nodes were asked how their deployment is.
#[derive(Debug)]
pub(super) enum Asked {
    /// No: everything is in the settings.
    Needless,
    /// No: it was not wanted.
    Offline,
    /// Yes, and it was understood.
    Understood,
    /// Yes, and it was not.
    InVain(NotSeen),
}

impl Looked {
    /// Nobody has been asked yet, and perhaps there is no need.
    pub(super) fn before_any(engine: &Engine) -> Self {
        let is_told = !engine.world().0.deployments().any(|deployment| deployment.is_discovered());
        Self { asked: if is_told { Asked::Needless } else { Asked::Offline }, greeted: BTreeMap::new() }
    }

    /// Looks at every deployment of which the settings do not say all.
    pub(super) async fn look(&mut self, engine: &Engine) {
        let (world, _) = engine.world();
        for deployment in world.deployments().filter(|deployment| deployment.is_discovered()) {
            eprintln!("looking at [{}]: {} ...", deployment.name(), whom(deployment));
            let seen = deployment.look_once(LOOK_WITHIN).await;
            if let Err(not_seen) = &seen {
                eprintln!("it could not be understood: {}", not_seen.why);
            }
            self.asked = match (std::mem::replace(&mut self.asked, Asked::Understood), seen) {
                (_, Err(not_seen)) | (Asked::InVain(not_seen), Ok(())) => Asked::InVain(not_seen),
                (Asked::Needless | Asked::Offline | Asked::Understood, Ok(())) => Asked::Understood,
            };
        }
    }

    /// Whether any node was asked anything.
    pub(super) fn has_asked(&self) -> bool {
        matches!(self.asked, Asked::Understood | Asked::InVain(_))
    }

    /// What greeting it has come to, if it was greeted.
    pub(super) fn greeting(&self, node: &Node) -> Option<Result<(), Failure>> {
        self.greeted.get(node.name()).copied()
    }

    /// Greets the nodes, some at a time.
    pub(super) async fn greet(&mut self, mut nodes: Vec<Arc<Node>>) {
        let mut greeting = JoinSet::new();
        while !nodes.is_empty() || !greeting.is_empty() {
            while greeting.len() < AT_ONCE
                && let Some(node) = nodes.pop()
            {
                greeting.spawn(async move { (node.name().clone(), node.greet().await) });
            }
            if let Some(Ok((name, greeted))) = greeting.join_next().await {
                self.greeted.insert(name, greeted);
            }
        }
    }
}

fn whom(deployment: &Deployment) -> String {
    let settings = deployment.settings();
    let seeds: Vec<String> = settings.seeds().iter().map(ToString::to_string).collect();
    format!("{} at {}", settings.topology(), seeds.join(", "))
}
