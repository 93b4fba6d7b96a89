//! What the durable log could hold, and what that costs: the figures of docs/decisions/0002-log-contents.md.
//!
//! `cargo run --release -p trefoil-storage --example log_contents`

#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::time::Instant;

use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use bytes::Bytes;
use trefoil_loadgen::source::{Source, SourceOptions};
use trefoil_model::decode::{DecodeContext, Decoded, decode};
use trefoil_model::series::SeriesIndex;
use trefoil_model::{Limits, Promoted, Signal, Tenant};

type Codec = (&'static str, fn(&[u8]) -> Vec<u8>, fn(&[u8]) -> Vec<u8>);

const REQUESTS: usize = 100;

fn main() {
    println!("{:8} {:22} {:>9} {:>12} {:>13}", "signal", "contents", "ns/item", "bytes/item", "replay ns/item");
    for signal in Signal::ALL {
        measure(signal);
    }
}

fn measure(signal: Signal) {
    let source = Source::new(SourceOptions::new(match signal {
        Signal::Traces => trefoil_loadgen::Signal::Traces,
        Signal::Logs => trefoil_loadgen::Signal::Logs,
        Signal::Metrics => trefoil_loadgen::Signal::Metrics,
    }));
    let bodies: Vec<Bytes> = (0..REQUESTS as u64).map(|index| source.request(index)).collect();
    let (tenant, promoted, limits, series) =
        (Tenant::default(), Promoted::default(), Limits::default(), SeriesIndex::default());
    let context = DecodeContext { promoted: &promoted, limits: &limits, series: &series, received: 0, trace_ids: None };
    let decode = |body: &[u8]| -> Decoded {
        let decoded = decode(signal, &tenant, body, &context).unwrap();
        series.remember(&tenant, &decoded.new_series);
        decoded
    };
    let items: u64 = bodies.iter().map(|body| decode(body).accepted).sum();
    let decoding = nanos(items, || bodies.iter().for_each(|body| drop(black_box(decode(body)))));

    let report = |contents: &str, write: f64, bytes: usize, replay: f64| {
        println!("{signal:8} {contents:22} {write:9.0} {:12.1} {replay:13.0}", bytes as f64 / items as f64);
    };
    let raw: usize = bodies.iter().map(Bytes::len).sum();
    report("OTLP", 0.0, raw, decoding);
    let codecs: [Codec; 4] = [
        ("lz4", lz4, unlz4),
        ("zstd 1", zstd::<1>, unzstd),
        ("zstd -1", zstd::<-1>, unzstd),
        ("zstd -3", zstd::<-3>, unzstd),
    ];
    for (name, compress, decompress) in codecs {
        let compressed: Vec<Vec<u8>> = bodies.iter().map(|body| compress(body)).collect();
        let write = nanos(items, || bodies.iter().for_each(|body| drop(black_box(compress(body)))));
        let read = nanos(items, || compressed.iter().for_each(|bytes| drop(black_box(decompress(bytes)))));
        report(&format!("OTLP, {name}"), write, compressed.iter().map(Vec::len).sum(), read + decoding);
    }

    let decoded: Vec<Decoded> = bodies.iter().map(|body| decode(body)).collect();
    let columns: Vec<Vec<u8>> = decoded.iter().map(ipc).collect();
    let writing = nanos(items, || decoded.iter().for_each(|decoded| drop(black_box(ipc(decoded)))));
    let reading = nanos(items, || columns.iter().for_each(|bytes| un_ipc(bytes)));
    report("Arrow IPC", writing, columns.iter().map(Vec::len).sum(), reading);
    for (name, compress, decompress) in codecs {
        let compressed: Vec<Vec<u8>> = columns.iter().map(|bytes| compress(bytes)).collect();
        let write = nanos(items, || columns.iter().for_each(|bytes| drop(black_box(compress(bytes)))));
        let read = nanos(items, || compressed.iter().for_each(|bytes| drop(black_box(decompress(bytes)))));
        let bytes = compressed.iter().map(Vec::len).sum();
        report(&format!("Arrow IPC, {name}"), writing + write, bytes, read + reading);
    }
}

/// The best of five runs.
fn nanos(items: u64, mut work: impl FnMut()) -> f64 {
    let run = |_| {
        let started = Instant::now();
        work();
        started.elapsed().as_nanos() as f64 / items as f64
    };
    (0..5).map(run).fold(f64::INFINITY, f64::min)
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    lz4_flex::block::compress_prepend_size(bytes)
}

fn unlz4(bytes: &[u8]) -> Vec<u8> {
    lz4_flex::block::decompress_size_prepended(bytes).unwrap()
}

fn zstd<const LEVEL: i32>(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, LEVEL).unwrap()
}

fn unzstd(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::decompress(bytes, 64 << 20).unwrap()
}

fn ipc(decoded: &Decoded) -> Vec<u8> {
    let mut out = Vec::new();
    for (_, batch) in &decoded.batches {
        let mut writer = StreamWriter::try_new(&mut out, &batch.schema()).unwrap();
        writer.write(batch).unwrap();
        writer.finish().unwrap();
    }
    out
}

fn un_ipc(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let mut reader = StreamReader::try_new(&mut bytes, None).unwrap();
        for batch in &mut reader {
            black_box(batch.unwrap());
        }
    }
}
