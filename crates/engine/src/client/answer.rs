//! An answer: a value, which tier it is from, and how old it is.

use std::time::Duration;

use failsoft_core::Tier;

/// What was answered, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// The value; `None` where somebody who must know has said that there is none.
    pub value: Option<T>,
    /// Who has answered.
    pub tier: Tier,
    /// How old the value is at least, as far as that is known here: of a local copy, since it was obtained.
    pub age: Duration,
    /// Whether it is older than its time to live, and is served because nothing fresher answers.
    pub is_stale: bool,
}

impl<T> Answer<T> {
    /// The same answer, with another form of its value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Answer<U> {
        Answer { value: self.value.map(change), tier: self.tier, age: self.age, is_stale: self.is_stale }
    }

    /// The same answer with what `read` makes of its value.
    pub(crate) fn try_map<U, E>(self, read: impl FnOnce(T) -> Result<U, E>) -> Result<Answer<U>, E> {
        let value = self.value.map(read).transpose()?;
        Ok(Answer { value, tier: self.tier, age: self.age, is_stale: self.is_stale })
    }
}
