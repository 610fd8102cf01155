//! The admin interface: how failsoft is, over HTTP, for orchestrators, Prometheus and people.
//!
//! | path | answer |
//! | --- | --- |
//! | `/livez` | whether the process serves; never looks at Redis |
//! | `/readyz` | whether clients should be sent here |
//! | `/metrics` | everything that is counted, for Prometheus |
//! | `/api/v1/state` | the same as JSON |
//! | `/api/v1/mode` | what operators want of the routes; POST switches it |
//! | `/` | the same as a page |
//!
//! Nothing here changes anything but a POST to that one path, and nothing here asks a node or an origin: every answer is made at once from what is
//! known, so that the interface answers while everything else does not. One file a path.

mod door;
mod index;
mod livez;
mod metrics;
mod mode;
mod not_found;
mod readyz;
mod reserve;
mod state;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONNECTION, X_CONTENT_TYPE_OPTIONS};
use axum::middleware::map_response_with_state;
use axum::response::Response;
use axum::routing::get;
use failsoft::shutdown::Shutdown;
use failsoft::telemetry::exposition::Exposition;
use tokio::net::TcpListener;

use self::door::Door;
use self::mode::Peer;
use self::reserve::Reserve;
use crate::shared::Shared;

/// What all paths answer from.
struct Admin {
    shared: Arc<Shared>,
    shutdown: Shutdown,
    exposition: Exposition,
    reserve: Arc<Reserve>,
}

/// Serves the interface until it is dropped; who is being answered then is answered.
///
/// It goes on after `shutdown` has begun: while clients are let go, an orchestrator has to hear that no more should be
/// sent.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>, shutdown: Shutdown) {
    let reserve = Reserve::new();
    let door = Door::new(listener, reserve.clone());
    let router = router(Arc::new(Admin { shared, shutdown, exposition: Exposition::default(), reserve }));
    let dropped = Shutdown::default();
    let _guard = BeginOnDrop(dropped.clone());
    let router = router.into_make_service_with_connect_info::<Peer>();
    let serving = axum::serve(door, router).with_graceful_shutdown(async move { dropped.begun().await });
    if let Err(error) = serving.await {
        tracing::error!(%error, "the admin interface has ended");
    }
}

struct BeginOnDrop(Shutdown);

impl Drop for BeginOnDrop {
    fn drop(&mut self) {
        self.0.begin();
    }
}

fn router(admin: Arc<Admin>) -> Router {
    Router::new()
        .route("/", get(index::index))
        .route("/livez", get(livez::livez))
        .route("/readyz", get(readyz::readyz))
        .route("/metrics", get(metrics::metrics))
        .route("/api/v1/state", get(state::state))
        .route("/api/v1/mode", get(mode::tell).post(mode::switch).layer(DefaultBodyLimit::max(mode::MOST_BYTES)))
        .fallback(not_found::not_found)
        .method_not_allowed_fallback(not_found::only_get)
        .layer(map_response_with_state(admin.clone(), with_common_headers))
        .with_state(admin)
}

/// Every answer is of this moment, and is what it says it is; nobody stays who keeps others out.
async fn with_common_headers(State(admin): State<Arc<Admin>>, mut response: Response) -> Response {
    let headers = response.headers_mut();
    if admin.reserve.is_spent() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
