//! Answers as Loki gives them: streams of lines, vectors and matrices, and what they took.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value, json};
use trefoil_logql::metrics::Answer;
use trefoil_promql::labels::Labels;
use trefoil_query::logs::{FoundLine, FoundLines, Spent};

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
    success(Data {
        result_type: "streams",
        encoding_flags: encoding.flags(),
        result: by_stream(found.lines, encoding).into(),
        stats: stats(&found.spent),
    })
}

/// Lines by their streams, which are in the order of their first lines.
pub(super) fn by_stream(lines: Vec<FoundLine>, encoding: Encoding) -> Vec<Value> {
    let mut places: BTreeMap<Vec<(String, String)>, usize> = BTreeMap::new();
    let mut streams: Vec<(Map<String, Value>, Vec<Value>)> = Vec::new();
    for line in lines {
        let (labels, value) = row(line, encoding);
        let place = *places.entry(labels.clone()).or_insert_with(|| {
            streams.push((labels.into_iter().map(|(name, value)| (name, value.into())).collect(), Vec::new()));
            streams.len() - 1
        });
        streams[place].1.push(value);
    }
    streams.into_iter().map(|(stream, values)| json!({"stream": stream, "values": values})).collect()
}

/// The labels of the stream that it is shown in, and how it is shown there.
fn row(line: FoundLine, encoding: Encoding) -> (Vec<(String, String)>, Value) {
    let time = line.time.to_string();
    let mut labels: Vec<(String, String)> =
        line.stream.iter().map(|label| (label.name.to_string(), label.value.to_string())).collect();
    if encoding == Encoding::Merged {
        labels.extend(line.metadata);
        labels.extend(line.parsed);
        labels.sort();
        return (labels, json!([time, line.line]));
    }
    let object = |pairs: Vec<(String, String)>| -> Map<String, Value> {
        pairs.into_iter().map(|(name, value)| (name, value.into())).collect()
    };
    let mut more = Map::new();
    for (name, pairs) in [("structuredMetadata", line.metadata), ("parsed", line.parsed)] {
        if !pairs.is_empty() {
            more.insert(name.to_owned(), object(pairs).into());
        }
    }
    (labels, json!([time, line.line, more]))
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
    success(Data { result_type, encoding_flags: None, result, stats: stats(spent) })
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

/// What Grafana shows of it is the total of bytes.
fn stats(spent: &Spent) -> Value {
    let store = json!({
        "totalChunksRef": 0, "totalChunksDownloaded": 0, "chunksDownloadTime": 0, "queryReferencedStructuredMetadata": false,
        "chunk": {"headChunkBytes": 0, "headChunkLines": 0, "decompressedBytes": spent.bytes, "decompressedLines": spent.lines,
            "compressedBytes": 0, "totalDuplicates": 0, "postFilterLines": spent.passed},
    });
    json!({
        "summary": {
            "bytesProcessedPerSecond": 0, "linesProcessedPerSecond": 0, "totalBytesProcessed": spent.bytes,
            "totalLinesProcessed": spent.lines, "execTime": 0.0, "queueTime": 0.0, "subqueries": 0,
            "totalEntriesReturned": spent.passed, "splits": 0, "shards": 0, "totalPostFilterLines": spent.passed,
            "totalStructuredMetadataBytesProcessed": 0,
        },
        "querier": {"store": store},
        "ingester": {"totalReached": 0, "totalChunksMatched": 0, "totalBatches": 0, "totalLinesSent": 0, "store": {
            "totalChunksRef": 0, "totalChunksDownloaded": 0, "chunksDownloadTime": 0, "queryReferencedStructuredMetadata": false,
            "chunk": {"headChunkBytes": 0, "headChunkLines": 0, "decompressedBytes": 0, "decompressedLines": 0,
                "compressedBytes": 0, "totalDuplicates": 0, "postFilterLines": 0},
        }},
    })
}
