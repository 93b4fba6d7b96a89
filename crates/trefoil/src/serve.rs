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
use futures::FutureExt;
use prometheus_client::registry::Registry;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use trefoil_api::internal::Readiness;
use trefoil_api::prometheus::{Lifecycle, Notifications, RELOAD_FAILED, SHUTTING_DOWN};
use trefoil_api::{ApiState, OtlpEndpoints, PrometheusApi};
use trefoil_model::Tenancy;
use trefoil_pipeline::component::{Downstream, Health, OtlpListening};
use trefoil_pipeline::extensions::pprof;
use trefoil_pipeline::graph::{self, Graph, ReloadError, Resources};
use trefoil_pipeline::overrides::Overrides;
use trefoil_pipeline::receivers::loki;
use trefoil_pipeline::receivers::otlp::{self, HttpLimits, http_router};
use trefoil_pipeline::receivers::prometheus::Scraping;
use trefoil_pipeline::receivers::prometheusremotewrite::{self, WriteLimits};
use trefoil_pipeline::receivers::zipkin;
use trefoil_pipeline::{Metrics, Store};
use trefoil_query::Engine;
use trefoil_storage::Storage;

use crate::cli::ServeArgs;
use crate::configuration::Configuration;
use crate::control::{Control, Reloaded};
use crate::listeners::Listener;
use crate::metrics;
use crate::prometheus::PrometheusSection;
use crate::scraping::{Scraper, Scrapes};
use crate::settings::DeletionMode;
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
    let overrides = Overrides::default();
    let scrapes = Scrapes::of(&args, tenancy)?;
    let listeners = bind(&configuration).await?;
    let main = listeners.iter().find(|listener| listener.name() == "main").and_then(Listener::address);
    let is_ready = Ready { main, otlp: configuration.listeners.main.otlp, tenancy: configuration.tenancy.enabled, log };
    let storage = Storage::open(configuration.storage.clone()).await.context("the store cannot be opened")?;
    let store: Arc<dyn Store> = Arc::new(StorageStore(storage.clone()));

    let readiness = Readiness::default();
    let closing = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let otlp_listening = OtlpListening::default();
    let notifications = Notifications::default();
    let engine = engine(&configuration, &storage)?;
    let registry = Arc::new(metrics::registry(&storage, &engine, &metrics));
    let prometheus = prometheus_api(&configuration.prometheus, notifications.clone(), &control, registry.clone());
    let surfaces = Surfaces {
        base_path: configuration.listeners.jaeger.base_path.clone(),
        api: api_state(
            &configuration,
            engine.clone(),
            otlp_listening.clone(),
            scraping.clone(),
            overrides.clone(),
            prometheus,
        ),
        otlp: configuration.listeners.main.otlp.then(|| otlp_router(otlp.clone(), tenancy, &metrics)),
        zipkin: configuration.listeners.main.otlp.then(|| zipkin_router(otlp.clone(), tenancy, &metrics)),
        loki: LokiPush::new(&configuration, otlp.clone(), tenancy, &metrics),
        writes: Writes::new(&configuration, otlp.clone(), tenancy, &metrics),
        registry,
        readiness: readiness.clone(),
    };
    let tails = surfaces.api.tails.clone();
    let zipkin_queries =
        configuration.listeners.zipkin.enabled.then(|| trefoil_api::zipkin_router(surfaces.api.clone()));
    for listener in listeners {
        let router = surfaces.of(listener.name());
        listener.serve(router, &mut tasks, closing.clone());
    }

    // Readiness does not wait for it.
    tasks.spawn({
        let (engine, closing) = (engine.clone(), closing.clone());
        async move { closing.run_until_cancelled(engine.keep_indexed()).await.unwrap_or_default() }
    });

    tasks.spawn({
        let (engine, closing) = (engine.clone(), closing.clone());
        async move { closing.run_until_cancelled(engine.mine_patterns()).await.unwrap_or_default() }
    });
    tasks.spawn({
        let (engine, closing) = (engine.clone(), closing.clone());
        let cancel_period = configuration.listeners.loki.delete_request_cancel_period;
        async move { closing.run_until_cancelled(engine.keep_deleting(cancel_period)).await.unwrap_or_default() }
    });

    // Before anything is counted for anybody.
    trefoil_api::read_overrides(&engine, &overrides).await.context("what tenants have set cannot be read")?;
    tasks.spawn({
        let (engine, overrides, closing) = (engine.clone(), overrides.clone(), closing.clone());
        async move {
            closing.run_until_cancelled(trefoil_api::keep_overrides(&engine, &overrides)).await.unwrap_or_default()
        }
    });

    let resources = Resources {
        store,
        tenancy,
        data_dir: configuration.storage.path.join("components"),
        health: Health::default(),
        metrics,
        scraping,
        zipkin_queries,
        overrides,
        storages: Default::default(),
        otlp: otlp.clone(),
        otlp_listening,
        grace: GRACE,
    };
    let served = match Graph::start(configuration.pipelines, resources.clone()).await {
        Ok(graph) => {
            let scraper = match scrapes {
                Some(scrapes) => scrapes.start(resources).await.map(Some),
                None => Ok(None),
            };
            telemetry.send_to(otlp);
            let running =
                Running { graph, scraper: None, storage: storage.clone(), engine, telemetry, readiness, notifications };
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
    tails.close().await;
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

/// As on the listener for Prometheus; what tells of the process, or changes it, is for that one alone.
fn prometheus_api(
    section: &PrometheusSection,
    notifications: Notifications,
    control: &Control,
    registry: Arc<Registry>,
) -> PrometheusApi {
    let (reloading, quitting) = (control.clone(), control.stop.clone());
    let lifecycle = section.enable_lifecycle.then(|| Lifecycle {
        reload: Arc::new(move || {
            let control = reloading.clone();
            async move { control.reloaded().await }.boxed()
        }),
        quit: Arc::new(move || quitting.cancel()),
    });
    PrometheusApi {
        external_labels: section.external_labels.clone(),
        cors_origin: section.cors_origin(),
        lifecycle,
        registry: Some(registry),
        notifications,
        ..PrometheusApi::default()
    }
}

fn engine(configuration: &Configuration, storage: &Storage) -> anyhow::Result<Engine> {
    let memory = usize::try_from(configuration.query.max_memory.get()).context("query.max_memory")?;
    let engine = Engine::new(storage.clone(), memory)?
        .with_prometheus(configuration.prometheus.view())
        .with_patterns(configuration.patterns.options());
    engine.set_limits(configuration.query.limits());
    Ok(engine)
}

fn api_state(
    configuration: &Configuration,
    engine: Engine,
    listening: OtlpListening,
    scraping: Scraping,
    overrides: Overrides,
    prometheus: PrometheusApi,
) -> ApiState {
    let main = configuration.listeners.main.otlp;
    let endpoint = move |protocol| listening.address(protocol).map(|address| address.to_string());
    ApiState {
        engine,
        tenancy: Tenancy::from(configuration.tenancy),
        admin_api: configuration.listeners.prometheus.admin_api,
        delete_logs: configuration.listeners.loki.deletion_mode == DeletionMode::FilterAndDelete,
        scraping,
        overrides,
        otlp: Arc::new(move || OtlpEndpoints { grpc: endpoint("grpc"), http: endpoint("http"), main }),
        prometheus,
        max_clock_skew_adjustment: configuration.listeners.jaeger.max_clock_skew_adjust,
        tails: Default::default(),
    }
}

/// What the listeners serve.
struct Surfaces {
    api: ApiState,
    /// Of Jaeger's listener.
    base_path: String,
    /// Unless it is switched off.
    otlp: Option<Router>,
    /// Where Zipkin's spans are taken, likewise.
    zipkin: Option<Router>,
    loki: LokiPush,
    writes: Writes,
    registry: Arc<Registry>,
    readiness: Readiness,
}

impl Surfaces {
    fn of(&self, listener: &str) -> Router {
        match listener {
            "internal" => trefoil_api::internal::router(self.registry.clone(), self.readiness.clone()),
            "tempo" => trefoil_api::tempo_router(self.api.clone()),
            "loki" => self.loki.own.iter().cloned().fold(trefoil_api::loki_router(self.api.clone()), Router::merge),
            "jaeger" => trefoil_api::jaeger_router(self.api.clone(), &self.base_path),
            "jaeger_grpc" => trefoil_api::jaeger_grpc_router(self.api.clone()),
            "prometheus" => {
                let writes = &self.writes.on_prometheus;
                let router = trefoil_api::prometheus_router(self.api_with(writes)).merge(pprof::router());
                writes.routers().fold(router, Router::merge)
            }
            _ => {
                let writes = &self.writes.on_main;
                let mut api = self.api_with(writes);
                (api.prometheus.lifecycle, api.prometheus.registry) = (None, None);
                let main = trefoil_api::main_router(api);
                let main = self.otlp.iter().fold(main, |main, otlp| main.nest("/otlp", otlp.clone()));
                let main = self.zipkin.iter().fold(main, |main, zipkin| main.nest("/zipkin", zipkin.clone()));
                let main = self.loki.shared.iter().cloned().fold(main, Router::merge);
                writes.routers().fold(main, |main, write| main.nest("/prometheus", write))
            }
        }
    }

    fn api_with(&self, writes: &WritesOf) -> ApiState {
        let mut api = self.api.clone();
        api.prometheus.remote_write = writes.remote_write.is_some();
        api.prometheus.otlp = writes.otlp.is_some();
        api
    }
}

/// OTLP over HTTP for the main listener: each signal goes where the first `otlp` receiver that its pipelines name leads.
fn otlp_router(pipelines: Downstream, tenancy: Tenancy, metrics: &Metrics) -> Router {
    let metrics = metrics.receiver(graph::MAIN_LISTENER).over("http");
    http_router(pipelines, tenancy, HttpLimits::default(), None, metrics)
}

/// Zipkin's spans for the main listener, into the same pipelines.
fn zipkin_router(pipelines: Downstream, tenancy: Tenancy, metrics: &Metrics) -> Router {
    zipkin::http_router(pipelines, tenancy, HttpLimits::default(), &metrics.receiver(graph::MAIN_LISTENER))
}

/// Where logs are taken as in a Loki, into the pipelines that OTLP on the main listener leads to; `None` where it is switched off.
struct LokiPush {
    /// On Loki's listener.
    own: Option<Router>,
    /// On the main one.
    shared: Option<Router>,
}

impl LokiPush {
    fn new(configuration: &Configuration, pipelines: Downstream, tenancy: Tenancy, metrics: &Metrics) -> Self {
        let metrics = metrics.receiver(graph::MAIN_LISTENER).over("http");
        let listeners = &configuration.listeners;
        let limits = &listeners.loki.limits;
        let routers = loki::http_routers(pipelines, tenancy, HttpLimits::default(), limits, metrics);
        Self { own: listeners.loki.push.then_some(routers.own), shared: listeners.main.otlp.then_some(routers.shared) }
    }
}

/// Prometheus' ways to write on listeners that have other things, too, into the pipelines that OTLP on the main listener leads
/// to. A configuration with a receiver for remote write has it there alone.
struct Writes {
    on_main: WritesOf,
    on_prometheus: WritesOf,
}

struct WritesOf {
    remote_write: Option<Router>,
    /// Of metrics.
    otlp: Option<Router>,
}

impl Writes {
    fn new(configuration: &Configuration, pipelines: Downstream, tenancy: Tenancy, metrics: &Metrics) -> Self {
        let metrics = metrics.receiver(graph::MAIN_LISTENER).over("http");
        let otlp = otlp::prometheus_router(pipelines.clone(), tenancy, HttpLimits::default(), None, metrics.clone());
        let write = prometheusremotewrite::http_router(pipelines, tenancy, WriteLimits::default(), None, metrics);
        let mut receivers = configuration.pipelines.pipelines.iter().flat_map(|pipeline| &pipeline.receivers);
        let has_receiver = receivers.any(|id| id.kind() == prometheusremotewrite::FACTORY.kind);
        let of = |remote_write: bool, takes_otlp: bool| WritesOf {
            remote_write: (remote_write && !has_receiver).then(|| write.clone()),
            otlp: takes_otlp.then(|| otlp.clone()),
        };
        let listeners = &configuration.listeners;
        Self {
            on_main: of(listeners.main.otlp, listeners.main.otlp),
            on_prometheus: of(listeners.prometheus.remote_write, listeners.prometheus.otlp),
        }
    }
}

impl WritesOf {
    fn routers(&self) -> impl Iterator<Item = Router> {
        self.remote_write.iter().chain(&self.otlp).cloned()
    }
}

/// What takes telemetry in.
struct Running {
    graph: Graph,
    /// Where there is a `prometheus.yml`.
    scraper: Option<Scraper>,
    storage: Storage,
    engine: Engine,
    telemetry: Telemetry,
    readiness: Readiness,
    notifications: Notifications,
}

impl Running {
    /// Reloads as often as it is asked to; drains the pipelines when it is told to stop.
    async fn until_stopped(mut self, args: &ServeArgs, control: &Control) -> anyhow::Result<()> {
        let outcome = loop {
            tokio::select! {
                () = control.stop.cancelled() => break Ok(()),
                () = control.reload.notified() => {
                    let waiting = control.take_waiting();
                    let reloaded = match self.reload(args).await {
                        Ok(reloaded) => reloaded.and(self.reload_jobs(args).await),
                        Err(broken) => break Err(broken.into()),
                    };
                    match &reloaded {
                        Ok(()) => self.notifications.clear(RELOAD_FAILED),
                        Err(_) => self.notifications.raise(RELOAD_FAILED),
                    }
                    // Who asked may have gone.
                    waiting.into_iter().for_each(|told| drop(told.send(reloaded.clone())));
                }
            }
        };
        tracing::info!("stopping: draining the pipelines");
        self.notifications.raise(SHUTTING_DOWN);
        self.stop().await;
        outcome
    }

    /// Changes the pipelines, how long what is kept, and what queries may cost; the outer error is only for a state that cannot
    /// go on.
    async fn reload(&mut self, args: &ServeArgs) -> Result<Reloaded, ReloadError> {
        let next = match load(args) {
            Ok(next) => next,
            Err(error) => {
                tracing::error!("not reloaded: {error}");
                return Ok(Err(error.to_string()));
            }
        };
        for warning in next.warnings() {
            tracing::warn!("{warning}");
        }
        match self.graph.reload(next.pipelines).await {
            Ok(changes) => {
                self.storage.set_retention(next.storage.retention);
                self.engine.set_limits(next.query.limits());
                tracing::info!(
                    %changes,
                    "reloaded; of Trefoil's own sections `storage.retention` and `query` (without `max_memory`) hold now, the \
                     others after a restart"
                );
            }
            Err(ReloadError::Kept(error)) => {
                tracing::error!("not reloaded: {error}");
                return Ok(Err(error.to_string()));
            }
            Err(broken) => return Err(broken),
        }
        Ok(Ok(()))
    }

    async fn reload_jobs(&self, args: &ServeArgs) -> Reloaded {
        let (Some(scraper), Some(path)) = (&self.scraper, &args.prometheus_config) else { return Ok(()) };
        scraper.reload(path).await.map_err(|error| {
            let error = format!("the Prometheus configuration is not reloaded, and that of before stays:\n{error:#}");
            tracing::error!("{error}");
            error
        })
    }

    async fn stop(self) {
        self.readiness.set(false);
        if let Some(scraper) = &self.scraper {
            scraper.shutdown(GRACE).await;
        }
        self.telemetry.stop().await;
        self.graph.shutdown().await;
    }
}
