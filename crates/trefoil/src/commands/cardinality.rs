//! `trefoil cardinality`.

use std::io::{Write, stdout};
use std::sync::Arc;

use anyhow::{Context, bail};
use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use arrow::util::pretty::pretty_format_batches;
use serde::Deserialize;

use super::client;
use super::query::copy;
use super::query::span::{length, now, seconds, time};
use crate::cli::{CardinalityArgs, CardinalityBy, CardinalitySort, QueryOutput};

const PATH: &str = "/api/v1/cardinality";

/// What of the server's answer is shown.
#[derive(Debug, Deserialize)]
struct Answer {
    series: u64,
    series_before: Option<u64>,
    metric_count: u64,
    label_count: u64,
    value_count: u64,
    metrics: Vec<Row>,
    labels: Vec<Row>,
    pairs: Vec<Row>,
    approximate: bool,
}

/// Of any ranking.
#[derive(Debug, Deserialize)]
struct Row {
    name: String,
    series: u64,
    series_before: Option<u64>,
    value: Option<String>,
    values: Option<u64>,
    hint: Option<Hint>,
}

#[derive(Debug, Deserialize)]
struct Hint {
    label: String,
    values: u64,
    series_without: u64,
}

pub async fn run(args: CardinalityArgs) -> anyhow::Result<()> {
    if args.label.is_some() && args.by != CardinalityBy::Pair {
        bail!("--label says which label's values are ranked, so it needs --by pair");
    }
    let end = time("--end", args.end.as_deref())?.unwrap_or_else(now);
    let since = length("--since", Some(&args.since))?.unwrap_or_default();
    let mut parameters = vec![
        ("start", seconds(end.saturating_sub(since))),
        ("end", seconds(end)),
        ("ago", args.ago.clone()),
        ("limit", args.limit.to_string()),
    ];
    if args.sort == CardinalitySort::Growth {
        parameters.push(("sort", "growth".to_owned()));
    }
    for (name, value) in [("metric", &args.metric), ("match", &args.selector), ("label", &args.label)] {
        parameters.extend(value.iter().map(|value| (name, value.clone())));
    }
    let response = client::send(&args.server, PATH, |http, url| http.get(url).query(&parameters)).await?;
    if !response.status().is_success() {
        bail!("{} is not a Trefoil server: it has no {PATH}", args.server.endpoint);
    }
    if args.output == QueryOutput::Json {
        return copy(response).await;
    }
    let body = response.bytes().await.context("the answer broke off; the server's log says why")?;
    let answer: Answer = serde_json::from_slice(&body).context("the server's answer is of another version")?;
    Ok(stdout().write_all(shown(&answer, args.by)?.as_bytes())?)
}

fn shown(answer: &Answer, by: CardinalityBy) -> anyhow::Result<String> {
    let about = if answer.approximate { "about " } else { "" };
    let growth = answer.series_before.map(|before| format!(" ({})", signed(answer.series, before))).unwrap_or_default();
    let summary = format!(
        "{about}{} series{growth}, {} metrics, {} labels with {} values\n",
        answer.series, answer.metric_count, answer.label_count, answer.value_count
    );
    let (title, rows) = match by {
        CardinalityBy::Metric => ("metric", &answer.metrics),
        CardinalityBy::Label => ("label", &answer.labels),
        CardinalityBy::Pair => ("pair", &answer.pairs),
    };
    if rows.is_empty() {
        return Ok(summary);
    }
    let names = rows.iter().map(|row| match &row.value {
        Some(value) => printable(&format!("{}={value:?}", row.name)),
        None => printable(&row.name),
    });
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        (title, Arc::new(StringArray::from_iter_values(names))),
        ("series", Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.series)))),
    ];
    if answer.series_before.is_some() {
        let growth = rows.iter().map(|row| signed(row.series, row.series_before.unwrap_or(0)));
        columns.push(("growth", Arc::new(StringArray::from_iter_values(growth))));
    }
    match by {
        CardinalityBy::Metric => {
            let hints = rows.iter().map(|row| row.hint.as_ref().map_or_else(String::new, hint));
            columns.push(("most series by", Arc::new(StringArray::from_iter_values(hints))));
        }
        CardinalityBy::Label => {
            let values = rows.iter().map(|row| row.values.unwrap_or(0));
            columns.push(("values", Arc::new(UInt64Array::from_iter_values(values))));
        }
        CardinalityBy::Pair => {}
    }
    let table = pretty_format_batches(&[RecordBatch::try_from_iter(columns)?])?;
    Ok(format!("{table}\n{summary}"))
}

fn hint(hint: &Hint) -> String {
    let Hint { label, values, series_without } = hint;
    format!("{} ({values} values; {series_without} series without it)", printable(label))
}

fn signed(now: u64, before: u64) -> String {
    match now.checked_sub(before) {
        Some(more) => format!("+{more}"),
        None => format!("-{}", before - now),
    }
}

/// Text from outside must not move the cursor.
fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"{
        "window": {}, "before": {}, "series": 120, "series_before": 20, "metric_count": 2, "label_count": 2, "value_count": 103,
        "metrics": [
            {"name": "requests", "series": 100, "series_before": 0,
             "hint": {"label": "user_id", "values": 50, "series_without": 2}},
            {"name": "up", "series": 20, "series_before": 21, "hint": null}],
        "labels": [{"name": "job", "series": 120, "series_before": 20, "values": 3}],
        "pairs": [{"name": "job", "value": "a\u001b[2J", "series": 60, "series_before": 20}],
        "approximate": false}"#;

    #[test]
    fn rankings_are_tables() {
        let mut answer: Answer = serde_json::from_str(ANSWER).unwrap();
        insta::assert_snapshot!(shown(&answer, CardinalityBy::Metric).unwrap(), @"
        +----------+--------+--------+------------------------------------------+
        | metric   | series | growth | most series by                           |
        +----------+--------+--------+------------------------------------------+
        | requests | 100    | +100   | user_id (50 values; 2 series without it) |
        | up       | 20     | -1     |                                          |
        +----------+--------+--------+------------------------------------------+
        120 series (+100), 2 metrics, 2 labels with 103 values
        ");
        answer.series_before = None;
        answer.approximate = true;
        insta::assert_snapshot!(shown(&answer, CardinalityBy::Label).unwrap(), @"
        +-------+--------+--------+
        | label | series | values |
        +-------+--------+--------+
        | job   | 120    | 3      |
        +-------+--------+--------+
        about 120 series, 2 metrics, 2 labels with 103 values
        ");
        let pairs = shown(&answer, CardinalityBy::Pair).unwrap();
        assert!(!pairs.contains('\u{1b}') && pairs.contains("job=\"a"), "{pairs}");
    }
}
