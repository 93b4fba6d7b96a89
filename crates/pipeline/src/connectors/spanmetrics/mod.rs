//! `spanmetrics`: counts spans by service, name, kind, status and further attributes, and puts their durations into histograms.
//! <https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/connector/spanmetricsconnector>, and with
//! `names: tempo` what Tempo's metrics-generator makes (`docs/decisions/0026-metrics-from-traces.md`).
//!
//! A request is answered once its spans are counted in memory: a crash loses what was not told of since, and totals begin at zero
//! after every start and reload. Stopping in order loses nothing.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use trefoil_model::Signal;

use self::config::Options;
use self::gather::Gathered;
use self::state::State;
use super::series::{Hashing, Outlet, Tenants};
use super::spans::walk;
use super::{malformed, now};
use crate::component::{Component, ComponentError, Connector, ConnectorConfig, ConnectorFactory, Context, Downstream};
use crate::config::{ConfigError, Section};
use crate::metrics::SpanMetrics;
use crate::overrides::Generator;
use crate::telemetry::{Accepted, Consumer, Refused, Telemetry};

mod config;
mod emit;
mod gather;
mod labels;
mod state;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_options;

pub const FACTORY: ConnectorFactory =
    ConnectorFactory { kind: "spanmetrics", signals: &[(Signal::Traces, Signal::Metrics)], parse };

/// The Collector's newer name of the same.
pub const RENAMED: ConnectorFactory = ConnectorFactory { kind: "span_metrics", ..FACTORY };

fn parse(section: &Section<'_>) -> Result<Box<dyn ConnectorConfig>, ConfigError> {
    Ok(Box::new(config::read(section)?))
}

impl ConnectorConfig for Options {
    fn build(&self, context: Context, downstream: Downstream) -> Result<Arc<dyn Connector>, ComponentError> {
        let outlet = Outlet { metrics: context.metrics.outlet(&context.id), id: context.id.clone(), downstream };
        let tenants = Tenants::new(context.overrides.run(Generator::SpanMetrics));
        let metrics = context.metrics.span_metrics(&context.id);
        Ok(Arc::new(SpanMetricsConnector::new(self.clone(), tenants, outlet, metrics, now)))
    }
}

struct SpanMetricsConnector {
    inner: Arc<Inner>,
    stopping: CancellationToken,
    tasks: TaskTracker,
}

struct Inner {
    options: Options,
    hashing: Hashing,
    tenants: Tenants<State>,
    clock: fn() -> u64,
    metrics: SpanMetrics,
    outlet: Outlet,
}

impl SpanMetricsConnector {
    fn new(
        options: Options,
        tenants: Tenants<State>,
        outlet: Outlet,
        metrics: SpanMetrics,
        clock: fn() -> u64,
    ) -> Self {
        let hashing = Hashing::default();
        let inner = Arc::new(Inner { options, hashing, tenants, clock, metrics, outlet });
        Self { inner, stopping: CancellationToken::new(), tasks: TaskTracker::new() }
    }
}

impl Inner {
    fn count(&self, telemetry: Telemetry) -> Result<(), Refused> {
        let spans = telemetry.payload.items();
        let body = telemetry.payload.into_bytes();
        let mut gathered = Gathered::new(&self.options, &self.hashing);
        walk(&body, &mut gathered).map_err(malformed)?;
        let Some(state) = self.tenants.of(&telemetry.tenant) else {
            self.metrics.skipped.inc_by(spans);
            return Ok(());
        };
        let overflow = state.lock().count(&gathered, &self.options, (self.clock)());
        self.metrics.counted.inc_by(gathered.spans);
        self.metrics.overflow.inc_by(overflow);
        self.metrics.skipped.inc_by(spans.saturating_sub(gathered.spans));
        Ok(())
    }

    /// Hands on what was counted.
    async fn tell(&self) {
        let mut series = 0;
        let told = self.tenants.all().into_iter().map(|(tenant, state)| {
            let mut state = state.lock();
            let requests = state.tell(&self.options, (self.clock)());
            series += state.len();
            (tenant, requests)
        });
        self.outlet.send_all(told).await;
        self.outlet.metrics.series.set(series as u64);
        self.tenants.forget(State::is_empty);
    }
}

/// What a request comes to by these options, as if it was told of at once.
pub fn try_request(section: &Section<'_>, body: &[u8], now: u64) -> Result<Vec<ExportMetricsServiceRequest>, Refused> {
    let options = config::read(section).map_err(|error| Refused::Invalid(error.to_string()))?;
    let hashing = Hashing::default();
    let mut gathered = Gathered::new(&options, &hashing);
    walk(body, &mut gathered).map_err(malformed)?;
    let mut state = State::default();
    state.count(&gathered, &options, now);
    Ok(state.tell(&options, now + 1))
}

#[async_trait]
impl Component for SpanMetricsConnector {
    async fn start(&self) -> Result<(), ComponentError> {
        let (inner, stopping) = (self.inner.clone(), self.stopping.clone());
        self.tasks.spawn(async move {
            let mut ticks = interval(inner.options.flush_interval);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            // The first comes at once.
            ticks.tick().await;
            loop {
                tokio::select! {
                    () = stopping.cancelled() => return,
                    _ = ticks.tick() => {}
                }
                inner.tell().await;
            }
        });
        Ok(())
    }

    async fn shutdown(&self, grace: Duration) {
        self.stopping.cancel();
        self.tasks.close();
        let rest = async {
            self.tasks.wait().await;
            self.inner.tell().await;
        };
        if timeout(grace, rest).await.is_err() {
            tracing::warn!(connector = %self.inner.outlet.id, ?grace, "the last points were not taken within the grace");
        }
    }
}

impl Connector for SpanMetricsConnector {}

#[async_trait]
impl Consumer for SpanMetricsConnector {
    async fn consume(&self, telemetry: Telemetry) -> Result<Accepted, Refused> {
        self.inner.count(telemetry)?;
        Ok(Accepted::all())
    }
}
