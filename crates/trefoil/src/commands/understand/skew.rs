//! `trefoil trace ID --clock-skew`.

use serde::Deserialize;

use super::{Span, counted, cut, table};

#[derive(Debug, Deserialize)]
pub struct Answer {
    span_count: u64,
    corrected_spans: u64,
    spans: Vec<Skewed>,
    truncated: bool,
}

#[derive(Debug, Deserialize)]
struct Skewed {
    #[serde(flatten)]
    span: Span,
    warning: String,
}

pub fn shown(answer: &Answer) -> anyhow::Result<String> {
    let row = |skewed: &Skewed| {
        let label = format!("{} {}", skewed.span.service, skewed.span.name);
        [skewed.span.span_id.clone(), label, skewed.warning.clone()]
    };
    let below =
        format!("{} of {} moved{}", answer.corrected_spans, counted(answer.span_count, "span"), cut(answer.truncated));
    table(["span", "operation", "warning"], answer.spans.iter().map(row).collect(), &below)
}
