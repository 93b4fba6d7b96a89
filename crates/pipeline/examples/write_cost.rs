//! What reading a remote-write request costs: processor time for each sample, without the network and snappy; as the OTLP
//! request that goes to exporters, and as samples of known series for the store.
//! `cargo run --release -p trefoil-pipeline --example write_cost`

use std::time::Instant;

use prost::Message;
use trefoil_model::Tenant;
use trefoil_model::decode::{DecodeContext, decode_samples};
use trefoil_model::series::SeriesIndex;
use trefoil_model::{Limits, Promoted};
use trefoil_pipeline::receivers::prometheusremotewrite::{try_translate, try_translate_for_store};

const SERIES: usize = 2000;
const PASSES: usize = 300;

#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(message, repeated, tag = "1")]
    v1: Vec<SeriesV1>,
    #[prost(string, repeated, tag = "4")]
    symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    v2: Vec<SeriesV2>,
}

#[derive(Clone, PartialEq, Message)]
struct SeriesV1 {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct SeriesV2 {
    #[prost(uint32, repeated, tag = "1")]
    labels_refs: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

/// As a scrape of a service has them: metrics of 20 series, ten labels.
fn labels(series: usize) -> Vec<Label> {
    let label = |name: &str, value: String| Label { name: name.to_owned(), value };
    let mut labels = vec![
        label("__name__", format!("bookstore_http_requests_{}_total", series / 20)),
        label("code", format!("{}", 200 + series % 20)),
        label("container", "checkout".to_owned()),
        label("handler", "/api/v1/books/{id}".to_owned()),
        label("instance", "10.0.12.7:8080".to_owned()),
        label("job", "bookstore/checkout".to_owned()),
        label("method", "GET".to_owned()),
        label("namespace", "bookstore-production".to_owned()),
        label("node", "worker-07.example.internal".to_owned()),
        label("pod", "checkout-7d9c5b7f4c-x2x9k".to_owned()),
    ];
    labels.sort_by(|a, b| a.name.cmp(&b.name));
    labels
}

fn main() {
    let sample = |series: usize, tick: usize| {
        vec![Sample { value: series as f64 * 1.5, timestamp: 1_700_000_000_000 + 15_000 * tick as i64 }]
    };
    measure(false, |tick| {
        let v1 = (0..SERIES).map(|series| SeriesV1 { labels: labels(series), samples: sample(series, tick) }).collect();
        Request { v1, ..Request::default() }.encode_to_vec()
    });

    let mut symbols = vec![String::new()];
    let mut reference = |text: &String| {
        let known = symbols.iter().position(|symbol| symbol == text);
        known.unwrap_or_else(|| {
            symbols.push(text.clone());
            symbols.len() - 1
        }) as u32
    };
    let refs =
        |series| labels(series).iter().flat_map(|label| [&label.name, &label.value]).map(&mut reference).collect();
    let refs: Vec<Vec<u32>> = (0..SERIES).map(refs).collect();
    measure(true, |tick| {
        let series = |(series, labels_refs): (usize, &Vec<u32>)| SeriesV2 {
            labels_refs: labels_refs.clone(),
            samples: sample(series, tick),
        };
        let v2 = refs.iter().enumerate().map(series).collect();
        Request { symbols: symbols.clone(), v2, ..Request::default() }.encode_to_vec()
    });
}

fn measure(is_v2: bool, body_at: impl Fn(usize) -> Vec<u8>) {
    let version = if is_v2 { "2.0" } else { "1.0" };
    let index = SeriesIndex::default();
    let (tenant, promoted, limits) = (Tenant::default(), Promoted::default(), Limits::default());
    let context = DecodeContext { promoted: &promoted, limits: &limits, series: &index, received: 1, trace_ids: None };
    let series = index.active().of(&tenant);
    let (mut to_otlp, mut to_store, mut decoding) = (f64::INFINITY, f64::INFINITY, f64::INFINITY);
    let (mut read, mut written, mut known) = (0, 0, 0);
    for tick in 0..PASSES {
        let body = body_at(tick);
        read = body.len() / SERIES;
        let start = Instant::now();
        written = try_translate(is_v2, &body, 64 << 20).map_or(0, |request| request.len()) / SERIES;
        to_otlp = to_otlp.min(start.elapsed().as_secs_f64());

        let start = Instant::now();
        let (rest, samples) = try_translate_for_store(is_v2, &body, 64 << 20, &series).unwrap_or_default();
        let took = start.elapsed().as_secs_f64();
        known = samples.len();
        let start = Instant::now();
        let decoded = decode_samples(&tenant, &samples, &rest, &context);
        if known == SERIES {
            to_store = to_store.min(took);
            decoding = decoding.min(start.elapsed().as_secs_f64());
        }
        if let Ok(decoded) = decoded {
            index.remember(&tenant, &decoded.new_series);
        }
    }
    let each = |seconds: f64| seconds * 1e9 / SERIES as f64;
    println!("{version} to OTLP: {:.0} ns a sample; {read} bytes in, {written} out", each(to_otlp));
    println!(
        "{version} to the store: {:.0} ns a sample, and {:.0} to columns; {known} of {SERIES} known",
        each(to_store),
        each(decoding)
    );
}
