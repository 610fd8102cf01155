//! Everything else: what is not here, and what cannot be done here.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::ALLOW;
use axum::response::IntoResponse;
use serde_json::json;

const PATHS: [&str; 6] = ["/", "/livez", "/readyz", "/metrics", "/api/v1/state", "/api/v1/mode"];

/// 404, with the paths that there are.
pub(super) async fn not_found() -> impl IntoResponse {
    (StatusCode::NOT_FOUND, Json(json!({ "error": "there is nothing at this path", "paths": PATHS })))
}

/// 405: everything here but the modes is only looked at.
pub(super) async fn only_get() -> impl IntoResponse {
    let refusal = Json(json!({ "error": "only GET and HEAD are answered here, and POST at /api/v1/mode" }));
    (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET, HEAD")], refusal)
}
