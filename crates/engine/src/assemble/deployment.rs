//! From `[redis]` or `[regional]` to a deployment.

use std::sync::Arc;

use super::{AssembleError, Ground, bytes, circuit};
use crate::node::{Credentials, Leads, NodeOptions, Reads};
use crate::settings::{self, NodeAddress, ThisProcess};
use crate::tls::ClientTls;
use crate::topology::{Deployment, Maker, Rank};

/// What a deployment was made from before.
#[derive(Clone, Copy)]
pub(super) struct Old<'b> {
    pub(super) redis: &'b settings::Redis,
    pub(super) breaker: &'b settings::Breaker,
    pub(super) deployment: &'b Arc<Deployment>,
}

/// The deployment of `redis`: with all that is known of it, if it is still spoken to as it was.
pub(super) fn deployment(
    redis: &settings::Redis,
    breaker: &settings::Breaker,
    rank: Rank,
    ground: &Ground,
    old: Option<Old<'_>>,
) -> Result<Arc<Deployment>, AssembleError> {
    if let Some(old) = old.filter(|old| old.redis == redis && old.breaker == breaker) {
        return Ok(old.deployment.clone());
    }
    let maker = Maker {
        template: node_options(redis, &redis.seeds()[0]),
        tls: tls(redis, old)?,
        circuit: circuit(breaker),
        clock: ground.clock,
        journal: (rank == Rank::First).then(|| ground.journal.clone()),
        workers: ground.workers,
    };
    let before = old.map(|old| old.deployment.view());
    Ok(Arc::new(Deployment::new(redis, rank, maker, before.as_deref(), ground.news.clone())))
}

/// What has been read is kept while it is made from the same files: whoever reads them again tells it so.
fn tls(redis: &settings::Redis, old: Option<Old<'_>>) -> Result<Option<Arc<ClientTls>>, AssembleError> {
    let Some(files) = redis.tls() else { return Ok(None) };
    match old.and_then(|old| old.deployment.tls()).filter(|tls| tls.files() == files) {
        Some(tls) => Ok(Some(tls.clone())),
        None => Ok(Some(Arc::new(ClientTls::load(files.clone(), &ThisProcess)?))),
    }
}

fn node_options(redis: &settings::Redis, address: &NodeAddress) -> NodeOptions {
    NodeOptions {
        address: address.clone(),
        leads: Leads::Anywhere,
        tls: None,
        credentials: Credentials {
            username: redis.username().map(str::to_owned),
            password: redis.password().map(|password| password.expose().to_owned()),
        },
        database: redis.database(),
        reads: Reads::OfPrimary,
        connect_timeout: redis.connect_timeout(),
        timeout: redis.timeout(),
        connections: redis.connections(),
        max_pending: redis.max_pending(),
        max_dedicated: redis.max_dedicated(),
        max_connects: redis.max_connects(),
        max_value: bytes(redis.max_value()),
        probe_interval: redis.probe_interval(),
        probe_key: redis.probe_key().to_owned(),
    }
}
