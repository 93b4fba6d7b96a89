//! Bodies and what is seen in them.

mod conformance;
mod protobuf;
mod round_trip;
mod text;

use std::fmt::Write as _;

use super::*;

/// A line for each entry.
fn seen(format: Format, body: &[u8], options: Options) -> Result<Vec<String>, ParseError> {
    let mut parser = Parser::new(format, body, options);
    let mut lines = Vec::new();
    while let Some(entry) = parser.next()? {
        lines.push(match entry {
            Entry::Type { family, kind } => format!("TYPE {family} {}", kind.as_str()),
            Entry::Help { family, text } => format!("HELP {family} {text:?}"),
            Entry::Unit { family, unit } => format!("UNIT {family} {unit}"),
            Entry::Series(series) => shown(&series),
        });
    }
    Ok(lines)
}

fn shown(series: &Series<'_>) -> String {
    let labels = |labels: &[Label<'_>]| {
        labels.iter().map(|Label { name, value }| format!("{name}={value:?}")).collect::<Vec<_>>().join(",")
    };
    let mut line = format!("{}{{{}}}", series.name, labels(series.labels));
    let _ = match series.value {
        Value::Float(value) => write!(line, " {value}"),
        Value::Histogram(NativeHistogram { schema, sum, counts, positive_spans, custom_values, .. }) => {
            let spans: Vec<_> = positive_spans.iter().map(|span| (span.offset, span.length)).collect();
            write!(line, " schema {schema} sum {sum} {counts:?} {spans:?} {custom_values:?}")
        }
    };
    if let Some(timestamp) = series.timestamp {
        let _ = write!(line, " @{timestamp}");
    }
    if let Some(start) = series.start {
        let _ = write!(line, " since {start}");
    }
    for exemplar in series.exemplars {
        let _ = write!(line, " # {{{}}} {}", labels(&exemplar.labels), exemplar.value);
        if let Some(timestamp) = exemplar.timestamp {
            let _ = write!(line, " @{timestamp}");
        }
    }
    line
}

fn text(body: &str) -> Result<Vec<String>, String> {
    seen(Format::Text, body.as_bytes(), Options::default()).map_err(|error| error.to_string())
}

fn open_metrics(body: &str, options: Options) -> Result<Vec<String>, String> {
    seen(Format::OpenMetrics, body.as_bytes(), options).map_err(|error| error.to_string())
}
