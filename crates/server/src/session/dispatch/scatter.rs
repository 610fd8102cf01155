//! Commands that before a cluster concern more than one shard, and those about the cluster itself.

use failsoft::classify::Voids;
use failsoft::scatter::{AT_ONCE, Gathering, Undertaking};
use failsoft_resp::commands::Spec;
use failsoft_resp::{Command, encode};

use super::Dispatcher;
use crate::session::face::Word;
use crate::session::replies::Slot;

impl Dispatcher {
    /// Asks several shards; the answer comes when the last of them has answered.
    pub(super) fn scatter(&mut self, command: &Command<'_>, spec: &'static Spec, voids: Voids) {
        let undertaking = match Undertaking::of(&self.context.views.redis, spec, command, command.frame()) {
            Ok(undertaking) => undertaking,
            Err(told) => {
                self.replies.push(Slot::Ready(told));
                return;
            }
        };
        let ticket = self.replies.push(Slot::Running);
        if voids != Voids::Nothing {
            self.written = Some(ticket);
        }
        if undertaking.pieces() > AT_ONCE {
            self.barrier = Some(ticket);
        }
        let replies = self.replies.clone();
        let order = replies.clone();
        let (protocol, means) = (self.greeting.protocol(), self.doorstep.means(self.replies.gathered()));
        Gathering::begin(
            &self.context,
            undertaking,
            protocol,
            means,
            move || order.may_come_late(ticket),
            move |answered| replies.complete(ticket, answered),
        );
    }

    /// What a client is told that takes failsoft for a node of a cluster.
    pub(in crate::session) fn answer_about_cluster(&self, command: &Command<'_>, spec: &Spec) -> Vec<u8> {
        let mut told = Vec::new();
        match Word::of(spec.name) {
            Some(word) => word.answer(command, &self.doorstep.address(), self.greeting.protocol(), &mut told),
            None => encode::error(&mut told, &format!("ERR failsoft has no answer to '{}'", spec.name)),
        }
        told
    }
}
