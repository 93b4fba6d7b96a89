//! What every surface needs: the engine to ask (within its limits), and who may ask.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use serde::Serialize;
use trefoil_model::tenant::{NoTenant, TENANT_HEADER};
use trefoil_model::{Tenancy, Tenant, Tenants};
use trefoil_pipeline::overrides::Overrides;
use trefoil_pipeline::receivers::prometheus::Scraping;
use trefoil_query::{Engine, Limits};
use utoipa::ToSchema;

use crate::loki::tails::Tails;
use crate::prometheus::PrometheusApi;

#[derive(Clone)]
pub struct ApiState {
    pub engine: Engine,
    pub tenancy: Tenancy,
    /// Prometheus' administrative API answers: deletion, snapshots.
    pub admin_api: bool,
    /// Loki's API deletes logs.
    pub delete_logs: bool,
    /// What is scraped, now.
    pub scraping: Scraping,
    /// What tenants choose for themselves, now.
    pub overrides: Overrides,
    /// Asked for every answer that tells it: a reload may move receivers.
    pub otlp: Arc<dyn Fn() -> OtlpEndpoints + Send + Sync>,
    /// Of the listener that has this state.
    pub prometheus: PrometheusApi,
    /// How far Jaeger's surface moves spans whose clocks disagree; zero moves none.
    pub max_clock_skew_adjustment: Duration,
    /// Who tails lines of logs, by whatever listener.
    pub tails: Tails,
}

/// Where telemetry can be sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct OtlpEndpoints {
    /// `host:port` for OTLP over gRPC, as it was bound (`0.0.0.0` is every address of the server).
    #[schema(required, example = "127.0.0.1:4317")]
    pub grpc: Option<String>,
    /// `host:port` for OTLP over HTTP, likewise.
    #[schema(required, example = "127.0.0.1:4318")]
    pub http: Option<String>,
    /// OTLP over HTTP is taken under `/otlp` of this listener, too.
    pub main: bool,
}

impl ApiState {
    /// What a question that begins now may cost.
    pub fn limits(&self) -> Limits {
        self.engine.limits()
    }

    /// Those of a `prometheus.yml` that is served, and where it has none of a name, those of our own configuration.
    pub fn external_labels(&self) -> BTreeMap<String, String> {
        let mut labels = self.prometheus.external_labels.clone();
        if let Some(shown) = self.scraping.configuration() {
            labels.extend(shown.external_labels.clone());
        }
        labels
    }

    /// Whose data the request may see.
    pub fn tenant(&self, headers: &HeaderMap) -> Result<Tenant, NoTenant> {
        let header = headers.get(TENANT_HEADER).map(|value| String::from_utf8_lossy(value.as_bytes()));
        self.tenancy.resolve(header.as_deref())
    }

    /// Whose data the request may see, where it may be about several tenants.
    pub fn tenants(&self, headers: &HeaderMap) -> Result<Tenants, NoTenant> {
        let header = headers.get(TENANT_HEADER).map(|value| String::from_utf8_lossy(value.as_bytes()));
        self.tenancy.resolve_all(header.as_deref())
    }
}
