//! `trefoil serve`: bring everything up in order, reload on SIGHUP, take everything down in order.
//!
//! Up: read listeners bound (a taken port stops the start before anything has happened), store opened (the log is
//! replayed), pipelines started, ready. Down: not ready, pipelines drained, read listeners closed, store closed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use prometheus_client::registry::Registry;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use trefoil_api::internal::Readiness;
use trefoil_api::{ApiState, OtlpEndpoints};
use trefoil_model::Tenancy;
use trefoil_pipeline::component::{Downstream, Health, OtlpListening};
use trefoil_pipeline::graph::{self, Graph, ReloadError, Resources};
use trefoil_pipeline::receivers::otlp::{HttpLimits, http_router};
use trefoil_pipeline::receivers::prometheus::Scraping;
use trefoil_pipeline::receivers::prometheus::config::PrometheusConfig;
use trefoil_pipeline::receivers::prometheusremotewrite::{self, WriteLimits};
use trefoil_pipeline::{Metrics, Store};
use trefoil_query::Engine;
use trefoil_storage::Storage;

use crate::cli::ServeArgs;
use crate::configuration::Configuration;
use crate::control::Control;
use crate::listeners::Listener;
use crate::metrics;
use crate::scraping::Scraper;
use crate::store::StorageStore;
use crate::telemetry::{Output, Telemetry};

/// How long senders and queries may take to finish once the server has been told to stop.
const GRACE: Duration = Duration::from_secs(20);

/// A server that takes requests.
pub struct Ready {
    /// Where the main listener really listens; `None` if it is switched off.
    pub main: Option<SocketAddr>,
    /// The main listener takes OTLP over HTTP, below `/otlp`.
    pub otlp: bool,
    /// Every request must name its tenant.
    pub tenancy: bool,
    /// Where it writes its log, if that is a file.
    pub log: Option<PathBuf>,
}

/// Serves until a signal ends it.
pub async fn run(args: ServeArgs) -> anyhow::Result<()> {
    let (ready, _) = oneshot::channel();
    serve(args, Output::Stderr, Control::by_signals()?, ready).await
}

/// Serves until `control` ends it; `ready` hears once it takes requests.
pub async fn serve(
    args: ServeArgs,
    output: Output,
    control: Control,
    ready: oneshot::Sender<Ready>,
) -> anyhow::Result<()> {
    let mut configuration = load(&args)?;
    if let Some(directory) = args.data_dir.clone() {
        configuration.storage.path = directory;
    }
    let log = output.file(&configuration.storage.path);
    let telemetry = Telemetry::start(&configuration.pipelines.telemetry, &configuration.telemetry, log.as_deref())?;
    for warning in configuration.warnings() {
        tracing::warn!("{warning}");
    }

    let metrics = Metrics::default();
    let tenancy = Tenancy::from(configuration.tenancy);
    let otlp = Downstream::not_running();
    let scraping = Scraping::default();
    let scraper = Scraper::of(&args, otlp.clone(), tenancy, &metrics, &scraping)?;
    let listeners = bind(&configuration).await?;
    let main = listeners.iter().find(|listener| listener.name() == "main").and_then(Listener::address);
    let is_ready = Ready { main, otlp: configuration.listeners.main.otlp, tenancy: configuration.tenancy.enabled, log };
    let storage = Storage::open(configuration.storage.clone()).await.context("the store cannot be opened")?;
    let store: Arc<dyn Store> = Arc::new(StorageStore(storage.clone()));

    let readiness = Readiness::default();
    let closing = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let otlp_listening = OtlpListening::default();
    let surfaces = Surfaces {
        api: api_state(&configuration, &storage, otlp_listening.clone(), scraping.clone())?,
        otlp: configuration.listeners.main.otlp.then(|| otlp_router(otlp.clone(), tenancy, &metrics)),
        remote_write: RemoteWrite::new(&configuration, otlp.clone(), tenancy, &metrics),
        registry: Arc::new(metrics::registry(&storage, &metrics)),
        readiness: readiness.clone(),
    };
    for listener in listeners {
        let router = surfaces.of(listener.name());
        listener.serve(router, &mut tasks, closing.clone());
    }

    let resources = Resources {
        store,
        tenancy,
        data_dir: configuration.storage.path.join("components"),
        health: Health::default(),
        metrics,
        scraping,
        otlp: otlp.clone(),
        otlp_listening,
        grace: GRACE,
    };
    let served = match Graph::start(configuration.pipelines, resources).await {
        Ok(graph) => {
            let start = |(scraper, jobs): (Scraper, PrometheusConfig)| scraper.start(jobs, &otlp).map(|()| scraper);
            let scraper = scraper.map(start).transpose();
            telemetry.send_to(otlp);
            let running = Running { graph, scraper: None, telemetry, readiness };
            match scraper {
                Ok(scraper) => {
                    running.readiness.set(true);
                    tracing::info!(version = env!("CARGO_PKG_VERSION"), "ready");
                    // Nobody needs to listen.
                    let _ = ready.send(is_ready);
                    Running { scraper, ..running }.until_stopped(&args, &control).await
                }
                Err(error) => {
                    running.stop().await;
                    Err(error)
                }
            }
        }
        Err(error) => Err(error.into()),
    };

    closing.cancel();
    if tokio::time::timeout(GRACE, async { while tasks.join_next().await.is_some() {} }).await.is_err() {
        tracing::warn!("queries still running after {GRACE:?} were cut off");
    }
    storage.close().await.context("the store did not close")?;
    tracing::info!("stopped");
    served
}

fn load(args: &ServeArgs) -> anyhow::Result<Configuration> {
    Configuration::load(args.config.as_deref()).map_err(|error| anyhow::anyhow!("the configuration is wrong:\n{error}"))
}

async fn bind(configuration: &Configuration) -> anyhow::Result<Vec<Listener>> {
    let mut listeners = Vec::new();
    for (name, address) in configuration.listeners.addresses() {
        listeners.push(Listener::bind(name, &address).await?);
    }
    Ok(listeners)
}

fn api_state(
    configuration: &Configuration,
    storage: &Storage,
    listening: OtlpListening,
    scraping: Scraping,
) -> anyhow::Result<ApiState> {
    let memory = usize::try_from(configuration.query.max_memory.get()).context("query.max_memory")?;
    let main = configuration.listeners.main.otlp;
    let endpoint = move |protocol| listening.address(protocol).map(|address| address.to_string());
    Ok(ApiState {
        engine: Engine::new(storage.clone(), memory)?,
        tenancy: Tenancy::from(configuration.tenancy),
        limits: configuration.query.limits(),
        scraping,
        otlp: Arc::new(move || OtlpEndpoints { grpc: endpoint("grpc"), http: endpoint("http"), main }),
    })
}

/// What the listeners serve.
struct Surfaces {
    api: ApiState,
    /// Unless it is switched off.
    otlp: Option<Router>,
    remote_write: RemoteWrite,
    registry: Arc<Registry>,
    readiness: Readiness,
}

impl Surfaces {
    fn of(&self, listener: &str) -> Router {
        match listener {
            "internal" => trefoil_api::internal::router(self.registry.clone(), self.readiness.clone()),
            "tempo" => trefoil_api::tempo_router(self.api.clone()),
            "prometheus" => {
                let prometheus = trefoil_api::prometheus_router(self.api.clone());
                self.remote_write.on_prometheus.iter().cloned().fold(prometheus, Router::merge)
            }
            _ => {
                let main = trefoil_api::main_router(self.api.clone());
                let main = self.otlp.iter().fold(main, |main, otlp| main.nest("/otlp", otlp.clone()));
                self.remote_write.on_main.iter().fold(main, |main, write| main.nest("/prometheus", write.clone()))
            }
        }
    }
}

/// OTLP over HTTP for the main listener: each signal goes where the first `otlp` receiver that its pipelines name leads.
fn otlp_router(pipelines: Downstream, tenancy: Tenancy, metrics: &Metrics) -> Router {
    let metrics = metrics.receiver(graph::MAIN_LISTENER).over("http");
    http_router(pipelines, tenancy, HttpLimits::default(), None, metrics)
}

/// Prometheus' remote write on listeners that have other things, too, into the pipelines that OTLP on the main listener
/// leads to. A configuration with a receiver for it has it there alone.
struct RemoteWrite {
    on_main: Option<Router>,
    on_prometheus: Option<Router>,
}

impl RemoteWrite {
    fn new(configuration: &Configuration, pipelines: Downstream, tenancy: Tenancy, metrics: &Metrics) -> Self {
        let mut receivers = configuration.pipelines.pipelines.iter().flat_map(|pipeline| &pipeline.receivers);
        if receivers.any(|id| id.kind() == prometheusremotewrite::FACTORY.kind) {
            return Self { on_main: None, on_prometheus: None };
        }
        let metrics = metrics.receiver(graph::MAIN_LISTENER).over("http");
        let router = prometheusremotewrite::http_router(pipelines, tenancy, WriteLimits::default(), None, metrics);
        let listeners = &configuration.listeners;
        Self {
            on_main: listeners.main.otlp.then(|| router.clone()),
            on_prometheus: listeners.prometheus.remote_write.then_some(router),
        }
    }
}

/// What takes telemetry in.
struct Running {
    graph: Graph,
    /// Where there is a `prometheus.yml`.
    scraper: Option<Scraper>,
    telemetry: Telemetry,
    readiness: Readiness,
}

impl Running {
    /// Reloads as often as it is asked to; drains the pipelines when it is told to stop.
    async fn until_stopped(mut self, args: &ServeArgs, control: &Control) -> anyhow::Result<()> {
        let outcome = loop {
            tokio::select! {
                () = control.stop.cancelled() => break Ok(()),
                () = control.reload.notified() => {
                    if let Err(broken) = reload(&mut self.graph, args).await {
                        break Err(broken.into());
                    }
                    self.reload_jobs(args);
                }
            }
        };
        tracing::info!("stopping: draining the pipelines");
        self.stop().await;
        outcome
    }

    fn reload_jobs(&self, args: &ServeArgs) {
        let (Some(scraper), Some(path)) = (&self.scraper, &args.prometheus_config) else { return };
        if let Err(error) = scraper.reload(path) {
            tracing::error!("the Prometheus configuration is not reloaded, and that of before stays:\n{error}");
        }
    }

    async fn stop(self) {
        self.readiness.set(false);
        if let Some(scraper) = &self.scraper {
            scraper.shutdown().await;
        }
        self.telemetry.stop().await;
        self.graph.shutdown().await;
    }
}

/// Changes the pipelines; the error is only for a state that cannot go on.
async fn reload(graph: &mut Graph, args: &ServeArgs) -> Result<(), ReloadError> {
    let next = match load(args) {
        Ok(next) => next,
        Err(error) => {
            tracing::error!("not reloaded: {error}");
            return Ok(());
        }
    };
    for warning in next.warnings() {
        tracing::warn!("{warning}");
    }
    match graph.reload(next.pipelines).await {
        Ok(changes) => tracing::info!(%changes, "reloaded; the sections of Trefoil's own take effect at a restart"),
        Err(ReloadError::Kept(error)) => tracing::error!("not reloaded: {error}"),
        Err(broken) => return Err(broken),
    }
    Ok(())
}
