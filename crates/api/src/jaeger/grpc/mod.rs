//! Jaeger's query services over gRPC: [`v2`], [`v3`], and those that a Jaeger asks of a remote storage ([`storage`]).

mod call;
mod chunks;
mod health;
mod messages;
mod storage;
mod v2;
mod v3;

use axum::Router;

use crate::ApiState;

/// All services; what is none of them is `UNIMPLEMENTED`.
pub(crate) fn router(state: ApiState) -> Router {
    let services = v2::routes().merge(v3::routes()).merge(storage::routes());
    services.merge(health::routes()).fallback(call::unknown).with_state(state)
}
