//! What OTLP over gRPC and over HTTP have in common: whose a request is, where it came from, and where it goes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use tokio_util::sync::CancellationToken;
use tonic::Code;
use trefoil_model::tenant::{NoTenant, TENANT_HEADER, Tenancy};
use trefoil_model::{Signal, Tenant};

use super::status::Answer;
use super::workshop::Workshop;
use crate::component::Downstream;
use crate::metrics::RequestMetrics;
use crate::net::body::Admission;
use crate::receivers::prometheusremotewrite::WriteRequest;
use crate::telemetry::{Accepted, Consumer, Origin, Payload, Refused, Telemetry};

/// All bodies under way together may hold this many bytes, unless the caller says otherwise.
pub const DEFAULT_IN_FLIGHT_BYTES: usize = 256 << 20;

/// The door of one receiver; its protocols share it.
#[derive(Clone)]
pub struct Intake {
    downstream: Downstream,
    tenancy: Tenancy,
    /// As in "no pipeline takes traces from this receiver".
    receiver: &'static str,
    pub(crate) admission: Admission,
    pub(crate) workshop: Workshop,
    refusing: CancellationToken,
}

impl Intake {
    /// `in_flight_bytes` bounds the bodies of all requests under way together.
    pub fn new(downstream: Downstream, tenancy: Tenancy, in_flight_bytes: usize) -> Self {
        let (admission, refusing) = (Admission::new(in_flight_bytes), CancellationToken::new());
        let workshop = Workshop::default();
        Self { downstream, tenancy, receiver: "this receiver", admission, workshop, refusing }
    }

    /// The door for requests that do not come by a receiver's own listener.
    pub fn of_another_listener(self) -> Self {
        Self { receiver: "an `otlp` receiver", ..self }
    }

    /// Whether a pipeline of the signal uses this receiver, or else what to answer; a reload can change it.
    pub fn check_taken(&self, signal: Signal) -> Result<(), Answer> {
        if self.downstream.takes(signal) {
            return Ok(());
        }
        let message = format!("no pipeline takes {signal} from {}", self.receiver);
        Err(Answer::new(StatusCode::NOT_FOUND, Code::Unimplemented, message))
    }

    /// The tenant that the headers name.
    pub fn tenant(&self, headers: &HeaderMap) -> Result<Tenant, NoTenant> {
        self.tenancy.resolve(headers.get(TENANT_HEADER).and_then(|value| value.to_str().ok()))
    }

    /// Hands the protobuf body of one request to the pipelines.
    pub async fn deliver(
        &self,
        request: &mut RequestMetrics<'_>,
        tenant: Tenant,
        signal: Signal,
        body: Bytes,
        origin: Origin,
    ) -> Result<Accepted, Refused> {
        let mut telemetry = Telemetry::new(tenant, Payload::from_bytes(signal, body));
        telemetry.origin = origin;
        let items = telemetry.payload.items();
        let answer = self.consume(telemetry).await;
        request.delivered(signal, items, &answer);
        answer
    }

    /// As `deliver`, for who counts items himself.
    pub async fn consume(&self, telemetry: Telemetry) -> Result<Accepted, Refused> {
        tokio::select! {
            answer = self.downstream.consume(telemetry) => answer,
            () = self.refusing.cancelled() => Err(Refused::unavailable("the receiver is shutting down")),
        }
    }

    /// As `consume`, for Prometheus' remote write.
    pub async fn consume_write(&self, request: WriteRequest) -> Result<Accepted, Refused> {
        tokio::select! {
            answer = self.downstream.consume_write(request) => answer,
            () = self.refusing.cancelled() => Err(Refused::unavailable("the receiver is shutting down")),
        }
    }

    /// Waits until the requests under way are `drained`; those that `grace` does not suffice for are refused.
    pub(crate) async fn refuse_after(&self, grace: Duration, drained: impl Future<Output = ()>) {
        let cut_short = async {
            tokio::time::sleep(grace).await;
            tracing::warn!(?grace, "requests are still under way at the end of the grace time; they are refused");
            self.refuse_all();
            std::future::pending().await
        };
        tokio::select! {
            () = drained => {}
            () = cut_short => {}
        }
    }

    /// Returns when every request is refused.
    pub(crate) async fn refuses(&self) {
        self.refusing.cancelled().await;
    }

    /// Answers every request under way, and all that follow, with a retryable error.
    pub fn refuse_all(&self) {
        self.refusing.cancel();
    }
}

/// What is known of a request beside its body; the headers only with `include_metadata`.
pub fn origin(parts: &Parts, include_metadata: bool) -> Origin {
    let address: Option<SocketAddr> = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0);
    let metadata = if include_metadata { metadata(&parts.headers) } else { Arc::default() };
    Origin { metadata, address }
}

fn metadata(headers: &HeaderMap) -> Arc<Vec<(String, String)>> {
    let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        Some((name.as_str().to_string(), value.to_str().ok()?.to_string()))
    };
    Arc::new(headers.iter().filter_map(text).collect())
}
