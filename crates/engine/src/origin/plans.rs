//! What an origin learned about each statement by asking the database: types of parameters and columns.
//!
//! Asked once per statement, not once per connection. Asked again when the database says that the statement does not
//! fit any more, and once in a while in any case, as a column added to a table is not told otherwise.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::sql::Sql;

/// Statements remembered; reloads of the settings bring new ones, so at the bound all are forgotten and asked again.
const MOST_PLANS: usize = 1024;

/// How long a plan is trusted.
const TRUSTED_FOR: Duration = Duration::from_secs(60);

pub(super) struct Plans<P> {
    by_statement: Mutex<HashMap<u64, Kept<P>>>,
}

struct Kept<P> {
    plan: Arc<P>,
    since: Instant,
}

impl<P> Plans<P> {
    pub(super) fn new() -> Self {
        Self { by_statement: Mutex::new(HashMap::new()) }
    }

    pub(super) fn get(&self, sql: &Sql) -> Option<Arc<P>> {
        let by_statement = self.by_statement.lock();
        let kept = by_statement.get(&sql.id)?;
        (kept.since.elapsed() < TRUSTED_FOR).then(|| Arc::clone(&kept.plan))
    }

    pub(super) fn keep(&self, sql: &Sql, plan: P) -> Arc<P> {
        let plan = Arc::new(plan);
        let mut by_statement = self.by_statement.lock();
        if by_statement.len() >= MOST_PLANS {
            by_statement.clear();
        }
        by_statement.insert(sql.id, Kept { plan: Arc::clone(&plan), since: Instant::now() });
        plan
    }

    pub(super) fn forget(&self, sql: &Sql) {
        self.by_statement.lock().remove(&sql.id);
    }
}
