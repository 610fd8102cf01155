//! `/api/v1/state`: how failsoft is, as JSON.

use std::sync::Arc;

use axum::Json;
use axum::extract;
use failsoft::telemetry::state::State;

use super::Admin;

/// The state of this moment.
pub(super) async fn state(extract::State(admin): extract::State<Arc<Admin>>) -> Json<State> {
    Json(State::of(admin.shared.engine(), Some(&admin.shared.figures())))
}
