//! Reads a body, writes the numbers in it, and reads them again.

use trefoil_prometheus::exposition::{
    Created, Entry, Family, Format, Metric, MetricType, MetricValue, Options, Parser, Series, Value, Written,
};
use trefoil_prometheus::names::Escaping;

/// The first byte of `data` chooses the options.
pub fn read(format: Format, data: &[u8]) {
    let Some((choice, body)) = data.split_first() else { return };
    let options = Options {
        native_histograms: choice & 1 == 0,
        keep_classic: choice & 2 != 0,
        convert_classic: choice & 4 != 0,
        created: if choice & 8 == 0 { Created::AsSeries } else { Created::AsStart },
    };
    let mut families = Vec::new();
    let mut parser = Parser::new(format, body, options);
    while let Ok(Some(entry)) = parser.next() {
        if let Entry::Series(series) = entry {
            families.extend(family(&series));
        }
    }
    let written = Written { format, escaping: Escaping::AllowUtf8 }.body(&families);
    let mut again = Parser::new(format, &written, Options::default());
    let mut expected = families.iter();
    while let Some(entry) = again.next().expect("what is written can be read") {
        if let Entry::Series(series) = entry {
            let family = family(&series).expect("a number");
            let before = expected.next().expect("no more than was written");
            assert_eq!(format!("{:?}", family.metrics), format!("{:?}", before.metrics));
            assert_eq!(family.name, before.name);
        }
    }
    assert_eq!(expected.next(), None);
}

/// A family of its own for a number; `None` for others, and for names that no format can have.
fn family(series: &Series<'_>) -> Option<Family> {
    let Value::Float(value) = series.value else { return None };
    let label = |label: &trefoil_prometheus::exposition::Label<'_>| (label.name.to_string(), label.value.to_string());
    let labels: Vec<_> = series.labels.iter().map(label).collect();
    if series.name.is_empty() || labels.iter().any(|(name, _)| name == "__name__") {
        return None;
    }
    // OpenMetrics has one zero, and its times are doubles of seconds.
    let timestamp = series.timestamp.filter(|time| time.unsigned_abs() < 1 << 42);
    let value = MetricValue::Number { value: value + 0.0, exemplar: None };
    Some(Family {
        name: series.name.to_owned(),
        kind: MetricType::Unknown,
        metrics: vec![Metric { labels, value, timestamp, start: None }],
        ..Family::default()
    })
}
