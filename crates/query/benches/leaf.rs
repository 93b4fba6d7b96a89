//! What a query costs at the leaf: PromQL over a store of numbers, the first time (nothing is kept in memory) and again.
//!
//! `cargo bench -p trefoil-query --bench leaf -- [series] [ticks]`: so many series of ten metrics, a sample every 15 seconds,
//! flushed and merged. Prints milliseconds of processor time of the whole process and of the clock, the least of several runs.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, number_data_point,
};
use prost::Message;
use trefoil_model::{Signal, Tenant};
use trefoil_promql::steps::Steps;
use trefoil_query::Engine;
use trefoil_query::metrics::PromqlOptions;
use trefoil_storage::{Storage, StorageConfig};

const START_MS: i64 = 1_760_000_000_000 / 86_400_000 * 86_400_000 + 3_600_000;
const STEP_MS: i64 = 15_000;
const METRICS: usize = 10;
const RUNS: usize = 5;

const QUERIES: [&str; 6] = [
    "sum by (job) (rate(m0_total[5m]))",
    "sum by (job) (rate({__name__=~\"m._total\"}[5m]))",
    "m1_total{tenant=\"t7\"}",
    "max_over_time(m2_total[1h])",
    "topk(5, sum by (instance) (rate(m3_total[5m])))",
    "count by (__name__) ({__name__!=\"\"})",
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let series = args.first().map_or(20_000, |series| series.parse().unwrap());
    let ticks = args.get(1).map_or(240, |ticks| ticks.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(run(series, ticks));
}

async fn run(series: usize, ticks: i64) {
    let directory = tempfile::tempdir().unwrap();
    let mut config = StorageConfig::in_directory(directory.path());
    config.garbage.interval = Duration::ZERO;
    let storage = Storage::open(config).await.unwrap();
    let tenant = Tenant::default();
    for tick in 0..ticks {
        let body = tick_of(series, tick).encode_to_vec();
        storage.append(&tenant, Signal::Metrics, body.into()).await.unwrap();
    }
    storage.flush().await.unwrap();
    storage.compact().await.unwrap();
    let end = START_MS + (ticks - 1) * STEP_MS;
    println!("| {series} series × {ticks} | first: cpu ms | again: cpu ms | again: ms |\n|---|---|---|---|");
    for query in QUERIES {
        for (what, from) in [("instant", end), ("1 h at 15 s", end - 3_600_000)] {
            let steps = Steps::range(from, end, STEP_MS);
            // A new engine has nothing in memory.
            let engine = Engine::new(storage.clone(), 1 << 30).unwrap();
            let (first, _) = measured(&engine, &tenant, query, steps).await;
            let mut again = (f64::INFINITY, f64::INFINITY);
            for _ in 0..RUNS {
                let (processor, clock) = measured(&engine, &tenant, query, steps).await;
                again = (again.0.min(processor), again.1.min(clock));
            }
            println!("| `{query}`, {what} | {first:.1} | {:.1} | {:.1} |", again.0, again.1);
        }
    }
    storage.close().await.unwrap();
}

/// Milliseconds of the processor and of the clock.
async fn measured(engine: &Engine, tenant: &Tenant, query: &str, steps: Steps) -> (f64, f64) {
    let (processor, clock) = (processor_ms(), Instant::now());
    let answer = engine.promql_range(tenant, query, steps, &PromqlOptions::default()).await.unwrap();
    let clock = clock.elapsed().as_secs_f64() * 1000.0;
    drop(answer);
    (processor_ms() - processor, clock)
}

/// Of all threads of the process so far; 0 where the system does not tell.
fn processor_ms() -> f64 {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanos = threads.filter_map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    });
    nanos.sum::<f64>() / 1e6
}

fn tick_of(series: usize, tick: i64) -> ExportMetricsServiceRequest {
    let attribute = |key: &str, value: String| KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(Value::StringValue(value)) }),
        ..KeyValue::default()
    };
    let time = u64::try_from((START_MS + tick * STEP_MS) * 1_000_000).unwrap();
    let metrics = (0..METRICS).map(|metric| {
        let points = (0..series / METRICS).map(|place| NumberDataPoint {
            attributes: vec![
                attribute("job", format!("job-{}", place % 9)),
                attribute("instance", format!("10.0.0.{}:8080", place % 400)),
                attribute("tenant", format!("t{}", place % 50)),
                attribute("path", format!("/{}", place / 400)),
            ],
            time_unix_nano: time,
            value: Some(number_data_point::Value::AsDouble((tick * (3 + place as i64 % 7)) as f64)),
            ..NumberDataPoint::default()
        });
        Metric {
            name: format!("m{metric}_total"),
            metadata: vec![attribute("prometheus.type", "counter".to_owned())],
            data: Some(Data::Gauge(Gauge { data_points: points.collect() })),
            ..Metric::default()
        }
    });
    let scope_metrics = vec![ScopeMetrics { metrics: metrics.collect(), ..ScopeMetrics::default() }];
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }],
    }
}
