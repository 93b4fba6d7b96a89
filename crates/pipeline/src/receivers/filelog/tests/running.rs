//! The receiver as a whole, with pipelines that take, refuse and wait.

use std::sync::atomic::{AtomicUsize, Ordering};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use prost::Message as _;
use tokio::sync::Semaphore;
use trefoil_model::{Signal, Tenancy, Tenant};

use super::*;
use crate::component::{Context, Downstream, Health, Receiver, ReceiverConfig, Registry, Storages};
use crate::metrics::Metrics;
use crate::store::Store;
use crate::telemetry::{Accepted, Consumer, Refused, Telemetry};

struct NoStore;

#[async_trait]
impl Store for NoStore {
    async fn append(&self, _tenant: &Tenant, _signal: Signal, _body: bytes::Bytes) -> Result<Accepted, Refused> {
        Err(Refused::unavailable("there is no store in this test"))
    }
}

/// Takes a request for each permit; the first ones can be refused.
struct Pipelines {
    lines: Mutex<Vec<String>>,
    permits: Semaphore,
    refusals: Mutex<Vec<Refused>>,
    asked: AtomicUsize,
}

impl Pipelines {
    fn new(permits: usize, refusals: Vec<Refused>) -> Arc<Self> {
        let (permits, refusals) = (Semaphore::new(permits), Mutex::new(refusals));
        Arc::new(Self { lines: Mutex::default(), permits, refusals, asked: AtomicUsize::new(0) })
    }

    async fn has(&self, lines: usize) {
        until(|| self.lines.lock().len() >= lines).await;
    }
}

#[async_trait]
impl Consumer for Pipelines {
    async fn consume(&self, telemetry: Telemetry) -> Result<Accepted, Refused> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.permits.acquire().await.unwrap().forget();
        if let Some(refused) = self.refusals.lock().pop() {
            self.permits.add_permits(1);
            return Err(refused);
        }
        let request = ExportLogsServiceRequest::decode(telemetry.payload.into_bytes()).unwrap();
        let records =
            request.resource_logs.into_iter().flat_map(|group| group.scope_logs).flat_map(|scope| scope.log_records);
        let line = |body: Option<Any>| match body {
            Some(Any::StringValue(text)) => text,
            other => format!("{other:?}"),
        };
        self.lines.lock().extend(records.map(|record| line(record.body.and_then(|body| body.value))));
        Ok(Accepted::all())
    }
}

/// Waits for a condition.
async fn until(holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("it never came to that");
}

fn context(folder: &Folder, storages: &Storages) -> Context {
    Context {
        id: "filelog".parse().unwrap(),
        store: Arc::new(NoStore),
        tenancy: Tenancy::Single,
        data_dir: folder.path().to_path_buf(),
        health: Health::default(),
        metrics: Metrics::default(),
        scraping: Default::default(),
        zipkin_queries: None,
        overrides: Default::default(),
        storages: storages.clone(),
    }
}

async fn start(folder: &Folder, options: &str, pipelines: &Arc<Pipelines>, storages: &Storages) -> Arc<dyn Receiver> {
    let yaml =
        format!("include: ['{}/*.log']\nstart_at: beginning\npoll_interval: 5ms\n{options}", folder.path().display());
    let consumer: Arc<dyn Consumer> = pipelines.clone();
    let downstream = Downstream::new([(Signal::Logs, consumer)]);
    let receiver = config(&yaml).unwrap().build(context(folder, storages), downstream).unwrap();
    receiver.start().await.unwrap();
    receiver
}

const GRACE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_reach_the_pipelines() {
    let folder = Folder::new();
    let pipelines = Pipelines::new(1000, Vec::new());
    let receiver = start(&folder, "", &pipelines, &Storages::default()).await;
    folder.append("a.log", "one\ntwo\n");
    pipelines.has(2).await;
    folder.append("a.log", "three\n");
    pipelines.has(3).await;
    receiver.shutdown(GRACE).await;
    assert_eq!(*pipelines.lines.lock(), ["one", "two", "three"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_for_now_is_sent_again() {
    let folder = Folder::new();
    folder.append("a.log", "one\ntwo\n");
    let busy = || Refused::unavailable("busy");
    let pipelines = Pipelines::new(1000, vec![busy(), busy(), busy()]);
    let options = "retry_on_failure: {enabled: true, initial_interval: 1ms, max_elapsed_time: 0s}";
    let receiver = start(&folder, options, &pipelines, &Storages::default()).await;
    pipelines.has(2).await;
    receiver.shutdown(GRACE).await;
    assert_eq!(*pipelines.lines.lock(), ["one", "two"]);
    assert_eq!(pipelines.asked.load(Ordering::SeqCst), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_for_good_does_not_stop_the_rest() {
    for (refused, options) in [
        (Refused::Invalid("no".to_owned()), ""),
        (Refused::unavailable("busy"), "retry_on_failure: {enabled: false}"),
        (
            Refused::unavailable("busy"),
            "retry_on_failure: {enabled: true, initial_interval: 10s, max_elapsed_time: 1s}",
        ),
    ] {
        let folder = Folder::new();
        folder.append("a.log", "lost\n");
        let pipelines = Pipelines::new(1000, vec![refused]);
        let receiver = start(&folder, options, &pipelines, &Storages::default()).await;
        until(|| pipelines.asked.load(Ordering::SeqCst) == 1).await;
        folder.append("a.log", "kept\n");
        pipelines.has(1).await;
        receiver.shutdown(GRACE).await;
        assert_eq!(*pipelines.lines.lock(), ["kept"], "{options}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_more_is_read_while_nobody_takes_it() {
    let folder = Folder::new();
    let line = format!("{}\n", "x".repeat(1000));
    folder.append("a.log", line.repeat(60_000));
    let pipelines = Pipelines::new(1, Vec::new());
    let receiver = start(&folder, "", &pipelines, &Storages::default()).await;
    until(|| pipelines.asked.load(Ordering::SeqCst) == 2).await;
    // One is taken, one waits; the others are not asked for.
    assert!(pipelines.lines.lock().len() <= 10_000);
    pipelines.permits.add_permits(1000);
    pipelines.has(60_000).await;
    receiver.shutdown(GRACE).await;
    assert_eq!(pipelines.lines.lock().len(), 60_000);
}

/// A storage extension, built from its configuration and started.
async fn storages(folder: &Folder) -> Storages {
    let storages = Storages::default();
    let factory = Registry::builtin().extensions.into_iter().find(|factory| factory.kind == "file_storage").unwrap();
    let document = Document::verbatim("e.yaml", &format!("directory: '{}/kept'", folder.path().display())).unwrap();
    let extension = (factory.parse)(&Section::new(document.root(), &[])).unwrap();
    let context = Context { id: "file_storage".parse().unwrap(), ..context(folder, &storages) };
    extension.build(context).unwrap().start().await.unwrap();
    storages
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storage_remembers_over_restarts() {
    let folder = Folder::new();
    let storages = storages(&folder).await;
    let pipelines = Pipelines::new(1000, Vec::new());
    let receiver = start(&folder, "storage: file_storage", &pipelines, &storages).await;
    folder.append("a.log", "one\n");
    pipelines.has(1).await;
    receiver.shutdown(GRACE).await;
    folder.append("a.log", "two\n");
    let receiver = start(&folder, "storage: file_storage", &pipelines, &storages).await;
    pipelines.has(2).await;
    receiver.shutdown(GRACE).await;
    assert_eq!(*pipelines.lines.lock(), ["one", "two"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_under_way_at_the_end_is_read_again() {
    let folder = Folder::new();
    folder.append("a.log", "one\n");
    let storages = storages(&folder).await;
    let pipelines = Pipelines::new(0, Vec::new());
    let receiver = start(&folder, "storage: file_storage", &pipelines, &storages).await;
    until(|| pipelines.asked.load(Ordering::SeqCst) == 1).await;
    receiver.shutdown(Duration::from_millis(10)).await;
    assert!(pipelines.lines.lock().is_empty());
    pipelines.permits.add_permits(1000);
    let receiver = start(&folder, "storage: file_storage", &pipelines, &storages).await;
    pipelines.has(1).await;
    receiver.shutdown(GRACE).await;
    assert_eq!(*pipelines.lines.lock(), ["one"]);
}

#[tokio::test]
async fn a_storage_that_does_not_run_is_an_error() {
    let folder = Folder::new();
    let receiver = config("{include: [a], storage: file_storage/none}").unwrap();
    let receiver = receiver.build(context(&folder, &Storages::default()), Downstream::default()).unwrap();
    let error = receiver.start().await.unwrap_err().to_string();
    assert_eq!(error, "storage: no extension `file_storage/none` runs; define it and name it in service.extensions");
}

#[test]
fn tenants_have_to_be_named_where_they_are_told_apart() {
    let folder = Folder::new();
    let context = Context { tenancy: Tenancy::Multi, ..context(&folder, &Storages::default()) };
    let build = |yaml: &str| config(yaml).unwrap().build(context.clone(), Downstream::default()).map(drop);
    assert!(build("include: [a]").unwrap_err().to_string().contains("say whose the lines are: tenant"));
    build("{include: [a], tenant: shop}").unwrap();
}
