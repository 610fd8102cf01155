//! Under which number Redis knows a client that has a connection of its own.
//!
//! CLIENT ID asked without such a connection is answered by failsoft, with a number of its own: the connection to Redis
//! is everybody's then. But clients hand such numbers on, to CLIENT UNBLOCK, KILL, LIST and TRACKING REDIRECT, and those
//! are carried out by Redis. By the time a client is blocked or subscribed it has a connection, and Redis a number for
//! it; so what failsoft has given out is replaced by that on its way. failsoft's numbers begin where those of Redis, which
//! counts connections from 1, never come; a number of Redis' own goes through as it is.

use std::collections::HashMap;
use std::sync::Arc;

use failsoft_resp::Command;
use failsoft_resp::encode;
use parking_lot::Mutex;

/// The first number that failsoft gives out: small enough for languages whose numbers are exact up to 2^53 only.
pub(crate) const FIRST_CLIENT: u64 = 1 << 40;

/// The numbers of all clients that have a connection of their own, so at most as many as there are of those.
#[derive(Debug, Default)]
pub(crate) struct Identities {
    at_node: Mutex<HashMap<u64, i64>>,
}

/// That a client is known to Redis under a number, for as long as this lives.
#[derive(Debug)]
pub(super) struct Identity {
    identities: Arc<Identities>,
    client: u64,
}

impl Identities {
    /// `client` has a connection that the node calls `id`.
    pub(super) fn identify(self: &Arc<Self>, client: u64, id: i64) -> Identity {
        self.at_node.lock().insert(client, id);
        Identity { identities: self.clone(), client }
    }

    /// `command` with the numbers that Redis knows in place of failsoft's; `None` if it names none.
    pub(super) fn translate(&self, command: &Command<'_>) -> Option<Vec<u8>> {
        let translated: Vec<_> = command.args().map(|word| self.translate_word(word)).collect();
        if translated.iter().all(Option::is_none) {
            return None;
        }
        let mut frame = Vec::new();
        let words = command.args().zip(&translated).map(|(word, other)| other.as_deref().unwrap_or(word));
        encode::command(&mut frame, words);
        Some(frame)
    }

    fn translate_word(&self, word: &[u8]) -> Option<Vec<u8>> {
        let client: u64 = std::str::from_utf8(word).ok()?.parse().ok()?;
        let id = (client >= FIRST_CLIENT).then(|| self.at_node.lock().get(&client).copied())??;
        Some(id.to_string().into_bytes())
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        self.identities.at_node.lock().remove(&self.client);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use failsoft_resp::{Limits, RequestScanner};

    use super::*;

    fn translated(identities: &Identities, line: &str) -> Option<String> {
        let line = format!("{line}\r\n");
        let mut scanner = RequestScanner::new(Limits::default());
        let command = scanner.scan(line.as_bytes()).unwrap().unwrap();
        identities.translate(&command).map(|frame| String::from_utf8(frame).unwrap())
    }

    #[test]
    fn a_number_of_failsofts_own_is_replaced_while_its_client_has_a_connection() {
        let identities = Arc::new(Identities::default());
        let client = FIRST_CLIENT + 7;
        let line = format!("CLIENT UNBLOCK {client} ERROR");
        assert_eq!(translated(&identities, &line), None);
        let identity = identities.identify(client, 42);
        let frame = "*4\r\n$6\r\nCLIENT\r\n$7\r\nUNBLOCK\r\n$2\r\n42\r\n$5\r\nERROR\r\n";
        assert_eq!(translated(&identities, &line).as_deref(), Some(frame));
        drop(identity);
        assert_eq!(translated(&identities, &line), None);
    }

    #[test]
    fn a_number_of_redis_own_is_left_alone() {
        let identities = Arc::new(Identities::default());
        let _identity = identities.identify(FIRST_CLIENT, 1);
        assert_eq!(translated(&identities, "CLIENT KILL ID 1"), None);
        assert_eq!(translated(&identities, "CLIENT KILL ID x"), None);
    }
}
