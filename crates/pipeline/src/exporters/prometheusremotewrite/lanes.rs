//! Which requests must keep their order: those with points of the same series.

use std::hash::{DefaultHasher, Hash, Hasher};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{Metric, ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;

const PROMETHEUS_TYPE: &str = "prometheus.type";

/// The lane of a metric. All of a resource are in one, since `target_info` tells of all of them; literal series have no
/// resource.
fn of(resource: Option<&Resource>, metric: &Metric, lanes: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    match metric.metadata.iter().any(|told| told.key == PROMETHEUS_TYPE) {
        true => metric.name.hash(&mut hasher),
        // Whoever encoded it, the same resource is the same bytes here.
        false => resource.map(Resource::encode_to_vec).unwrap_or_default().hash(&mut hasher),
    }
    (hasher.finish() % lanes.max(1) as u64) as usize
}

/// The lane of a request that is of one; without metrics it may be any.
pub fn of_request(request: &ExportMetricsServiceRequest, lanes: usize) -> usize {
    all(request, lanes).next().unwrap_or(0)
}

/// Whether nothing is to be split.
pub fn is_one(request: &ExportMetricsServiceRequest, lanes: usize) -> bool {
    let mut all = all(request, lanes);
    let first = all.next();
    all.all(|lane| Some(lane) == first)
}

fn all(request: &ExportMetricsServiceRequest, lanes: usize) -> impl Iterator<Item = usize> {
    request.resource_metrics.iter().flat_map(move |resource| {
        let metrics = resource.scope_metrics.iter().flat_map(|scope| &scope.metrics);
        metrics.map(move |metric| of(resource.resource.as_ref(), metric, lanes))
    })
}

/// A request for each lane that has metrics.
pub fn split(request: ExportMetricsServiceRequest, lanes: usize) -> Vec<ExportMetricsServiceRequest> {
    let mut parts: Vec<ExportMetricsServiceRequest> = vec![ExportMetricsServiceRequest::default(); lanes];
    for (index, resource) in request.resource_metrics.into_iter().enumerate() {
        let of_resource =
            ResourceMetrics { resource: resource.resource, scope_metrics: Vec::new(), schema_url: resource.schema_url };
        // The resource and scope that each part is writing to, by their number in the request.
        let mut open: Vec<Option<(usize, usize)>> = vec![None; lanes];
        for (number, scope) in resource.scope_metrics.into_iter().enumerate() {
            let of_scope = ScopeMetrics { scope: scope.scope, metrics: Vec::new(), schema_url: scope.schema_url };
            for metric in scope.metrics {
                let lane = of(of_resource.resource.as_ref(), &metric, lanes);
                let resources = &mut parts[lane].resource_metrics;
                if open[lane].is_none() {
                    resources.push(of_resource.clone());
                }
                let Some(resource) = resources.last_mut() else { continue };
                if open[lane] != Some((index, number)) {
                    resource.scope_metrics.push(of_scope.clone());
                    open[lane] = Some((index, number));
                }
                if let Some(scope) = resource.scope_metrics.last_mut() {
                    scope.metrics.push(metric);
                }
            }
        }
    }
    parts.retain(|part| !part.resource_metrics.is_empty());
    parts
}
