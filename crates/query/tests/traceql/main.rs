//! TraceQL over a real store, by data: files of traces (`*.json`, OTLP) and of queries with what they find (`*.test`).
//!
//! A `.test` file names its traces (`traces bookstore.json`); then comes query after query, each with what it finds indented below:
//! a line for each trace with its id, the ids of the spans of each spanset and what is said of the spanset; `nothing`; or
//! `error: …`. Every query is asked of spans in memory, in files, half of each, and in merged files. `UPDATE=1` writes what is
//! found into the files.

#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use trefoil_model::{Signal, Tenant};
use trefoil_query::traces::{Found, FoundSpanset, SearchRequest};
use trefoil_query::{Engine, Limits, QueryError};
use trefoil_storage::{Storage, StorageConfig};
use trefoil_traceql::ast::Expr;

/// Where the spans are when they are asked for.
#[derive(Debug, Clone, Copy)]
enum Place {
    Buffer,
    Files,
    /// Every other span in a file, the others in memory.
    Half,
    /// Merged from two files.
    Merged,
}

struct Case {
    query: String,
    expected: String,
}

/// The name of the traces, and the cases.
fn read(text: &str) -> (String, Vec<Case>) {
    let mut traces = String::new();
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match (line.strip_prefix("traces "), line.strip_prefix("    ")) {
            (Some(name), _) => traces = name.to_owned(),
            (_, Some(found)) => writeln!(cases.last_mut().unwrap().expected, "{found}").unwrap(),
            _ => cases.push(Case { query: line.to_owned(), expected: String::new() }),
        }
    }
    (traces, cases)
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/traceql")
}

fn traces(name: &str) -> ExportTraceServiceRequest {
    let body = trefoil_model::json::to_protobuf(Signal::Traces, &fs::read(directory().join(name)).unwrap()).unwrap();
    ExportTraceServiceRequest::decode(body.as_slice()).unwrap()
}

/// The spans with even or odd places.
fn every_other(request: &ExportTraceServiceRequest, rest: usize) -> ExportTraceServiceRequest {
    let mut request = request.clone();
    let mut place = 0;
    let spans = request.resource_spans.iter_mut().flat_map(|group| &mut group.scope_spans);
    for group in spans {
        group.spans.retain(|_| {
            place += 1;
            place % 2 == rest
        });
    }
    request
}

async fn engine(directory: &Path, request: &ExportTraceServiceRequest, place: Place) -> Engine {
    let mut config = StorageConfig::in_directory(directory);
    config.compaction.interval = Duration::ZERO;
    let storage = Storage::open(config).await.unwrap();
    let parts = match place {
        Place::Buffer | Place::Files => vec![request.clone()],
        Place::Half | Place::Merged => vec![every_other(request, 0), every_other(request, 1)],
    };
    for (number, part) in parts.into_iter().enumerate() {
        storage.append(&Tenant::default(), Signal::Traces, part.encode_to_vec().into()).await.unwrap();
        match (place, number) {
            (Place::Files | Place::Merged, _) | (Place::Half, 0) => storage.flush().await.unwrap(),
            _ => {}
        }
    }
    if let Place::Merged = place {
        assert!(storage.compact().await.unwrap() > 0);
    }
    Engine::new(storage, 64 << 20).unwrap()
}

async fn answer(engine: &Engine, query: &str) -> String {
    match search(engine, query).await {
        Ok(found) if found.is_empty() => "nothing\n".to_owned(),
        Ok(found) => found.iter().map(written).collect(),
        Err(error) => format!("error: {error}\n"),
    }
}

async fn search(engine: &Engine, query: &str) -> Result<Vec<Found>, QueryError> {
    let query = trefoil_traceql::parse(query).map_err(|error| QueryError::Invalid(error.to_string()))?;
    let Expr::Search(pipeline) = query.expr else { panic!("{query} finds no spans") };
    let request = SearchRequest {
        pipeline,
        period: (i64::MIN, i64::MAX),
        limit: 100,
        spans_per_spanset: 100,
        is_most_recent: false,
    };
    let mut found = engine.search_traces(&Tenant::default(), &request, Limits::default()).await?.traces;
    found.sort_by_key(|found| found.trace_id);
    Ok(found)
}

fn short(id: &[u8]) -> String {
    let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    hex.trim_start_matches('0').to_owned()
}

fn written(found: &Found) -> String {
    let spansets: Vec<String> = found.spansets.iter().map(spanset).collect();
    format!("{}: {}\n", short(&found.trace_id), spansets.join(" | "))
}

fn spanset(of: &FoundSpanset) -> String {
    assert_eq!(of.matched, of.spans.len());
    let mut ids: Vec<String> = of.spans.iter().map(|span| short(&span.span_id)).collect();
    ids.sort();
    let told: Vec<String> = of.attributes.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    if told.is_empty() { ids.join(" ") } else { format!("{} [{}]", ids.join(" "), told.join(", ")) }
}

fn updated(text: &str, answers: &[String]) -> String {
    let mut updated = String::new();
    let mut answers = answers.iter();
    for line in text.lines().filter(|line| !line.starts_with("    ")) {
        writeln!(updated, "{line}").unwrap();
        if !line.is_empty() && !line.starts_with('#') && !line.starts_with("traces ") {
            answers.next().unwrap().lines().for_each(|found| writeln!(updated, "    {found}").unwrap());
        }
    }
    updated
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_find_what_they_say_wherever_spans_lie() {
    let files = fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|kind| kind == "test")).collect();
    files.sort();
    assert!(!files.is_empty());
    let mut wrong = String::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let (name, cases) = read(&text);
        let request = traces(&name);
        for place in [Place::Buffer, Place::Files, Place::Half, Place::Merged] {
            let directory = tempfile::tempdir().unwrap();
            let engine = engine(directory.path(), &request, place).await;
            let mut answers = Vec::new();
            for case in &cases {
                let found = answer(&engine, &case.query).await;
                if found != case.expected {
                    let (query, expected) = (&case.query, &case.expected);
                    writeln!(wrong, "{place:?}: {query}\n  found\n{found}  instead of\n{expected}").unwrap();
                }
                answers.push(found);
            }
            if std::env::var_os("UPDATE").is_some() && matches!(place, Place::Buffer) {
                fs::write(&file, updated(&text, &answers)).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
