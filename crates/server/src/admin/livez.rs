//! `/livez`: whether the process serves.
//!
//! That it answers is the answer. It looks at nothing: an orchestrator that restarted failsoft because Redis is away
//! would throw away the local copies at the very moment they are needed.

/// Always 200 `ok`.
pub(super) async fn livez() -> &'static str {
    "ok\n"
}
