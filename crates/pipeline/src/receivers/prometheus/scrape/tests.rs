use std::collections::BTreeMap;
use std::sync::Mutex as StdMutex;

use async_trait::async_trait;
use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use trefoil_model::{Signal, Tenant};

use super::*;
use crate::component::Downstream;
use crate::metrics::Metrics;
use crate::net::compression::Encoding;
use crate::receivers::prometheus::config::tests::job;
use crate::receivers::prometheus::relabel::Labels;
use crate::receivers::prometheus::target::{Populated, populate};
use crate::telemetry::{Accepted, Consumer, Refused, Telemetry};

mod judged;

/// Keeps what it is sent.
#[derive(Default)]
pub struct Taken(StdMutex<Vec<ExportMetricsServiceRequest>>);

#[async_trait]
impl Consumer for Taken {
    async fn consume(&self, telemetry: Telemetry) -> Result<Accepted, Refused> {
        let request = ExportMetricsServiceRequest::decode(telemetry.payload.into_bytes()).unwrap();
        self.0.lock().unwrap().push(request);
        Ok(Accepted::all())
    }
}

fn texts(attributes: &[KeyValue]) -> String {
    let text = |attribute: &KeyValue| match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Any::StringValue(text)) => format!("{}={text}", attribute.key),
        other => format!("{}={other:?}", attribute.key),
    };
    attributes.iter().map(text).collect::<Vec<_>>().join(",")
}

impl Taken {
    /// The samples since the last call, by series: the value, `stale`, or the buckets.
    pub fn take(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        let requests = std::mem::take(&mut *self.0.lock().unwrap());
        let metrics = requests.into_iter().flat_map(|request| request.resource_metrics);
        for metric in metrics.flat_map(|resource| resource.scope_metrics).flat_map(|scope| scope.metrics) {
            assert!(texts(&metric.metadata).starts_with("prometheus.type="));
            let mut put = |attributes: &[KeyValue], flags: u32, value: String| {
                let value = if flags == 1 { "stale".to_owned() } else { value };
                let series = format!("{}{{{}}}", metric.name, texts(attributes));
                assert_eq!(found.insert(series.clone(), value), None, "{series}");
            };
            match metric.data.unwrap() {
                Data::Gauge(gauge) => gauge.data_points.iter().for_each(|point| {
                    let value = point.value.as_ref().map(|value| match value {
                        Value::AsDouble(value) => value.to_string(),
                        Value::AsInt(value) => value.to_string(),
                    });
                    put(&point.attributes, point.flags, value.unwrap_or_default());
                }),
                Data::Histogram(histogram) => histogram.data_points.iter().for_each(|point| {
                    put(
                        &point.attributes,
                        point.flags,
                        format!("{:?} {:?}", point.explicit_bounds, point.bucket_counts),
                    );
                }),
                Data::ExponentialHistogram(histogram) => histogram.data_points.iter().for_each(|point| {
                    put(&point.attributes, point.flags, format!("{} {:?}", point.scale, point.positive));
                }),
                other => panic!("{other:?}"),
            }
        }
        found
    }

    /// The same without what the scrape says of itself.
    fn samples(&self) -> Vec<String> {
        let own = |series: &str| series.starts_with("scrape_") || series.starts_with("up{");
        let samples = self.take().into_iter().filter(|(series, _)| !own(series));
        let mut samples: Vec<String> = samples.map(|(series, value)| format!("{series} {value}")).collect();
        samples.sort();
        samples
    }
}

pub fn sink(taken: &Arc<impl Consumer + 'static>) -> Sink {
    let consumer: Arc<dyn Consumer> = taken.clone();
    let metrics = Metrics::default();
    let downstream = Downstream::new([(Signal::Metrics, consumer)]);
    Sink::new(downstream, Tenant::default(), metrics.receiver("prometheus").over("http"), metrics.scrapes())
}

/// A loop that is scraped by hand.
struct ByHand {
    scrape: ScrapeLoop,
    cache: Box<Cache>,
    taken: Arc<Taken>,
    seconds: u64,
}

impl ByHand {
    fn new(config: &str, address: &str) -> Self {
        let job = Arc::new(job(config));
        let found: Labels = [("__address__", address)].into_iter().collect();
        let Ok(Populated::Target(mut target)) = populate(&job, &found) else { panic!("no target") };
        // Addresses differ from test to test.
        if target.labels.get("instance") == address {
            target.labels.set("instance", "i");
        }
        let taken = Arc::new(Taken::default());
        let scrape = ScrapeLoop {
            status: Arc::new(TargetStatus::new(*target)),
            client: Arc::new(HttpClient::new(&job.http).unwrap()),
            job,
            sink: Arc::new(sink(&taken)),
            limit: Arc::default(),
            gone: CancellationToken::new(),
        };
        Self { scrape, cache: Box::default(), taken, seconds: 1000 }
    }

    /// Scrapes; the error that is shown.
    async fn scrape(&mut self) -> String {
        self.seconds += 15;
        let at = UNIX_EPOCH + Duration::from_secs(self.seconds);
        self.cache = self.scrape.scrape(std::mem::take(&mut self.cache), at).await;
        let last = self.scrape.status.last();
        assert_eq!(last.health == Health::Up, last.error.is_empty());
        last.error
    }

    async fn failure(&mut self, expected: &str) {
        let error = self.scrape().await;
        assert!(error.contains(expected), "{error}");
        let taken = self.taken.take();
        assert_eq!(taken["up{instance=i,job=j}"], "0");
    }
}

/// Serves each body once, the last again and again; returns its address.
async fn target(bodies: &[&str]) -> String {
    let bodies = Arc::new(StdMutex::new(bodies.iter().rev().map(|body| body.to_string()).collect::<Vec<_>>()));
    let answer = async move || {
        let mut bodies = bodies.lock().unwrap();
        let body = if bodies.len() > 1 { bodies.pop() } else { bodies.last().cloned() };
        match body.unwrap().as_str() {
            "500" => (http::StatusCode::INTERNAL_SERVER_ERROR, "no").into_response(),
            body => ([("content-type", "text/plain; version=0.0.4")], body.to_owned()).into_response(),
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let router = Router::new().route("/metrics", get(answer));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// Writes `answer` as it is to whoever connects, then what `more` gives until it ends or the client leaves.
async fn raw(answer: &'static [u8], more: Option<&'static [u8]>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(answer).await;
                while let Some(more) = more
                    && stream.write_all(more).await.is_ok()
                {}
            });
        }
    });
    address
}

#[tokio::test]
async fn a_scrape_is_what_the_target_says_and_how_it_went() {
    let body = "# HELP a Help.\n# TYPE a counter\na{x=\"1\",job=\"own\"} 3\na{x=\"2\"} 4 5000\n# TYPE g gauge\ng 1e3\n";
    let mut by_hand = ByHand::new("{job_name: j, extra_scrape_metrics: true}", &target(&[body]).await);
    assert_eq!(by_hand.scrape().await, "");
    let mut taken = by_hand.taken.take();
    assert!(taken.remove("scrape_duration_seconds{instance=i,job=j}").unwrap().parse::<f64>().unwrap() < 10.0);
    let all: Vec<String> = taken.iter().map(|(series, value)| format!("{series} {value}")).collect();
    insta::assert_snapshot!(all.join("\n"), @r"
    a{exported_job=own,instance=i,job=j,x=1} 3
    a{instance=i,job=j,x=2} 4
    g{instance=i,job=j} 1000
    scrape_body_size_bytes{instance=i,job=j} 90
    scrape_sample_limit{instance=i,job=j} 0
    scrape_samples_post_metric_relabeling{instance=i,job=j} 3
    scrape_samples_scraped{instance=i,job=j} 3
    scrape_series_added{instance=i,job=j} 3
    scrape_timeout_seconds{instance=i,job=j} 10
    up{instance=i,job=j} 1
    ");
    by_hand.scrape().await;
    assert_eq!(by_hand.taken.take()["scrape_series_added{instance=i,job=j}"], "0");
    let families = by_hand.scrape.status.families();
    assert_eq!((families["a"].kind.name(), families["a"].help.as_str()), ("counter", "Help."));
}

#[tokio::test]
async fn labels_of_the_target_or_of_its_series_win() {
    let body = "a{job=\"own\",instance=\"\",exported_job=\"x\"} 1\nb 2\nc 3\n";
    let rules = "metric_relabel_configs: [{source_labels: [__name__], regex: b, action: drop}, {regex: instance, action: labeldrop}, \
        {source_labels: [__name__], regex: c, target_label: __name__, replacement: renamed}]";
    let address = target(&[body]).await;
    let mut by_hand = ByHand::new(&format!("{{job_name: j, {rules}}}"), &address);
    assert_eq!(by_hand.scrape().await, "");
    let taken = by_hand.taken.take();
    assert_eq!(taken["scrape_samples_post_metric_relabeling{instance=i,job=j}"], "2");
    let of = |taken: BTreeMap<String, String>| {
        taken
            .into_keys()
            .filter(|series| !series.starts_with("scrape_") && !series.starts_with("up{"))
            .collect::<Vec<_>>()
    };
    assert_eq!(of(taken), ["a{exported_exported_job=own,exported_job=x,job=j}", "renamed{job=j}"]);
    let mut by_hand = ByHand::new(&format!("{{job_name: j, honor_labels: true, {rules}}}"), &address);
    by_hand.scrape().await;
    assert_eq!(of(by_hand.taken.take()), ["a{exported_job=x,job=own}", "renamed{job=j}"]);
    let mut by_hand = ByHand::new("{job_name: j, honor_labels: true}", &address);
    by_hand.scrape().await;
    // A label without a value is one.
    assert_eq!(of(by_hand.taken.take()), ["a{exported_job=x,job=own}", "b{instance=i,job=j}", "c{instance=i,job=j}"]);
}

#[tokio::test]
async fn series_end_when_they_are_gone_or_the_scrape_fails() {
    let bodies = ["a 1\nb 1\n", "a 2\n", "500", "500", "a 3\nb 3\n", "a 4\nb }\n", "a 5\n"];
    let mut by_hand = ByHand::new("job_name: j", &target(&bodies).await);
    let of = |name: &str, value: &str| format!("{name}{{instance=i,job=j}} {value}");
    by_hand.scrape().await;
    assert_eq!(by_hand.taken.samples(), [of("a", "1"), of("b", "1")]);
    by_hand.scrape().await;
    assert_eq!(by_hand.taken.samples(), [of("a", "2"), of("b", "stale")]);
    assert_eq!(by_hand.scrape().await, "server returned HTTP status 500 Internal Server Error");
    assert_eq!(by_hand.taken.samples(), [of("a", "stale")]);
    by_hand.scrape().await;
    assert_eq!(by_hand.taken.samples(), Vec::<String>::new());
    by_hand.scrape().await;
    assert_eq!(by_hand.taken.samples(), [of("a", "3"), of("b", "3")]);
    // What came before the mistake is not kept either.
    assert!(by_hand.scrape().await.starts_with("line 2, column"), "{:?}", by_hand.scrape.status.last());
    assert_eq!(by_hand.taken.samples(), [of("a", "stale"), of("b", "stale")]);
    by_hand.scrape().await;
    assert_eq!(by_hand.taken.samples(), [of("a", "5")]);
}

#[tokio::test]
async fn times_of_the_target_are_kept_if_they_are_to_be() {
    let bodies = ["a 1 1000\nb 1\n", "b 2\n"];
    for (options, expected) in
        [("honor_timestamps: true", 0), ("honor_timestamps: false", 1), ("track_timestamps_staleness: true", 1)]
    {
        let mut by_hand = ByHand::new(&format!("{{job_name: j, {options}}}"), &target(&bodies).await);
        by_hand.scrape().await;
        by_hand.taken.take();
        by_hand.scrape().await;
        let stale = by_hand.taken.samples().iter().filter(|sample| sample.ends_with("stale")).count();
        assert_eq!(stale, expected, "{options}");
    }
}

#[tokio::test]
async fn twice_the_same_series_is_once_too_often() {
    let ahead = 100_000_000;
    let body = format!("a 1\na 2\nb{{x=\"1\"}} 1\nb{{x=\"2\"}} 2\nc 1 {ahead}\n");
    let rules = "metric_relabel_configs: [{regex: x, action: labeldrop}]";
    let mut by_hand = ByHand::new(&format!("{{job_name: j, {rules}}}"), &target(&[&body]).await);
    assert_eq!(by_hand.scrape().await, "");
    assert_eq!(by_hand.taken.samples(), ["a{instance=i,job=j} 1", "b{instance=i,job=j} 1"]);
    let counts = by_hand.scrape.sink.counts();
    assert_eq!((counts.duplicates.get(), counts.out_of_bounds.get()), (2, 1));
}

#[tokio::test]
async fn a_target_beyond_a_limit_fails_as_a_whole() {
    let address = target(&["a{x=\"12345\"} 1\nb 2\n"]).await;
    for (options, expected) in [
        ("sample_limit: 1", "sample limit exceeded"),
        ("label_limit: 3", "label_limit exceeded (metric: a, number of labels: 4, limit: 3)"),
        ("label_name_length_limit: 7", "label_name_length_limit exceeded"),
        (
            "label_value_length_limit: 4",
            "label_value_length_limit exceeded (metric: a, label name: x, length: 5, limit: 4)",
        ),
        ("body_size_limit: 10B", "body size limit exceeded (limit: 10 bytes)"),
        ("metric_relabel_configs: [{regex: __name__, action: labeldrop}]", "missing metric name"),
    ] {
        let mut by_hand = ByHand::new(&format!("{{job_name: j, extra_scrape_metrics: true, {options}}}"), &address);
        let error = by_hand.scrape().await;
        assert!(error.contains(expected), "{options}: {error}");
        let taken = by_hand.taken.take();
        assert_eq!(taken["up{instance=i,job=j}"], "0");
        assert!(!taken.keys().any(|series| series.starts_with("a{") || series.starts_with("b{")), "{options}");
        if options.starts_with("body") {
            assert_eq!(taken["scrape_body_size_bytes{instance=i,job=j}"], "-1");
        }
    }
    let mut by_hand = ByHand::new("{job_name: j, target_limit: 1}", &address);
    by_hand.scrape.limit.is_exceeded.store(true, Ordering::Relaxed);
    by_hand.scrape.limit.targets.store(2, Ordering::Relaxed);
    by_hand.failure("target_limit exceeded (number of targets: 2, limit: 1)").await;
}

#[tokio::test]
async fn a_target_that_misbehaves_fails_alone_and_in_time() {
    let hang = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hanging = hang.local_addr().unwrap().to_string();
    let config = "{job_name: j, scrape_interval: 2s, scrape_timeout: 1s, body_size_limit: 1MB}";
    let cases: [(&str, String); 8] = [
        ("did not answer within its scrape timeout of 1s", hanging),
        // It says more than it sends.
        (
            "the body did not arrive whole",
            raw(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 1000\r\n\r\na 1\n", None).await,
        ),
        // It says that it will be too much, and would send it.
        (
            "body size limit exceeded",
            raw(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 1000000000\r\n\r\n", Some(b"a 1\n")).await,
        ),
        // It sends without end.
        (
            "body size limit exceeded",
            raw(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n", Some(&[b'#'; 65536])).await,
        ),
        ("unsupported Content-Type", raw(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 3\r\n\r\n<a>", None).await),
        ("not valid gzip", raw(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc", None).await),
        ("the request failed", raw(b"SSH-2.0-OpenSSH\r\n", None).await),
        ("cannot connect", "127.0.0.1:1".to_owned()),
    ];
    for (expected, address) in &cases {
        let start = Instant::now();
        ByHand::new(config, address).failure(expected).await;
        assert!(start.elapsed() < Duration::from_secs(10), "{expected}");
    }
}

#[tokio::test]
async fn a_gzip_bomb_is_not_unpacked() {
    let bomb = crate::net::compression::compress(Encoding::Gzip, vec![b'\n'; 64 << 20].into(), None).unwrap();
    assert!(bomb.len() < 1 << 20);
    let answer = async move || ([("content-type", "text/plain"), ("content-encoding", "gzip")], bomb.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/metrics", get(answer))).await });
    ByHand::new("{job_name: j, body_size_limit: 1MB}", &address).failure("body size limit exceeded").await;
}

#[tokio::test]
async fn types_that_change_midway_and_from_scrape_to_scrape_harm_nobody() {
    let bodies = [
        "# TYPE a counter\na 1\n# TYPE a gauge\na{x=\"1\"} 2\nb 1\n",
        "# TYPE a histogram\na_bucket{le=\"1\"} 1\na_bucket{le=\"+Inf\"} 2\na_sum 3\na_count 2\nb 2\n",
        "# TYPE a gauge\na 1\nb 3\n",
    ];
    let mut by_hand = ByHand::new("{job_name: j, convert_classic_histograms_to_nhcb: true}", &target(&bodies).await);
    assert_eq!(by_hand.scrape().await, "");
    assert_eq!(
        by_hand.taken.samples(),
        ["a{instance=i,job=j,x=1} 2", "a{instance=i,job=j} 1", "b{instance=i,job=j} 1"]
    );
    // A series is a histogram now: the number that it was does not end, for the series goes on.
    assert_eq!(by_hand.scrape().await, "");
    assert_eq!(
        by_hand.taken.samples(),
        ["a{instance=i,job=j,x=1} stale", "a{instance=i,job=j} [1.0] [1, 1]", "b{instance=i,job=j} 2"]
    );
    assert_eq!(by_hand.scrape().await, "");
    assert_eq!(by_hand.taken.samples(), ["a{instance=i,job=j} 1", "b{instance=i,job=j} 3"]);
}

#[tokio::test]
async fn many_series_travel_in_several_requests() {
    let body: String = (0..60_000).map(|n| format!("metric{{a_label_of_some_length=\"{n:0>100}\"}} {n}\n")).collect();
    let mut by_hand = ByHand::new("job_name: j", &target(&[&body]).await);
    assert_eq!(by_hand.scrape().await, "");
    assert!(by_hand.taken.0.lock().unwrap().len() > 1);
    let taken = by_hand.taken.take();
    assert_eq!(taken.len(), 60_000 + 5);
    assert_eq!(taken["scrape_samples_scraped{instance=i,job=j}"], "60000");
}

#[test]
fn times_that_are_nearly_even_are_even() {
    let at = |millis| UNIX_EPOCH + Duration::from_millis(millis);
    let interval = Duration::from_secs(1);
    for (now, expected) in
        [(2000, 2000), (2001, 2000), (1999, 2000), (4002, 4000), (2003, 2003), (1500, 1500), (500, 500)]
    {
        assert_eq!(on_time(at(1000), at(now), interval), at(expected), "{now}");
    }
}

/// `io.prometheus.client`, as much as is needed.
mod proto {
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Family {
        #[prost(string, tag = "1")]
        pub name: String,
        #[prost(int32, tag = "3")]
        pub kind: i32,
        #[prost(message, repeated, tag = "4")]
        pub metrics: Vec<Metric>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Metric {
        #[prost(message, optional, tag = "7")]
        pub histogram: Option<Histogram>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Histogram {
        #[prost(uint64, tag = "1")]
        pub count: u64,
        #[prost(double, tag = "2")]
        pub sum: f64,
        #[prost(sint32, tag = "5")]
        pub schema: i32,
        #[prost(uint64, tag = "7")]
        pub zero_count: u64,
        #[prost(message, repeated, tag = "12")]
        pub spans: Vec<Span>,
        #[prost(sint64, repeated, tag = "13")]
        pub deltas: Vec<i64>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Span {
        #[prost(sint32, tag = "1")]
        pub offset: i32,
        #[prost(uint32, tag = "2")]
        pub length: u32,
    }
}

#[tokio::test]
async fn native_histograms_come_by_protobuf_and_fit_their_limits() {
    let spans = vec![proto::Span { offset: -1, length: 2 }, proto::Span { offset: 1, length: 1 }];
    let histogram = proto::Histogram { count: 7, sum: 9.0, schema: 1, zero_count: 1, spans, deltas: vec![1, 1, 1] };
    let metrics = vec![proto::Metric { histogram: Some(histogram) }];
    let body = proto::Family { name: "h".into(), kind: 4, metrics }.encode_length_delimited_to_vec();
    let answer = async move |headers: http::HeaderMap| {
        let accept = headers["accept"].to_str().unwrap();
        assert!(accept.starts_with("application/vnd.google.protobuf;"), "{accept}");
        ([("content-type", "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily")], body.clone())
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/metrics", get(answer))).await });
    let buckets = |scale: i32, offset: i32, counts: &str| {
        format!("h{{instance=i,job=j}} {scale} Some(Buckets {{ offset: {offset}, bucket_counts: {counts} }})")
    };
    for (options, expected) in [
        ("", buckets(1, -2, "[1, 2, 0, 3]")),
        (", native_histogram_bucket_limit: 2", buckets(0, -1, "[3, 3]")),
        (", native_histogram_min_bucket_factor: 3", buckets(-1, -1, "[3, 3]")),
    ] {
        let mut by_hand = ByHand::new(&format!("{{job_name: j, scrape_native_histograms: true{options}}}"), &address);
        assert_eq!(by_hand.scrape().await, "");
        assert_eq!(by_hand.taken.samples(), [expected]);
    }
    let limited = "{job_name: j, scrape_native_histograms: true, native_histogram_bucket_limit: 1}";
    ByHand::new(limited, &address).failure("histogram bucket limit exceeded").await;
}
