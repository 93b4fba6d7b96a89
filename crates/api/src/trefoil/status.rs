//! `GET /api/v1/status`: what a client has to know before it can ask for data. Answers without a tenant.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::response::Json;
use serde::Serialize;
use trefoil_model::Tenancy;
use utoipa::ToSchema;

use crate::ApiState;
use crate::state::OtlpEndpoints;

/// What the server is and where it takes telemetry.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Status {
    #[schema(example = "0.1.0")]
    version: &'static str,
    tenancy: TenancyStatus,
    otlp: OtlpEndpoints,
    /// The server's clock: nanoseconds since the Unix epoch, as a decimal.
    #[schema(example = "1767225600000000000")]
    time_unix_nano: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TenancyStatus {
    /// Every request for data must name its tenant in `X-Scope-OrgID`.
    enabled: bool,
}

/// The server's version, tenancy, OTLP endpoints and clock
///
/// Needs no tenant.
#[utoipa::path(get, path = "/api/v1/status", tag = "server", responses((status = 200, description = "What the server is", body = Status)))]
pub(super) async fn status(State(state): State<ApiState>) -> Json<Status> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        tenancy: TenancyStatus { enabled: state.tenancy == Tenancy::Multi },
        otlp: (state.otlp)(),
        time_unix_nano: now.as_nanos().to_string(),
    })
}
