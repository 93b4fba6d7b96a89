use bytes::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data,
};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use proptest::prelude::*;
use tokio::sync::Notify;

use super::*;
use crate::metrics::Metrics;
use crate::telemetry::Message;

/// Remembers what it got; answers when it is let go.
#[derive(Default)]
struct Sink {
    got: Mutex<Vec<(String, u64)>>,
    answer: Mutex<Option<Answer>>,
    arrived: Notify,
    holds: Mutex<Option<Arc<Notify>>>,
}

#[async_trait]
impl Consumer for Sink {
    async fn consume(&self, mut telemetry: Telemetry) -> Answer {
        let spans = telemetry.payload.items();
        if telemetry.payload.message().is_err() {
            return Err(Refused::Invalid("malformed".to_owned()));
        }
        self.got.lock().push((telemetry.tenant.to_string(), spans));
        self.arrived.notify_one();
        let hold = self.holds.lock().clone();
        if let Some(hold) = hold {
            hold.notified().await;
        }
        self.answer.lock().clone().unwrap_or(Ok(Accepted::all()))
    }
}

fn spans(names: impl IntoIterator<Item = String>) -> ExportTraceServiceRequest {
    let spans = names.into_iter().map(|name| Span { name, ..Span::default() }).collect();
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }] }
}

fn request(tenant: &str, count: usize) -> Telemetry {
    let message = Message::Traces(spans((0..count).map(|n| n.to_string())));
    Telemetry::new(Tenant::new(tenant).unwrap(), Payload::from_bytes(Signal::Traces, message.encode()))
}

fn batch(sink: &Arc<Sink>, timeout: Duration, size: u64, max: usize) -> Arc<Batch> {
    let config = Config { timeout, send_batch_size: size, send_batch_max_size: max, ..Config::default() };
    Arc::new(Batch::new(config, Signal::Traces, sink.clone(), Metrics::default().batch("batch")))
}

const LONG: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn callers_wait_for_the_answer_to_their_batch() {
    let sink = Arc::new(Sink::default());
    let hold = Arc::new(Notify::new());
    *sink.holds.lock() = Some(hold.clone());
    let batch = batch(&sink, LONG, 5, 0);
    let mut first = Box::pin(batch.consume(request("a", 2)));
    assert!(futures::poll!(first.as_mut()).is_pending());
    let mut second = Box::pin(batch.consume(request("a", 3)));
    assert!(futures::poll!(second.as_mut()).is_pending());
    sink.arrived.notified().await;
    assert_eq!(*sink.got.lock(), [("a".to_owned(), 5)]);
    // Taken downstream, but not answered: nor are the callers.
    tokio::task::yield_now().await;
    assert!(futures::poll!(first.as_mut()).is_pending());
    hold.notify_one();
    assert_eq!((first.await, second.await), (Ok(Accepted::all()), Ok(Accepted::all())));
}

#[tokio::test(start_paused = true)]
async fn time_sends_a_batch_and_tenants_are_kept_apart() {
    let sink = Arc::new(Sink::default());
    let batch = batch(&sink, Duration::from_millis(200), 100, 0);
    let start = tokio::time::Instant::now();
    let sends = [("a", 1), ("b", 2), ("a", 3)].map(|(tenant, count)| batch.consume(request(tenant, count)));
    assert!(join_all(sends).await.iter().all(Result::is_ok));
    assert_eq!(start.elapsed(), Duration::from_millis(200));
    let mut got = sink.got.lock().clone();
    got.sort();
    assert_eq!(got, [("a".to_owned(), 4), ("b".to_owned(), 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_cut_to_its_largest_size() {
    let sink = Arc::new(Sink::default());
    let batch = batch(&sink, Duration::ZERO, 0, 4);
    batch.consume(request("a", 10)).await.unwrap();
    let mut got: Vec<u64> = sink.got.lock().iter().map(|(_, items)| *items).collect();
    got.sort_unstable();
    assert_eq!(got, [2, 4, 4]);
}

#[tokio::test(start_paused = true)]
async fn refusals_reach_every_caller() {
    let sink = Arc::new(Sink::default());
    *sink.answer.lock() = Some(Err(Refused::unavailable("down")));
    let batch = batch(&sink, Duration::from_millis(1), 100, 0);
    let answers = join_all([batch.consume(request("a", 1)), batch.consume(request("a", 1))]).await;
    assert_eq!(answers, [Err(Refused::unavailable("down")), Err(Refused::unavailable("down"))]);
}

#[tokio::test(start_paused = true)]
async fn a_malformed_request_does_not_hurt_its_neighbours() {
    let sink = Arc::new(Sink::default());
    let batch = batch(&sink, Duration::from_millis(1), 100, 0);
    let cut = |bytes: &'static [u8]| {
        Telemetry::new(Tenant::new("a").unwrap(), Payload::from_bytes(Signal::Traces, Bytes::from_static(bytes)))
    };
    // A field that claims more bytes than there are, and a whole field whose content is rubbish.
    let (truncated, rubbish) = (cut(&[0x0a, 0x7f]), cut(&[0x0a, 0x02, 0x12, 0x7f]));
    let sends = [truncated, request("a", 1), rubbish, request("a", 2)].map(|telemetry| batch.consume(telemetry));
    let answers = join_all(sends).await;
    let taken: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(taken, [false, true, false, true], "{answers:?}");
}

#[tokio::test(start_paused = true)]
async fn partial_success_is_told_to_the_callers() {
    let sink = Arc::new(Sink::default());
    *sink.answer.lock() = Some(Ok(Accepted { rejected: 3, message: Some("too old".to_owned()) }));
    let batch = batch(&sink, Duration::from_millis(1), 100, 0);
    let answers = join_all([batch.consume(request("a", 2)), batch.consume(request("a", 9))]).await;
    let rejected: Vec<u64> = answers.iter().map(|answer| answer.as_ref().unwrap().rejected).collect();
    assert_eq!(rejected, [2, 3]);
    let alone = batch.consume(request("a", 9)).await.unwrap();
    assert_eq!((alone.rejected, alone.message.as_deref()), (3, Some("too old")));
}

#[tokio::test(start_paused = true)]
async fn combinations_of_metadata_are_limited() {
    let sink = Arc::new(Sink::default());
    let config = Config {
        timeout: LONG,
        metadata_keys: vec!["Team".to_owned()],
        metadata_cardinality_limit: 2,
        ..Config::default()
    };
    let batch = Batch::new(config, Signal::Traces, sink.clone(), Metrics::default().batch("batch"));
    let from = |team: &str| {
        let metadata = Arc::new(vec![("team".to_owned(), team.to_owned())]);
        Telemetry { origin: Origin { metadata, address: None }, ..request("a", 1) }
    };
    let mut waiting: Vec<_> = ["x", "y", "x"].map(|team| batch.consume(from(team))).into_iter().collect();
    for future in &mut waiting {
        assert!(futures::poll!(future.as_mut()).is_pending());
    }
    assert!(batch.consume(from("z")).await.unwrap_err().is_retryable());
    // Hurrying sends what waits and keeps nothing back any more.
    batch.hurry();
    assert!(join_all(waiting).await.iter().all(Result::is_ok));
    batch.consume(from("z")).await.unwrap();
    let mut got: Vec<u64> = sink.got.lock().iter().map(|(_, items)| *items).collect();
    got.sort_unstable();
    assert_eq!(got, [1, 1, 2]);
}

proptest! {
    /// Nothing is lost, doubled or reordered, whatever the grouping.
    #[test]
    fn splitting_keeps_every_span(
        groups in prop::collection::vec(prop::collection::vec(0..5_usize, 0..4), 0..4),
        max in 1..7_usize,
    ) {
        let mut number = 0..;
        let resource_spans = groups.iter().map(|scopes| ResourceSpans {
            scope_spans: scopes.iter().flat_map(|count| {
                let names = number.by_ref().take(*count).map(|n| n.to_string()).collect::<Vec<_>>();
                spans(names).resource_spans.remove(0).scope_spans
            }).collect(),
            ..ResourceSpans::default()
        }).collect();
        let names = |request: &ExportTraceServiceRequest| -> Vec<String> {
            let spans = request.resource_spans.iter().flat_map(|r| &r.scope_spans).flat_map(|s| &s.spans);
            spans.map(|span| span.name.clone()).collect()
        };
        let request = ExportTraceServiceRequest { resource_spans };
        let expected = names(&request);
        let mut found = Vec::new();
        for message in split::split(Message::Traces(request), max) {
            let Message::Traces(part) = message else { panic!("traces") };
            prop_assert!(names(&part).len() <= max);
            found.extend(names(&part));
        }
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn splitting_keeps_every_point(points in prop::collection::vec(0..9_u64, 0..6), max in 1..7_usize) {
        let mut time = 0_u64;
        let metrics = points.iter().map(|count| {
            let data_points = (0..*count).map(|_| {
                time += 1;
                NumberDataPoint { time_unix_nano: time, ..NumberDataPoint::default() }
            }).collect();
            Metric { name: count.to_string(), data: Some(Data::Gauge(Gauge { data_points })), ..Metric::default() }
        }).collect();
        let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
        let resource_metrics = vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }];
        let mut found = Vec::new();
        for message in split::split(Message::Metrics(ExportMetricsServiceRequest { resource_metrics }), max) {
            prop_assert!(Payload::from_message(message.clone()).items() <= max as u64);
            let Message::Metrics(part) = message else { panic!("metrics") };
            for metric in part.resource_metrics.iter().flat_map(|r| &r.scope_metrics).flat_map(|s| &s.metrics) {
                let Some(Data::Gauge(gauge)) = &metric.data else { panic!("a gauge") };
                found.extend(gauge.data_points.iter().map(|point| point.time_unix_nano));
            }
        }
        prop_assert_eq!(found, (1..=time).collect::<Vec<_>>());
    }
}
