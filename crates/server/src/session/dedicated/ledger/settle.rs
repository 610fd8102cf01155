//! What a reply settles: the first debt is paid, and what it says of the connection is noted.

use failsoft::apology::{Code, apologise};
use failsoft_core::cluster::Redirect;
use failsoft_core::refusal::Refusal;
use failsoft_core::request::{Apology, RETRY_AFTER_DEFAULT};
use failsoft_core::{Outcome, Tier};
use failsoft_resp::reply::{Head, elements, error_word, head};

use super::{Heard, Ledger, Queueing, Redirections, Settled, Unfit};
use crate::session::dedicated::debt::{Again, Debt, Doubt, Owed, Own};
use crate::session::dedicated::effect::Effect;

impl Ledger {
    /// The first debt is paid with `reply`.
    pub(super) fn settle(&mut self, reply: &[u8], out: &mut Vec<u8>) -> Result<Settled, Unfit> {
        let Debt { owed, effect, touched, again, .. } = self.debts.pop_front().ok_or(Unfit)?;
        let said = head(reply);
        if let Some(redirect) = self.redirect(said)
            && let Some(command) = again.and_then(|again| self.may_stray(again))
        {
            return Ok(Heard::Astray(command, redirect).alone());
        }
        let is_error = matches!(said, Some(Head::Error(_)));
        let heard = match owed {
            Owed::Local(_) => return Err(Unfit),
            Owed::Nothing(Own::Condition) if is_error => return Err(Unfit),
            Owed::Nothing(Own::Condition | Own::Courtesy) | Owed::Late => Heard::Nothing,
            Owed::Nothing(Own::Id) => id_in(reply).map_or(Heard::Nothing, Heard::Id),
            Owed::Instead(bytes) => {
                out.extend_from_slice(&bytes);
                Heard::Nothing
            }
            Owed::Told if is_error && effect == Effect::Multi => {
                self.take_back_queueing();
                Heard::NotOpened(reply.to_vec())
            }
            Owed::Told => self.judge(&owed, effect, said),
            Owed::Reset | Owed::Reply | Owed::Confirmations { .. } => {
                match self.redirection(said) {
                    Some(refusal) => apologise_for(refusal, out),
                    None => out.extend_from_slice(reply),
                }
                self.judge(&owed, effect, said)
            }
        };
        self.move_on(out);
        Ok(Settled { heard, touched })
    }

    fn judge(&mut self, owed: &Owed, effect: Effect, said: Option<Head<'_>>) -> Heard {
        match said {
            Some(Head::Error(text)) => {
                // Whatever the reason, a transaction that was aborted is over.
                if effect == Effect::EndOfTransaction && ENDS_A_TRANSACTION.contains(&error_word(text)) {
                    self.state.handle_done(&effect);
                }
                if effect == Effect::Multi && !self.state.is_multi() {
                    self.take_back_queueing();
                }
                let names_user = matches!(effect, Effect::User | Effect::Hello { user: true, .. });
                match () {
                    () if names_user && text.starts_with(b"WRONGPASS") => Heard::WrongPassword,
                    () if self.redirection(said).is_some() => Heard::SentElsewhere,
                    () => Heard::Nothing,
                }
            }
            Some(Head::Simple(b"QUEUED")) if self.state.is_multi() => {
                self.state.handle_queued(&effect);
                Heard::Nothing
            }
            _ if matches!(owed, Owed::Reset) => Heard::Reset,
            _ => {
                self.state.handle_done(&effect);
                if effect == Effect::None { Heard::Nothing } else { Heard::Done(effect) }
            }
        }
    }

    /// What the node has said, if it is that another one is to be asked, and the client is not to be told that.
    fn redirection(&self, said: Option<Head<'_>>) -> Option<Refusal> {
        match (self.redirections, said) {
            (Redirections::Hidden, Some(Head::Error(text))) => match error_word(text) {
                b"MOVED" => Some(Refusal::Moved),
                b"ASK" => Some(Refusal::Ask),
                _ => None,
            },
            (Redirections::Hidden | Redirections::PassedOn, _) => None,
        }
    }

    /// The command, if nothing else hangs on this connection.
    fn may_stray(&self, again: Again) -> Option<Box<[u8]>> {
        let (command, is_all) = match again {
            Again::Alone(command) => (command, self.state.is_gone()),
            Again::Opening(command) => (command, self.state.is_only_multi()),
        };
        (is_all && self.debts.is_empty()).then_some(command)
    }

    /// Whom the node has named instead of itself.
    fn redirect(&self, said: Option<Head<'_>>) -> Option<Redirect> {
        match (self.redirections, said) {
            (Redirections::Hidden, Some(Head::Error(text))) => Redirect::parse(text),
            (Redirections::Hidden | Redirections::PassedOn, _) => None,
        }
    }

    /// There is no transaction, so what was thought to be queued is carried out at once.
    fn take_back_queueing(&mut self) {
        self.queueing = Queueing::No;
        self.debts.iter_mut().for_each(|debt| debt.doubt = Doubt::Happened);
    }
}

/// With what EXEC fails and the transaction is over: its own word, and what a node of a cluster says of its keys.
const ENDS_A_TRANSACTION: [&[u8]; 6] = [b"EXECABORT", b"MOVED", b"ASK", b"TRYAGAIN", b"CROSSSLOT", b"CLUSTERDOWN"];

fn apologise_for(refusal: Refusal, out: &mut Vec<u8>) {
    let because = Outcome::Refused(refusal);
    apologise(Code::Unavailable, Apology { tier: Tier::Primary, because, retry_after: RETRY_AFTER_DEFAULT }, out);
}

/// The client's number in the reply to HELLO; a Redis that does not know HELLO tells none.
fn id_in(reply: &[u8]) -> Option<i64> {
    let mut fields = elements(reply);
    fields.find(|field| matches!(head(field), Some(Head::Bulk(b"id"))))?;
    match head(fields.next()?) {
        Some(Head::Integer(id)) => Some(id),
        _ => None,
    }
}
