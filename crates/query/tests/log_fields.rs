//! Fields of lines as columns make no difference to answers, but to what is read for them: random lines and queries, and those that a
//! store with columns and one without could answer differently.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use prost::Message;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use trefoil_logql::metrics::Grid;
use trefoil_logql::{parse_log, parse_metric};
use trefoil_model::logs::PUSH_SCOPE;
use trefoil_model::{Signal, Tenant};
use trefoil_query::logs::{Direction, LinesRequest, SeriesRequest, Spent};
use trefoil_query::{Engine, Limits};
use trefoil_storage::{Storage, StorageConfig};

const SECOND: i64 = 1_000_000_000;

/// A line, whether it came by Loki's push, its stream and its structured metadata.
#[derive(Debug, Clone)]
struct Line {
    is_pushed: bool,
    stream: &'static str,
    metadata: Option<(&'static str, &'static str)>,
    severity: i32,
    text: String,
}

fn line(text: &str) -> Line {
    Line { is_pushed: false, stream: "cart", metadata: None, severity: 0, text: text.to_owned() }
}

struct Store {
    runtime: Runtime,
    engine: Engine,
    storage: Storage,
    tenant: Tenant,
    _directory: TempDir,
}

impl Store {
    fn new(max_columns: usize) -> Store {
        let directory = tempfile::tempdir().unwrap();
        let mut config = StorageConfig::in_directory(directory.path());
        config.buffer.flush_interval = Duration::from_secs(3600);
        config.compaction.interval = Duration::ZERO;
        config.compaction.min_files = 2;
        config.garbage.interval = Duration::ZERO;
        config.retention.block_retention = Duration::ZERO;
        config.fields.learn_lines = 1;
        config.fields.max_columns = max_columns;
        let runtime = Runtime::new().unwrap();
        let storage = runtime.block_on(Storage::open(config)).unwrap();
        let engine = Engine::new(storage.clone(), 64 << 20).unwrap();
        Store { runtime, engine, storage, tenant: Tenant::default(), _directory: directory }
    }

    /// Into several files, of which the first ones are merged.
    fn load(&self, lines: &[Line]) {
        self.runtime.block_on(async {
            for (part, lines) in lines.chunks(lines.len().div_ceil(3).max(1)).enumerate() {
                let body = request(lines, part as u64 * 1_000);
                self.storage.append(&self.tenant, Signal::Logs, body.into()).await.unwrap();
                self.storage.flush().await.unwrap();
                if part == 1 {
                    self.storage.compact().await.unwrap();
                }
            }
        });
    }

    /// The answer as text, and what it took.
    fn ask(&self, query: &str) -> (String, Spent) {
        match parse_metric(query) {
            Ok(metric) => {
                let grid = Grid::range(0, 4_000 * SECOND, 500 * SECOND);
                let request = SeriesRequest { metric, grid, is_instant: false, max_series: 500, now: 0 };
                let answer = self.engine.log_series(&self.tenant, &request, Limits::default());
                match self.runtime.block_on(answer) {
                    Ok((answer, spent)) => (format!("{answer:#?}"), spent),
                    Err(error) => (shortened(&error.to_string()), Spent::default()),
                }
            }
            Err(_) => {
                let query = parse_log(query).unwrap_or_else(|error| panic!("{query}: {error}"));
                let period = (i64::MIN, i64::MAX);
                let request = LinesRequest { query, period, limit: 7, direction: Direction::Backward, now: 0 };
                let answer = self.engine.log_lines(&self.tenant, &request, Limits::default());
                match self.runtime.block_on(answer) {
                    Ok(found) => (format!("{:#?}", found.lines), found.spent),
                    Err(error) => (error.to_string(), Spent::default()),
                }
            }
        }
    }
}

/// Which of several lines whose stages failed an error names is a matter of chance, and so is what failed.
fn shortened(error: &str) -> String {
    match error.split_once(": '") {
        Some((what, rest)) if rest.contains(" for series") => what.to_owned(),
        _ => error.to_owned(),
    }
}

fn request(lines: &[Line], second: u64) -> Vec<u8> {
    let resource_logs = lines.iter().enumerate().map(|(number, line)| {
        let record = LogRecord {
            time_unix_nano: (second + number as u64 + 1) * SECOND as u64,
            body: text(&line.text),
            severity_number: line.severity,
            attributes: line.metadata.iter().map(|(key, value)| attribute(key, value)).collect(),
            ..LogRecord::default()
        };
        let scope = InstrumentationScope {
            name: if line.is_pushed { PUSH_SCOPE } else { "" }.to_owned(),
            ..InstrumentationScope::default()
        };
        // The label of some streams has the name of a field.
        let name = if line.is_pushed { "level" } else { "service.name" };
        let common = if line.is_pushed { "deployment_environment" } else { "deployment.environment" };
        let attributes = vec![attribute(name, line.stream), attribute(common, "x")];
        let resource = Resource { attributes, ..Resource::default() };
        ResourceLogs {
            resource: Some(resource),
            scope_logs: vec![ScopeLogs { scope: Some(scope), log_records: vec![record], ..ScopeLogs::default() }],
            ..ResourceLogs::default()
        }
    });
    ExportLogsServiceRequest { resource_logs: resource_logs.collect() }.encode_to_vec()
}

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue { key: key.to_owned(), value: text(value), ..KeyValue::default() }
}

fn text(text: &str) -> Option<AnyValue> {
    Some(AnyValue { value: Some(Value::StringValue(text.to_owned())) })
}

const NAMES: [&str; 6] = ["level", "ms", "path", "a_b", "service_name", "ms_extracted"];
const VALUES: [&str; 9] = ["error", "info", "5", "12.5", "7ms", "/x", "", "a \\\"b\\\"", "it is ERROR"];

fn pair() -> impl Strategy<Value = (&'static str, &'static str)> {
    (prop::sample::select(&NAMES[..]), prop::sample::select(&VALUES[..]))
}

fn texts() -> impl Strategy<Value = String> {
    let json = prop::collection::vec(pair(), 0..5).prop_map(|pairs| {
        let members = pairs.iter().map(|(name, value)| match *value {
            "5" | "12.5" => format!(r#""{name}":{value}"#),
            _ => format!(r#""{name}":"{value}""#),
        });
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    });
    let json = json.boxed();
    let logfmt = prop::collection::vec(pair(), 0..5).prop_map(|pairs| {
        pairs.iter().map(|(name, value)| format!(r#"{name}="{value}""#)).collect::<Vec<_>>().join(" ")
    });
    let nested = pair().prop_map(|(_, value)| format!(r#"{{"a":{{"b":"{value}","c":[1]}},"level":"info"}}"#));
    prop_oneof![
        4 => json.clone(),
        2 => logfmt,
        1 => nested,
        1 => (json, 0usize..40).prop_map(|(text, end)| text.chars().take(end).collect()),
        1 => prop::sample::select(vec!["ERROR plain", " no level=", "", "[1]", "{}", "x {\"level\":\"info\"}", r#"{"__error__":"x","level":"a"}"#])
            .prop_map(str::to_owned),
    ]
}

fn lines() -> impl Strategy<Value = Line> {
    let metadata =
        prop::option::weighted(0.1, prop::sample::select(vec![("ms", "3"), ("path", "/m"), ("odd.key", "1")]));
    (
        any::<bool>(),
        prop::sample::select(vec!["cart", "error"]),
        metadata,
        prop::sample::select(vec![0, 0, 9, 17]),
        texts(),
    )
        .prop_map(|(is_pushed, stream, metadata, severity, text)| Line {
            is_pushed,
            stream,
            metadata,
            severity,
            text,
        })
}

const ALL: &str = r#"{deployment_environment="x"}"#;

fn queries() -> impl Strategy<Value = String> {
    let parser = prop::sample::select(vec![
        "",
        "| json",
        "| logfmt",
        "| logfmt --strict",
        "| json | logfmt",
        r#"| json level, p="path""#,
    ]);
    let filter = prop_oneof![
        Just(String::new()),
        Just(r#"| __error__="""#.to_owned()),
        Just(r#"| __error__!="""#.to_owned()),
        Just(r#"| __error_details__="no object at byte 0""#.to_owned()),
        Just(r#"| detected_level="error""#.to_owned()),
        Just(r#"| severity_number > 10 or odd_key="1""#.to_owned()),
        Just("| drop level".to_owned()),
        Just(r#"| keep level, ms, path"#.to_owned()),
        Just(r#"| level_extracted="info""#.to_owned()),
        Just(r#"| label_format lvl=level"#.to_owned()),
        (
            prop::sample::select(&NAMES[..]),
            prop::sample::select(vec!["=", "!=", "=~"]),
            prop::sample::select(vec!["error", "info", "", "/x"])
        )
            .prop_map(|(name, op, value)| format!(r#"| {name}{op}"{value}""#)),
        (prop::sample::select(&NAMES[..]), prop::sample::select(vec!["> 5", "<= 7ms", "= 12.5"]))
            .prop_map(|(name, rest)| format!("| {name} {rest}")),
        (pair(), pair()).prop_map(|((one, _), (other, _))| format!(r#"| {one}="error" or {other}="5""#)),
    ];
    let stages = (parser, prop::collection::vec(filter, 0..3))
        .prop_map(|(parser, filters)| format!("{parser} {}", filters.join(" ")));
    let label = prop::sample::select(&NAMES[..]);
    let needle = prop::sample::select(vec![
        "error",
        "it is",
        "ERROR\"",
        "level\":\"i",
        "path",
        "a b=",
        "rror plai",
        "service_name\":\"/x",
        "none of it",
    ]);
    (stages, label, prop::sample::select(&NAMES[..]), needle, 0..9).prop_map(|(stages, label, other, needle, kind)| match kind {
        0 => format!("{ALL} {stages}"),
        1 => format!(r#"{ALL} |= "{}" {stages}"#, needle.replace('"', "\\\"")),
        2 => format!(r#"{ALL} |= "{}""#, needle.replace('"', "\\\"")),
        3 => format!(r#"{ALL} |~ "(?i){}""#, needle.replace('"', "\\\"")),
        4 => format!("count_over_time({ALL} {stages} [500s])"),
        5 => format!("sum by ({label}, service_name) (count_over_time({ALL} {stages} [500s]))"),
        6 => format!("sum by ({label}, detected_level) (count_over_time({ALL} {stages} [500s]))"),
        7 => format!("max_over_time({ALL} {stages} | unwrap {label} [500s]) by ({other})"),
        _ => format!(r#"quantile_over_time(0.9, {ALL} {stages} | unwrap duration({label}) | __error__="" [500s]) by ({other}, __error__)"#),
    })
}

#[test]
fn columns_make_no_difference() {
    let mut runner =
        TestRunner::new(Config { cases: 12, max_shrink_iters: 30, failure_persistence: None, ..Config::default() });
    let case = (prop::collection::vec(lines(), 3..40), prop::collection::vec(queries(), 60));
    let by_fields = std::cell::Cell::new(0);
    runner
        .run(&case, |(lines, queries)| {
            let (with, without) = (Store::new(100), Store::new(0));
            with.load(&lines);
            without.load(&lines);
            for query in queries {
                let ((answer, spent), (expected, spent_without)) = (with.ask(&query), without.ask(&query));
                prop_assert_eq!(answer, expected, "{}", query);
                // Metadata alone is told without columns of fields, too.
                by_fields.set(by_fields.get() + spent.by_fields.saturating_sub(spent_without.by_fields));
            }
            Ok(())
        })
        .unwrap();
    // How many depends on chance; `lines_are_not_read_where_columns_tell` counts them.
    assert!(by_fields.get() > 0, "every line was read");
}

#[test]
fn lines_are_not_read_where_columns_tell() {
    let store = Store::new(100);
    let texts: Vec<String> = (0..90)
        .map(|number| match number % 10 {
            0 => format!("plain number {number}"),
            _ => format!(r#"{{"level":"{}","ms":{number}}}"#, if number % 3 == 0 { "error" } else { "info" }),
        })
        .collect();
    let lines: Vec<Line> = texts.iter().map(|text| line(text)).collect();
    store.load(&lines);
    for (query, read, by_fields) in [
        (
            r#"quantile_over_time(0.99, {service_name="cart"} | json | __error__="" | unwrap ms [500s]) by (service_name)"#,
            0,
            90,
        ),
        (r#"sum by (level) (count_over_time({service_name="cart"} | json | __error__="" [500s]))"#, 0, 90),
        (r#"sum by (level) (count_over_time({service_name="cart"} | json | __error__!="" [500s]))"#, 0, 90),
        (r#"sum by (none) (count_over_time({service_name="cart"} | json | __error__="" [500s]))"#, 90, 0),
        (r#"sum by (level) (count_over_time({service_name="cart"} | logfmt [500s]))"#, 81, 9),
        (r#"{service_name="cart"} | json | level="nothing""#, 0, 90),
        (r#"{service_name="cart"} | detected_level="fatal""#, 0, 90),
        (r#"sum by (detected_level) (count_over_time({service_name="cart"}[500s]))"#, 0, 90),
    ] {
        let (_, spent) = store.ask(query);
        assert_eq!((spent.lines - spent.by_fields, spent.by_fields), (read, by_fields), "{query}");
    }
}
