//! One instance's share of a limit while Redis is away, and what Redis has to be told of it on return.
//!
//! While Redis answers, the share follows it: what Redis says of how long the whole bucket takes to run out holds for the
//! share too, which is as much smaller as it is slower. So when Redis goes, a caller who had used the limit up has used
//! it up here as well, and no second burst is given away at the beginning of an outage.
//!
//! What the share lets through by itself is a debt until Redis has been told of it. A debt runs out as the bucket does:
//! what would no longer count in Redis need not be told. Told twice, because an answer was lost, it takes from the caller
//! at most what a share may be in debt with, which is its burst.

use crate::Time;
use crate::limit::{Bucket, Limit, Verdict};
use std::time::Duration;

/// One instance's share of one limit. Its limit is a [`Limit::shared_by`] the fleet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    bucket: Bucket,
    /// What has passed without Redis, since it was last told.
    untold: u32,
}

impl Share {
    /// Lets `cost` through if the share allows it.
    ///
    /// More than a whole share at once never passes: several who do not hear of each other cannot give it without giving
    /// it several times. Its `retry` is then the time a share takes to come back.
    pub fn request(&mut self, share: &Limit, cost: u32, now: Time) -> Verdict {
        let verdict = self.bucket.request(share, cost, now);
        if verdict.allowed {
            self.untold = self.untold.saturating_add(cost);
        }
        match cost > share.burst() {
            true => Verdict { retry: share.refill(), ..verdict },
            false => verdict,
        }
    }

    /// Redis has answered: the whole bucket takes `reset` to run out.
    pub fn handle_answered(&mut self, share: &Limit, reset: Duration, now: Time) {
        self.bucket.handle_reset(share, reset, now);
    }

    /// What Redis is to be told has passed without it. What passed so long ago that it would not count is not told.
    pub fn debt(&self, share: &Limit, now: Time) -> u32 {
        self.untold.min(self.bucket.outstanding(share, now))
    }

    /// Takes the debt, to tell it.
    pub fn take_debt(&mut self, share: &Limit, now: Time) -> u32 {
        let debt = self.debt(share, now);
        self.untold = 0;
        debt
    }

    /// Puts a debt back that Redis may not have heard of.
    pub fn handle_untold(&mut self, debt: u32) {
        self.untold = self.untold.saturating_add(debt);
    }

    /// Whether there is nothing left to remember: a new share would decide the same.
    pub fn is_forgettable(&self, share: &Limit, now: Time) -> bool {
        self.bucket.outstanding(share, now) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn limit(rate: u32, burst: u32) -> Limit {
        Limit::new(rate, SECOND, burst).unwrap()
    }

    #[test]
    fn a_caller_who_has_used_the_limit_up_has_used_it_up_here_too() {
        let (whole, now) = (limit(10, 10), Time::from_millis(1_000));
        let shared = whole.shared_by(5);
        let mut share = Share::default();
        share.handle_answered(&shared, SECOND, now);
        assert!(!share.request(&shared, 1, now).allowed);
        assert_eq!(share.debt(&shared, now), 0, "Redis knows of it");
        assert!(share.request(&shared, 1, now + SECOND / 2).allowed);
        assert_eq!(share.debt(&shared, now + SECOND / 2), 1);
    }

    #[test]
    fn a_debt_runs_out_as_the_bucket_does_and_ends_when_it_is_told() {
        let (shared, now) = (limit(10, 10).shared_by(2), Time::from_millis(1_000));
        let mut share = Share::default();
        assert!(share.request(&shared, 4, now).allowed);
        assert_eq!(share.debt(&shared, now), 4);
        assert_eq!(share.debt(&shared, now + SECOND / 2), 2, "a share of 5 a second");
        assert_eq!(share.debt(&shared, now + SECOND), 0);
        assert!(share.is_forgettable(&shared, now + SECOND));
        assert_eq!(share.take_debt(&shared, now), 4);
        share.handle_answered(&shared, Duration::ZERO, now);
        assert_eq!(share.debt(&shared, now), 0);
        assert!(!share.is_forgettable(&shared, now));
    }

    #[test]
    fn a_debt_that_may_not_have_been_heard_of_is_owed_again_but_never_more_than_a_share() {
        let (shared, now) = (limit(10, 10), Time::from_millis(1_000));
        let mut share = Share::default();
        share.request(&shared, 7, now);
        let told = share.take_debt(&shared, now);
        share.request(&shared, 2, now);
        assert_eq!((told, share.debt(&shared, now)), (7, 2));
        share.handle_untold(told);
        assert_eq!(share.debt(&shared, now), 9);
        share.handle_untold(told);
        assert_eq!(share.debt(&shared, now), 9, "what is outstanding bounds it");
    }

    #[test]
    fn nobodys_share_is_nothing_and_more_than_a_share_never_passes() {
        let (whole, now) = (limit(3, 3), Time::from_millis(1_000));
        let shared = whole.shared_by(10);
        let mut share = Share::default();
        let refused = share.request(&shared, 2, now);
        assert_eq!((refused.allowed, refused.retry), (false, shared.refill()));
        assert!(share.request(&shared, 1, now).allowed);
        assert!(!share.request(&shared, 1, now + SECOND * 3).allowed);
        assert!(share.request(&shared, 1, now + SECOND * 10 / 3 + Duration::from_nanos(1)).allowed);
    }
}
