//! `/federate`: the newest sample of each series that `match[]` asks for, as text or, for who asks for it, as protobuf.
//!
//! Native histograms are left out of the text, which has none; those with custom buckets of both.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use trefoil_prometheus::exposition::{
    CUSTOM_BUCKETS, Distribution, Family, Format, Metric, MetricType, MetricValue, NativeHistogram, Offered, Written,
    negotiate,
};
use trefoil_promql::labels::{Labels, METRIC_NAME};
use trefoil_promql::matcher::Matcher;
use trefoil_promql::parser::format_duration;
use trefoil_promql::points::Point;
use trefoil_promql::source::Samples;
use trefoil_promql::value::QueryResult;
use trefoil_query::metrics::PromqlOptions;

use super::error::PromError;
use super::form::Parameters;
use super::query::now;
use crate::ApiState;

/// A label that whoever scrapes this would else set to this server.
const INSTANCE: &str = "instance";

/// As Prometheus: OpenMetrics would have to say what each metric is.
const OFFERED: Offered = Offered { open_metrics: false, protobuf: true };

/// Time (milliseconds since the epoch) and value of the newest sample of each series.
type Newest = BTreeMap<Labels, (i64, Point)>;

/// Errors are plain text.
pub(super) async fn federate(
    State(state): State<ApiState>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Response> {
    let plain = |error: PromError| (error.status, format!("{}\n", error.message)).into_response();
    let mut newest = newest(&state, &headers, &parameters).await.map_err(plain)?;
    let external = state.external_labels();
    if !external.is_empty() {
        newest = newest.into_iter().map(|(labels, sample)| (labelled(&labels, &external), sample)).collect();
    }
    let written = negotiate(headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()), OFFERED);
    let head = [(header::CONTENT_TYPE, written.content_type()), (header::VARY, "Accept".to_owned())];
    Ok((head, exposition(newest, written)).into_response())
}

/// With the external labels that the series has not itself.
fn labelled(labels: &Labels, external: &BTreeMap<String, String>) -> Labels {
    let own = labels.iter().map(|label| (label.name.as_ref(), label.value.as_ref()));
    let added = external.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let added = added.filter(|(name, _)| !labels.has(name));
    Labels::from_pairs(own.chain(added).collect::<Vec<_>>())
}

async fn newest(state: &ApiState, headers: &HeaderMap, parameters: &Parameters) -> Result<Newest, PromError> {
    let tenant = state.tenant(headers)?;
    let selectors = parameters.selectors().map_err(PromError::bad_data)?;
    let options = PromqlOptions::within(&state.limits());
    let (time, range) = (now(), format_duration(options.engine.lookback_delta));
    let mut newest = Newest::new();
    for matchers in selectors {
        let matchers: Vec<String> = matchers.iter().map(Matcher::to_string).collect();
        let query = format!("{{{}}}[{range}]", matchers.join(","));
        let answer = state.engine.promql_instant(&tenant, &query, time, &options).await?;
        let QueryResult::Matrix(series) = answer.result else { continue };
        let samples = series.into_iter().filter_map(|(labels, samples)| Some((labels, last(&samples)?)));
        newest.extend(samples);
    }
    Ok(newest)
}

fn last(samples: &Samples) -> Option<(i64, Point)> {
    let index = samples.len().checked_sub(1)?;
    (!samples.is_stale(index)).then(|| (samples.times[index], samples.point(index).to_owned()))
}

fn exposition(newest: Newest, written: Written) -> Vec<u8> {
    let mut series: Vec<_> = newest.into_iter().filter(|(labels, _)| labels.has(METRIC_NAME)).collect();
    series.sort_by(|(a, _), (b, _)| a.metric_name().cmp(b.metric_name()));
    let mut families: Vec<Family> = Vec::new();
    for (labels, (time, point)) in series {
        let Some((kind, value)) = value(point, written.format) else { continue };
        let name = labels.metric_name();
        let metric = Metric { labels: shown(&labels), value, timestamp: Some(time), start: None };
        match families.last_mut() {
            Some(family) if family.name == name && family.kind == kind => family.metrics.push(metric),
            _ => families.push(Family { name: name.to_owned(), kind, metrics: vec![metric], ..Family::default() }),
        }
    }
    written.body(families)
}

/// `None` for what the format has no place for.
fn value(point: Point, format: Format) -> Option<(MetricType, MetricValue)> {
    let histogram = match point {
        Point::Float(value) => return Some((MetricType::Unknown, MetricValue::Number { value, exemplar: None })),
        Point::Histogram(histogram) => NativeHistogram::from(&*histogram),
    };
    if format != Format::Protobuf || histogram.schema == CUSTOM_BUCKETS {
        return None;
    }
    let kind = if histogram.is_gauge { MetricType::GaugeHistogram } else { MetricType::Histogram };
    let distribution = Distribution { sum: histogram.sum, native: Some(histogram), ..Distribution::default() };
    Some((kind, MetricValue::Histogram(Box::new(distribution))))
}

fn shown(labels: &Labels) -> Vec<(String, String)> {
    let named = labels.iter().filter(|label| label.name.as_ref() != METRIC_NAME);
    let named = named.map(|label| (label.name.to_string(), label.value.to_string()));
    let instance = (!labels.has(INSTANCE)).then(|| (INSTANCE.to_owned(), String::new()));
    named.chain(instance).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use trefoil_prometheus::exposition::{Entry, Options, Parser, Value};
    use trefoil_prometheus::names::Escaping;
    use trefoil_promql::histogram::FloatHistogram;

    use super::*;

    #[test]
    fn families_stand_together() {
        let series = [
            (vec![("__name__", "up"), ("job", "b\"\\\n"), ("instance", "i")], (6_000_000, 1.0)),
            (vec![("__name__", "a:b"), ("job", "a")], (5_000, f64::NAN)),
            (vec![("__name__", "up"), ("a.b", "a")], (6_000_000, 1e7)),
            (vec![("__name__", "my.metric")], (1, 0.5)),
            (vec![("job", "nameless")], (1, 0.5)),
        ];
        let point = |(time, value)| (time, Point::Float(value));
        let series = series.into_iter().map(|(labels, sample)| (Labels::from_pairs(labels), point(sample))).collect();
        let text = exposition(series, Written { format: Format::Text, escaping: Escaping::AllowUtf8 });
        insta::assert_snapshot!(String::from_utf8(text).unwrap(), @r#"
        # TYPE a:b untyped
        a:b{job="a",instance=""} NaN 5000
        # TYPE "my.metric" untyped
        {"my.metric",instance=""} 0.5 1
        # TYPE up untyped
        up{"a.b"="a",instance=""} 1e+07 6000000
        up{instance="i",job="b\"\\\n"} 1 6000000
        "#);
    }

    #[test]
    fn native_histograms_are_in_protobuf_only() {
        let histogram =
            FloatHistogram::parse("{{schema:1 count:5 sum:7.5 z_bucket:1 z_bucket_w:0.5 offset:-1 buckets:[1 3]}}");
        let histogram = histogram.unwrap().histogram;
        let custom = FloatHistogram { schema: CUSTOM_BUCKETS, ..FloatHistogram::default() };
        let newest = || {
            let of = |name, histogram: &FloatHistogram| {
                (Labels::from_pairs([("__name__", name)]), (7, Point::Histogram(Arc::new(histogram.clone()))))
            };
            Newest::from([of("h", &histogram), of("custom", &custom)])
        };
        let written = |format| Written { format, escaping: Escaping::AllowUtf8 };
        assert_eq!(exposition(newest(), written(Format::Text)), b"");
        let body = exposition(newest(), written(Format::Protobuf));
        let mut parser = Parser::new(Format::Protobuf, &body, Options::default());
        let mut found = Vec::new();
        while let Some(entry) = parser.next().unwrap() {
            if let Entry::Series(series) = entry {
                let Value::Histogram(histogram) = series.value else { panic!("{series:?}") };
                found.push((series.name.to_owned(), series.timestamp, histogram.clone()));
            }
        }
        assert_eq!(found, [("h".to_owned(), Some(7), NativeHistogram::from(&histogram))]);
    }

    #[test]
    fn external_labels_are_added_where_they_are_not() {
        let external = [("region", "north"), ("job", "x")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let labels = Labels::from_pairs(vec![("__name__", "up"), ("job", "a")]);
        let expected = Labels::from_pairs(vec![("__name__", "up"), ("job", "a"), ("region", "north")]);
        assert_eq!(labelled(&labels, &external.into()), expected);
    }

    #[test]
    fn what_has_ended_is_left_out() {
        let mut samples = Samples::default();
        assert_eq!(last(&samples), None);
        samples.push_float(1, 5.0);
        assert_eq!(last(&samples), Some((1, Point::Float(5.0))));
        samples.push_float(2, f64::from_bits(trefoil_promql::source::STALE_NAN_BITS));
        assert_eq!(last(&samples), None);
    }
}
