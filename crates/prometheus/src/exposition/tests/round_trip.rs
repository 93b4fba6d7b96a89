//! What is written in a format is read from it.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::names::Escaping;

const ALL: [Format; 3] = [Format::Text, Format::OpenMetrics, Format::Protobuf];

fn written(format: Format, family: &Family) -> Vec<u8> {
    Written { format, escaping: Escaping::AllowUtf8 }.body([family])
}

fn label_value() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,5}", any::<String>(), Just("\\n\"\n\\".to_owned())]
}

/// Names that collide with nothing.
fn labels() -> impl Strategy<Value = Vec<(String, String)>> {
    vec((prop_oneof![3 => "l[a-z0-9_]{0,4}", 1 => "l[.ä\"\\\\ ]{1,3}"], label_value()), 0..4).prop_map(|mut labels| {
        labels.sort();
        labels.dedup_by(|(a, _), (b, _)| a == b);
        labels
    })
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), Just(f64::NAN), Just(f64::INFINITY), (0u32..100_000).prop_map(f64::from)]
        // There is one NaN, and OpenMetrics has one zero.
        .prop_map(|value| if value.is_nan() { f64::NAN } else { value + 0.0 })
}

fn exemplar() -> impl Strategy<Value = Option<Exemplar<'static>>> {
    let labels = vec(("[a-z]{1,5}", "[a-z]{0,5}"), 0..3).prop_map(|mut labels| {
        labels.sort();
        labels.dedup_by(|(a, _), (b, _)| a == b);
        labels.into_iter().map(|(name, value)| Label { name: name.into(), value: value.into() }).collect()
    });
    let exemplar = (labels, (0u32..1000).prop_map(f64::from), proptest::option::of(time()))
        .prop_map(|(labels, value, timestamp)| Exemplar { labels, value, timestamp });
    proptest::option::of(exemplar)
}

fn time() -> impl Strategy<Value = i64> {
    -1_000_000..4_000_000_000_000i64
}

fn distribution() -> impl Strategy<Value = MetricValue> {
    vec((-1000i32..1000, 0u32..50, exemplar()), 0..5).prop_map(|mut parts| {
        parts.sort_by_key(|(bound, ..)| *bound);
        parts.dedup_by_key(|(bound, ..)| *bound);
        let mut count = 0.0;
        let buckets: Vec<Bucket> = parts
            .into_iter()
            .map(|(bound, more, exemplar)| {
                count += f64::from(more);
                Bucket { bound: f64::from(bound) / 8.0, count, exemplar }
            })
            .collect();
        let distribution = Distribution { count: count + 1.0, sum: 0.5, buckets, ..Distribution::default() };
        MetricValue::Histogram(Box::new(distribution))
    })
}

fn value(kind: MetricType) -> BoxedStrategy<MetricValue> {
    match kind {
        MetricType::Histogram => distribution().boxed(),
        MetricType::Summary => (any::<u32>(), number(), vec((0u32..=100, number()), 0..3))
            .prop_map(|(count, sum, mut quantiles)| {
                quantiles.sort_by_key(|(quantile, _)| *quantile);
                quantiles.dedup_by_key(|(quantile, _)| *quantile);
                let quantiles = quantiles.into_iter().map(|(quantile, value)| (f64::from(quantile) / 100.0, value));
                MetricValue::Summary { count: count.into(), sum, quantiles: quantiles.collect() }
            })
            .boxed(),
        MetricType::Counter => {
            (number(), exemplar()).prop_map(|(value, exemplar)| MetricValue::Number { value, exemplar }).boxed()
        }
        _ => number().prop_map(|value| MetricValue::Number { value, exemplar: None }).boxed(),
    }
}

fn family() -> impl Strategy<Value = Family> {
    use MetricType::*;
    prop_oneof![Just(Counter), Just(Gauge), Just(Histogram), Just(Summary), Just(Unknown)].prop_flat_map(|kind| {
        let metric = (labels(), value(kind), proptest::option::of(time()))
            .prop_map(|(labels, value, timestamp)| Metric { labels, value, timestamp, start: None });
        let name = prop_oneof!["[a-z_:][a-z0-9_:]{0,8}", "[.ä ]{1,3}"];
        (name, "[^\r]{0,12}", vec(metric, 1..4)).prop_map(move |(name, help, metrics)| {
            let name = if kind == Counter { name + "_total" } else { name };
            Family { name, kind, help, unit: String::new(), metrics }
        })
    })
}

/// What must be seen of a family, but for the order of lines.
fn expected(format: Format, family: &Family) -> Vec<String> {
    let mut lines = Vec::new();
    for metric in &family.metrics {
        let mut push = |suffix: &str, own: Option<(&str, f64)>, value: f64, exemplar: Option<&Exemplar<'static>>| {
            let mut labels: Vec<Label<'_>> = metric
                .labels
                .iter()
                .map(|(name, value)| Label { name: name.as_str().into(), value: value.as_str().into() })
                .collect();
            labels.extend(own.map(|(name, bound)| Label {
                name: name.to_owned().into(),
                value: trefoil_go::number::open_metrics(bound).into(),
            }));
            let exemplars: Vec<_> = exemplar.filter(|_| format != Format::Text).cloned().into_iter().collect();
            lines.push(shown(&Series {
                name: &format!("{}{suffix}", family.name),
                labels: &labels,
                value: Value::Float(value),
                timestamp: metric.timestamp,
                start: None,
                exemplars: &exemplars,
            }));
        };
        match &metric.value {
            MetricValue::Number { value, exemplar } => push("", None, *value, exemplar.as_ref()),
            MetricValue::Summary { count, sum, quantiles } => {
                push("_count", None, *count as f64, None);
                push("_sum", None, *sum, None);
                for (quantile, value) in quantiles {
                    push("", Some(("quantile", *quantile)), *value, None);
                }
            }
            MetricValue::Histogram(distribution) => {
                push("_count", None, distribution.count, None);
                push("_sum", None, distribution.sum, None);
                for (bound, count, exemplar) in distribution.all_buckets() {
                    push("_bucket", Some(("le", bound)), count, exemplar);
                }
            }
        }
    }
    lines.sort();
    lines
}

proptest! {
    #[test]
    fn families_are_read_as_they_were_written(family in family()) {
        for format in ALL {
            let body = written(format, &family);
            let lines = seen(format, &body, Options::default());
            let lines = lines.unwrap_or_else(|error| panic!("{error}\n{}", String::from_utf8_lossy(&body)));
            let (metadata, mut series): (Vec<_>, Vec<_>) =
                lines.into_iter().partition(|line| line.starts_with("HELP ") || line.starts_with("TYPE "));
            series.sort();
            prop_assert_eq!(series, expected(format, &family));
            let help = metadata.iter().find(|line| line.starts_with("HELP "));
            let text = help.map(|line| line.rsplit_once(&format!(" {:?}", family.help.trim_start_matches([' ', '\t']))).is_some());
            // The text format loses blanks at the beginning.
            prop_assert!(text.unwrap_or(family.help.is_empty()) || format != Format::Text);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(body in vec(any::<u8>(), 0..200), more in any::<String>()) {
        for body in [&body[..], more.as_bytes()] {
            for format in ALL {
                let options = Options { convert_classic: true, created: Created::AsStart, ..Options::default() };
                let _ = seen(format, body, options);
            }
        }
    }

    #[test]
    fn native_histograms_are_read_as_they_were_written(
        sides in (vec((0i32..9, vec(0u32..9, 0..4)), 0..4), vec((0i32..9, vec(0u32..9, 0..4)), 0..4)),
        schema in -4i32..=8,
        zero in 0u32..3,
        is_float in any::<bool>(),
        start in proptest::option::of(time()),
    ) {
        let spans = |side: &Vec<(i32, Vec<u32>)>| {
            side.iter().map(|(offset, counts)| Span { offset: *offset, length: counts.len() as u32 }).collect::<Vec<_>>()
        };
        let counts = |side: &Vec<(i32, Vec<u32>)>| side.iter().flat_map(|(_, counts)| counts.clone()).collect::<Vec<_>>();
        let (positive, negative) = (counts(&sides.0), counts(&sides.1));
        let total = positive.iter().chain(&negative).sum::<u32>() + zero;
        let counts = match is_float && total > 0 {
            true => Counts::Float {
                count: f64::from(total) / 2.0,
                zero: f64::from(zero) / 2.0,
                positive: positive.iter().map(|count| f64::from(*count) / 2.0).collect(),
                negative: negative.iter().map(|count| f64::from(*count) / 2.0).collect(),
            },
            false => Counts::Integer {
                count: total.into(),
                zero: zero.into(),
                positive: positive.into_iter().map(u64::from).collect(),
                negative: negative.into_iter().map(u64::from).collect(),
            },
        };
        let native = NativeHistogram {
            schema,
            zero_threshold: 0.5,
            sum: 1.5,
            counts,
            positive_spans: spans(&sides.0),
            negative_spans: spans(&sides.1),
            custom_values: Vec::new(),
            is_gauge: false,
        };
        let value = Distribution { count: f64::from(total), sum: 1.5, native: Some(native.clone()), ..Distribution::default() };
        let metric = Metric { labels: Vec::new(), value: MetricValue::Histogram(Box::new(value)), timestamp: None, start };
        let family = Family { name: "h".into(), kind: MetricType::Histogram, metrics: vec![metric], ..Family::default() };
        let body = written(Format::Protobuf, &family);
        let mut parser = Parser::new(Format::Protobuf, &body, Options::default());
        let mut found = None;
        while let Some(entry) = parser.next().unwrap() {
            if let Entry::Series(Series { value: Value::Histogram(histogram), start, .. }) = entry {
                found = Some((histogram.clone(), start));
            }
        }
        let (mut found, found_start) = found.unwrap();
        // An empty span says that it is native where nothing else does.
        if native.positive_spans.is_empty() && native.negative_spans.is_empty() {
            found.positive_spans.clear();
        }
        prop_assert_eq!(found, native);
        prop_assert_eq!(found_start, start);
    }
}
