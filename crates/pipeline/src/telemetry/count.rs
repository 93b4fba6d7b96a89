//! Counting items without decoding: a walk over the length-delimited fields that lead to them.

use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use trefoil_model::Signal;
use trefoil_model::wire::{Reader, WireError};

use super::Message;

// Field numbers of the OTLP protocol: resource_* and scope_* and the items are alike in the three signals.
const RESOURCE: u32 = 1;
const SCOPE: u32 = 2;
const ITEM: u32 = 2;
/// gauge, sum, histogram, exponential_histogram, summary of `Metric`.
const METRIC_DATA: [u32; 5] = [5, 7, 9, 10, 11];
const DATA_POINTS: u32 = 1;

pub(super) fn in_message(message: &Message) -> u64 {
    let items: usize = match message {
        Message::Traces(request) => {
            request.resource_spans.iter().flat_map(|r| &r.scope_spans).map(|s| s.spans.len()).sum()
        }
        Message::Logs(request) => {
            request.resource_logs.iter().flat_map(|r| &r.scope_logs).map(|s| s.log_records.len()).sum()
        }
        Message::Metrics(request) => request
            .resource_metrics
            .iter()
            .flat_map(|resource| &resource.scope_metrics)
            .flat_map(|scope| &scope.metrics)
            .map(|metric| data_points(metric.data.as_ref()))
            .sum(),
    };
    items as u64
}

/// The data points of one metric.
pub fn data_points(data: Option<&Data>) -> usize {
    match data {
        None => 0,
        Some(Data::Gauge(gauge)) => gauge.data_points.len(),
        Some(Data::Sum(sum)) => sum.data_points.len(),
        Some(Data::Histogram(histogram)) => histogram.data_points.len(),
        Some(Data::ExponentialHistogram(histogram)) => histogram.data_points.len(),
        Some(Data::Summary(summary)) => summary.data_points.len(),
    }
}

/// The items before the first malformed place.
pub(super) fn in_bytes(signal: Signal, bytes: &[u8]) -> u64 {
    let mut items = 0;
    let _stops_at_malformed = walk(signal, bytes, &mut items);
    items
}

fn walk(signal: Signal, bytes: &[u8], items: &mut u64) -> Result<(), WireError> {
    for resource in Reader::new(bytes) {
        let resource = resource?;
        if resource.number != RESOURCE {
            continue;
        }
        for scope in resource.message()? {
            let scope = scope?;
            if scope.number != SCOPE {
                continue;
            }
            for item in scope.message()? {
                let item = item?;
                if item.number != ITEM {
                    continue;
                }
                match signal {
                    Signal::Metrics => walk_metric(item.message()?, items)?,
                    Signal::Traces | Signal::Logs => *items += 1,
                }
            }
        }
    }
    Ok(())
}

fn walk_metric(metric: Reader<'_>, items: &mut u64) -> Result<(), WireError> {
    for data in metric {
        let data = data?;
        if !METRIC_DATA.contains(&data.number) {
            continue;
        }
        for point in data.message()? {
            *items += u64::from(point?.number == DATA_POINTS);
        }
    }
    Ok(())
}
