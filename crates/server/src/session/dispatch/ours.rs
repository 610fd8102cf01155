//! FAILSOFT: failsoft's own commands, put in their place among the client's others.
//!
//! What they do is the engine's; here they only keep the order. One is begun when everything that the client asked before
//! has been answered, and what the client asks after it waits for it: it may be about the answer before it (LAST), or
//! change what the command after it finds (MODE). One about a key waits, and is waited for, only where it has to be: see
//! [`company`](super::company). What somebody may not run is not explained to him either: whether there
//! is a copy of a key is told by it.

use failsoft::own::{Asker, OwnCommand};
use failsoft_resp::Command;

use super::{Dispatcher, Next};
use crate::session::replies::Slot;

impl Dispatcher {
    /// Takes one of failsoft's own commands.
    pub(super) fn answer_own(&mut self, command: &Command<'_>) -> Next {
        let own = match OwnCommand::parse(command) {
            Ok(own) => own,
            Err(error) => {
                self.say(&error.to_reply());
                return Next::Continue;
            }
        };
        if let OwnCommand::Explain(subject) = &own
            && let Some(told) = self.judge(subject.words())
        {
            self.say(&told);
            return Next::Continue;
        }
        let key = own.key();
        let may_join = key.is_some_and(|key| self.company.may_join(key, &self.replies));
        if !may_join && self.replies.backlog().requests > 0 {
            return Next::Settle;
        }
        let asker = self.asker();
        let ticket = self.replies.push(Slot::Running);
        match key {
            Some(key) => self.company.handle_own(ticket, key),
            None => self.barrier = Some(ticket),
        }
        self.replies.run_own(ticket, own, asker);
        Next::Continue
    }

    fn who(&self) -> String {
        let user = self.access.user().map_or_else(String::new, |user| format!(" (user {user})"));
        format!("client {} at {}{user}", self.greeting.id(), self.doorstep.whence())
    }

    fn asker(&self) -> Asker {
        let shared = self.doorstep.shared();
        Asker {
            engine: shared.engine().clone(),
            protocol: self.greeting.protocol(),
            last: self.replies.last(),
            who: self.who(),
            figures: Some(shared.figures()),
        }
    }
}
