//! What a client may be told, in one word each.

use failsoft_testkit::origin::HttpOrigin;

/// A bulk string's reply.
pub(crate) fn bulk(value: &str) -> String {
    format!("${}\r\n{value}\r\n", value.len())
}

/// The reply to a GET of `user:{id}` that the origin has answered.
pub(crate) fn from_origin(id: u64) -> String {
    bulk(&HttpOrigin::body_of("users", id))
}

/// Nothing was done and the caller is told when to try again.
#[track_caller]
pub(crate) fn assert_unavailable(reply: &str) {
    assert_sorry(reply, "UNAVAILABLE");
}

/// The write may have happened, and nothing else is claimed.
#[track_caller]
pub(crate) fn assert_outcome_unknown(reply: &str) {
    assert_sorry(reply, "OUTCOMEUNKNOWN");
}

/// An error that begins with this word.
#[track_caller]
pub(crate) fn assert_error(reply: &str, word: &str) {
    assert!(reply.starts_with(&format!("-{word} ")), "an error of {word} was due: {reply:?}");
}

#[track_caller]
fn assert_sorry(reply: &str, code: &str) {
    assert_error(reply, code);
    let told = reply.split_whitespace().find_map(|detail| detail.strip_prefix("retry-after-ms="));
    let told = told.and_then(|wait| wait.parse::<u64>().ok());
    assert!(told.is_some_and(|wait| wait > 0), "no retry-after-ms: {reply:?}");
}
