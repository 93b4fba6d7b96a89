//! Scrapes into a store that remembers the last sample of each series.

use std::sync::atomic::AtomicU64;

use trefoil_model::active::{LimitsByTenant, SeriesLimits};
use trefoil_model::decode::{DecodeContext, decode_samples};
use trefoil_model::samples::KnownSamples;
use trefoil_model::series::SeriesIndex;
use trefoil_model::{Limits, Promoted};

use super::*;
use crate::receivers::prometheusremotewrite::WriteRequest;
use crate::receivers::prometheusremotewrite::write::ForStore;

struct Judging {
    series: SeriesIndex,
    /// Samples that came without labels, and points that came as OTLP with values.
    known: AtomicU64,
    rest: StdMutex<Vec<NumberPoint>>,
}

/// The name, the value, and how many exemplars.
type NumberPoint = (String, Option<f64>, usize);

impl Judging {
    fn new(limits: SeriesLimits) -> Arc<Self> {
        let limits = LimitsByTenant { everybody: limits, tenants: Default::default() };
        Arc::new(Self {
            series: SeriesIndex::with_limits(1000, limits),
            known: AtomicU64::new(0),
            rest: StdMutex::default(),
        })
    }

    fn scraped(self: &Arc<Self>, config: &str, address: &str) -> ByHand {
        let mut by_hand = ByHand::new(config, address);
        by_hand.scrape.sink = Arc::new(sink(self));
        // What is too far ahead is so for the clock; scrapes are about now.
        by_hand.seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 86_400 * 86_400;
        by_hand
    }

    fn remember(&self, known: &KnownSamples, rest: &[u8]) {
        self.known.fetch_add(known.len() as u64, Ordering::Relaxed);
        let (promoted, limits) = (Promoted::default(), Limits::default());
        let context =
            DecodeContext { promoted: &promoted, limits: &limits, series: &self.series, received: 1, trace_ids: None };
        let decoded = decode_samples(&Tenant::default(), known, rest, &context).unwrap();
        assert_eq!(decoded.rejected, 0, "{:?}", decoded.reasons);
        self.series.remember(&Tenant::default(), &decoded.new_series);
        let request = ExportMetricsServiceRequest::decode(rest).unwrap();
        let scopes = request.resource_metrics.into_iter().flat_map(|resource| resource.scope_metrics);
        for metric in scopes.flat_map(|scope| scope.metrics) {
            let Some(Data::Gauge(gauge)) = metric.data else { panic!("{metric:?}") };
            self.rest.lock().unwrap().extend(gauge.data_points.into_iter().map(|point| {
                let value = point.value.map(|value| match value {
                    Value::AsDouble(value) => value,
                    Value::AsInt(value) => value as f64,
                });
                (metric.name.clone(), value, point.exemplars.len())
            }));
        }
    }

    /// Since the last call: samples of known series, and of the others those that are not about the scrape.
    fn take(&self) -> (u64, Vec<NumberPoint>) {
        let mut rest = std::mem::take(&mut *self.rest.lock().unwrap());
        rest.retain(|(name, ..)| name != "up" && !name.starts_with("scrape_"));
        (self.known.swap(0, Ordering::Relaxed), rest)
    }
}

#[async_trait]
impl Consumer for Judging {
    async fn consume(&self, _telemetry: Telemetry) -> Result<Accepted, Refused> {
        panic!("a scrape goes into the store as it is");
    }

    async fn consume_write(&self, request: WriteRequest) -> Result<Accepted, Refused> {
        let ForStore { samples, rest, flight, refused } = request.into_store(&self.series).await?;
        self.remember(&samples, &rest);
        flight.land();
        Ok(refused)
    }
}

fn open() -> SeriesLimits {
    SeriesLimits { out_of_order_time_window: 0, creation_grace_period: i64::MAX, ..SeriesLimits::NONE }
}

/// What every scrape adds.
const OWN: u64 = 5;

#[tokio::test]
async fn samples_of_known_series_come_without_their_labels() {
    let store = Judging::new(open());
    let mut by_hand = store.scraped("job_name: j", &target(&["a 1\nb{x=\"y\"} 2\n", "a 3\n", "500"]).await);
    assert_eq!(by_hand.scrape().await, "");
    assert_eq!(store.take(), (0, vec![("a".to_owned(), Some(1.0), 0), ("b".to_owned(), Some(2.0), 0)]));
    by_hand.scrape().await;
    assert_eq!(store.take(), (2 + OWN, vec![]), "a sample, and the end of a series");
    assert_ne!(by_hand.scrape().await, "");
    assert_eq!(store.take(), (1 + OWN, vec![]));
}

#[tokio::test]
async fn samples_that_come_too_late_are_counted_and_the_scrape_goes_on() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64 / 86_400_000 * 86_400_000;
    let body = |value: i32, time: i64, more: &str| format!("a {value} {time}\nb {value}\n{more}");
    let bodies = [
        body(1, now + 10, ""),
        // The same again, another value, an older one.
        body(1, now + 10, ""),
        body(2, now + 10, ""),
        body(3, now + 5, "# TYPE c counter\nc 1\n"),
    ];
    let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
    let store = Judging::new(open());
    let mut by_hand = store.scraped("job_name: j", &target(&bodies).await);
    for (expected_known, duplicates, out_of_order) in [(0, 0, 0), (1 + OWN, 0, 0), (1 + OWN, 1, 0), (1 + OWN, 1, 1)] {
        assert_eq!(by_hand.scrape().await, "", "the target is up");
        assert_eq!(store.take().0, expected_known);
        let counts = by_hand.scrape.sink.counts();
        assert_eq!((counts.duplicates.get(), counts.out_of_order.get()), (duplicates, out_of_order));
    }
}

#[tokio::test]
async fn a_limit_of_the_store_shows_at_the_target() {
    let store = Judging::new(SeriesLimits { max_active_series: 6, ..open() });
    let mut by_hand = store.scraped("job_name: j", &target(&["a 1\nb 1\n"]).await);
    let error = by_hand.scrape().await;
    assert!(error.contains("1 of 7 samples are not stored: ") && error.contains("series limit of 6"), "{error}");
}

#[tokio::test]
async fn another_unit_or_type_is_another_description() {
    let store = Judging::new(open());
    let body = |unit: &str| format!("# TYPE a_{unit} gauge\n# UNIT a_{unit} {unit}\na_{unit} 1\n# EOF\n");
    let answers = Arc::new(StdMutex::new(vec![body("seconds"), body("seconds"), body("seconds")]));
    let answer = async move || {
        let body = answers.lock().unwrap().pop().unwrap();
        ([("content-type", "application/openmetrics-text; version=1.0.0")], body)
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/metrics", get(answer))).await });
    let mut by_hand = store.scraped("job_name: j", &address);
    by_hand.scrape().await;
    assert_eq!(store.take(), (0, vec![("a_seconds".to_owned(), Some(1.0), 0)]));
    let families = by_hand.scrape.status.families();
    assert_eq!((families["a_seconds"].unit.as_str(), families["a_seconds"].kind.name()), ("seconds", "gauge"));
    by_hand.scrape().await;
    assert_eq!(store.take(), (1 + OWN, vec![]), "the same description");
    assert!(Arc::ptr_eq(&families, &by_hand.scrape.status.families()));
}

#[tokio::test]
async fn an_exemplar_that_is_shown_again_is_stored_once() {
    let line = |value: i32, id: &str| format!("# TYPE a counter\na_total {value} # {{trace_id=\"{id}\"}} 1\n# EOF\n");
    let answers = Arc::new(StdMutex::new(vec![line(4, "y"), line(3, "x"), line(2, "x"), line(1, "x")]));
    let answer = async move || {
        let body = answers.lock().unwrap().pop().unwrap();
        ([("content-type", "application/openmetrics-text; version=1.0.0")], body)
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/metrics", get(answer))).await });
    let store = Judging::new(open());
    let mut by_hand = store.scraped("job_name: j", &address);
    let name = || "a_total".to_owned();
    for expected in
        [(0, vec![(name(), Some(1.0), 1)]), (1 + OWN, vec![]), (1 + OWN, vec![]), (1 + OWN, vec![(name(), None, 1)])]
    {
        assert_eq!(by_hand.scrape().await, "");
        assert_eq!(store.take(), expected);
    }
}
