//! A command whose keys lie in one slot that is on its way to another node: some are here already, and some there.
//!
//! No node can carry it out, and it is not known for how long (TRYAGAIN). Each of its keys alone is at a definite place,
//! so it goes on key by key, but for MSET: in one slot that is one act, of which nobody may see a half. A change does so only if the client has asked for nothing since, which may have been carried
//! out already, and has the client's later commands wait for it.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use failsoft::scatter::{Gathering, Means, Undertaking};

use failsoft_resp::Protocol;

use super::{Inner, Replies, Slot};

/// A command that goes on key by key.
pub(super) struct Apart {
    undertaking: Undertaking,
    protocol: Protocol,
}

impl Replies {
    /// The request at `ticket`, which is followed by others, if it can go on key by key.
    pub(super) fn take_apart(&self, inner: &mut Inner, ticket: u64, followers: u64) -> Option<Apart> {
        let Some(Slot::Asked { job, .. }) = inner.slot(ticket) else {
            return None;
        };
        if job.is_change() && followers > 0 {
            return None;
        }
        let (undertaking, protocol) = (Undertaking::key_by_key(job.frame())?, job.matter().protocol);
        if job.is_change() {
            self.hold_back(ticket);
        }
        if let Some((job, _)) = inner.job(ticket) {
            job.handle_divided();
        }
        inner.place(ticket, Slot::Running);
        Some(Apart { undertaking, protocol })
    }

    /// Bytes of answers to parts of this client's commands that wait for the other parts'.
    pub(crate) fn gathered(&self) -> Arc<AtomicUsize> {
        self.gathered.clone()
    }

    /// Carries the command at `ticket` on key by key.
    pub(super) fn fall_apart(self: &Arc<Self>, ticket: u64, apart: Apart) {
        let Apart { undertaking, protocol } = apart;
        let (context, most_bytes) = {
            let inner = self.inner.lock();
            (inner.context.clone(), inner.bound)
        };
        let means = Means { fallbacks: self.fallbacks.clone(), most_bytes, gathered: self.gathered() };
        let replies = self.clone();
        // Its order has been seen to.
        Gathering::begin(
            &context,
            undertaking,
            protocol,
            means,
            || true,
            move |answered| replies.complete(ticket, answered),
        );
    }
}
