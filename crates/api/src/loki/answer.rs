//! Answers as Loki gives them: streams of lines, vectors and matrices, and what they took.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, SecondsFormat};
use serde::Serialize;
use serde_json::{Map, Value, json};
use trefoil_logql::metrics::Answer;
use trefoil_promql::labels::Labels;
use trefoil_query::logs::{FoundLine, FoundLines, Spent};

use super::stats::stats;

/// Asks for labels by where they come from.
const ENCODING: &str = "x-loki-response-encoding-flags";
const CATEGORIZE: &str = "categorize-labels";

/// How labels of lines are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// All as if they were of the stream.
    Merged,
    /// Only those of the stream as such; structured metadata and what was parsed with each line.
    Categorized,
    /// All as text, as the paths of old have it.
    Legacy,
}

impl Encoding {
    pub fn of(headers: &HeaderMap) -> Encoding {
        let flags = headers.get(ENCODING).and_then(|flags| flags.to_str().ok()).unwrap_or_default();
        match flags.split(',').any(|flag| flag.trim() == CATEGORIZE) {
            true => Encoding::Categorized,
            false => Encoding::Merged,
        }
    }

    /// As answers tell it.
    pub fn flags(self) -> Option<[&'static str; 1]> {
        (self == Encoding::Categorized).then_some([CATEGORIZE])
    }
}

/// Grafana's decoder reads `encodingFlags` on the way to `result`: the order of members counts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding_flags: Option<[&'static str; 1]>,
    result: Value,
    stats: Value,
}

#[derive(Serialize)]
struct Success {
    status: &'static str,
    data: Data,
}

fn success(data: Data) -> Response {
    let body = serde_json::to_vec(&Success { status: "success", data });
    match body {
        Ok(body) => ([(header::CONTENT_TYPE, "application/json; charset=UTF-8")], body).into_response(),
        Err(error) => (axum::http::StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

pub(super) fn streams(found: FoundLines, encoding: Encoding) -> Response {
    let stats = stats(&found.spent, found.lines.len());
    success(Data {
        result_type: "streams",
        encoding_flags: encoding.flags(),
        result: by_stream(found.lines, encoding).into(),
        stats,
    })
}

/// Names and values of labels.
type Pairs = Vec<(String, String)>;

/// Lines by their streams, which are in the order of their first lines.
pub(super) fn by_stream(lines: Vec<FoundLine>, encoding: Encoding) -> Vec<Value> {
    let mut places: BTreeMap<Pairs, usize> = BTreeMap::new();
    let mut streams: Vec<(Pairs, Vec<Value>)> = Vec::new();
    for line in lines {
        let (labels, value) = row(line, encoding);
        let place = *places.entry(labels).or_insert_with_key(|labels| {
            streams.push((labels.clone(), Vec::new()));
            streams.len() - 1
        });
        streams[place].1.push(value);
    }
    let told = |(labels, values): (Pairs, Vec<Value>)| match encoding {
        Encoding::Legacy => json!({"labels": Labels::from_pairs(labels).to_string(), "entries": values}),
        Encoding::Merged | Encoding::Categorized => json!({"stream": object(labels), "values": values}),
    };
    streams.into_iter().map(told).collect()
}

fn object(pairs: Pairs) -> Map<String, Value> {
    pairs.into_iter().map(|(name, value)| (name, value.into())).collect()
}

/// The labels of the stream that it is shown in, and how it is shown there.
fn row(line: FoundLine, encoding: Encoding) -> (Pairs, Value) {
    let time = line.time.to_string();
    match encoding {
        Encoding::Merged => (merged(&line), json!([time, line.line])),
        Encoding::Legacy => (merged(&line), json!({"ts": rfc3339(line.time), "line": line.line})),
        Encoding::Categorized => categorized(line, &time),
    }
}

/// All labels of a line, sorted.
pub(super) fn merged(line: &FoundLine) -> Pairs {
    let mut labels = of_stream(line);
    labels.extend(line.metadata.iter().chain(&line.parsed).cloned());
    labels.sort();
    labels
}

fn of_stream(line: &FoundLine) -> Pairs {
    line.stream.iter().map(|label| (label.name.to_string(), label.value.to_string())).collect()
}

fn categorized(line: FoundLine, time: &str) -> (Pairs, Value) {
    let labels = of_stream(&line);
    let mut more = Map::new();
    for (name, pairs) in [("structuredMetadata", line.metadata), ("parsed", line.parsed)] {
        if !pairs.is_empty() {
            more.insert(name.to_owned(), object(pairs).into());
        }
    }
    (labels, json!([time, line.line, more]))
}

fn rfc3339(nanos: i64) -> String {
    DateTime::from_timestamp_nanos(nanos).to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

pub(super) fn series(answer: &Answer, spent: &Spent) -> Response {
    let (result_type, result) = match answer {
        // Loki tells the time of a number alone in milliseconds.
        Answer::Scalar { time, value } => ("scalar", json!([time / 1_000_000, number(*value)])),
        Answer::Vector { time, samples } => {
            let samples = samples
                .iter()
                .map(|(labels, value)| json!({"metric": metric(labels), "value": [seconds(*time), number(*value)]}));
            ("vector", samples.collect())
        }
        Answer::Matrix(all) => {
            let all = all.iter().map(|(labels, values)| {
                let values = values.iter().map(|(time, value)| json!([seconds(*time), number(*value)]));
                json!({"metric": metric(labels), "values": values.collect::<Value>()})
            });
            ("matrix", all.collect())
        }
    };
    success(Data { result_type, encoding_flags: None, result, stats: stats(spent, samples_of(answer)) })
}

fn samples_of(answer: &Answer) -> usize {
    match answer {
        Answer::Scalar { .. } => 1,
        Answer::Vector { samples, .. } => samples.len(),
        Answer::Matrix(all) => all.iter().map(|(_, values)| values.len()).sum(),
    }
}

pub(super) fn metric(labels: &Labels) -> Map<String, Value> {
    labels.iter().map(|label| (label.name.to_string(), Value::from(&*label.value))).collect()
}

/// Seconds with as many milliseconds as there are.
pub(super) fn seconds(nanos: i64) -> Value {
    let millis = nanos.div_euclid(1_000_000);
    match millis % 1000 {
        0 => Value::from(millis / 1000),
        _ => Value::from(millis as f64 / 1000.0),
    }
}

/// As Prometheus writes it.
fn number(value: f64) -> String {
    trefoil_go::number::decimal(value)
}
