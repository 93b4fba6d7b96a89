//! A server for each test, and its answers.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode, header};
use prost::Message;
use serde_json::{Value, json};
use tower::ServiceExt;
use trefoil_api::{ApiState, OtlpEndpoints, PrometheusApi, main_router, prometheus_router};
use trefoil_model::{Signal, Tenancy, Tenant};
use trefoil_query::Engine;
use trefoil_storage::{Storage, StorageConfig};

use crate::fixture::metrics;

/// Prometheus' API over a store of its own.
pub struct Server {
    pub router: Router,
    pub main: Router,
    pub storage: Storage,
    pub state: ApiState,
    _directory: tempfile::TempDir,
}

impl Server {
    pub async fn new(tenancy: Tenancy) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = StorageConfig::in_directory(directory.path());
        config.compaction.interval = Duration::ZERO;
        config.garbage.interval = Duration::ZERO;
        let storage = Storage::open(config).await.unwrap();
        let state = ApiState {
            scraping: Default::default(),
            overrides: Default::default(),
            engine: Engine::new(storage.clone(), 64 << 20).unwrap(),
            tenancy,
            admin_api: true,
            delete_logs: false,
            otlp: Arc::new(OtlpEndpoints::default),
            max_clock_skew_adjustment: std::time::Duration::ZERO,
            tails: Default::default(),
            prometheus: PrometheusApi::default(),
        };
        let (router, main) = (prometheus_router(state.clone()), main_router(state.clone()));
        Self { router, main, storage, state, _directory: directory }
    }

    /// The same with other options.
    pub fn with_api(&mut self, change: impl FnOnce(&mut PrometheusApi)) {
        change(&mut self.state.prometheus);
        self.router = prometheus_router(self.state.clone());
    }

    pub async fn with_metrics() -> Self {
        let server = Self::new(Tenancy::Single).await;
        let body = metrics().encode_to_vec().into();
        server.storage.append(&Tenant::default(), Signal::Metrics, body).await.unwrap();
        server
    }

    pub async fn ask(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Response<Body> {
        self.ask(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub async fn json(&self, path: &str) -> (StatusCode, Value) {
        parsed(self.get(path).await).await
    }

    /// What a successful answer holds; it has no warnings.
    pub async fn data(&self, path: &str) -> Value {
        let (status, mut body) = self.json(path).await;
        assert_eq!(
            (status, &body["status"], body.get("warnings")),
            (StatusCode::OK, &json!("success"), None),
            "{body}"
        );
        body["data"].take()
    }

    pub async fn refused(&self, path: &str, status: u16, kind: &str, error: &str) {
        let (code, body) = self.json(path).await;
        assert_eq!(
            (code.as_u16(), body),
            (status, json!({ "status": "error", "errorType": kind, "error": error })),
            "{path}"
        );
    }
}

pub async fn parsed(response: Response<Body>) -> (StatusCode, Value) {
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
    let status = response.status();
    (status, serde_json::from_str(&text(response).await).unwrap())
}

pub async fn text(response: Response<Body>) -> String {
    String::from_utf8(to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap()
}
