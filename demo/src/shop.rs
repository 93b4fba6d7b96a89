//! What the services share, and what one of them has at hand while it works on a request.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::StatusCode;
use http::request::Parts;
use opentelemetry::context::FutureExt as _;
use opentelemetry::logs::Severity;
use opentelemetry::propagation::Injector;
use opentelemetry::{Context, KeyValue};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::broker::Broker;
use crate::database::Database;
use crate::faults::Faults;
use crate::http::Failure;
use crate::scenario::Scenario;
use crate::services::{ServiceName, orders::Payments};
use crate::telemetry::{Pod, Telemetry};
use crate::tenants::Tenant;
use crate::{latency, propagation};

/// The platform.
pub struct Shop {
    pub tenants: Vec<Tenant>,
    pub telemetry: Telemetry,
    pub faults: Faults,
    pub database: Database,
    pub broker: Broker,
    pub payments: Payments,
    /// Woken when there is something in the outbox.
    pub outbox: tokio::sync::Notify,
    pub http: reqwest::Client,
    /// Work that goes on after its request has been answered.
    pub background: TaskTracker,
    pub stop: CancellationToken,
}

impl Shop {
    /// Hands a context on to what `from` calls; without its trace, if that is a service that drops it.
    pub fn inject(&self, from: ServiceName, context: &Context, carrier: &mut dyn Injector) {
        match self.faults.drops_traceparent(from) {
            true => propagation::inject_baggage(context, carrier),
            false => propagation::inject(context, carrier),
        }
    }
}

/// One service at work for one tenant. Handlers take it as an argument; the server's middleware puts it there.
#[derive(Clone)]
pub struct Job {
    pub shop: Arc<Shop>,
    pub pod: Arc<Pod>,
}

impl Job {
    /// What the current request is meant to run into.
    pub fn meets(&self, scenario: Scenario) -> bool {
        Scenario::of(&Context::current()) == Some(scenario)
    }

    /// Works for about `milliseconds`, which are `slow` ones if the request is meant to run into `scenario`.
    pub async fn spend(&self, milliseconds: f64, scenario: Scenario, slow: f64) {
        latency::spend(if self.meets(scenario) { slow } else { milliseconds }).await;
    }

    pub fn info(&self, message: impl AsRef<str>, attributes: &[KeyValue]) {
        self.pod.log(Severity::Info, message.as_ref(), attributes);
    }

    pub fn warn(&self, message: impl AsRef<str>, attributes: &[KeyValue]) {
        self.pod.log(Severity::Warn, message.as_ref(), attributes);
    }

    /// Goes on in the context of the current span after the request has been answered.
    pub fn later(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.shop.background.spawn(work.with_current_context());
    }
}

impl<S: Sync> FromRequestParts<S> for Job {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        let job = parts.extensions.get::<Job>().cloned();
        job.ok_or_else(|| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "the route is not instrumented"))
    }
}
