//! What taking OTLP costs before anything is decoded: processor time of the receiver's thread for each span, for every
//! protocol and compression. `cargo run --release -p trefoil-pipeline --example receive_cost`

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use trefoil_model::{Signal, Tenancy};
use trefoil_pipeline::component::{Component, Downstream};
use trefoil_pipeline::config::{Document, Section};
use trefoil_pipeline::net::compression::{Encoding, compress};
use trefoil_pipeline::net::grpc;
use trefoil_pipeline::receivers::otlp::OtlpReceiver;
use trefoil_pipeline::receivers::otlp::config::Config;
use trefoil_pipeline::{Accepted, Consumer, Metrics, Refused, Telemetry};

const SPANS: usize = 500;
const DURATION: Duration = Duration::from_secs(3);
const YAML: &str = "protocols: {grpc: {endpoint: '127.0.0.1:0'}, http: {endpoint: '127.0.0.1:0'}}";

type Failure = Box<dyn Error + Send + Sync>;

struct Discard;

#[async_trait]
impl Consumer for Discard {
    async fn consume(&self, _: Telemetry) -> Result<Accepted, Refused> {
        Ok(Accepted::all())
    }
}

fn main() -> Result<(), Failure> {
    let (ready, started) = mpsc::channel();
    std::thread::spawn(move || serve(&ready));
    let (addresses, server) = started.recv()??;
    let body = Bytes::from(spans().encode_to_vec());
    println!("{SPANS} spans a request, {} bytes a span", body.len() / SPANS);
    let client = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for encoding in [Encoding::Identity, Encoding::Gzip, Encoding::Zstd, Encoding::Snappy] {
        let http = compress(encoding, body.clone(), None)?;
        let url = format!("http://{}/v1/traces", addresses[1]);
        let headers = [("content-type", "application/x-protobuf"), ("content-encoding", encoding.as_str())];
        client.block_on(measure("http", encoding, &server, reqwest::Client::new(), url, headers, http))?;

        let framed = if encoding == Encoding::Snappy { Encoding::SnappyFramed } else { encoding };
        let message = compress(framed, body.clone(), None)?;
        let message = grpc::frame(&message, encoding != Encoding::Identity);
        let url = format!("http://{}{}", addresses[0], grpc::TRACES_EXPORT);
        let headers = [("content-type", "application/grpc"), ("grpc-encoding", encoding.as_str())];
        let http2 = reqwest::Client::builder().http2_prior_knowledge().build()?;
        client.block_on(measure("grpc", encoding, &server, http2, url, headers, message))?;
    }
    Ok(())
}

type Started = Result<(Vec<SocketAddr>, tokio::runtime::Handle), Failure>;

/// The receiver alone on one thread, so that the thread's processor time is its cost.
fn serve(ready: &mpsc::Sender<Started>) {
    let run = || -> Result<(tokio::runtime::Runtime, OtlpReceiver), Failure> {
        let document = Document::parse("cost.yaml", YAML, &|_| None)?;
        let config = Config::parse(&Section::new(document.root(), &[]))?;
        let consumer: Arc<dyn Consumer> = Arc::new(Discard);
        let downstream = Downstream::new([(Signal::Traces, consumer)]);
        let receiver = OtlpReceiver::new(&config, Tenancy::Single, downstream, &Metrics::default().receiver("otlp"))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(receiver.start())?;
        Ok((runtime, receiver))
    };
    match run() {
        Err(error) => drop(ready.send(Err(error))),
        Ok((runtime, receiver)) => {
            drop(ready.send(Ok((receiver.addresses(), runtime.handle().clone()))));
            runtime.block_on(std::future::pending::<()>());
        }
    }
}

/// Nanoseconds the calling thread has run.
fn thread_nanos() -> Result<u64, Failure> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(stat.split(' ').next().unwrap_or_default().parse()?)
}

async fn measure(
    protocol: &str,
    encoding: Encoding,
    server: &tokio::runtime::Handle,
    client: reqwest::Client,
    url: String,
    headers: [(&str, &str); 2],
    body: Bytes,
) -> Result<(), Failure> {
    let before = server.spawn(async { thread_nanos() }).await??;
    let start = Instant::now();
    let mut requests = 0;
    while start.elapsed() < DURATION {
        let mut request = client.post(&url).body(body.clone());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let response = request.send().await?.error_for_status()?;
        response.bytes().await?;
        requests += 1;
    }
    let nanos = server.spawn(async { thread_nanos() }).await?? - before;
    let per_span = nanos as f64 / (requests * SPANS) as f64;
    let per_request = nanos as f64 / requests as f64 / 1000.0;
    println!("{protocol} {:>8}: {per_span:7.1} ns a span, {per_request:8.1} µs a request", encoding.as_str());
    Ok(())
}

/// About the bookstore's: 20 attributes and some 830 bytes a span.
fn spans() -> ExportTraceServiceRequest {
    let attribute = |span: usize, key: usize| KeyValue {
        key: format!("bookstore.attribute.{key}"),
        value: Some(AnyValue { value: Some(Value::StringValue(format!("v{}", span * 31 + key * 7))) }),
        ..KeyValue::default()
    };
    let span = |id: usize| Span {
        trace_id: (id as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_be_bytes().to_vec(),
        span_id: (id as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes().to_vec(),
        name: format!("GET /books/{}", id % 17),
        start_time_unix_nano: 1_700_000_000_000_000_000 + id as u64 * 1_000_003,
        end_time_unix_nano: 1_700_000_000_000_000_000 + id as u64 * 1_000_003 + 5_000_011,
        attributes: (0..20).map(|key| attribute(id, key)).collect(),
        ..Span::default()
    };
    let scope = ScopeSpans { spans: (0..SPANS).map(span).collect(), ..ScopeSpans::default() };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() }],
    }
}
