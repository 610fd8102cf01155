//! A cluster as it is watched: whom to ask, and what becomes of what they say.
//!
//! Asked are the nodes that were named and those that are believed to be there, on connections that are kept. One that has
//! not answered is left alone for a while, so that a look is not as slow as the slowest node. A node that is said to have
//! been promoted is asked itself before it is believed.

use std::collections::HashMap;
use std::time::Duration;

use failsoft_core::Time;
use failsoft_core::cluster::{Layout, MemberLayout, ShardLayout, Standing, Witness, believe, mark};
use failsoft_core::outcome::Silence;
use failsoft_resp::Protocol;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{Unheard, pulse, question};
use crate::clock::dice;
use crate::node::{Leads, NodeOptions, Reads, handshake};
use crate::settings::NodeAddress;
use crate::topology::address::{Addresses, Destination};
use crate::topology::deployment::Deployment;
use crate::topology::seen::{Seen, SeenShard};
use crate::topology::watch::{Blind, each};
use crate::wire::Wire;

/// Nodes that are asked in one look.
const MOST_WITNESSES: usize = 12;
/// For how long a node is left alone that has not answered.
const LEFT_ALONE: Duration = Duration::from_secs(1);

/// A cluster as it is watched.
pub(in crate::topology) struct Cluster {
    seeds: Vec<NodeAddress>,
    layout: Option<Layout>,
    lines: HashMap<NodeAddress, Line>,
    /// The latest epoch that anybody has told of.
    epoch: u64,
    /// How long a node has to answer.
    timeout: Duration,
    is_uneasy: bool,
}

/// What is kept of a node that is asked.
enum Line {
    /// A connection on which nothing is outstanding.
    Open(Wire),
    /// It has not answered.
    Dead { since: Time },
}

impl Cluster {
    pub(in crate::topology) fn of(deployment: &Deployment) -> Self {
        let settings = deployment.settings();
        Self {
            seeds: settings.seeds().to_vec(),
            layout: None,
            lines: HashMap::new(),
            epoch: 0,
            timeout: settings.timeout(),
            is_uneasy: false,
        }
    }

    /// Looks once.
    ///
    /// # Errors
    /// Why nothing new is believed.
    pub(in crate::topology) async fn look(&mut self, deployment: &Deployment) -> Result<Seen, Blind> {
        let addresses = deployment.addresses();
        let targets = self.targets(addresses);
        let mut heard = Heard::default();
        self.ask(deployment, targets, &mut heard).await;
        let mut believed = believe(&heard.witnesses, self.layout.as_ref());
        if let Ok(layout) = &believed {
            let unproven = unproven(layout).filter(|member| !heard.has_heard(member));
            let unproven: Vec<_> = unproven.filter_map(|member| reach(addresses, member)).collect();
            if !unproven.is_empty() {
                self.ask(deployment, unproven, &mut heard).await;
                believed = believe(&heard.witnesses, self.layout.as_ref());
            }
        }
        let Ok(layout) = &believed else {
            return Err(self.blind(addresses, &heard, believed.err().map(|disbelief| disbelief.to_string())));
        };
        let seen = seen(layout, addresses);
        let off_limits = layout.members().find_map(|member| addresses.destination(&member.endpoint).err());
        deployment.handle_off_limits(off_limits);
        self.forget_departed(layout, addresses);
        self.layout = believed.ok();
        Ok(seen)
    }

    /// Returns when a node says that not all is well, or does not answer; the nodes are asked from time to time.
    pub(in crate::topology) async fn stirred(&mut self) {
        loop {
            sleep(if self.is_uneasy { pulse::UNEASY } else { pulse::CALM }).await;
            self.is_uneasy = !self.is_calm().await;
            if self.is_uneasy {
                return;
            }
        }
    }

    async fn is_calm(&mut self) -> bool {
        for address in self.drawn() {
            let Some(Line::Open(mut wire)) = self.lines.remove(&address) else { continue };
            let answer = pulse::is_calm(&mut wire, self.epoch, self.timeout).await;
            if answer.is_some() {
                self.lines.insert(address, Line::Open(wire));
            }
            if answer != Some(true) {
                return false;
            }
        }
        true
    }

    /// A few of those there is a connection to.
    fn drawn(&self) -> Vec<NodeAddress> {
        let open = self.lines.iter().filter(|(_, line)| matches!(line, Line::Open(_)));
        let mut open: Vec<_> = open.map(|(address, _)| address.clone()).collect();
        while open.len() > pulse::ASKED {
            open.swap_remove(dice() as usize % open.len());
        }
        open
    }

    /// Nothing new is believed. What has been said about itself by a node that is cut off is kept until there is.
    fn blind(&mut self, addresses: &Addresses, heard: &Heard, disbelief: Option<String>) -> Blind {
        self.layout = self.layout.as_ref().map(|layout| mark(layout, &heard.witnesses));
        let still = self.layout.as_ref().map(|layout| seen(layout, addresses));
        let (reason, why) = match disbelief.filter(|_| !heard.witnesses.is_empty()) {
            Some(why) => ("disbelieved", why),
            None => ("unheard", "no node of the cluster answers".to_owned()),
        };
        Blind { reason, why, unheard: each(&heard.unheard), still }
    }

    /// Whom to ask: those that are named, then those that are believed to be there; not more than a few.
    fn targets(&self, addresses: &Addresses) -> Vec<Destination> {
        let members = self.layout.iter().flat_map(|layout| layout.members());
        let mut known: Vec<_> = members.filter_map(|member| reach(addresses, member)).collect();
        if known.len() > MOST_WITNESSES {
            // Each look hears others, so that no part of a large cluster is believed for ever.
            let start = dice() as usize % known.len();
            known.rotate_left(start);
        }
        let seeds = self.seeds.iter().map(|seed| Destination { address: seed.clone(), leads: Leads::Anywhere });
        let mut targets: Vec<Destination> = Vec::new();
        for node in known.into_iter().chain(seeds) {
            if targets.len() < MOST_WITNESSES && targets.iter().all(|other| other.address != node.address) {
                targets.push(node);
            }
        }
        targets
    }

    async fn ask(&mut self, deployment: &Deployment, targets: Vec<Destination>, heard: &mut Heard) {
        let now = deployment.now();
        let mut asking = JoinSet::new();
        for Destination { address, leads } in targets {
            let wire = match self.lines.remove(&address) {
                Some(Line::Open(wire)) => Some(wire),
                Some(Line::Dead { since }) if now.since(since) < LEFT_ALONE && !self.seeds_alone() => {
                    self.lines.insert(address, Line::Dead { since });
                    continue;
                }
                Some(Line::Dead { .. }) | None => None,
            };
            let options = deployment.options(&address, Reads::OfPrimary, leads);
            asking.spawn(async move { (address, interview(&options, wire).await) });
        }
        while let Some(answered) = asking.join_next().await {
            let Ok((address, answer)) = answered else { continue };
            match answer {
                Ok((witness, wire)) => {
                    self.epoch = self.epoch.max(witness.current_epoch);
                    self.lines.insert(address, Line::Open(wire));
                    heard.witnesses.push(witness);
                }
                Err(unheard) => {
                    self.lines.insert(address.clone(), Line::Dead { since: now });
                    heard.unheard.push((address, unheard));
                }
            }
        }
    }

    /// Whether nothing is known but whom the settings name: then there is nobody else to ask meanwhile.
    fn seeds_alone(&self) -> bool {
        self.layout.is_none()
    }

    fn forget_departed(&mut self, layout: &Layout, addresses: &Addresses) {
        let known: Vec<_> = layout.members().filter_map(|member| reach(addresses, member)).collect();
        let seeds = &self.seeds;
        self.lines.retain(|address, _| seeds.contains(address) || known.iter().any(|node| node.address == *address));
    }
}

/// What came of asking.
#[derive(Default)]
struct Heard {
    witnesses: Vec<Witness>,
    unheard: Vec<(NodeAddress, Unheard)>,
}

impl Heard {
    fn has_heard(&self, member: &MemberLayout) -> bool {
        self.witnesses.iter().any(|witness| witness.itself().is_some_and(|itself| itself.id == member.id))
    }
}

/// Asks on the connection that is there; anew if that one has gone meanwhile.
async fn interview(options: &NodeOptions, wire: Option<Wire>) -> Result<(Witness, Wire), Unheard> {
    if let Some(mut wire) = wire {
        match question(&mut wire, &options.address, options.timeout).await {
            Ok(witness) => return Ok((witness, wire)),
            Err(Unheard::Silent(Silence::ConnectionLost)) => {}
            Err(unheard) => return Err(unheard),
        }
    }
    let mut wire = handshake::connect(options, Protocol::Resp2).await.map_err(Unheard::Failed)?;
    let witness = question(&mut wire, &options.address, options.timeout).await?;
    Ok((witness, wire))
}

fn unproven(layout: &Layout) -> impl Iterator<Item = &MemberLayout> {
    let primaries = layout.shards.iter().filter_map(|shard| shard.primary.as_ref());
    primaries.filter(|primary| primary.standing == Standing::Unproven)
}

/// Nodes that may not be spoken to are none, whatever they own.
fn reach(addresses: &Addresses, member: &MemberLayout) -> Option<Destination> {
    addresses.destination(&member.endpoint).ok()
}

fn seen(layout: &Layout, addresses: &Addresses) -> Seen {
    let shard = |shard: &ShardLayout| SeenShard {
        primary: shard.primary.as_ref().and_then(|member| Some((reach(addresses, member)?, member.standing))),
        replicas: usable(&shard.replicas).filter_map(|member| reach(addresses, member)).collect(),
        slots: shard.slots.clone(),
    };
    let spare = layout.spare.iter().filter_map(|member| reach(addresses, member));
    Seen { shards: layout.shards.iter().map(shard).collect(), spare: spare.collect() }
}

/// Replicas that the majority calls dead would only be waited for.
fn usable(replicas: &[MemberLayout]) -> impl Iterator<Item = &MemberLayout> {
    replicas.iter().filter(|replica| replica.standing != Standing::Failed)
}
