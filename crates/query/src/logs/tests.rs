//! Pages of lines, and questions about several tenants, against a store.

use std::collections::BTreeMap;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use proptest::prelude::*;
use prost::Message;
use tempfile::TempDir;
use trefoil_logql::metrics::{Answer, Grid};
use trefoil_logql::{parse_log, parse_metric, parse_selector};
use trefoil_model::logs::PUSH_SCOPE;
use trefoil_model::{Signal, Tenancy, Tenant, Tenants};
use trefoil_storage::{Storage, StorageConfig};

use super::{Direction, LinesRequest, PageBounds, SeriesRequest};
use crate::{Engine, Limits};

const EVER: (i64, i64) = (i64::MIN, i64::MAX);

struct Store {
    engine: Engine,
    storage: Storage,
    appended: usize,
    _directory: TempDir,
}

impl Store {
    async fn new() -> Store {
        let directory = tempfile::tempdir().unwrap();
        let mut config = StorageConfig::in_directory(directory.path());
        config.buffer.flush_interval = Duration::from_secs(3600);
        config.compaction.interval = Duration::ZERO;
        config.garbage.interval = Duration::ZERO;
        config.retention.block_retention = Duration::ZERO;
        let storage = Storage::open(config).await.unwrap();
        let engine = Engine::new(storage.clone(), 64 << 20).unwrap();
        Store { engine, storage, appended: 0, _directory: directory }
    }

    /// A line for each time, every third one of another stream; each says how many there were before.
    async fn append(&mut self, tenant: &str, times: &[u64]) {
        let text = |text: String| Some(AnyValue { value: Some(Value::StringValue(text)) });
        let groups = times.iter().map(|time| {
            let number = self.appended;
            self.appended += 1;
            let record =
                LogRecord { time_unix_nano: *time, body: text(format!("line {number}")), ..LogRecord::default() };
            let app = KeyValue { key: "app".to_owned(), value: text((number % 3).to_string()), ..KeyValue::default() };
            let scope = InstrumentationScope { name: PUSH_SCOPE.to_owned(), ..InstrumentationScope::default() };
            ResourceLogs {
                resource: Some(Resource { attributes: vec![app], ..Resource::default() }),
                scope_logs: vec![ScopeLogs { scope: Some(scope), log_records: vec![record], ..ScopeLogs::default() }],
                ..ResourceLogs::default()
            }
        });
        let request = ExportLogsServiceRequest { resource_logs: groups.collect() }.encode_to_vec();
        let tenant = Tenant::new(tenant).unwrap();
        let appended = self.storage.append(&tenant, Signal::Logs, request.into()).await.unwrap();
        assert_eq!(appended.accepted, times.len() as u64);
    }

    async fn all(&self, tenants: &Tenants, request: &LinesRequest) -> Vec<String> {
        let found = self.engine.log_lines(tenants, request, Limits::default()).await.unwrap();
        found.lines.into_iter().map(|line| line.line).collect()
    }
}

fn tenants(names: &str) -> Tenants {
    Tenancy::Multi.resolve_all(Some(names)).unwrap()
}

fn request(query: &str, limit: usize, direction: Direction) -> LinesRequest {
    LinesRequest { query: parse_log(query).unwrap(), period: EVER, limit, direction, now: 0 }
}

fn bounds() -> impl Strategy<Value = PageBounds> {
    let short = prop_oneof![Just(Duration::ZERO), Just(Duration::from_secs(60))];
    (1..20_usize, prop_oneof![Just(1_usize), Just(2_000), Just(1 << 20)], short.clone(), short)
        .prop_map(|(lines, bytes, time, snapshot)| PageBounds { lines, bytes, time, snapshot })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn pages_are_the_answer_in_parts(
        times in prop::collection::vec(prop::collection::vec(0..12_u64, 0..30), 1..5),
        bounds in bounds(),
        is_forward: bool,
        limit in prop_oneof![Just(usize::MAX), 0..60_usize],
        query in prop_oneof![Just(r#"{app=~".+"}"#), Just(r#"{app=~".+"} |= "7""#), Just(r#"{app="1"}"#)],
        is_flushed: bool,
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let mut store = Store::new().await;
            for (number, times) in times.iter().enumerate() {
                store.append(if number == 1 { "b" } else { "a" }, times).await;
                if is_flushed || number == 0 {
                    store.storage.flush().await.unwrap();
                }
            }
            let direction = if is_forward { Direction::Forward } else { Direction::Backward };
            let request = request(query, limit, direction);
            let both = tenants("a|b");
            let expected = store.all(&both, &LinesRequest { limit: limit.max(1), ..request.clone() }).await;
            let expected = &expected[..expected.len().min(limit)];
            let mut pages = store.engine.log_pages(&both, request, bounds).unwrap();
            let mut lines = Vec::new();
            while let Some(page) = pages.next(Limits::default()).await.unwrap() {
                assert!(page.lines.len() <= bounds.lines);
                lines.extend(page.lines.into_iter().map(|line| line.line));
            }
            assert_eq!(lines, expected);
        });
    }
}

/// Lines arrive and files change between the pages.
#[tokio::test]
async fn what_was_there_is_in_the_pages_once() {
    for (direction, snapshot) in [Direction::Forward, Direction::Backward]
        .into_iter()
        .flat_map(|direction| [Duration::ZERO, Duration::from_secs(3600)].map(|snapshot| (direction, snapshot)))
    {
        let mut store = Store::new().await;
        let times: Vec<u64> = (0..40).map(|number| 10 + number / 9).collect();
        store.append("a", &times[..20]).await;
        store.storage.flush().await.unwrap();
        store.append("a", &times[20..]).await;
        let a = tenants("a");
        let there = store.all(&a, &request(r#"{app=~".+"}"#, 1_000, direction)).await;
        let bounds = PageBounds { lines: 4, snapshot, ..PageBounds::default() };
        let question = request(r#"{app=~".+"}"#, usize::MAX, direction);
        let mut pages = store.engine.log_pages(&a, question, bounds).unwrap();
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        while let Some(page) = pages.next(Limits::default()).await.unwrap() {
            for line in page.lines {
                *counts.entry(line.line).or_default() += 1;
            }
            if store.appended < 60 {
                store.append("a", &[11, 12, 13]).await;
                store.storage.flush().await.unwrap();
            }
        }
        for line in &there {
            assert_eq!(counts.get(line), Some(&1), "{direction:?} {snapshot:?}: {line}");
        }
        assert!(counts.values().all(|count| *count == 1), "{direction:?} {snapshot:?}: {counts:?}");
        let is_of_one_moment = !snapshot.is_zero();
        assert_eq!(counts.len() == there.len(), is_of_one_moment, "{direction:?} {snapshot:?}");
    }
}

#[tokio::test]
async fn several_tenants_are_asked_at_once() {
    let mut store = Store::new().await;
    store.append("a", &[1, 3]).await;
    store.append("b", &[2, 3]).await;
    store.append("c", &[1]).await;
    let both = tenants("b|a");
    let lines = async |query: &str| store.all(&both, &request(query, 10, Direction::Forward)).await;
    assert_eq!(lines(r#"{app=~".+"}"#).await, ["line 0", "line 2", "line 1", "line 3"]);
    assert_eq!(lines(r#"{__tenant_id__="b"}"#).await, ["line 2", "line 3"]);
    assert_eq!(lines(r#"{__tenant_id__!="b", app=~".+"}"#).await, ["line 0", "line 1"]);
    assert_eq!(lines(r#"{__tenant_id__="c"}"#).await, Vec::<String>::new());
    let streams = async |tenants: &Tenants, selector: &str| {
        let selector = parse_selector(selector).unwrap();
        let streams = store.engine.log_streams(tenants, selector, EVER, Limits::default()).await.unwrap();
        streams.iter().map(|labels| labels.value("__tenant_id__").map(|value| value.to_string())).collect::<Vec<_>>()
    };
    let named = |names: &[&str]| names.iter().map(|name| Some((*name).to_owned())).collect::<Vec<_>>();
    assert_eq!(streams(&both, r#"{app=~".+"}"#).await, named(&["a", "a", "b", "b"]));
    assert_eq!(streams(&both, r#"{__tenant_id__=~"a|c"}"#).await, named(&["a", "a"]));
    assert_eq!(streams(&tenants("a"), r#"{app=~".+"}"#).await, [None, None]);
    let counted = async |query: &str| {
        let metric = parse_metric(query).unwrap();
        let request = SeriesRequest { metric, grid: Grid::instant(10), is_instant: true, max_series: 20, now: 0 };
        match store.engine.log_series(&both, &request, Limits::default()).await.unwrap().0 {
            Answer::Vector { samples, .. } => {
                samples.iter().map(|(labels, value)| format!("{labels} {value}")).collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(counted(r#"sum(count_over_time({app=~".+"}[1m]))"#).await, ["{} 4"]);
    let by_tenant = counted(r#"sum by (__tenant_id__) (count_over_time({app=~".+"} |= "line" [1m]))"#).await;
    assert_eq!(by_tenant, [r#"{__tenant_id__="a"} 2"#, r#"{__tenant_id__="b"} 2"#]);
}
