use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Weak};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::sync::Notify;
use trefoil_model::{Signal, Tenant};

use super::*;
use crate::component::{
    Component, Connector, ConnectorConfig, ConnectorFactory, ExporterConfig, ExporterFactory, Listening, Processor,
    ProcessorConfig, ProcessorFactory, ReceiverConfig, ReceiverFactory, Registry,
};
use crate::config::Document;
use crate::connectors;
use crate::overrides::Overrides;
use crate::telemetry::{Accepted, Consumer, Payload, Refused, Telemetry};

/// What happened, in order; every test has its own journal by the name in its configurations.
static JOURNALS: LazyLock<Mutex<HashMap<String, Arc<Journal>>>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Journal {
    events: Mutex<Vec<String>>,
    receivers: Mutex<HashMap<String, Weak<TestComponent>>>,
    /// Exporters hold requests back while it is set.
    blocked: AtomicBool,
    unblock: Notify,
    arrived: Notify,
}

impl Journal {
    fn of(name: &str) -> Arc<Self> {
        JOURNALS.lock().entry(name.to_owned()).or_default().clone()
    }

    fn note(&self, event: impl Into<String>) {
        self.events.lock().push(event.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.events.lock())
    }

    fn receiver(&self, id: &str) -> Arc<TestComponent> {
        self.receivers.lock().get(id).and_then(Weak::upgrade).unwrap()
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct TestConfig {
    journal: String,
    #[serde(default)]
    fails_to_start: bool,
    #[serde(default)]
    refuses: bool,
    #[serde(default)]
    port: u16,
}

struct TestComponent {
    id: String,
    config: TestConfig,
    journal: Arc<Journal>,
    next: Option<Arc<dyn Consumer>>,
}

impl TestComponent {
    fn new(context: &Context, config: &TestConfig, next: Option<Arc<dyn Consumer>>) -> Arc<Self> {
        let journal = Journal::of(&config.journal);
        let component = Self { id: context.id.to_string(), config: config.clone(), journal, next };
        Arc::new(component)
    }

    async fn send(&self, signal: Signal, body: &'static str) -> Result<Accepted, Refused> {
        let payload = Payload::from_bytes(signal, Bytes::from_static(body.as_bytes()));
        self.next.as_ref().unwrap().consume(Telemetry::new(Tenant::default(), payload)).await
    }
}

#[async_trait]
impl Component for TestComponent {
    async fn start(&self) -> Result<(), ComponentError> {
        self.journal.note(format!("start {}", self.id));
        match self.config.fails_to_start {
            true => Err(ComponentError::new("the port is taken")),
            false => Ok(()),
        }
    }

    async fn shutdown(&self, _grace: Duration) {
        self.journal.note(format!("stop {}", self.id));
    }
}

impl Receiver for TestComponent {
    fn listening(&self) -> Vec<Listening> {
        vec![Listening { protocol: "test", address: ([127, 0, 0, 1], self.config.port).into() }]
    }
}
impl Exporter for TestComponent {}
impl Processor for TestComponent {}
impl Connector for TestComponent {}

#[async_trait]
impl Consumer for TestComponent {
    async fn consume(&self, mut telemetry: Telemetry) -> Result<Accepted, Refused> {
        let body = String::from_utf8(telemetry.payload.bytes().to_vec()).unwrap();
        if let Some(next) = &self.next {
            let changed = Bytes::from(format!("{body}>{}", self.id));
            let payload = Payload::from_bytes(telemetry.signal(), changed);
            return next.consume(Telemetry { payload, ..telemetry }).await;
        }
        self.journal.arrived.notify_one();
        while self.journal.blocked.load(Ordering::SeqCst) {
            self.journal.unblock.notified().await;
        }
        self.journal.note(format!("{} got {body}", self.id));
        match self.config.refuses {
            true => Err(Refused::unavailable("down")),
            false => Ok(Accepted::all()),
        }
    }
}

impl ReceiverConfig for TestConfig {
    fn build(&self, context: Context, downstream: Downstream) -> Result<Arc<dyn Receiver>, ComponentError> {
        let receiver = TestComponent::new(&context, self, Some(Arc::new(downstream)));
        receiver.journal.receivers.lock().insert(receiver.id.clone(), Arc::downgrade(&receiver));
        Ok(receiver)
    }
}

impl ProcessorConfig for TestConfig {
    fn build(
        &self,
        context: Context,
        _signal: Signal,
        next: Arc<dyn Consumer>,
    ) -> Result<Arc<dyn Processor>, ComponentError> {
        Ok(TestComponent::new(&context, self, Some(next)))
    }
}

impl ConnectorConfig for TestConfig {
    fn build(&self, context: Context, downstream: Downstream) -> Result<Arc<dyn Connector>, ComponentError> {
        Ok(TestComponent::new(&context, self, Some(Arc::new(downstream))))
    }
}

impl ExporterConfig for TestConfig {
    fn build(&self, context: Context) -> Result<Arc<dyn Exporter>, ComponentError> {
        Ok(TestComponent::new(&context, self, None))
    }
}

fn registry() -> Registry {
    let signals = &Signal::ALL;
    Registry {
        receivers: ["in", "otlp"]
            .map(|kind| ReceiverFactory { kind, signals, parse: |s| Ok(Box::new(s.parse::<TestConfig>()?)) })
            .to_vec(),
        processors: vec![ProcessorFactory { kind: "mark", signals, parse: |s| Ok(Box::new(s.parse::<TestConfig>()?)) }],
        exporters: vec![ExporterFactory { kind: "out", signals, parse: |s| Ok(Box::new(s.parse::<TestConfig>()?)) }],
        connectors: connectors::FACTORIES.to_vec(),
        extensions: Vec::new(),
    }
}

struct NoStore;

#[async_trait]
impl Store for NoStore {
    async fn append(&self, _tenant: &Tenant, _signal: Signal, _body: Bytes) -> Result<Accepted, Refused> {
        Err(Refused::unavailable("there is no store in this test"))
    }
}

fn resources() -> Resources {
    Resources {
        store: Arc::new(NoStore),
        tenancy: Tenancy::Single,
        data_dir: PathBuf::from("unused"),
        health: Health::default(),
        metrics: Metrics::default(),
        scraping: Scraping::default(),
        zipkin_queries: None,
        overrides: Overrides::default(),
        storages: Default::default(),
        otlp: Downstream::not_running(),
        otlp_listening: OtlpListening::default(),
        grace: Duration::from_secs(5),
    }
}

fn configuration(yaml: &str) -> Configuration {
    let document = Document::parse("test.yaml", yaml, &|_| None).unwrap();
    Configuration::parse(&document, &registry(), &[]).unwrap_or_else(|error| panic!("{error}"))
}

async fn start(yaml: &str) -> Graph {
    Graph::start(configuration(yaml), resources()).await.unwrap()
}

const SIMPLE: &str = "
receivers: {in: {journal: NAME}}
processors: {mark/1: {journal: NAME}, mark/2: {journal: NAME}}
exporters: {out: {journal: NAME}}
service: {pipelines: {traces: {receivers: [in], processors: [mark/1, mark/2], exporters: [out]}}}
";

#[tokio::test]
async fn telemetry_passes_processors_in_order_and_everything_starts_from_the_end() {
    let journal = Journal::of("order");
    let graph = start(&SIMPLE.replace("NAME", "order")).await;
    assert!(graph.resources.health.is_ready());
    assert_eq!(journal.take(), ["start out", "start mark/2", "start mark/1", "start in"]);
    journal.receiver("in").send(Signal::Traces, "a").await.unwrap();
    assert_eq!(journal.take(), ["out got a>mark/1>mark/2"]);
    let error = journal.receiver("in").send(Signal::Logs, "a").await.unwrap_err();
    assert_eq!(error.to_string(), "no pipeline takes logs from this receiver");
    let health = graph.resources.health.clone();
    graph.shutdown().await;
    assert!(!health.is_ready());
    assert_eq!(journal.take(), ["stop in", "stop mark/1", "stop mark/2", "stop out"]);
}

fn exposed(graph: &Graph) -> String {
    let mut registry = prometheus_client::registry::Registry::default();
    graph.resources.metrics.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    text
}

#[tokio::test]
async fn items_are_counted_between_components_also_after_a_reload() {
    let journal = Journal::of("counted");
    let yaml = SIMPLE.replace("NAME", "counted");
    let mut graph = start(&yaml).await;
    // Two log records of which only the fields' frame is there: what is counted is not looked into.
    let body = "\n\x06\x12\x04\x12\0\x12\0";
    let send = async || {
        let telemetry = Payload::from_bytes(Signal::Logs, Bytes::from_static(body.as_bytes()));
        let receiver = journal.receiver("in");
        receiver.next.as_ref().unwrap().consume(Telemetry::new(Tenant::default(), telemetry)).await
    };
    assert_eq!(Payload::from_bytes(Signal::Logs, Bytes::from_static(body.as_bytes())).items(), 2);
    assert!(send().await.is_err(), "there is no pipeline of logs yet");

    let logs = "service: {pipelines: {logs: {receivers: [in], processors: [mark/1, mark/2], exporters: [out]}, ";
    let with_logs = yaml.replace("service: {pipelines: {", logs);
    graph.reload(configuration(&with_logs)).await.unwrap();
    send().await.unwrap();
    let counter = |way: &str, id: &str, items: u64| {
        format!("otelcol_processor_{way}_items_total{{processor=\"{id}\",otel_signal=\"logs\"}} {items}\n")
    };
    for line in [counter("incoming", "mark/1", 2), counter("outgoing", "mark/2", 2)] {
        assert!(exposed(&graph).contains(&line), "{line} not in\n{}", exposed(&graph));
    }

    let without_first = with_logs.replace("[mark/1, mark/2]", "[mark/2]");
    graph.reload(configuration(&without_first)).await.unwrap();
    send().await.unwrap();
    let text = exposed(&graph);
    assert!(text.contains(&counter("incoming", "mark/2", 4)), "it counts on:\n{text}");
    assert!(!text.contains("mark/1"), "it is gone:\n{text}");
    graph.shutdown().await;
}

#[tokio::test]
async fn other_listeners_reach_the_pipelines_of_otlp_receivers() {
    let journal = Journal::of("door");
    let yaml = "
receivers: {in: {journal: door}, otlp/1: {journal: door}}
processors: {mark: {journal: door}}
exporters: {out: {journal: door}}
service:
  pipelines:
    traces: {receivers: [in, otlp/1], processors: [], exporters: [out]}
    logs: {receivers: [in], exporters: [out]}
";
    let resources = resources();
    let door = resources.otlp.clone();
    let send = async || {
        let payload = Payload::from_bytes(Signal::Traces, Bytes::from_static(b"x"));
        door.consume(Telemetry::new(Tenant::default(), payload)).await
    };
    assert!(door.takes(Signal::Logs) && send().await.unwrap_err().is_retryable(), "not running yet");
    let mut graph = Graph::start(configuration(yaml), resources).await.unwrap();
    journal.take();
    send().await.unwrap();
    assert_eq!(journal.take(), ["out got x"]);
    assert!(!door.takes(Signal::Logs), "only `in` takes logs");

    // The requests of this door, too, wait for a reload to end.
    journal.blocked.store(true, Ordering::SeqCst);
    let mut first = Box::pin(send());
    assert!(futures::poll!(first.as_mut()).is_pending());
    let next = configuration(&yaml.replace("processors: []", "processors: [mark]"));
    let mut reload = Box::pin(graph.reload(next));
    assert!(futures::poll!(reload.as_mut()).is_pending());
    let mut second = Box::pin(send());
    assert!(futures::poll!(second.as_mut()).is_pending());
    journal.blocked.store(false, Ordering::SeqCst);
    journal.unblock.notify_waiters();
    first.await.unwrap();
    reload.await.unwrap();
    second.await.unwrap();
    assert_eq!(journal.take(), ["out got x", "start mark", "out got x>mark"]);

    graph.shutdown().await;
    assert!(send().await.unwrap_err().is_retryable(), "not running any more");
}

#[tokio::test]
async fn it_tells_where_the_first_otlp_receiver_listens() {
    let yaml = "
receivers: {in: {journal: listening, port: 1}, otlp/a: {journal: listening, port: 2}, otlp/b: {journal: listening, port: 3}}
exporters: {out: {journal: listening}}
service: {pipelines: {traces: {receivers: [in, otlp/b, otlp/a], exporters: [out]}}}
";
    let resources = resources();
    let listening = resources.otlp_listening.clone();
    let port = || listening.address("test").map(|address| address.port());
    assert_eq!(port(), None);
    let mut graph = Graph::start(configuration(yaml), resources).await.unwrap();
    assert_eq!(port(), Some(3));
    graph.reload(configuration(&yaml.replace("port: 3", "port: 4"))).await.unwrap();
    assert_eq!(port(), Some(4));
    graph.reload(configuration(&yaml.replace("[in, otlp/b, otlp/a]", "[in]"))).await.unwrap();
    assert_eq!(port(), None);
    graph.shutdown().await;
}

#[tokio::test]
async fn every_branch_is_tried_and_a_failing_one_is_told() {
    let journal = Journal::of("branches");
    let graph = start(
        "
receivers: {in: {journal: branches}}
exporters: {out/bad: {journal: branches, refuses: true}, out/good: {journal: branches}, out/2: {journal: branches}}
connectors: {forward: }
service:
  pipelines:
    logs: {receivers: [in], exporters: [out/bad, out/good, forward]}
    logs/2: {receivers: [forward], exporters: [out/2]}
    metrics: {receivers: [in], exporters: [out/good]}
",
    )
    .await;
    journal.take();
    let refused = journal.receiver("in").send(Signal::Logs, "x").await.unwrap_err();
    assert!(refused.is_retryable());
    let mut events = journal.take();
    events.sort();
    assert_eq!(events, ["out/2 got x", "out/bad got x", "out/good got x"]);
    journal.receiver("in").send(Signal::Metrics, "y").await.unwrap();
    assert_eq!(journal.take(), ["out/good got y"]);
    graph.shutdown().await;
}

/// A connector may hand on what it holds when it is stopped, and so may the processors before it.
#[tokio::test]
async fn what_is_behind_a_connector_stops_after_it() {
    let journal = Journal::of("behind");
    let mut registry = registry();
    registry.connectors = vec![ConnectorFactory {
        kind: "join",
        signals: &[(Signal::Traces, Signal::Metrics), (Signal::Metrics, Signal::Metrics)],
        parse: |s| Ok(Box::new(s.parse::<TestConfig>()?)),
    }];
    let yaml = "
receivers: {in: {journal: behind}}
processors: {mark/1: {journal: behind}, mark/2: {journal: behind}, mark/3: {journal: behind}}
exporters: {out: {journal: behind}}
connectors: {join/a: {journal: behind}, join/b: {journal: behind}}
service:
  pipelines:
    metrics: {receivers: [join/a], processors: [mark/2], exporters: [join/b]}
    metrics/2: {receivers: [join/b], processors: [mark/3], exporters: [out]}
    traces: {receivers: [in], processors: [mark/1], exporters: [join/a]}
";
    let document = Document::parse("test.yaml", yaml, &|_| None).unwrap();
    let configuration = Configuration::parse(&document, &registry, &[]).unwrap_or_else(|error| panic!("{error}"));
    let graph = Graph::start(configuration, resources()).await.unwrap();
    journal.take();
    graph.shutdown().await;
    assert_eq!(
        journal.take(),
        ["stop in", "stop mark/1", "stop join/a", "stop mark/2", "stop join/b", "stop mark/3", "stop out"]
    );
}

#[tokio::test]
async fn what_does_not_start_is_named_and_nothing_keeps_running() {
    let journal = Journal::of("failing");
    let yaml =
        SIMPLE.replace("receivers: {in: {journal: NAME}}", "receivers: {in: {journal: NAME, fails_to_start: true}}");
    let error = Graph::start(configuration(&yaml.replace("NAME", "failing")), resources()).await.err().unwrap();
    assert_eq!(error.to_string(), "receivers.in: the port is taken");
    assert_eq!(
        journal.take(),
        ["start out", "start mark/2", "start mark/1", "start in", "stop mark/1", "stop mark/2", "stop out"]
    );
}

#[tokio::test]
async fn a_reload_keeps_what_is_the_same() {
    let journal = Journal::of("reload");
    let before = SIMPLE.replace("NAME", "reload");
    let mut graph = start(&before).await;
    let receiver = journal.receiver("in");
    journal.take();
    let after = before.replace("[mark/1, mark/2]", "[mark/2]").replace("[out]", "[out, out/new]").replace(
        "exporters: {out: {journal: reload}}",
        "# the order and the place of things do not matter\nexporters: {out/new: {journal: reload}, out: {journal: reload}}",
    );
    let changes = graph.reload(configuration(&after)).await.unwrap();
    assert_eq!(changes.to_string(), "started exporters.out/new; kept receivers.in");
    assert_eq!(journal.take(), ["stop mark/1", "stop mark/2", "start out/new", "start mark/2"]);
    receiver.send(Signal::Traces, "b").await.unwrap();
    let mut events = journal.take();
    events.sort();
    assert_eq!(events, ["out got b>mark/2", "out/new got b>mark/2"]);

    let moved = after.replace("{in: {journal: reload}}", "{in: {journal: reload, port: 1}}");
    let changes = graph.reload(configuration(&moved)).await.unwrap();
    assert_eq!(changes.to_string(), "started receivers.in; stopped receivers.in");
    graph.shutdown().await;
}

#[tokio::test]
async fn requests_under_way_during_a_reload_are_all_answered() {
    let journal = Journal::of("underway");
    let yaml = SIMPLE.replace("NAME", "underway");
    let mut graph = start(&yaml).await;
    let receiver = journal.receiver("in");
    journal.take();
    journal.blocked.store(true, Ordering::SeqCst);
    let first = tokio::spawn({
        let receiver = receiver.clone();
        async move { receiver.send(Signal::Traces, "old").await }
    });
    journal.arrived.notified().await;
    let next = configuration(&yaml.replace("[mark/1, mark/2]", "[mark/1]"));
    let mut reload = Box::pin(graph.reload(next));
    // The reload cannot end while the first request is inside.
    assert!(futures::poll!(reload.as_mut()).is_pending());
    let mut second = Box::pin(receiver.send(Signal::Traces, "new"));
    assert!(futures::poll!(second.as_mut()).is_pending());
    journal.blocked.store(false, Ordering::SeqCst);
    journal.unblock.notify_waiters();
    assert_eq!(first.await.unwrap(), Ok(Accepted::all()));
    reload.await.unwrap();
    assert_eq!(second.await, Ok(Accepted::all()));
    assert_eq!(
        journal.take(),
        ["out got old>mark/1>mark/2", "stop mark/1", "stop mark/2", "start mark/1", "out got new>mark/1"]
    );
    graph.shutdown().await;
}

#[tokio::test]
async fn a_reload_that_fails_leaves_what_ran() {
    let journal = Journal::of("restore");
    let yaml = SIMPLE.replace("NAME", "restore");
    let mut graph = start(&yaml).await;
    let receiver = journal.receiver("in");
    let bad = yaml.replace("[out]", "[out, out/bad]").replace(
        "exporters: {out: {journal: restore}}",
        "exporters: {out: {journal: restore}, out/bad: {journal: restore, fails_to_start: true}}",
    );
    let error = graph.reload(configuration(&bad)).await.unwrap_err();
    assert_eq!(error.to_string(), "exporters.out/bad: the port is taken; the configuration of before runs on");
    journal.take();
    receiver.send(Signal::Traces, "c").await.unwrap();
    assert_eq!(journal.take(), ["out got c>mark/1>mark/2"]);

    let bad = yaml.replace("{in: {journal: restore}}", "{in: {journal: restore, fails_to_start: true}}");
    assert!(matches!(graph.reload(configuration(&bad)).await, Err(ReloadError::Kept(_))));
    journal.take();
    journal.receiver("in").send(Signal::Traces, "d").await.unwrap();
    assert_eq!(journal.take(), ["out got d>mark/1>mark/2"]);
    graph.shutdown().await;
}
