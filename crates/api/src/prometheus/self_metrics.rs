//! `/api/v1/status/self_metrics`: what `/metrics` tells, as JSON, and `/metrics` itself where Prometheus has it.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text::encode;
use regex::Regex;
use serde_json::{Value, json};

use super::answer::{List, Notes};
use super::error::PromError;
use super::form::Parameters;
use crate::{ApiState, internal};

pub(crate) async fn metrics(State(state): State<ApiState>, headers: HeaderMap) -> Response {
    match state.prometheus.registry {
        Some(registry) => internal::metrics(State(registry), headers).await,
        None => (StatusCode::NOT_FOUND, "404 page not found\n").into_response(),
    }
}

pub(super) async fn self_metrics(State(state): State<ApiState>, parameters: Parameters) -> Result<Response, PromError> {
    let Some(registry) = &state.prometheus.registry else {
        return Err(PromError::unavailable(
            "this listener tells nothing of the server itself; the one for Prometheus does",
        ));
    };
    let pattern = match parameters.get("metric_name_pattern") {
        "" => None,
        pattern => Some(
            Regex::new(&format!("^(?:{pattern})$"))
                .map_err(|error| PromError::bad_data(format!("invalid metric_name_pattern: {error}")))?,
        ),
    };
    let mut text = String::new();
    encode(&mut text, registry).map_err(|_| PromError::internal("error gathering self metrics"))?;
    let mut families = families(&text);
    families.retain(|family| {
        pattern.as_ref().is_none_or(|pattern| pattern.is_match(family["name"].as_str().unwrap_or_default()))
    });
    Ok(List::array(Notes::default()).of(families, |out, family| out.extend_from_slice(family.to_string().as_bytes())))
}

/// Of an exposition of ours in OpenMetrics, as the JSON of `io.prometheus.client.MetricFamily`.
fn families(text: &str) -> Vec<Value> {
    let mut families: Vec<Family> = Vec::new();
    let mut help = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').map_or("", |(_, help)| help);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            families.push(Family::new(name, kind, std::mem::take(&mut help)));
        } else if let (Some(unit), Some(family)) = (line.strip_prefix("# UNIT "), families.last_mut()) {
            family.unit = unit.split_once(' ').map(|(_, unit)| unit.to_owned());
        } else if let (Some(sample), Some(family)) = (Sample::parse(line), families.last_mut()) {
            family.add(sample);
        }
    }
    families.into_iter().filter(|family| !family.metrics.is_empty()).map(Family::json).collect()
}

struct Family {
    name: String,
    kind: Kind,
    help: String,
    unit: Option<String>,
    metrics: Vec<Metric>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
    Untyped,
}

#[derive(Default)]
struct Metric {
    labels: Vec<(String, String)>,
    value: f64,
    count: u64,
    sum: f64,
    buckets: Vec<(f64, u64)>,
}

struct Sample<'l> {
    name: &'l str,
    labels: Vec<(String, String)>,
    value: f64,
}

impl<'l> Sample<'l> {
    /// `None` for comments.
    fn parse(line: &'l str) -> Option<Self> {
        if line.starts_with('#') {
            return None;
        }
        let end = line.find(['{', ' '])?;
        let (name, mut rest) = line.split_at(end);
        let mut labels = Vec::new();
        if let Some(inner) = rest.strip_prefix('{') {
            rest = inner;
            while !rest.starts_with('}') {
                let (label, after) = rest.trim_start_matches(',').split_once("=\"")?;
                let (value, after) = unescaped(after)?;
                labels.push((label.to_owned(), value));
                rest = after;
            }
            rest = &rest[1..];
        }
        let value = rest.split_whitespace().next()?.parse().ok()?;
        Some(Self { name, labels, value })
    }
}

/// A label's value up to its quotation mark, and what is behind that.
fn unescaped(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

impl Family {
    fn new(name: &str, kind: &str, help: &str) -> Self {
        let (kind, suffix) = match kind {
            "counter" => (Kind::Counter, "_total"),
            "gauge" => (Kind::Gauge, ""),
            "info" => (Kind::Gauge, "_info"),
            "histogram" => (Kind::Histogram, ""),
            _ => (Kind::Untyped, ""),
        };
        Self { name: format!("{name}{suffix}"), kind, help: help.to_owned(), unit: None, metrics: Vec::new() }
    }

    fn add(&mut self, sample: Sample<'_>) {
        let Sample { name, mut labels, value } = sample;
        if self.kind != Kind::Histogram {
            self.metrics.push(Metric { labels, value, ..Metric::default() });
            return;
        }
        let bound = labels.iter().position(|(name, _)| name == "le").map(|place| labels.remove(place).1);
        if self.metrics.last().is_none_or(|metric| metric.labels != labels) {
            self.metrics.push(Metric { labels, ..Metric::default() });
        }
        let Some(metric) = self.metrics.last_mut() else { return };
        match bound.and_then(|bound| bound.parse().ok()) {
            Some(bound) => metric.buckets.push((bound, value as u64)),
            None if name.ends_with("_sum") => metric.sum = value,
            None => metric.count = value as u64,
        }
    }

    fn json(self) -> Value {
        let kind = match self.kind {
            Kind::Counter => "COUNTER",
            Kind::Gauge => "GAUGE",
            Kind::Histogram => "HISTOGRAM",
            Kind::Untyped => "UNTYPED",
        };
        let metrics: Vec<Value> = self.metrics.iter().map(|metric| metric.json(self.kind)).collect();
        let mut family = json!({ "name": self.name, "help": self.help, "type": kind, "metric": metrics });
        if let Some(unit) = self.unit {
            family["unit"] = unit.into();
        }
        family
    }
}

impl Metric {
    fn json(&self, kind: Kind) -> Value {
        let labels: Vec<Value> =
            self.labels.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        let value = json!({ "value": double(self.value) });
        let mut metric = json!({ "label": labels });
        match kind {
            Kind::Counter => metric["counter"] = value,
            Kind::Gauge => metric["gauge"] = value,
            Kind::Untyped => metric["untyped"] = value,
            Kind::Histogram => {
                let bucket = |(bound, count): &(f64, u64)| json!({ "cumulativeCount": count.to_string(), "upperBound": double(*bound) });
                metric["histogram"] = json!({
                    "sampleCount": self.count.to_string(),
                    "sampleSum": double(self.sum),
                    "bucket": self.buckets.iter().map(bucket).collect::<Vec<_>>(),
                });
            }
        }
        metric
    }
}

/// As protobuf's JSON has what JSON's numbers cannot be.
fn double(value: f64) -> Value {
    match value {
        f64::INFINITY => "Infinity".into(),
        f64::NEG_INFINITY => "-Infinity".into(),
        value if value.is_nan() => "NaN".into(),
        value => json!(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_told_as_protobufs_json() {
        let text = "# HELP a Things.\n# TYPE a counter\na_total{x=\"1,\\\"}\"} 3\n# HELP h_seconds Time.\n\
                    # TYPE h_seconds histogram\n# UNIT h_seconds seconds\nh_seconds_sum{m=\"G\"} 1.5\n\
                    h_seconds_count{m=\"G\"} 2\nh_seconds_bucket{le=\"0.5\",m=\"G\"} 1\n\
                    h_seconds_bucket{le=\"+Inf\",m=\"G\"} 2\n# TYPE none gauge\n# EOF\n";
        let expected = json!([
            {
                "name": "a_total", "help": "Things.", "type": "COUNTER",
                "metric": [{ "label": [{ "name": "x", "value": "1,\"}" }], "counter": { "value": 3.0 } }],
            },
            {
                "name": "h_seconds", "help": "Time.", "type": "HISTOGRAM", "unit": "seconds",
                "metric": [{
                    "label": [{ "name": "m", "value": "G" }],
                    "histogram": {
                        "sampleCount": "2", "sampleSum": 1.5,
                        "bucket": [
                            { "cumulativeCount": "1", "upperBound": 0.5 },
                            { "cumulativeCount": "2", "upperBound": "Infinity" },
                        ],
                    },
                }],
            },
        ]);
        assert_eq!(json!(families(text)), expected);
    }
}
