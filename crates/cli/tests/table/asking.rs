//! One client of one cell: asks its commands, hears what comes, and asks who said so.

use std::net::SocketAddr;

use failsoft_testkit::hostile::HostileClient;
use tokio::time::timeout;

use super::{Class, Reply, Role};
use crate::common::PATIENCE;

/// A connection that has asked nothing yet.
pub struct Asker {
    client: HostileClient,
    role: Role,
    class: Class,
}

/// What it was told.
pub struct Asked {
    pub role: Role,
    pub class: Class,
    pub reply: Reply,
    /// The tier of the last answer; none if nobody answered, or nobody could be asked.
    pub tier: Option<String>,
}

impl Asker {
    /// One for each cell that there is.
    pub async fn for_all(addr: SocketAddr) -> Vec<Self> {
        let mut askers = Vec::new();
        for role in Role::ALL {
            for class in Class::ALL.into_iter().filter(|class| class.is_asked_of(role)) {
                askers.push(Self { client: HostileClient::connect(addr).await, role, class });
            }
        }
        askers
    }

    /// Asks the cell's commands, and the sidecar who answered.
    pub async fn ask(mut self) -> Asked {
        let reply = self.converse().await;
        let tier = match reply {
            Reply::Closed | Reply::Nothing => None,
            _ => tier_of(self.tell(&["FAILSOFT", "LAST"]).await),
        };
        Asked { role: self.role, class: self.class, reply, tier }
    }

    /// Asks the cell's commands of a Redis.
    pub async fn ask_redis(mut self) -> Asked {
        let reply = self.converse().await;
        Asked { role: self.role, class: self.class, reply, tier: None }
    }

    /// The last reply; of a transaction that was aborted, why it was.
    async fn converse(&mut self) -> Reply {
        let mut replies = Vec::new();
        for command in self.class.commands(self.role) {
            let words: Vec<&str> = command.iter().map(String::as_str).collect();
            replies.push(self.tell(&words).await);
        }
        let why = replies.iter().position(|reply| matches!(reply, Reply::Error { .. }));
        replies.swap_remove(why.unwrap_or(replies.len() - 1))
    }

    async fn tell(&mut self, words: &[&str]) -> Reply {
        if self.client.send_command(words).await.is_err() {
            return Reply::Closed;
        }
        match timeout(PATIENCE, self.client.next_reply(2 * PATIENCE)).await {
            Ok(Some(bytes)) => Reply::read(&String::from_utf8_lossy(&bytes)),
            Ok(None) => Reply::Closed,
            Err(_) => Reply::Nothing,
        }
    }
}

/// The second element of what LAST says, unless that is nil.
fn tier_of(last: Reply) -> Option<String> {
    match last {
        Reply::List(parts) => match parts.into_iter().nth(1) {
            Some(Reply::Text(tier)) => Some(tier),
            _ => None,
        },
        _ => None,
    }
}
