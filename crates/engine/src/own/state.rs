//! `FAILSOFT STATE`: how failsoft is, as the JSON of `/api/v1/state`.

use failsoft_resp::encode;

use crate::engine::Engine;
use crate::telemetry::figures::ServerFigures;
use crate::telemetry::state::State;

/// The reply.
pub(super) fn answer(engine: &Engine, figures: Option<&ServerFigures>) -> Vec<u8> {
    let mut out = Vec::new();
    match serde_json::to_vec(&State::of(engine, figures)) {
        Ok(json) => encode::bulk(&mut out, &json),
        Err(error) => encode::error(&mut out, &format!("ERR the state cannot be told: {error}")),
    }
    out
}
