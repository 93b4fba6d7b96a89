//! Aggregated points as requests.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Metric, ResourceMetrics, ScopeMetrics};
use trefoil_model::Tenant;

use super::point::Point;
use super::state::{Output, Target};

/// Points of one request.
const MOST_POINTS: usize = 10_000;

/// One request a tenant, or several where there are many points.
pub fn by_tenant(outputs: Vec<(Target, Vec<Output>)>) -> Vec<(Tenant, ExportMetricsServiceRequest)> {
    let mut requests = Vec::new();
    let mut open: BTreeMap<Tenant, (ExportMetricsServiceRequest, usize)> = BTreeMap::new();
    for (target, outputs) in outputs {
        for chunk in outputs.chunks(MOST_POINTS) {
            let (request, points) = open.entry(target.tenant.clone()).or_default();
            request.resource_metrics.push(group(&target, chunk));
            *points += chunk.len();
            if *points >= MOST_POINTS
                && let Some((request, _)) = open.remove(&target.tenant)
            {
                requests.push((target.tenant.clone(), request));
            }
        }
    }
    requests.extend(open.into_iter().map(|(tenant, (request, _))| (tenant, request)));
    requests
}

fn group(target: &Target, outputs: &[Output]) -> ResourceMetrics {
    let mut metric: Metric = target.metric.clone();
    match &mut metric.data {
        Some(Data::Gauge(data)) => {
            // Literal counters are gauges to OTLP; that they begin is seen by their fall.
            let outputs = outputs.iter().map(|output| Output { start: 0, ..output.clone() });
            data.data_points = points(outputs);
        }
        Some(Data::Sum(data)) => data.data_points = points(outputs.iter().cloned()),
        Some(Data::Histogram(data)) => data.data_points = points(outputs.iter().cloned()),
        Some(Data::ExponentialHistogram(data)) => data.data_points = points(outputs.iter().cloned()),
        Some(Data::Summary(_)) | None => {}
    }
    ResourceMetrics {
        resource: target.resource.clone(),
        schema_url: target.resource_schema_url.clone(),
        scope_metrics: vec![ScopeMetrics {
            scope: target.scope.clone(),
            schema_url: target.scope_schema_url.clone(),
            metrics: vec![metric],
        }],
    }
}

fn points<P: Point>(outputs: impl Iterator<Item = Output>) -> Vec<P> {
    outputs.map(|output| P::new(output.attributes, output.start, output.time, output.value)).collect()
}
