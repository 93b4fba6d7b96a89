//! `propagation`: between which services the context of traces gets lost, as counters that PromQL and alerts see. (Ours: the Collector has
//! none.) What a hole is says [`trefoil_trace::propagation`], and the same is answered for what is stored by `/api/v1/propagation`.
//!
//! A request is answered once its spans are in memory: a crash loses what was not told of since, and totals begin at zero after every
//! start and reload. What waits when the server stops is not judged: parents that are still to come would be missing.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use trefoil_model::Signal;

use self::config::Options;
use self::gather::Gathered;
use self::state::{State, Tally};
use super::series::{Outlet, Tenants};
use super::spans::walk;
use super::{malformed, now};
use crate::component::{Component, ComponentError, Connector, ConnectorConfig, ConnectorFactory, Context, Downstream};
use crate::config::{ConfigError, Section};
use crate::metrics::PropagationMetrics;
use crate::telemetry::{Accepted, Consumer, Refused, Telemetry};

mod config;
mod gather;
mod state;
#[cfg(test)]
mod tests;

pub const FACTORY: ConnectorFactory =
    ConnectorFactory { kind: "propagation", signals: &[(Signal::Traces, Signal::Metrics)], parse };

fn parse(section: &Section<'_>) -> Result<Box<dyn ConnectorConfig>, ConfigError> {
    Ok(Box::new(config::read(section)?))
}

impl ConnectorConfig for Options {
    fn build(&self, context: Context, downstream: Downstream) -> Result<Arc<dyn Connector>, ComponentError> {
        let outlet = Outlet { metrics: context.metrics.outlet(&context.id), id: context.id.clone(), downstream };
        Ok(Arc::new(Propagation::new(self.clone(), outlet, context.metrics.propagation(&context.id), now)))
    }
}

struct Propagation {
    inner: Arc<Inner>,
    stopping: CancellationToken,
    tasks: TaskTracker,
}

struct Inner {
    options: Options,
    tenants: Tenants<State>,
    clock: fn() -> u64,
    metrics: PropagationMetrics,
    outlet: Outlet,
}

impl Propagation {
    fn new(options: Options, outlet: Outlet, metrics: PropagationMetrics, clock: fn() -> u64) -> Self {
        let inner = Arc::new(Inner { options, tenants: Tenants::of_everybody(), clock, metrics, outlet });
        Self { inner, stopping: CancellationToken::new(), tasks: TaskTracker::new() }
    }
}

impl Inner {
    fn count(&self, telemetry: Telemetry) -> Result<(), Refused> {
        let Telemetry { tenant, payload, .. } = telemetry;
        let body = payload.into_bytes();
        let mut gathered = Gathered::new(&self.options);
        walk(&body, &mut gathered).map_err(malformed)?;
        self.metrics.dropped.inc_by(gathered.dropped);
        match self.tenants.of(&tenant) {
            Some(state) => self.note(state.lock().add(gathered.spans, &self.options, (self.clock)())),
            None => self.note(Tally { dropped: gathered.spans.len() as u64, ..Tally::default() }),
        }
        Ok(())
    }

    fn note(&self, tally: Tally) {
        self.metrics.remembered.inc_by(tally.remembered);
        self.metrics.dropped.inc_by(tally.dropped);
        self.metrics.undecided.inc_by(tally.undecided);
    }

    /// Judges what has waited long enough.
    fn expire(&self) {
        for (_, state) in self.tenants.all() {
            let mut tally = Tally::default();
            state.lock().expire(&self.options, (self.clock)(), &mut tally);
            self.note(tally);
        }
    }

    /// Hands on what was counted.
    async fn tell(&self) {
        let mut series = 0;
        let told = self.tenants.all().into_iter().map(|(tenant, state)| {
            let mut state = state.lock();
            series += state.len();
            let requests = state.tell((self.clock)());
            state.clean((self.clock)());
            (tenant, requests)
        });
        self.outlet.send_all(told).await;
        self.outlet.metrics.series.set(series as u64);
        self.tenants.forget(State::is_empty);
    }
}

/// What a request comes to by these options, as if another and nothing else came long after it.
pub fn try_request(section: &Section<'_>, body: &[u8], now: u64) -> Result<Vec<ExportMetricsServiceRequest>, Refused> {
    let options = config::read(section).map_err(|error| Refused::Invalid(error.to_string()))?;
    let gathered = || {
        let mut gathered = Gathered::new(&options);
        walk(body, &mut gathered).map(|()| gathered.spans).map_err(malformed)
    };
    let (mut state, later) = (State::default(), 4 * options.wait_nanos());
    state.add(gathered()?, &options, now);
    state.add(gathered()?, &options, now + later);
    state.expire(&options, now + 2 * later, &mut Tally::default());
    Ok(state.tell(now + 2 * later))
}

fn ticks(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.reset();
    ticks
}

#[async_trait]
impl Component for Propagation {
    async fn start(&self) -> Result<(), ComponentError> {
        let (inner, stopping) = (self.inner.clone(), self.stopping.clone());
        self.tasks.spawn(async move {
            let mut flush = ticks(inner.options.flush_interval);
            let wait = inner.options.wait;
            let mut expiration = ticks((wait / 4).clamp(Duration::from_millis(50), Duration::from_secs(5)));
            loop {
                tokio::select! {
                    () = stopping.cancelled() => return,
                    _ = flush.tick() => inner.tell().await,
                    _ = expiration.tick() => inner.expire(),
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
            self.inner.expire();
            self.inner.tell().await;
        };
        if timeout(grace, rest).await.is_err() {
            tracing::warn!(connector = %self.inner.outlet.id, ?grace, "the last points were not taken within the grace");
        }
    }
}

impl Connector for Propagation {}

#[async_trait]
impl Consumer for Propagation {
    async fn consume(&self, telemetry: Telemetry) -> Result<Accepted, Refused> {
        self.inner.count(telemetry)?;
        Ok(Accepted::all())
    }
}
