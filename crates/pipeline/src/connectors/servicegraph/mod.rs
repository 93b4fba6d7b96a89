//! `servicegraph`: which service calls which, how often, with what result and in what time, from pairs of spans.
//! <https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/connector/servicegraphconnector>
//!
//! A request is answered once its spans are in memory: a crash loses what was not told of since, and totals begin at zero after every
//! start and reload. Stopping in order loses nothing; edges that wait for a span then are taken for ones that have waited long enough.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use parking_lot::Mutex;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use trefoil_model::{Signal, Tenant};

use self::config::Options;
use self::gather::Gathered;
use self::state::{State, Tally};
use super::series::{Outlet, Tenants};
use super::spans::walk;
use super::{malformed, now};
use crate::component::{Component, ComponentError, Connector, ConnectorConfig, ConnectorFactory, Context, Downstream};
use crate::config::{ConfigError, Section};
use crate::metrics::ServiceGraphMetrics;
use crate::overrides::Generator;
use crate::telemetry::{Accepted, Consumer, Refused, Telemetry};

mod config;
mod gather;
mod state;
mod store;
#[cfg(test)]
mod tests;

pub const FACTORY: ConnectorFactory =
    ConnectorFactory { kind: "servicegraph", signals: &[(Signal::Traces, Signal::Metrics)], parse };

/// The Collector's newer name of the same.
pub const RENAMED: ConnectorFactory = ConnectorFactory { kind: "service_graph", ..FACTORY };

fn parse(section: &Section<'_>) -> Result<Box<dyn ConnectorConfig>, ConfigError> {
    Ok(Box::new(config::read(section)?))
}

impl ConnectorConfig for Options {
    fn build(&self, context: Context, downstream: Downstream) -> Result<Arc<dyn Connector>, ComponentError> {
        let outlet = Outlet { metrics: context.metrics.outlet(&context.id), id: context.id.clone(), downstream };
        let tenants = Tenants::new(context.overrides.run(Generator::ServiceGraphs));
        let metrics = context.metrics.service_graph(&context.id);
        Ok(Arc::new(ServiceGraph::new(self.clone(), tenants, outlet, metrics, now)))
    }
}

struct ServiceGraph {
    inner: Arc<Inner>,
    stopping: CancellationToken,
    tasks: TaskTracker,
}

struct Inner {
    options: Options,
    tenants: Tenants<State>,
    clock: fn() -> u64,
    metrics: ServiceGraphMetrics,
    outlet: Outlet,
}

impl ServiceGraph {
    fn new(
        options: Options,
        tenants: Tenants<State>,
        outlet: Outlet,
        metrics: ServiceGraphMetrics,
        clock: fn() -> u64,
    ) -> Self {
        let inner = Arc::new(Inner { options, tenants, clock, metrics, outlet });
        Self { inner, stopping: CancellationToken::new(), tasks: TaskTracker::new() }
    }
}

impl Inner {
    async fn count(&self, telemetry: Telemetry) -> Result<(), Refused> {
        let Telemetry { tenant, payload, .. } = telemetry;
        let body = payload.into_bytes();
        let mut gathered = Gathered::new(&self.options);
        walk(&body, &mut gathered).map_err(malformed)?;
        self.metrics.dropped_spans.inc_by(gathered.dropped);
        let halves = gathered.halves;
        let Some(state) = self.tenants.of(&tenant) else {
            self.metrics.dropped_spans.inc_by(halves.len() as u64);
            return Ok(());
        };
        let tally = state.lock().count(halves, &self.options, (self.clock)());
        self.note(tally);
        if self.options.flush_interval.is_zero() {
            self.tell_of(&tenant, &state).await;
        }
        Ok(())
    }

    fn note(&self, tally: Tally) {
        self.metrics.total_edges.inc_by(tally.begun);
        self.metrics.expired_edges.inc_by(tally.expired);
        self.metrics.dropped_spans.inc_by(tally.dropped);
        self.metrics.overflow_edges.inc_by(tally.overflow);
    }

    /// Ends the waiting of edges that have waited long enough, or of all.
    fn expire(&self, all: bool) {
        for (_, state) in self.tenants.all() {
            let tally = state.lock().expire(&self.options, (self.clock)(), all);
            self.note(tally);
        }
    }

    fn clean(&self) {
        for (_, state) in self.tenants.all() {
            state.lock().clean((self.clock)());
        }
        self.tenants.forget(State::is_empty);
    }

    /// Hands on what was counted.
    async fn tell(&self) {
        let mut series = 0;
        let told = self.tenants.all().into_iter().map(|(tenant, state)| {
            let mut state = state.lock();
            series += state.len();
            (tenant, state.tell(&self.options, (self.clock)()))
        });
        self.outlet.send_all(told).await;
        self.outlet.metrics.series.set(series as u64);
    }

    async fn tell_of(&self, tenant: &Tenant, state: &Mutex<State>) {
        let requests = state.lock().tell(&self.options, (self.clock)());
        self.outlet.send(tenant, requests).await;
    }
}

/// What a request comes to by these options, as if nothing came after it.
pub fn try_request(section: &Section<'_>, body: &[u8], now: u64) -> Result<Vec<ExportMetricsServiceRequest>, Refused> {
    let options = config::read(section).map_err(|error| Refused::Invalid(error.to_string()))?;
    let mut gathered = Gathered::new(&options);
    walk(body, &mut gathered).map_err(malformed)?;
    let mut state = State::default();
    state.count(gathered.halves, &options, now);
    state.expire(&options, now, true);
    Ok(state.tell(&options, now + 1))
}

/// Ticks from now on, the first time after the period; never if that is 0.
fn ticks(period: Duration) -> Option<Interval> {
    if period.is_zero() {
        return None;
    }
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.reset();
    Some(ticks)
}

async fn tick(ticks: &mut Option<Interval>) {
    match ticks {
        Some(ticks) => drop(ticks.tick().await),
        None => pending().await,
    }
}

#[async_trait]
impl Component for ServiceGraph {
    async fn start(&self) -> Result<(), ComponentError> {
        let (inner, stopping) = (self.inner.clone(), self.stopping.clone());
        self.tasks.spawn(async move {
            let mut flush = ticks(inner.options.flush_interval);
            let mut expiration = ticks(inner.options.expiration_interval);
            let mut cleaning = ticks(inner.options.cleaning_interval);
            loop {
                tokio::select! {
                    () = stopping.cancelled() => return,
                    () = tick(&mut flush) => inner.tell().await,
                    () = tick(&mut expiration) => inner.expire(false),
                    () = tick(&mut cleaning) => inner.clean(),
                }
            }
        });
        Ok(())
    }

    async fn shutdown(&self, grace: Duration) {
        self.stopping.cancel();
        self.tasks.close();
        let rest = async {
            self.tasks.wait().await;
            self.inner.expire(true);
            self.inner.tell().await;
        };
        if timeout(grace, rest).await.is_err() {
            tracing::warn!(connector = %self.inner.outlet.id, ?grace, "the last points were not taken within the grace");
        }
    }
}

impl Connector for ServiceGraph {}

#[async_trait]
impl Consumer for ServiceGraph {
    async fn consume(&self, telemetry: Telemetry) -> Result<Accepted, Refused> {
        self.inner.count(telemetry).await?;
        Ok(Accepted::all())
    }
}
