//! Sending: batches of what the pods have put into the queues, again and again while the receiver is away. What waits is
//! bounded by the queues; the rest is lost and counted.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{ResourceMetrics, metric};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use super::batch::{self, Batch, Source};
use super::otlp::{Accepted, Client, Request, SendError};
use super::queue::Item;
use super::status::{Counts, Status};

/// Items in one batch: some two megabytes.
const MAX_BATCH: usize = 1024;
/// How long the first item of a batch waits for others.
const DELAY: Duration = Duration::from_millis(400);
/// Pods in one request of metrics.
const MAX_PODS: usize = 32;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Where telemetry goes.
#[derive(Clone)]
pub struct Exporter {
    pub client: Client,
    pub endpoint: String,
    pub status: Arc<Status>,
    pub sources: Arc<Vec<Source>>,
    /// A request for each tenant, which names it.
    pub tenant_header: bool,
    /// No more will come.
    pub stop: CancellationToken,
    /// What cannot be sent now is lost.
    pub give_up: CancellationToken,
}

impl Exporter {
    /// Sends what comes until `stop`, and then what is left.
    pub async fn run(self, mut queue: mpsc::Receiver<(usize, Item)>) {
        let mut items = Vec::new();
        while self.fill(&mut queue, &mut items).await {
            for batch in batch::requests(std::mem::take(&mut items), &self.sources, self.tenant_header) {
                self.deliver(batch).await;
            }
        }
    }

    /// Waits for items, and a little longer for more of them; false when there will be no more.
    async fn fill(&self, queue: &mut mpsc::Receiver<(usize, Item)>, items: &mut Vec<(usize, Item)>) -> bool {
        tokio::select! {
            _ = queue.recv_many(items, MAX_BATCH) => {}
            () = self.stop.cancelled() => queue.close(),
        }
        let end = Instant::now() + DELAY;
        while items.len() < MAX_BATCH && !self.stop.is_cancelled() {
            let room = MAX_BATCH - items.len();
            match timeout_at(end, queue.recv_many(items, room)).await {
                Ok(1..) => {}
                _ => break,
            }
        }
        if self.stop.is_cancelled() && items.is_empty() {
            queue.recv_many(items, MAX_BATCH).await;
        }
        !items.is_empty()
    }

    /// Sends a batch as often as it takes, or until it is time to give up.
    async fn deliver(&self, batch: Batch) {
        tokio::select! {
            () = self.try_until_sent(&batch) => {}
            () = self.give_up.cancelled() => self.counts(&batch).add_lost(batch.items),
        }
    }

    async fn try_until_sent(&self, batch: &Batch) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.client.send(&batch.request, batch.tenant).await {
                Ok(accepted) => return self.sent(batch, accepted),
                Err(error) if error.retryable => self.failed(&error),
                Err(error) => {
                    self.failed(&error);
                    return self.counts(batch).add_lost(batch.items);
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn failed(&self, error: &SendError) {
        self.status.set_problem(Some(format!("{} does not take telemetry: {error}", self.endpoint)));
    }

    fn sent(&self, batch: &Batch, Accepted { rejected, message }: Accepted) {
        let counts = self.counts(batch);
        counts.add_sent(batch.items.saturating_sub(rejected));
        counts.add_lost(rejected);
        let problem = (rejected > 0).then(|| format!("{} refused {rejected} items: {message}", self.endpoint));
        self.status.set_problem(problem);
    }

    fn counts(&self, batch: &Batch) -> &Counts {
        match batch.request {
            Request::Traces(_) => &self.status.spans,
            Request::Logs(_) => &self.status.records,
            Request::Metrics(_) => &self.status.points,
        }
    }

    /// Sends the metrics of all pods once. They are cumulative: what does not arrive now is told
    /// again by the next collection.
    pub async fn send_metrics(&self, mut pods: Vec<(&'static str, Vec<ResourceMetrics>)>) {
        while !pods.is_empty() {
            let tenant = self.tenant_header.then_some(pods[0].0);
            let same = pods.iter().take_while(|(name, _)| tenant.is_none_or(|tenant| tenant == *name)).count();
            let resource_metrics: Vec<_> = pods.drain(..same.min(MAX_PODS)).flat_map(|(_, metrics)| metrics).collect();
            let items = resource_metrics.iter().map(points).sum();
            let request = Request::Metrics(ExportMetricsServiceRequest { resource_metrics });
            let batch = Batch { tenant, request, items };
            let sent = tokio::select! {
                sent = self.client.send(&batch.request, tenant) => sent,
                () = self.give_up.cancelled() => return self.status.points.add_lost(items),
            };
            match sent {
                Ok(accepted) => self.sent(&batch, accepted),
                Err(error) if error.retryable => self.failed(&error),
                Err(error) => {
                    self.failed(&error);
                    self.status.points.add_lost(items);
                }
            }
        }
    }
}

fn points(metrics: &ResourceMetrics) -> u64 {
    let metrics = metrics.scope_metrics.iter().flat_map(|scope| &scope.metrics);
    let counts = metrics.map(|metric| match &metric.data {
        Some(metric::Data::Gauge(gauge)) => gauge.data_points.len(),
        Some(metric::Data::Sum(sum)) => sum.data_points.len(),
        Some(metric::Data::Histogram(histogram)) => histogram.data_points.len(),
        _ => 0,
    });
    counts.sum::<usize>() as u64
}
