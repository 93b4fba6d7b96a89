//! Points as requests that are not too large.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::{Metric, ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;

/// Points of one request, and so of one call of [`Batches::metric`] at most.
pub const MOST_POINTS: usize = 10_000;

/// Requests being put together, all metrics in one scope.
#[derive(Debug)]
pub struct Batches {
    scope: &'static str,
    done: Vec<ExportMetricsServiceRequest>,
    open: Vec<ResourceMetrics>,
    points: usize,
    resource: Vec<KeyValue>,
    /// The last of `open` is of `resource`.
    is_current: bool,
}

impl Batches {
    pub fn new(scope: &'static str) -> Self {
        Self { scope, done: Vec::new(), open: Vec::new(), points: 0, resource: Vec::new(), is_current: false }
    }

    /// The metrics that follow are of this resource.
    pub fn resource(&mut self, attributes: &[KeyValue]) {
        self.resource = attributes.to_vec();
        self.is_current = false;
    }

    /// `points`: how many it has; without any it is left out.
    pub fn metric(&mut self, metric: Metric, points: usize) {
        if points == 0 {
            return;
        }
        if self.points > 0 && self.points + points > MOST_POINTS {
            self.close();
        }
        if !self.is_current {
            let scope = InstrumentationScope { name: self.scope.to_owned(), ..InstrumentationScope::default() };
            self.open.push(ResourceMetrics {
                resource: Some(Resource { attributes: self.resource.clone(), ..Resource::default() }),
                scope_metrics: vec![ScopeMetrics { scope: Some(scope), ..ScopeMetrics::default() }],
                ..ResourceMetrics::default()
            });
            self.is_current = true;
        }
        if let Some(scope) = self.open.last_mut().and_then(|group| group.scope_metrics.last_mut()) {
            scope.metrics.push(metric);
        }
        self.points += points;
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            let resource_metrics = std::mem::take(&mut self.open);
            self.done.push(ExportMetricsServiceRequest { resource_metrics });
        }
        self.points = 0;
        self.is_current = false;
    }

    pub fn finish(mut self) -> Vec<ExportMetricsServiceRequest> {
        self.close();
        self.done
    }
}
