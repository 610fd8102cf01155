//! What a reader is: given a user's number, it comes back with an answer that has been checked.

use std::time::Instant;

use super::users;

/// What a read came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The user's row.
    Right,
    /// The default of the route: an answer, but not the user's row.
    Default,
    /// Something else; it is told.
    Wrong(String),
    /// An error, or silence; it is told.
    Unanswered(String),
}

/// One way of reading users.
pub(super) trait Reader: 'static {
    /// Reads one user. Reads overlap: a slow one holds up nobody.
    async fn read(&self, user: u32) -> Answer;

    /// When it has asked the database, where that is its own business.
    fn asked(&self) -> Vec<Instant>;
}

/// Compares what was read with what is so.
pub(super) fn judged(user: u32, value: &[u8]) -> Answer {
    if value == users::json(user).as_bytes() {
        Answer::Right
    } else if value == users::DEFAULT.as_bytes() {
        Answer::Default
    } else {
        Answer::Wrong(format!("user {user} was read as {}", String::from_utf8_lossy(value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_row_itself_is_right() {
        assert_eq!(judged(7, users::json(7).as_bytes()), Answer::Right);
        assert_eq!(judged(7, users::DEFAULT.as_bytes()), Answer::Default);
        assert_eq!(judged(7, b"null"), Answer::Wrong("user 7 was read as null".to_owned()));
        assert!(matches!(judged(7, users::json(8).as_bytes()), Answer::Wrong(_)));
    }
}
