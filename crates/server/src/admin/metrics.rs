//! `/metrics`: everything that is counted, as Prometheus reads it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use failsoft::telemetry::exposition;

use super::Admin;

/// The page of this moment.
pub(super) async fn metrics(State(admin): State<Arc<Admin>>) -> impl IntoResponse {
    let page = admin.exposition.render(admin.shared.engine(), Some(&admin.shared.figures()));
    ([(CONTENT_TYPE, exposition::CONTENT_TYPE)], page)
}
