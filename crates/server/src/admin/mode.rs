//! `/api/v1/mode`: what operators want of the routes, told by GET and switched by POST.
//!
//! The only thing here that changes anything, and whoever reaches the interface may do it; so a page of somebody else's
//! that an operator's browser shows must not. A browser sends JSON to a foreign host only after asking leave, which
//! nothing here gives; it says where a page is from, which must then be here; and here must not be a name that somebody
//! else can point at this machine.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, State};
use axum::http::header::{CONTENT_TYPE, HOST, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::serve::IncomingStream;
use failsoft::mode::{SwitchError, Switched, Wish, modes};
use failsoft_core::mode::Mode;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Admin;
use super::door::Door;

/// Bytes of a wish.
pub(super) const MOST_BYTES: usize = 4 << 10;

const HINT: &str =
    r#"send {"mode": "auto" | "origin-only" | "pass-through", "route": NAME}; without a route all are meant"#;

/// Where a visitor has come from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(SocketAddr);

impl Connected<IncomingStream<'_, Door>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        Self(*stream.remote_addr())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    mode: String,
    #[serde(default)]
    route: Option<String>,
}

#[derive(Serialize)]
struct Modes {
    routes: Vec<RouteMode>,
}

#[derive(Serialize)]
struct RouteMode {
    route: String,
    mode: &'static str,
}

#[derive(Serialize)]
struct Done {
    mode: &'static str,
    /// Routes that have it now, and those that had another before.
    routes: usize,
    changed: usize,
}

/// The listed routes with their modes.
pub(super) async fn tell(State(admin): State<Arc<Admin>>) -> Response {
    let (world, _) = admin.shared.engine().world();
    let told = |(route, mode): (&str, Mode)| RouteMode { route: route.to_owned(), mode: mode.name() };
    Json(Modes { routes: modes(&world).map(told).collect() }).into_response()
}

/// Switches one route, or all that may have the mode.
pub(super) async fn switch(
    State(admin): State<Arc<Admin>>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Err(refusal) = ensure_not_foreign(&headers).and_then(|()| ensure_json(&headers)) {
        return refusal.into_response();
    }
    let wish = match read(&body) {
        Ok(wish) => wish,
        Err(refusal) => return refusal.into_response(),
    };
    match admin.shared.engine().switch_mode(&wish, &format!("admin interface, from {peer}")) {
        Ok(Switched { routes, changed }) => Json(Done { mode: wish.mode.name(), routes, changed }).into_response(),
        Err(error) => {
            let status = match error {
                SwitchError::NoRoute { .. } => StatusCode::NOT_FOUND,
                SwitchError::Plain(_) | SwitchError::FailsClosed { .. } | SwitchError::NoneMay(_) => {
                    StatusCode::CONFLICT
                }
            };
            Refusal(status, error.to_string()).into_response()
        }
    }
}

/// Why nothing is switched.
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1, "hint": HINT }))).into_response()
    }
}

fn read(body: &[u8]) -> Result<Wish, Refusal> {
    let bad = |told: String| Refusal(StatusCode::BAD_REQUEST, told);
    let Written { mode, route } = serde_json::from_slice(body).map_err(|error| bad(format!("not a wish: {error}")))?;
    match Mode::named(mode.as_bytes()) {
        Some(mode) => Ok(Wish { mode, route }),
        None => Err(bad("there is no such mode".to_owned())),
    }
}

fn ensure_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let kind = text(headers, CONTENT_TYPE.as_str()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the content-type has to be application/json".to_owned()))
}

/// Only browsers say where a page is from.
fn ensure_not_foreign(headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let host = text(headers, HOST.as_str()).unwrap_or_default();
    let is_ours = origin.to_str().is_ok_and(|origin| origin.strip_prefix("http://") == Some(host));
    if is_ours && is_here(host) {
        return Ok(());
    }
    let told = "a page from elsewhere may not switch modes: open this interface by its address, or use curl";
    Err(Refusal(StatusCode::FORBIDDEN, told.to_owned()))
}

/// Whether `host` is an address, or this machine's own name for itself.
fn is_here(host: &str) -> bool {
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let name = name.map_or(host, |(name, _)| name);
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_and_localhost_are_here() {
        for host in ["127.0.0.1", "127.0.0.1:9180", "[::1]:9180", "localhost:9180", "LOCALHOST", "10.0.0.7:80"] {
            assert!(is_here(host), "{host}");
        }
        for host in ["", "evil.example", "evil.example:9180", "localhost.evil.example", "127.0.0.1.evil.example:80"] {
            assert!(!is_here(host), "{host}");
        }
    }
}
