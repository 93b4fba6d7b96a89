//! `trefoil trace ID --critical-path`.

use serde::Deserialize;

use super::{Span, counted, cut, table, took};

#[derive(Debug, Deserialize)]
pub struct Answer {
    span_count: u64,
    duration_nano: i64,
    corrected_spans: u64,
    paths: Vec<Path>,
    truncated: bool,
    services: Vec<Share>,
    operations: Vec<Share>,
}

#[derive(Debug, Deserialize)]
struct Path {
    top: Span,
    sections: Vec<Section>,
}

#[derive(Debug, Deserialize)]
struct Section {
    span: Span,
    duration_nano: i64,
}

#[derive(Debug, Deserialize)]
struct Share {
    service: String,
    name: Option<String>,
    spans: u64,
    errors: u64,
    self_time_nano: i64,
    critical_nano: i64,
}

/// Rows of the tables of services and operations.
const MOST_SHARES: usize = 20;

pub fn shown(answer: &Answer) -> anyhow::Result<String> {
    let moved = match answer.corrected_spans {
        0 => String::new(),
        spans => format!("; {} moved, since clocks disagree", counted(spans, "span")),
    };
    let mut text = format!("{}, {}{moved}\n", counted(answer.span_count, "span"), took(answer.duration_nano));
    for path in &answer.paths {
        let mut at = 0;
        let rows = path.sections.iter().map(|section| {
            let row = [took(at), took(section.duration_nano), section.span.label(), section.span.span_id.clone()];
            at += section.duration_nano;
            row
        });
        let below = format!("{} waited {}", path.top.label(), took(path.top.duration_nano));
        text += &table(["at", "for", "waited for", "span"], rows.collect(), &below)?;
    }
    text += &shares("service", &answer.services)?;
    text += &shares("operation", &answer.operations)?;
    if answer.truncated {
        text += &format!("not all sections are shown{}\n", cut(true));
    }
    Ok(text)
}

fn shares(title: &str, shares: &[Share]) -> anyhow::Result<String> {
    let row = |share: &Share| {
        let name = match &share.name {
            Some(name) => format!("{} {name}", share.service),
            None => share.service.clone(),
        };
        let (spans, errors) = (share.spans.to_string(), share.errors.to_string());
        [name, spans, errors, took(share.self_time_nano), took(share.critical_nano)]
    };
    let rows: Vec<_> = shares.iter().take(MOST_SHARES).map(row).collect();
    let below = match shares.len().saturating_sub(MOST_SHARES) {
        0 => String::new(),
        more => format!("and {more} more"),
    };
    table([title, "spans", "errors", "self time", "critical"], rows, &below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_shares_are_tables() {
        let answer = r#"{"span_count": 2, "start_time_unix_nano": "0", "duration_nano": 3000000, "corrected_spans": 1, "truncated": true,
            "paths": [{"top": {"span_id": "01", "service": "a", "name": "GET", "start_time_unix_nano": "0", "duration_nano": 3000000, "corrected_by_nano": 0},
                "sections": [
                    {"span": {"span_id": "01", "service": "a", "name": "GET", "duration_nano": 3000000, "corrected_by_nano": 0}, "start_time_unix_nano": "0", "duration_nano": 1000000},
                    {"span": {"span_id": "02", "service": "b", "name": "\u001b[2J", "duration_nano": 2000000, "corrected_by_nano": 5}, "start_time_unix_nano": "0", "duration_nano": 2000000}]}],
            "services": [{"service": "b", "spans": 1, "errors": 1, "self_time_nano": 2000000, "critical_nano": 2000000}],
            "operations": [{"service": "b", "name": "x", "spans": 1, "errors": 1, "self_time_nano": 2000000, "critical_nano": 2000000}],
            "spans": []}"#;
        insta::assert_snapshot!(shown(&super::super::answer(answer.as_bytes()).unwrap()).unwrap());
    }
}
