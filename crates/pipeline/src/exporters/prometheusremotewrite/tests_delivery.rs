//! Requests that are sent in parts, to receivers that fail at some of them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use bytes::Bytes;
use parking_lot::Mutex;
use prost::Message as _;
use tokio::sync::Barrier;
use trefoil_model::{Signal, Tenant};
use trefoil_prometheus::remote::write::WriteRequest;

use super::prometheus;
use super::sender::WriteSender;
use crate::config::{Document, Section};
use crate::exporters::parcel::{Parcel, Sender};
use crate::exporters::prometheus_view::tests::{literal, number, request};
use crate::receivers::prometheus::config::PrometheusConfig;
use crate::telemetry::{Accepted, Refused};

const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Default)]
struct Receiver {
    /// What the next requests are answered with; then it is 204.
    answers: Mutex<Vec<u16>>,
    /// The names of the series of each request.
    seen: Mutex<Vec<Vec<String>>>,
    under_way: AtomicUsize,
}

impl Receiver {
    /// `together` requests wait for each other.
    async fn start(answers: &[u16], together: usize) -> (Arc<Self>, String) {
        let receiver = Arc::new(Receiver { answers: Mutex::new(answers.to_vec()), ..Receiver::default() });
        let (of_server, barrier) = (receiver.clone(), Arc::new(Barrier::new(together)));
        let answer = move |body: Bytes| {
            let (receiver, barrier) = (of_server.clone(), barrier.clone());
            async move {
                receiver.under_way.fetch_add(1, Ordering::AcqRel);
                let body = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
                let request = WriteRequest::decode(&body[..]).unwrap();
                let name = |labels: &[trefoil_prometheus::remote::Label]| {
                    labels.iter().find(|label| label.name == "__name__").unwrap().value.clone()
                };
                let status = {
                    let mut answers = receiver.answers.lock();
                    receiver.seen.lock().push(request.timeseries.iter().map(|series| name(&series.labels)).collect());
                    if answers.is_empty() { 204 } else { answers.remove(0) }
                };
                barrier.wait().await;
                receiver.under_way.fetch_sub(1, Ordering::AcqRel);
                StatusCode::from_u16(status).unwrap()
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/write", axum::routing::post(answer));
        tokio::spawn(async move { axum::serve(listener, router).await });
        (receiver, format!("http://{address}/write"))
    }
}

fn sender(url: &str, queue: &str) -> WriteSender {
    let text = format!("remote_write: [{{url: '{url}', metadata_config: {{send: false}}, queue_config: {queue}}}]");
    let document = Document::verbatim("t.yml", &text).unwrap();
    let config = PrometheusConfig::parse(&Section::new(document.root(), &[]), Path::new(""), &|_| None).unwrap();
    WriteSender::new(prometheus::settings(&config.remote_write[0]).unwrap())
}

/// Literal gauges `m0` and so on, of one sample each.
fn parcel(series: usize) -> Parcel {
    let metrics: Vec<String> = (0..series).map(|n| literal(&format!("m{n}"), "gauge", &number("x", 5, 1.0))).collect();
    let body = request(&metrics.join(",")).encode_to_vec().into();
    Parcel { tenant: Tenant::default(), signal: Signal::Metrics, items: series as u64, body }
}

#[tokio::test]
async fn what_has_arrived_is_not_sent_again() {
    let (receiver, url) = Receiver::start(&[204, 503, 429, 204], 1).await;
    let (sender, parcel) =
        (sender(&url, "{max_samples_per_send: 2, max_shards: 1, retry_on_http_429: true}"), parcel(5));
    let mut delivery = sender.delivery(&parcel);
    for _ in 0..2 {
        assert!(delivery.attempt().await.unwrap_err().is_retryable());
    }
    assert_eq!(delivery.attempt().await, Ok(Accepted::all()));
    let seen = receiver.seen.lock().clone();
    assert_eq!(seen, [["m0", "m1"].as_slice(), &["m2", "m3"], &["m2", "m3"], &["m2", "m3"], &["m4"]]);
}

#[tokio::test]
async fn a_request_that_is_refused_costs_itself_alone() {
    let (receiver, url) = Receiver::start(&[204, 400], 1).await;
    let sender = sender(&url, "{max_samples_per_send: 2, max_shards: 1}");
    let accepted = sender.send(&parcel(5)).await.unwrap();
    assert_eq!((accepted.rejected, accepted.message.as_deref()), (2, Some("400 Bad Request")));
    assert_eq!(receiver.seen.lock().len(), 3);
    *receiver.answers.lock() = vec![400, 400, 400];
    assert_eq!(sender.send(&parcel(5)).await, Err(Refused::Invalid("400 Bad Request".to_owned())));
}

#[tokio::test]
async fn there_are_as_many_requests_at_once_as_what_waits_fills() {
    for (queue, series, shards) in [
        ("{max_samples_per_send: 4, max_shards: 3}", 40, 3),
        ("{max_samples_per_send: 20, max_shards: 9}", 40, 2),
        ("{max_samples_per_send: 100, max_shards: 9, min_shards: 4}", 40, 4),
    ] {
        let (receiver, url) = Receiver::start(&[], shards).await;
        let sender = Arc::new(sender(&url, queue));
        let sending = sender.clone();
        let sent = tokio::spawn(async move { sending.send(&parcel(series)).await });
        // The first of each shard wait for each other, so that they are done only if all of them are under way.
        let all = async {
            while receiver.seen.lock().len() < shards {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, all).await.expect(queue);
        assert!(receiver.under_way.load(Ordering::Acquire) <= shards, "{queue}");
        sent.abort();
    }
}
