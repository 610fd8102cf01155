//! Who may come in, and what they may do: `server.auth`, `[[users]]` and `server.deny_commands` as one value.
//!
//! The rules travel with the world of their settings, so that a client is never judged by the users of one version and
//! the list of another. They say what is allowed; the sidecar is who asks.

mod deny;
mod user;

use super::judge::Judge;
use crate::settings::Topology;
pub use deny::DenyList;
pub(crate) use deny::Reach;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
pub(crate) use user::WrittenUser;
pub use user::{Commands, Keys, User};

/// Whom clients have to convince of who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Auth {
    /// Nobody: whoever reaches failsoft may use it. What AUTH says is between the client and Redis.
    #[default]
    Open,
    /// failsoft, by its own list: `[[users]]`.
    Users,
    /// Redis, by its own ACL: every client's commands run as the user it is there.
    Redis,
}

/// Who may come in, and what they may do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    auth: Auth,
    users: Vec<Arc<User>>,
    deny: DenyList,
}

impl Rules {
    pub(crate) fn mean(auth: Auth, users: &[WrittenUser], deny: DenyList, judge: &mut Judge<'_>) -> Option<Self> {
        judge_presence(auth, users, judge);
        judge_names(users, judge);
        let users: Vec<_> = (users.iter().enumerate())
            .map(|(index, user)| User::mean(user, &format!("users[{index}]"), judge).map(Arc::new))
            .collect();
        Some(Self { auth, users: users.into_iter().collect::<Option<_>>()?, deny })
    }

    /// Whom clients have to convince.
    pub fn auth(&self) -> Auth {
        self.auth
    }

    /// The user of that name who may log in.
    pub fn user(&self, name: &[u8]) -> Option<&Arc<User>> {
        self.users.iter().find(|user| user.is_enabled() && user.name().as_bytes() == name)
    }

    /// What nobody may run.
    pub fn deny(&self) -> &DenyList {
        &self.deny
    }
}

/// A user of Redis' own is one on a connection of its own, and before a cluster that would be one to every shard.
pub(super) fn judge_topology(auth: Auth, topology: Topology, judge: &mut Judge<'_>) {
    match (auth, topology) {
        (Auth::Redis, Topology::Cluster) => {
            judge
                .error("server.auth", "clients cannot be users of Redis' own with topology \"cluster\" in this version")
                .hint("auth = \"users\" lets them convince failsoft, which reaches every shard as its own user");
        }
        (Auth::Open | Auth::Users | Auth::Redis, Topology::Standalone | Topology::Sentinel | Topology::Cluster) => {}
    }
}

fn judge_presence(auth: Auth, users: &[WrittenUser], judge: &mut Judge<'_>) {
    match auth {
        Auth::Users if !users.iter().any(|user| user.enabled) => {
            judge
                .error("server.auth", "with auth = \"users\" nobody could come in: there is no user that is enabled")
                .hint("add one: [[users]] with name = \"default\" and password_sha256 = [\"...\"]");
        }
        Auth::Open | Auth::Redis if !users.is_empty() => {
            judge
                .warning("users[0]", "nobody is asked whether they are this user: server.auth is not \"users\"")
                .hint("set server.auth = \"users\", or leave the users out");
        }
        Auth::Open | Auth::Users | Auth::Redis => {}
    }
}

fn judge_names(users: &[WrittenUser], judge: &mut Judge<'_>) {
    for (index, user) in users.iter().enumerate() {
        if let Some(earlier) = users[..index].iter().position(|earlier| earlier.name == user.name) {
            judge.error(format!("users[{index}].name"), format!("users[{earlier}] has the same name"));
        }
    }
}
