//! failsoft's own commands on a connection that is a client's alone.
//!
//! They have nothing to do with what the connection's state is about, and are answered as if there were none, unless that
//! state says that they cannot be: a transaction is Redis' to carry out; where messages may come at any time, an answer
//! in RESP2 could be taken for one; a key is a key of the database, and of the user, that failsoft's settings name, and
//! not of the one that this client has chosen.

use failsoft_resp::Protocol;
use failsoft_resp::commands::{Flags, KeySpec, Spec};
use failsoft_resp::encode;

use super::{Desk, Taken};
use crate::session::dedicated::ledger::Following;
use crate::session::dispatch::{Dispatcher, not_in_transaction};
use failsoft_core::Time;

impl Desk {
    /// Takes one of failsoft's own commands.
    pub(super) fn take_own(&mut self, spec: &Spec, dispatcher: &Dispatcher, out: &mut Vec<u8>, now: Time) -> Taken {
        if let Some(told) = self.refuse_own(spec) {
            self.turn_away(told, out, now);
            return Taken::Yes;
        }
        if self.ledger.len() > 0 {
            return Taken::Held;
        }
        if std::mem::take(&mut self.is_last) {
            dispatcher.note_last_of_own();
        }
        Taken::Elsewhere
    }

    /// The connection goes back, and what it has answered stays the client's last answer.
    pub(in crate::session::dedicated) fn tell_last(&self, dispatcher: &Dispatcher) {
        if self.is_last {
            dispatcher.note_last_of_own();
        }
    }

    /// What is said to a command that cannot be answered in the connection's present state.
    fn refuse_own(&self, spec: &Spec) -> Option<Vec<u8>> {
        let state = self.ledger.state();
        if self.ledger.is_queueing() {
            return Some(not_in_transaction(spec));
        }
        let name = spec.name.replace('|', " ").to_uppercase();
        let has_key = spec.keys != KeySpec::Fixed(&[]);
        let told = if state.subscriptions().any() && self.protocol == Protocol::Resp2 {
            format!(
                "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this \
                 context",
                spec.name
            )
        } else if self.ledger.following() != Following::Counted {
            format!("ERR the answer to {name} could not be told from the stream that this connection receives")
        } else if state.is_of_user() && (has_key || tells_of_keys(spec) || spec.flags.contains(Flags::ADMIN)) {
            format!("NOPERM {name} is done as failsoft's own user, and this connection is another's")
        } else if has_key && !state.is_at_home() {
            format!("ERR {name} is about the database of redis.nodes, and this connection has selected another")
        } else {
            return None;
        };
        let mut reply = Vec::new();
        encode::error(&mut reply, &told);
        Some(reply)
    }
}

/// Whether there is a copy of a key is told by EXPLAIN, and which keys a user of Redis' own may read only Redis knows.
fn tells_of_keys(spec: &Spec) -> bool {
    spec.name == "failsoft|explain"
}
