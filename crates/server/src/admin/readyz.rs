//! `/readyz`: whether clients should be sent here, as [`Readiness`] judges it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use failsoft::telemetry::readiness::{Phase, Readiness, Status};

use super::Admin;

/// 200 or 503; one line a reason, or JSON with `?verbose`.
pub(super) async fn readyz(State(admin): State<Arc<Admin>>, RawQuery(query): RawQuery) -> Response {
    let (world, _) = admin.shared.engine().world();
    let phase = if admin.shutdown.has_begun() { Phase::Ending } else { Phase::Serving };
    let readiness = Readiness::of(&world, phase);
    if is_verbose(query.as_deref()) {
        return (code(readiness.status), Json(readiness)).into_response();
    }
    (code(readiness.status), readiness.to_string()).into_response()
}

fn is_verbose(query: Option<&str>) -> bool {
    query.is_some_and(|query| query.split('&').any(|part| part.split('=').next() == Some("verbose")))
}

fn code(status: Status) -> StatusCode {
    match status {
        Status::Ready | Status::Degraded => StatusCode::OK,
        Status::Unready => StatusCode::SERVICE_UNAVAILABLE,
    }
}
