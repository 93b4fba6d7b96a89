//! Answers as Loki gives them: streams of lines, vectors and matrices, and what they took.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value, json};
use trefoil_logql::metrics::Answer;
use trefoil_promql::labels::Labels;
use trefoil_query::logs::Spent;

use super::stats::stats;

/// Grafana's decoder reads `encodingFlags` on the way to `result`: the order of members counts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Data<R> {
    pub result_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding_flags: Option<[&'static str; 1]>,
    pub result: R,
    pub stats: Value,
}

#[derive(Serialize)]
struct Success<R> {
    status: &'static str,
    data: Data<R>,
}

pub(super) fn success<R: Serialize>(data: Data<R>) -> Response {
    let body = serde_json::to_vec(&Success { status: "success", data });
    match body {
        Ok(body) => ([(header::CONTENT_TYPE, "application/json; charset=UTF-8")], body).into_response(),
        Err(error) => (axum::http::StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
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
