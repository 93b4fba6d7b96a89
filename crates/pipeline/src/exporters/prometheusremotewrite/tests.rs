//! What is sent of a request, in both versions.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message as _;
use trefoil_prometheus::remote::write::{Request, WriteRequest};
use trefoil_promql::source::is_stale_nan;

use super::selection::Selection;
use super::series::{Collected, Series, Value};
use super::{encode, lanes};
use crate::exporters::prometheus_view::View;
use crate::exporters::prometheus_view::tests::{attribute, counter, literal, number, of_resource, request, shown};

fn collected(metrics: &str) -> Collected {
    Collected::of(request(metrics), &View { target_info: true, ..View::default() })
}

const HISTOGRAMS: &str = r#"{"name":"h","description":"help","unit":"s","histogram":{"aggregationTemporality":2,"dataPoints":[
        {"timeUnixNano":"5000000000","startTimeUnixNano":"2000000000","count":"6","bucketCounts":["1","5"],"explicitBounds":[1],
         "exemplars":[{"asDouble":0.7,"timeUnixNano":"4000000000"}]}]}},
    {"name":"e","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[
        {"timeUnixNano":"5000000000","count":"4","sum":1,"scale":0,"positive":{"offset":-1,"bucketCounts":["1","3"]}},
        {"timeUnixNano":"6000000000","flags":1}]}}"#;

#[test]
fn points_are_series() {
    let collected = collected(HISTOGRAMS);
    let names: Vec<String> = collected.series.iter().map(|series| shown(&series.labels)).collect();
    let target = "instance=i-1,job=cart";
    let expected = [
        format!("__name__=h_seconds_bucket,{target},le=1.0"),
        format!("__name__=h_seconds_bucket,{target},le=+Inf"),
        // Nobody told the sum.
        format!("__name__=h_seconds_count,{target}"),
        format!("__name__=e,{target}"),
        format!("__name__=target_info,host_name=h,{target}"),
    ];
    assert_eq!(names, expected);
    assert_eq!(collected.series[0].exemplars.len(), 1);
    let Value::Histogram(ended) = &collected.series[3].samples[1].value else { panic!("{:?}", collected.series[3]) };
    assert!(is_stale_nan(ended.sum));
}

#[test]
fn samples_of_a_series_are_in_the_order_of_time() {
    let points =
        [number("x", 9, 3.0), number("x", 5, 1.0), number("x", 7, 0.0).replace("\"asDouble\":0", "\"flags\":1")];
    let collected = collected(&literal("g", "gauge", &points.join(",")));
    let times: Vec<i64> = collected.series[0].samples.iter().map(|sample| sample.time).collect();
    assert_eq!((collected.series.len(), times), (1, vec![5000, 7000, 9000]));
    assert!(matches!(collected.series[0].samples[1].value, Value::Float(value) if is_stale_nan(value)));
}

#[test]
fn differences_are_not_sent() {
    let collected = collected(&counter("c", 1, &number("x", 5, 1.0)));
    assert_eq!((collected.deltas, collected.series.len()), (1, 1), "only target_info");
}

#[test]
fn both_versions_say_the_same() {
    let collected = collected(HISTOGRAMS);
    let v2 = Request::decode(encode::v2(&collected.series)).unwrap();
    let v1 = WriteRequest::decode(encode::v1(&collected.series, true)).unwrap();
    assert_eq!(v2.symbols[0], "");
    let mut unique = v2.symbols.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), v2.symbols.len());
    let symbol = |place: u32| v2.symbols[place as usize].clone();
    for (new, old) in v2.timeseries.iter().zip(&v1.timeseries) {
        let labels: Vec<_> = new.labels_refs.chunks(2).map(|pair| (symbol(pair[0]), symbol(pair[1]))).collect();
        let expected: Vec<_> = old.labels.iter().map(|label| (label.name.clone(), label.value.clone())).collect();
        assert_eq!(labels, expected);
        assert!(labels.is_sorted());
        assert_eq!(new.samples.len(), old.samples.len());
        assert_eq!(new.exemplars.len(), old.exemplars.len());
        assert_eq!(new.histograms.len(), old.histograms.len());
    }
    let metadata = v2.timeseries[0].metadata.unwrap();
    assert_eq!(
        (metadata.kind, symbol(metadata.help_ref), symbol(metadata.unit_ref)),
        (3, "help".into(), "seconds".into())
    );
    assert_eq!((v2.timeseries[0].samples[0].start_timestamp, v1.timeseries[0].samples[0].start_timestamp), (2000, 0));
    assert_eq!(v1.metadata.len(), 3);
    let native = &v2.timeseries[3].histograms[0];
    assert_eq!((native.count_int, native.positive_deltas.as_slice()), (Some(4), &[1, 2][..]));
}

/// Of three resources and some literal series.
fn mixed() -> ExportMetricsServiceRequest {
    let mut mixed = ExportMetricsServiceRequest::default();
    for name in ["a", "b", "c"] {
        let resource = format!(r#"{{"attributes":[{}]}}"#, attribute("service.name", name));
        let metrics = [counter("one", 2, &number("x", 5, 1.0)), counter("two", 2, &number("x", 5, 1.0))].join(",");
        mixed.resource_metrics.extend(of_resource(&resource, &metrics).resource_metrics);
    }
    let names = ["u", "v", "w", "x", "y", "z"];
    let metrics: Vec<String> = names.iter().map(|name| literal(name, "gauge", &number("x", 5, 1.0))).collect();
    mixed.resource_metrics.extend(of_resource("{}", &metrics.join(",")).resource_metrics);
    mixed
}

#[test]
fn splitting_loses_nothing_and_keeps_a_series_in_its_lane() {
    let mut whole = series(mixed());
    for lanes in [1, 2, 5, 100] {
        let parts = lanes::split(mixed(), lanes);
        let mut all = Vec::new();
        for part in parts {
            assert!(lanes::is_one(&part, lanes));
            let lane = lanes::of_request(&part, lanes);
            // Alone or with others: the same lane.
            for part in lanes::split(part.clone(), lanes) {
                assert_eq!(lanes::of_request(&part, lanes), lane);
            }
            all.extend(series(part));
        }
        all.sort();
        whole.sort();
        assert_eq!(all, whole, "{lanes} lanes");
    }
    assert!(!lanes::is_one(&mixed(), 100));
}

fn series(request: ExportMetricsServiceRequest) -> Vec<String> {
    Collected::of(request, &View::default()).series.iter().map(|series| shown(&series.labels)).collect()
}

fn names(series: &[Series]) -> Vec<String> {
    series.iter().map(|series| shown(&series.labels)).collect()
}

#[test]
fn what_is_sent_is_chosen_and_relabelled_as_prometheus_does() {
    let rules = "[{source_labels: [__name__], regex: drop, action: drop}, \
        {source_labels: [region, __name__], regex: 'eu;(.*)', target_label: seen}, {regex: a, action: labeldrop}]";
    let document = crate::config::Document::verbatim("t.yml", &format!(
        "global: {{external_labels: {{region: eu}}}}\nremote_write: [{{url: 'http://h', write_relabel_configs: {rules}, queue_config: {{sample_age_limit: 1m}}}}]"
    ))
    .unwrap();
    let section = crate::config::Section::new(document.root(), &[]);
    let config =
        crate::receivers::prometheus::config::PrometheusConfig::parse(&section, std::path::Path::new(""), &|_| None);
    let settings = super::prometheus::settings(&config.unwrap().remote_write[0]).unwrap();

    let point = |seconds| number("x", seconds, 1.0);
    let metrics = [
        literal("keep", "gauge", &[point(100), point(5)].join(",")),
        literal("drop", "gauge", &point(100)),
        literal("old", "gauge", &point(5)),
    ];
    let series = collected(&metrics.join(",")).series;
    assert_eq!(series.len(), 3);
    let left = settings.selection.of(series, 120_000);
    assert_eq!(names(&left), ["__name__=keep,region=eu,seen=keep"]);
    assert_eq!(left[0].samples.iter().map(|sample| sample.time).collect::<Vec<_>>(), [100_000]);
}

#[test]
fn histograms_and_exemplars_are_left_out_where_they_are_not_wanted() {
    let selection = Selection { exemplars: false, native_histograms: false, ..Selection::default() };
    let left = selection.of(collected(HISTOGRAMS).series, 0);
    assert!(left.iter().all(|series| series.exemplars.is_empty()));
    assert!(left.iter().any(|series| matches!(series.samples[0].value, Value::Histogram(_))), "2.0 has them");
    let in_v1 = selection.for_v1(&left).unwrap();
    assert_eq!(in_v1.len(), left.len() - 1);
    assert!(Selection::default().for_v1(&left).is_none(), "everything");
}

#[test]
fn series_of_a_histogram_are_one_family() {
    let metrics = ["h_bucket", "h_sum", "h_count"].map(|name| literal(name, "histogram", &number("x", 5, 1.0)));
    let series = collected(&metrics.join(",")).series;
    let v1 = WriteRequest::decode(encode::v1(&series, true)).unwrap();
    assert_eq!(v1.metadata.iter().map(|told| (told.family.as_str(), told.kind)).collect::<Vec<_>>(), [("h", 3)]);
    let alone = WriteRequest::decode(encode::metadata(series.iter().map(|series| &*series.of))).unwrap();
    assert_eq!((alone.timeseries.len(), alone.metadata.len(), alone.metadata[0].family.as_str()), (0, 3, "h"));
}
