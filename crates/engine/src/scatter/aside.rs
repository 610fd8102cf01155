//! Puts a question to a shard's primary on a connection that nobody else uses.
//!
//! What ends a script that keeps a node busy cannot be sent on the connection that the script has come on: it would not
//! be read. Nor is the circuit asked, for it is the script that has opened it.

use failsoft_core::outcome::{Failure, Silence};
use failsoft_core::request::{Apology, Ending, RETRY_AFTER_DEFAULT};
use failsoft_core::{Outcome, Tier};
use failsoft_resp::Protocol;
use tokio::io::Interest;
use tokio::time::timeout;

use crate::apology::{Code, apologise};
use crate::context::Context;
use crate::node::{Dedicated, Leave, Speaker};
use crate::topology::Place;

/// Asks the primary at `place`; how it ended, and the reply.
pub(super) async fn ask(context: &Context, place: Place, frame: &[u8], protocol: Protocol) -> (Ending, Vec<u8>) {
    let Some(node) = context.views.redis.primary(place) else {
        return sorry(Outcome::Failed(Failure::Unowned));
    };
    let Ok(mut line) = node.dedicate(context.worker, protocol, Speaker::Failsoft, Leave::Regardless).await else {
        return sorry(Outcome::Failed(Failure::Disconnected));
    };
    match timeout(node.options().timeout, exchange(&mut line, frame)).await {
        Ok(Ok(reply)) => {
            line.release();
            (Ending::Value(Tier::Primary), reply)
        }
        Ok(Err(silence)) => sorry(Outcome::Silent(silence)),
        Err(_) => sorry(Outcome::Silent(Silence::Timeout)),
    }
}

async fn exchange(line: &mut Dedicated, frame: &[u8]) -> Result<Vec<u8>, Silence> {
    line.send(frame);
    loop {
        line.flush()?;
        if line.ready(Interest::READABLE).await?.is_readable() {
            line.receive()?;
        }
        if let Some(reply) = line.next_reply()? {
            return Ok(reply.to_vec());
        }
    }
}

fn sorry(because: Outcome) -> (Ending, Vec<u8>) {
    let apology = Apology { tier: Tier::Primary, because, retry_after: RETRY_AFTER_DEFAULT };
    let mut reply = Vec::new();
    apologise(Code::Unavailable, apology, &mut reply);
    (Ending::Unavailable(apology), reply)
}
