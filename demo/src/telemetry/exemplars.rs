//! Exemplars: for each bucket of each histogram series the last measurement since the last collection, with its span. The
//! Rust SDK does not record any, so they are kept beside it and put into what it collected.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry::KeyValue;
use opentelemetry::trace::SpanContext;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue as OtlpKeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{Exemplar, HistogramDataPoint, ResourceMetrics, exemplar, metric};
use parking_lot::Mutex;

/// Series beyond these have no exemplars; the SDK itself keeps at most 2000 of an instrument.
const MAX_SERIES: usize = 2000;

/// The exemplars of one meter provider.
#[derive(Debug, Default)]
pub struct Exemplars(Mutex<HashMap<String, Buckets>>);

/// At most one exemplar a bucket.
type Buckets = Vec<Option<Exemplar>>;

impl Exemplars {
    /// Offers a measurement of the histogram `name` with these upper bounds.
    pub fn offer(&self, name: &str, attributes: &[KeyValue], bounds: &[f64], value: f64, span: &SpanContext) {
        if !span.is_valid() || !span.is_sampled() {
            return;
        }
        let attributes: Vec<OtlpKeyValue> = attributes.iter().map(OtlpKeyValue::from).collect();
        let mut series = self.0.lock();
        let full = series.len() >= MAX_SERIES;
        let buckets = match series.entry(series_key(name, &attributes)) {
            Entry::Vacant(_) if full => return,
            entry => entry.or_insert_with(|| vec![None; bounds.len() + 1]),
        };
        let bucket = bounds.partition_point(|bound| *bound < value);
        if let Some(place) = buckets.get_mut(bucket) {
            *place = Some(exemplar(value, span));
        }
    }

    /// Moves the exemplars into the points of the series they belong to.
    pub fn attach(&self, metrics: &mut ResourceMetrics) {
        let mut series = std::mem::take(&mut *self.0.lock());
        for metric in metrics.scope_metrics.iter_mut().flat_map(|scope| &mut scope.metrics) {
            let Some(metric::Data::Histogram(histogram)) = &mut metric.data else { continue };
            for point in &mut histogram.data_points {
                self::attach(&metric.name, point, &mut series);
            }
        }
    }
}

fn attach(name: &str, point: &mut HistogramDataPoint, series: &mut HashMap<String, Buckets>) {
    if let Some(buckets) = series.remove(&series_key(name, &point.attributes)) {
        point.exemplars.extend(buckets.into_iter().flatten());
    }
}

fn exemplar(value: f64, span: &SpanContext) -> Exemplar {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Exemplar {
        filtered_attributes: Vec::new(),
        time_unix_nano: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX),
        span_id: span.span_id().to_bytes().to_vec(),
        trace_id: span.trace_id().to_bytes().to_vec(),
        value: Some(exemplar::Value::AsDouble(value)),
    }
}

/// One text for a series, however its attributes are ordered.
fn series_key(name: &str, attributes: &[OtlpKeyValue]) -> String {
    let mut members: Vec<String> = attributes
        .iter()
        .map(|attribute| format!("{}\u{1f}{}", attribute.key, text(attribute.value.as_ref())))
        .collect();
    members.sort_unstable();
    format!("{name}\u{1e}{}", members.join("\u{1e}"))
}

fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanId, TraceFlags, TraceId, TraceState};
    use opentelemetry_proto::tonic::metrics::v1::{Histogram, Metric, ScopeMetrics};

    use super::*;

    const BOUNDS: [f64; 2] = [0.1, 1.0];

    fn span(id: u64) -> SpanContext {
        SpanContext::new(TraceId::from(7), SpanId::from(id), TraceFlags::SAMPLED, false, TraceState::NONE)
    }

    fn collected(attributes: &[KeyValue]) -> ResourceMetrics {
        let point = HistogramDataPoint {
            attributes: attributes.iter().map(OtlpKeyValue::from).collect(),
            ..HistogramDataPoint::default()
        };
        let data = metric::Data::Histogram(Histogram { data_points: vec![point], ..Histogram::default() });
        let metrics = vec![Metric { name: "d".into(), data: Some(data), ..Metric::default() }];
        ResourceMetrics {
            scope_metrics: vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }],
            ..ResourceMetrics::default()
        }
    }

    fn attached(exemplars: &Exemplars, attributes: &[KeyValue]) -> Vec<u8> {
        let mut metrics = collected(attributes);
        exemplars.attach(&mut metrics);
        let Some(metric::Data::Histogram(histogram)) = metrics.scope_metrics[0].metrics[0].data.take() else {
            panic!("a histogram");
        };
        histogram.data_points[0].exemplars.iter().map(|exemplar| exemplar.span_id[7]).collect()
    }

    #[test]
    fn a_bucket_keeps_its_last_measurement() {
        let exemplars = Exemplars::default();
        let (method, code) = (KeyValue::new("method", "GET"), KeyValue::new("code", 200));
        for (value, id) in [(0.05, 1), (0.1, 2), (0.5, 3), (7.0, 4), (9.0, 5)] {
            exemplars.offer("d", &[method.clone(), code.clone()], &BOUNDS, value, &span(id));
        }
        assert_eq!(attached(&exemplars, &[code.clone(), method.clone()]), [2, 3, 5], "in whatever order");
        assert!(attached(&exemplars, &[code, method]).is_empty(), "each is told once");
    }

    #[test]
    fn series_do_not_share_exemplars() {
        let exemplars = Exemplars::default();
        exemplars.offer("d", &[KeyValue::new("code", 200)], &BOUNDS, 0.5, &span(1));
        exemplars.offer("e", &[KeyValue::new("code", 500)], &BOUNDS, 0.5, &span(2));
        exemplars.offer("d", &[KeyValue::new("code", "500")], &BOUNDS, 0.5, &span(3));
        assert!(attached(&exemplars, &[KeyValue::new("code", 500)]).is_empty());
    }

    #[test]
    fn measurements_outside_of_spans_and_too_many_series_are_left_out() {
        let exemplars = Exemplars::default();
        exemplars.offer("d", &[], &BOUNDS, 0.5, &SpanContext::NONE);
        assert!(exemplars.0.lock().is_empty());
        for series in 0..3000 {
            exemplars.offer("d", &[KeyValue::new("series", series)], &BOUNDS, 0.5, &span(1));
        }
        assert_eq!(exemplars.0.lock().len(), MAX_SERIES);
    }
}
