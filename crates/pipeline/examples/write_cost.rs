//! What turning a remote-write request into the OTLP request that travels costs: processor time for each sample, without
//! the network and snappy. `cargo run --release -p trefoil-pipeline --example write_cost`

use std::time::Instant;

use prost::Message;
use trefoil_pipeline::receivers::prometheusremotewrite::try_translate;

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
    let sample = |series: usize| vec![Sample { value: series as f64 * 1.5, timestamp: 1_700_000_000_000 }];
    let v1 = (0..SERIES).map(|series| SeriesV1 { labels: labels(series), samples: sample(series) }).collect();
    measure(false, &Request { v1, ..Request::default() }.encode_to_vec());

    let mut symbols = vec![String::new()];
    let mut reference = |text: &String| {
        let known = symbols.iter().position(|symbol| symbol == text);
        known.unwrap_or_else(|| {
            symbols.push(text.clone());
            symbols.len() - 1
        }) as u32
    };
    let mut series_v2 = |series| {
        let labels = labels(series);
        let labels_refs = labels.iter().flat_map(|label| [&label.name, &label.value]).map(&mut reference).collect();
        SeriesV2 { labels_refs, samples: sample(series) }
    };
    let v2 = (0..SERIES).map(&mut series_v2).collect();
    measure(true, &Request { symbols, v2, ..Request::default() }.encode_to_vec());
}

fn measure(is_v2: bool, body: &[u8]) {
    let mut best = f64::INFINITY;
    let mut written = 0;
    for _ in 0..PASSES {
        let start = Instant::now();
        written = try_translate(is_v2, body, 64 << 20).map_or(0, |request| request.len());
        best = best.min(start.elapsed().as_secs_f64());
    }
    let version = if is_v2 { "2.0" } else { "1.0" };
    let (read, written) = (body.len() / SERIES, written / SERIES);
    println!("{version}: {:.0} ns a sample; {read} bytes in, {written} out", best * 1e9 / SERIES as f64);
}
