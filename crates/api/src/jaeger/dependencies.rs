//! `/api/dependencies`: which services call which, and how often, counted from the spans.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use trefoil_query::traces::Dependency;

use super::answer::{Envelope, json};
use super::failure::{Failure, Legacy};
use super::parameters::{MILLISECOND, Parameters, now};
use super::search::Asking;
use crate::ApiState;

const DEFAULT_LOOKBACK: i64 = 86_400_000_000_000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Link<'a> {
    parent: &'a str,
    child: &'a str,
    call_count: u64,
}

pub(super) async fn dependencies(
    State(state): State<ApiState>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Legacy> {
    let asking = Asking::new(&state, &headers)?;
    let end = parameters.number_of("endTs", MILLISECOND)?.unwrap_or_else(now);
    let lookback = parameters.number_of("lookback", MILLISECOND)?.unwrap_or(DEFAULT_LOOKBACK);
    let found = asking.dependencies((end.saturating_sub(lookback), end)).await?;
    let service = parameters.get("service");
    let is_asked = |link: &&Dependency| service.is_empty() || *link.parent == *service || *link.child == *service;
    let link = |of| {
        let Dependency { parent, child, calls, .. }: &Dependency = of;
        Link { parent, child, call_count: *calls }
    };
    json(&parameters, &Envelope::of(found.iter().filter(is_asked).map(link).collect::<Vec<_>>()))
}

impl Asking<'_> {
    /// Calls that begin within, inclusive, nanoseconds since the epoch.
    pub async fn dependencies(&self, period: (i64, i64)) -> Result<Vec<Dependency>, Failure> {
        Ok(self.state.engine.service_dependencies(&self.tenant, period, &[], self.state.limits()).await?)
    }
}
