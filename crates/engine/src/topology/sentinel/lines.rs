//! Connections that are kept from one look to the next.
//!
//! During a failover there are ten looks a second, and every sidecar looks; connecting anew each time would be a storm of its
//! own. A connection that was lost meanwhile is made anew at once, one on which an answer is missing is dropped.

use std::collections::HashMap;

use failsoft_core::outcome::Silence;
use failsoft_core::sentinel::SentinelWitness;
use failsoft_resp::Protocol;

use super::{Role, Unheard, interview, role};
use crate::node::{NodeOptions, handshake};
use crate::settings::NodeAddress;
use crate::wire::Wire;

/// Connections on which nothing is outstanding; as many as there are sentinels and primaries asked in one look.
#[derive(Debug, Default)]
pub struct Lines(HashMap<NodeAddress, Wire>);

impl Lines {
    pub(super) fn take(&mut self, address: &NodeAddress) -> Option<Wire> {
        self.0.remove(address)
    }

    pub(super) fn keep(&mut self, address: NodeAddress, wire: Wire) {
        self.0.insert(address, wire);
    }

    /// Closes what leads to nobody of these.
    pub(super) fn keep_only(&mut self, wanted: &[&NodeAddress]) {
        self.0.retain(|address, _| wanted.contains(&address));
    }

    /// Asks a node what it is.
    pub(super) async fn role(&mut self, options: &NodeOptions) -> Result<Role, Unheard> {
        let (role, wire) = role_over(options, self.take(&options.address)).await?;
        self.keep(options.address.clone(), wire);
        Ok(role)
    }
}

/// Asks a sentinel on the connection that is there; anew if that one has gone meanwhile.
pub(super) async fn witness_over(
    options: &NodeOptions,
    master_name: &str,
    wire: Option<Wire>,
) -> Result<(SentinelWitness, Wire), Unheard> {
    if let Some(mut wire) = wire {
        match interview::question(&mut wire, &options.address, master_name, options.timeout).await {
            Err(Unheard::Silent(Silence::ConnectionLost)) => {}
            answer => return answer.map(|witness| (witness, wire)),
        }
    }
    let mut wire = connect(options).await?;
    let witness = interview::question(&mut wire, &options.address, master_name, options.timeout).await?;
    Ok((witness, wire))
}

async fn role_over(options: &NodeOptions, wire: Option<Wire>) -> Result<(Role, Wire), Unheard> {
    if let Some(mut wire) = wire {
        match role::question(&mut wire, options.timeout).await {
            Err(Unheard::Silent(Silence::ConnectionLost)) => {}
            answer => return answer.map(|role| (role, wire)),
        }
    }
    let mut wire = connect(options).await?;
    let role = role::question(&mut wire, options.timeout).await?;
    Ok((role, wire))
}

async fn connect(options: &NodeOptions) -> Result<Wire, Unheard> {
    handshake::connect(options, Protocol::Resp2).await.map_err(Unheard::Failed)
}
