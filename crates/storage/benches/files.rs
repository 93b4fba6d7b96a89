//! What files cost: time and bytes a row to write them, time to read a little of them, time to compact them.
//!
//! `cargo bench -p trefoil-storage --bench files -- <traces|logs|metrics> [rows] [rows a file]`

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field};
use datafusion::prelude::{SessionConfig, SessionContext, col, lit};
use datafusion::scalar::ScalarValue;
use trefoil_loadgen::source::Clock;
use trefoil_loadgen::{Signal as Load, Source, SourceOptions};
use trefoil_model::decode::{DecodeContext, decode};
use trefoil_model::series::SeriesIndex;
use trefoil_model::{Limits, Promoted, Signal, Table, Tenant};
use trefoil_storage::catalog::{Catalog, Change};
use trefoil_storage::compaction::{CompactionOptions, Compactor};
use trefoil_storage::files::{FileStore, write};
use trefoil_storage::scan::{Reader, TableScan};

/// Items a second of the imagined traffic: it sets how much time a file spans.
const RATE: u64 = 20_000;

/// What a server learns of the bodies that the load generator makes.
const BODY_COLUMNS: [&str; 12] = [
    "body_format",
    "body_level",
    "body.bytes",
    "body.duration_ms",
    "body.level",
    "body.logger",
    "body.method",
    "body.msg",
    "body.path",
    "body.status",
    "body.thread",
    "body.user_id",
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let signal = args.first().map_or("traces", String::as_str).to_string();
    let rows = args.get(1).map_or(1_000_000, |rows| rows.parse().unwrap());
    let file_rows = args.get(2).map_or(300_000, |rows| rows.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run(&signal, rows, file_rows));
}

async fn run(signal: &str, rows: usize, file_rows: usize) {
    let (load, signal, table) = match signal {
        "traces" => (Load::Traces, Signal::Traces, Table::Spans),
        "logs" => (Load::Logs, Signal::Logs, Table::Logs),
        _ => (Load::Metrics, Signal::Metrics, Table::Samples),
    };
    let start = 1_795_219_200_000_000_000;
    let clock = Clock::Steps { start, step: 1000 * 1_000_000_000 / RATE };
    let source = Source::new(SourceOptions { clock, ..SourceOptions::new(load) });
    let directory = match std::env::var_os("BENCH_DIR") {
        Some(directory) => std::path::PathBuf::from(directory),
        None => tempfile::tempdir().unwrap().keep(),
    };
    let data = directory.join("data").display().to_string();
    let files = FileStore::open(&data, &BTreeMap::new()).unwrap();
    let catalog =
        Catalog::open(&format!("sqlite:{}", directory.join("catalog.sqlite").display()), &data).await.unwrap();
    let tenant = Tenant::default();
    let existing: u64 = catalog.snapshot().await.unwrap().files(table, &tenant).iter().map(|file| file.rows).sum();
    let requests = rows / source.items();
    if existing == 0 {
        fill(&source, signal, requests, file_rows, &files, &catalog, &tenant).await;
    }
    let reader = Reader::new(files.clone(), 256 << 20);
    let bench = Queries { catalog: catalog.clone(), reader: reader.clone(), tenant: tenant.clone(), table };
    bench.report("before compaction", &source, requests, start).await;
    let (cpu, mut merged, mut wall) = (cpu(), 0, Duration::ZERO);
    let compactor = Compactor::new(catalog.clone(), files.clone(), reader, CompactionOptions::default());
    loop {
        let started = Instant::now();
        let Some(job) = compactor.run_once().await.unwrap() else { break };
        wall += started.elapsed();
        println!("  {job:?}");
        merged += job.rows;
    }
    println!("compaction: {merged} rows, {:.2} µs CPU a row stored, wall {wall:?}", micros(cpu, rows as u64));
    bench.report("after compaction, warm", &source, requests, start).await;
    let cold = Queries { reader: Reader::new(files, 256 << 20), ..bench };
    cold.traces("empty caches", &source, requests, 1).await;
    println!("{}", directory.display());
}

async fn fill(
    source: &Source,
    signal: Signal,
    requests: usize,
    file_rows: usize,
    files: &FileStore,
    catalog: &Catalog,
    tenant: &Tenant,
) {
    let (promoted, limits, series) = (Promoted::default(), Limits::default(), SeriesIndex::new(1 << 20));
    let mut buffer: BTreeMap<Table, Vec<RecordBatch>> = BTreeMap::new();
    let (mut buffered, mut decoding, mut writing) = (0, 0.0, 0.0);
    let mut totals: BTreeMap<Table, (u64, u64, usize)> = BTreeMap::new();
    for number in 0..requests {
        let body = source.request(number as u64);
        let before = cpu();
        let context =
            DecodeContext { promoted: &promoted, limits: &limits, series: &series, received: 0, trace_ids: None };
        let decoded = decode(signal, tenant, &body, &context).unwrap();
        decoding += cpu() - before;
        series.remember(tenant, &decoded.new_series);
        for (table, batch) in decoded.batches {
            buffered += batch.num_rows();
            buffer.entry(table).or_default().push(batch);
        }
        if buffered < file_rows && number + 1 < requests {
            continue;
        }
        for (table, batches) in std::mem::take(&mut buffer) {
            let fields = batches.iter().flat_map(|batch| batch.schema().fields().to_vec());
            let columns = fields.filter(|field| field.name().contains('.')).map(|field| {
                let data_type = match field.data_type() {
                    DataType::Dictionary(..) | DataType::Utf8 => DataType::Utf8View,
                    other => other.clone(),
                };
                (table, Field::new(field.name(), data_type, true))
            });
            let of_bodies = BODY_COLUMNS.map(|name| (table, Field::new(name, DataType::Utf8View, true)));
            let columns = columns.chain(of_bodies.into_iter().filter(|_| table == Table::Logs)).collect();
            let snapshot = catalog.add_columns(columns).await.unwrap();
            let before = cpu();
            let add = write(files, snapshot.columns(table), table, tenant, batches).await.unwrap();
            writing += cpu() - before;
            let total = totals.entry(table).or_default();
            for file in &add {
                *total = (total.0 + file.rows, total.1 + file.size_bytes, total.2 + 1);
            }
            catalog.commit(Change { add, ..Change::default() }).await.unwrap();
        }
        buffered = 0;
    }
    let items = (requests * source.items()) as f64;
    println!(
        "decode {:.2} µs CPU an item, sort and write {:.2} µs CPU an item",
        decoding * 1e6 / items,
        writing * 1e6 / items
    );
    for (table, (rows, bytes, files)) in totals {
        println!("{}: {rows} rows, {files} files, {:.2} bytes a row", table.name(), bytes as f64 / rows as f64);
    }
}

struct Queries {
    catalog: Catalog,
    reader: Reader,
    tenant: Tenant,
    table: Table,
}

impl Queries {
    async fn session(&self) -> SessionContext {
        let snapshot = self.catalog.snapshot().await.unwrap();
        let scan = TableScan::new(&self.reader, &snapshot, &self.tenant, self.table, vec![]);
        let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2));
        context.register_table("t", Arc::new(scan)).unwrap();
        context
    }

    async fn report(&self, when: &str, source: &Source, requests: usize, start: u64) {
        let snapshot = self.catalog.snapshot().await.unwrap();
        let files = snapshot.files(self.table, &self.tenant);
        let (rows, bytes) =
            files.iter().fold((0, 0), |(rows, bytes), file| (rows + file.rows, bytes + file.size_bytes));
        println!("{when}: {} files, {:.2} bytes a row", files.len(), bytes as f64 / rows as f64);
        if self.table == Table::Spans {
            self.traces(when, source, requests, 3).await;
        }
        let (from, to) = (start + 60_000_000_000, start + 360_000_000_000);
        let range = format!(
            "{0} >= arrow_cast({from}, 'Timestamp(Nanosecond, None)') and {0} < arrow_cast({to}, 'Timestamp(Nanosecond, None)')",
            self.table.time_column()
        );
        let queries = match self.table {
            Table::Spans => vec![format!("select count(*), avg(duration_nano) from t where service_name = 'cart' and {range}")],
            Table::Logs => vec![
                format!("select count(*), max(length(body)) from t where service_name = 'cart' and {range}"),
                format!("select count(*) from t where body like '%timeout%' and {range}"),
            ],
            _ => vec![
                "select series_id, count(*), sum(coalesce(value_int, value_double)) from t where series_id = (select min(series_id) from t) group by 1".into(),
                "select metric_name, count(*) from t group by 1 limit 1".into(),
            ],
        };
        for query in queries {
            let read = self.reader.metrics().read_bytes.get();
            let before = cpu();
            let started = Instant::now();
            let batches = self.session().await.sql(&query).await.unwrap().collect().await.unwrap();
            let text = arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string();
            let answer = text.lines().nth(3).unwrap_or_default().to_string();
            let read = (self.reader.metrics().read_bytes.get() - read) >> 10;
            println!("  {:?}, {:.1} ms CPU, {read} KiB: {answer} {query}", started.elapsed(), (cpu() - before) * 1e3);
        }
    }

    async fn traces(&self, when: &str, source: &Source, requests: usize, rounds: usize) {
        let mut times = Vec::new();
        let read = self.reader.metrics().read_bytes.get();
        let before = cpu();
        for round in 0..rounds {
            for lookup in 0..60_u64 {
                let number = (lookup.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20) % requests as u64;
                let id = source.trace_id(number, (lookup % 80) as u32);
                let started = Instant::now();
                let filter = col("trace_id").eq(lit(ScalarValue::FixedSizeBinary(16, Some(id.to_vec()))));
                let table = self.session().await.table("t").await.unwrap();
                let found = table.filter(filter).unwrap().collect().await.unwrap();
                let rows: usize = found.iter().map(RecordBatch::num_rows).sum();
                assert_eq!(rows, 12, "trace {lookup}");
                if round + 1 == rounds {
                    times.push(started.elapsed());
                }
            }
        }
        times.sort();
        let lookups = (rounds * 60) as u64;
        println!(
            "  {when}: trace by id p50 {:?} p99 {:?}, {:.1} ms CPU, {} KiB read each",
            times[times.len() / 2],
            times[times.len() * 99 / 100],
            (cpu() - before) * 1e3 / lookups as f64,
            ((self.reader.metrics().read_bytes.get() - read) / lookups) >> 10
        );
    }
}

fn micros(since: f64, items: u64) -> f64 {
    (cpu() - since) * 1e6 / items as f64
}

/// CPU seconds of this process so far.
fn cpu() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let nanos: u64 = tasks
        .filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|stat| stat.split(' ').next()?.parse::<u64>().ok())
        .sum();
    nanos as f64 / 1e9
}
