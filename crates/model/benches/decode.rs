//! What the step from OTLP bytes to columns costs: `cargo bench -p trefoil-model --bench decode`.
//!
//! Prints processor nanoseconds an item, the best of several passes over the same requests of the load generator:
//! `prost, dropped` and `prost, kept` decode generated messages and drop them at once or keep those of a pass, `columns` is
//! `trefoil_model::decode`.

#![allow(clippy::unwrap_used, reason = "a bench may fail loudly")]

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use trefoil_loadgen::{Source, SourceOptions};
use trefoil_model::decode::{DecodeContext, decode};
use trefoil_model::series::SeriesIndex;
use trefoil_model::trace_ids::{Rules, SPAN_KEYS, TRACE_KEYS, TraceIds};
use trefoil_model::{Limits, Promoted, Signal, Tenant};

const REQUESTS: u64 = 64;
const PASSES: usize = 15;

fn main() {
    // Cargo passes flags of the standard harness.
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    for signal in Signal::ALL {
        if only.as_deref().is_none_or(|only| only == signal.as_str()) {
            bench(signal);
        }
    }
}

fn bench(signal: Signal) {
    let source = Source::new(SourceOptions::new(match signal {
        Signal::Traces => trefoil_loadgen::Signal::Traces,
        Signal::Metrics => trefoil_loadgen::Signal::Metrics,
        Signal::Logs => trefoil_loadgen::Signal::Logs,
    }));
    let requests: Vec<Bytes> = (0..REQUESTS).map(|number| source.request(number)).collect();
    let items = source.items() as u64 * REQUESTS;
    println!("{signal}: {} items a request, {:.0} bytes an item", source.items(), source.bytes_per_item());
    match signal {
        Signal::Traces => prost::<ExportTraceServiceRequest>(&requests, items),
        Signal::Metrics => prost::<ExportMetricsServiceRequest>(&requests, items),
        Signal::Logs => prost::<ExportLogsServiceRequest>(&requests, items),
    }
    let (promoted, limits, series, tenant) =
        (Promoted::default(), Limits::default(), SeriesIndex::default(), Tenant::default());
    let (keys, span_keys) = (TRACE_KEYS.map(str::to_owned), SPAN_KEYS.map(str::to_owned));
    let named = |keys| Rules { keys, patterns: &[] };
    let rules = TraceIds::new(named(&keys), named(&span_keys)).unwrap();
    let context =
        DecodeContext { promoted: &promoted, limits: &limits, series: &series, received: 1, trace_ids: Some(&rules) };
    let (mut bytes, mut columns) = (0, 0);
    report("columns", items, || {
        bytes = 0;
        for request in &requests {
            let decoded = decode(signal, &tenant, request, &context).unwrap();
            assert_eq!(decoded.rejected, 0);
            series.remember(&tenant, &decoded.new_series);
            for (_, batch) in black_box(&decoded.batches) {
                bytes += batch.get_array_memory_size();
                columns = columns.max(batch.num_columns());
            }
        }
    });
    println!("  {:.0} bytes of memory an item in up to {columns} columns", bytes as f64 / items as f64);
}

fn prost<M: Message + Default>(requests: &[Bytes], items: u64) {
    report("prost, dropped", items, || {
        for request in requests {
            black_box(M::decode(request.as_ref()).unwrap());
        }
    });
    report("prost, kept", items, || {
        black_box(requests.iter().map(|request| M::decode(request.as_ref()).unwrap()).collect::<Vec<_>>());
    });
}

/// What this thread has used of its processor, so that a busy machine counts less (Linux).
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

fn report(name: &str, items: u64, mut pass: impl FnMut()) {
    let mut times: Vec<Duration> = (0..PASSES)
        .map(|_| {
            let start = processor_time();
            pass();
            processor_time() - start
        })
        .collect();
    times.sort();
    let nanos = |time: Duration| time.as_nanos() as f64 / items as f64;
    println!("  {name:<15} {:>7.0} ns an item (median {:.0})", nanos(times[0]), nanos(times[PASSES / 2]));
}
