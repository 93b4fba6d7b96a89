//! TraceQL over a real store, by data: files of traces (`*.json`, OTLP) and of queries with what they find (`*.test`).
//!
//! A `.test` file names its traces (`traces bookstore.json`); then comes query after query, each with what it finds indented below:
//! a line for each trace with its id, the ids of the spans of each spanset and what is said of the spanset; `nothing`; or
//! `error: …`. A query that makes series has a line for each: its labels, and its values at intervals of two seconds, by the second
//! in which they end. Every query is asked of spans in memory, in files, half of each, and in merged files. `UPDATE=1` writes what is
//! found into the files.

#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use trefoil_model::{Signal, Tenant};
use trefoil_query::traces::{Found, FoundSpanset, MetricsRequest, SearchRequest};
use trefoil_query::{Engine, Limits, QueryError};
use trefoil_storage::{Storage, StorageConfig};
use trefoil_traceql::ast::{Expr, Hint, Metrics, Pipeline};
use trefoil_traceql::metrics::{Grid, Series};
use trefoil_traceql::value::Value;

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
    let parsed = match trefoil_traceql::parse(query) {
        Ok(parsed) => parsed,
        Err(error) => return format!("error: {error}\n"),
    };
    match parsed.expr {
        Expr::Search(pipeline) => searched(search(engine, pipeline).await),
        Expr::Metrics(metrics) => measured(measure(engine, metrics, parsed.hints, 0).await),
    }
}

fn searched(found: Result<Vec<Found>, QueryError>) -> String {
    match found {
        Ok(found) if found.is_empty() => "nothing\n".to_owned(),
        Ok(found) => found.iter().map(written).collect(),
        Err(error) => format!("error: {error}\n"),
    }
}

/// When the first span starts, seconds since the epoch.
const BEGIN: i64 = 1_700_000_000;
const SECOND: i64 = 1_000_000_000;

async fn measure(
    engine: &Engine,
    metrics: Metrics,
    hints: Vec<Hint>,
    exemplars: usize,
) -> Result<Vec<Series>, QueryError> {
    let grid = Grid::aligned(BEGIN * SECOND, (BEGIN + 10) * SECOND, 2 * SECOND);
    let request = MetricsRequest { metrics, hints, grid, exemplars };
    Ok(engine.trace_metrics(&Tenant::default(), &request, Limits::default()).await?.series)
}

fn measured(series: Result<Vec<Series>, QueryError>) -> String {
    let grid = Grid::aligned(BEGIN * SECOND, (BEGIN + 10) * SECOND, 2 * SECOND);
    let value = |(place, value): (usize, &f64)| {
        let seconds = grid.time(place) / SECOND - BEGIN;
        (!value.is_nan()).then(|| format!("{seconds}={}", (value * 1e9).round() / 1e9))
    };
    let line = |series: &Series| {
        let labels: Vec<String> = series.labels.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        let values: Vec<String> = series.values.iter().enumerate().filter_map(value).collect();
        format!("{{{}}}: {}", labels.join(", "), values.join(" ")).trim_end().to_owned()
    };
    match series {
        Ok(series) if series.is_empty() => "nothing\n".to_owned(),
        Ok(series) => {
            let mut lines: Vec<String> = series.iter().map(line).collect();
            lines.sort();
            lines.join("\n") + "\n"
        }
        Err(error) => format!("error: {error}\n"),
    }
}

async fn search(engine: &Engine, pipeline: Pipeline) -> Result<Vec<Found>, QueryError> {
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
            // By then it is known of row groups what they cannot have.
            for (case, first) in cases.iter().zip(&answers) {
                let again = answer(&engine, &case.query).await;
                if again != *first {
                    writeln!(wrong, "{place:?}: {} asked again\n  found\n{again}  instead of\n{first}", case.query)
                        .unwrap();
                }
            }
            if std::env::var_os("UPDATE").is_some() && matches!(place, Place::Buffer) {
                fs::write(&file, updated(&text, &answers)).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Which spans are shown depends on where they lie; that they are right does not.
#[tokio::test(flavor = "multi_thread")]
async fn exemplars_are_spans_that_made_the_values() {
    let request = traces("bookstore.json");
    for place in [Place::Buffer, Place::Files, Place::Half, Place::Merged] {
        let directory = tempfile::tempdir().unwrap();
        let engine = engine(directory.path(), &request, place).await;
        let series = |query: &'static str, exemplars: usize| {
            let engine = &engine;
            async move {
                let parsed = trefoil_traceql::parse(query).unwrap();
                let Expr::Metrics(metrics) = parsed.expr else { panic!("{query}") };
                measure(engine, metrics, parsed.hints, exemplars).await.unwrap()
            }
        };
        let label = |series: &Series, name: &str| {
            series.labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.to_string())
        };

        for query in ["{ } | max_over_time(duration) by (name)", "{ } > { } | max_over_time(duration) by (name)"] {
            let found = series(query, 100).await;
            let shown: Vec<_> = found.iter().flat_map(|of| of.exemplars.iter().map(move |shown| (of, shown))).collect();
            // Each of the traces once.
            assert_eq!(shown.len(), 5, "{place:?} {query} {shown:?}");
            for (of, shown) in shown {
                assert_eq!(shown.labels[0].0, "trace:id");
                assert!(
                    shown
                        .labels
                        .iter()
                        .any(|(name, value)| name == "name" && Some(value.to_string()) == label(of, "name"))
                );
                assert!(shown.value >= 0.0 && shown.value <= 3.0);
            }
        }
        let counted = series("{ } | rate() by (resource.service.name)", 100).await;
        let shown = counted.iter().flat_map(|of| of.exemplars.iter().map(move |shown| (of, shown)));
        for (of, shown) in shown {
            assert!(of.values.contains(&shown.value) && shown.value > 0.0);
            let service = shown.labels.iter().find(|(name, _)| name == "resource.service.name").unwrap().1.clone();
            assert_eq!(of.labels[0].1, service);
        }
        let few = series("{ } | count_over_time()", 2).await;
        assert_eq!(few.iter().map(|series| series.exemplars.len()).sum::<usize>(), 2);
        let quantiles = series("{ } | quantile_over_time(duration, 0.01, 0.99)", 100).await;
        let of = |share: f64| quantiles.iter().find(|series| series.labels[0].1 == Value::Float(share)).unwrap();
        let largest = of(0.01).exemplars.iter().map(|shown| shown.value).fold(0.0, f64::max);
        assert!(of(0.99).exemplars.iter().all(|shown| shown.value > largest));
        let buckets = series("{ } | histogram_over_time(duration)", 100).await;
        assert!(buckets.iter().flat_map(|series| &series.exemplars).count() > 0);
        assert!(buckets.iter().all(|series| series.exemplars.iter().all(|shown| series.values.contains(&shown.value))));
        let compared = series("{ } | compare({ status = error })", 100).await;
        let totals = compared.iter().filter(|series| !series.exemplars.is_empty());
        assert!(totals.clone().count() > 0);
        assert!(totals.clone().all(|series| series.labels[0].1.to_string().contains("_total")));
    }
}
