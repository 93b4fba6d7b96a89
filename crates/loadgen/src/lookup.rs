//! Times the question "give me this trace" against a server that was loaded from the same seed.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::TcpStream;

use crate::Source;
use crate::random::{below, mix};
use crate::report::Latency;

#[derive(Debug, Serialize)]
pub struct LookupReport {
    pub lookups: u64,
    /// Of the first lookup, in milliseconds.
    pub first: f64,
    pub latency: Latency,
}

/// Asks `base` (the Tempo API, `http://host:port`) for `lookups` traces that `source` sent among its first `spans` spans.
/// Fails when one is missing.
pub async fn run(source: &Source, base: &str, spans: u64, lookups: u64) -> anyhow::Result<LookupReport> {
    let base: Uri = base.parse().with_context(|| format!("endpoint {base:?}"))?;
    let address = base.authority().context("the endpoint names no host")?.to_string();
    let stream = TcpStream::connect(&address).await.with_context(|| address.clone())?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);

    let requests = (spans / source.items() as u64).max(1);
    let traces = (source.items() / 12).max(1) as u64;
    let mut latencies = Vec::new();
    for lookup in 0..lookups {
        let random = mix(0x100c, lookup);
        let id = source.trace_id(below(random, requests), below(mix(random, 1), traces) as u32);
        let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
        let request = Request::get(format!("{}/api/traces/{id}", base.path().trim_end_matches('/')))
            .header(header::HOST, &address)
            .header(header::ACCEPT, "application/protobuf")
            .body(Empty::<Bytes>::new())?;
        let begin = Instant::now();
        sender.ready().await?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        latencies.push(begin.elapsed());
        ensure!(status == StatusCode::OK, "trace {id}: {status} {}", String::from_utf8_lossy(&body));
    }
    let first = latencies.first().map_or(0.0, Duration::as_secs_f64) * 1e3;
    Ok(LookupReport { lookups, first, latency: Latency::of(latencies) })
}
