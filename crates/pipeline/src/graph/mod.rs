//! The running pipelines: started, exchanged and drained.
//!
//! There is one procedure for everything, [`Graph::change`]: a start changes nothing into a configuration, a reload one
//! into another, a shutdown one into nothing. Its order is what makes it safe: receivers that go away finish what they
//! took while everything behind them still works; requests to receivers that stay wait at a gate while what is behind
//! them is drained and exchanged; only then new receivers start.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures::future::join_all;
use thiserror::Error;
use tokio::time::timeout;
use trefoil_model::Tenancy;

use self::gate::Gate;
use self::plan::{Existing, Middle, Plan};
use crate::component::{
    ComponentError, ComponentId, Context, Downstream, Exporter, Extension, Generation, Health, OtlpListening, Receiver,
    Storages,
};
use crate::config::{Configuration, Node};
use crate::metrics::Metrics;
use crate::overrides::Overrides;
use crate::receivers::otlp;
use crate::receivers::prometheus::Scraping;
use crate::store::Store;

mod counted;
mod fan_out;
mod gate;
mod plan;
#[cfg(test)]
mod tests;

/// The `receiver` in metrics of what comes in by Trefoil's main listener. It is no component, so no reload removes it.
pub const MAIN_LISTENER: &str = "listeners/main";

/// The same of what is scraped by a `prometheus.yml`.
pub const PROMETHEUS_CONFIG: &str = "prometheus_config";

/// What components get from the program around them.
#[derive(Clone)]
pub struct Resources {
    pub store: Arc<dyn Store>,
    pub tenancy: Tenancy,
    /// Where components keep state.
    pub data_dir: PathBuf,
    pub health: Health,
    pub metrics: Metrics,
    /// What receivers scrape, for the API.
    pub scraping: Scraping,
    /// Zipkin's query API, for its receivers to serve on their endpoints, too.
    pub zipkin_queries: Option<Router>,
    /// What tenants choose for themselves.
    pub overrides: Overrides,
    /// What storage extensions offer; begin with the default.
    pub storages: Storages,
    /// The graph leads it to the pipelines of the `otlp` receivers, for OTLP that comes in by other listeners: begin with
    /// [`Downstream::not_running`].
    pub otlp: Downstream,
    /// The graph keeps it true.
    pub otlp_listening: OtlpListening,
    /// How long a receiver may finish, and how long an exporter may send, when it has to go.
    pub grace: Duration,
}

impl Resources {
    /// What a component of this id is built with.
    pub fn context(&self, id: &ComponentId) -> Context {
        Context {
            id: id.clone(),
            store: self.store.clone(),
            tenancy: self.tenancy,
            data_dir: self.data_dir.clone(),
            health: self.health.clone(),
            metrics: self.metrics.clone(),
            scraping: self.scraping.clone(),
            zipkin_queries: self.zipkin_queries.clone(),
            overrides: self.overrides.clone(),
            storages: self.storages.clone(),
        }
    }
}

/// A component did not start.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{component}: {reason}")]
pub struct GraphError {
    /// Its path in the configuration: `receivers.otlp/2`.
    pub component: String,
    pub reason: ComponentError,
}

impl GraphError {
    fn of(class: &str, id: &ComponentId) -> impl FnOnce(ComponentError) -> Self {
        let component = format!("{class}.{id}");
        move |reason| Self { component, reason }
    }
}

/// A reload did not come about.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReloadError {
    /// What ran before runs on.
    #[error("{0}; the configuration of before runs on")]
    Kept(GraphError),
    /// Nor could what ran before be started again; the program should end.
    #[error("{reason}; and the configuration of before could not be restored: {restoring}")]
    Broken { reason: GraphError, restoring: GraphError },
}

/// What a change did, as paths in the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    pub started: Vec<String>,
    pub stopped: Vec<String>,
    /// Receivers that kept their sockets and connections.
    pub kept: Vec<String>,
    /// Those of them that go on by another configuration.
    pub changed: Vec<String>,
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts =
            [("started", &self.started), ("stopped", &self.stopped), ("kept", &self.kept), ("changed", &self.changed)];
        let mut separator = "";
        for (what, names) in parts.into_iter().filter(|(_, names)| !names.is_empty()) {
            write!(f, "{separator}{what} {}", names.join(", "))?;
            separator = "; ";
        }
        Ok(())
    }
}

/// A started component and the configuration it was built from.
struct Running<C: ?Sized> {
    component: Arc<C>,
    node: Node,
}

struct RunningReceiver {
    component: Arc<dyn Receiver>,
    downstream: Downstream,
    node: Node,
}

/// The pipelines, running. [`Graph::shutdown`] before dropping it, or what it holds is lost.
pub struct Graph {
    resources: Resources,
    configuration: Arc<Configuration>,
    extensions: HashMap<ComponentId, Running<dyn Extension>>,
    exporters: HashMap<ComponentId, Running<dyn Exporter>>,
    middle: Middle,
    receivers: HashMap<ComponentId, RunningReceiver>,
}

impl Graph {
    /// Starts everything; if something does not start, what did is stopped again.
    pub async fn start(configuration: Configuration, resources: Resources) -> Result<Self, GraphError> {
        let mut graph = Self {
            resources,
            configuration: Arc::new(Configuration::empty()),
            extensions: HashMap::new(),
            exporters: HashMap::new(),
            middle: Middle::default(),
            receivers: HashMap::new(),
        };
        let plan = graph.plan(&configuration)?;
        if let Err(error) = graph.change(&configuration, plan).await {
            graph.shutdown().await;
            return Err(error);
        }
        graph.adopt(Arc::new(configuration));
        graph.resources.health.set_ready(true);
        Ok(graph)
    }

    /// Changes to `next`. Receivers and exporters whose configuration is the same are kept, connections and queues
    /// included. If `next` cannot run, what ran before does so again.
    pub async fn reload(&mut self, next: Configuration) -> Result<Changes, ReloadError> {
        let before = self.configuration.clone();
        let changed = match self.plan(&next) {
            Ok(plan) => self.change(&next, plan).await,
            Err(reason) => {
                self.adopt(before);
                return Err(ReloadError::Kept(reason));
            }
        };
        let reason = match changed {
            Ok(changes) => {
                self.adopt(Arc::new(next));
                return Ok(changes);
            }
            Err(reason) => reason,
        };
        let restored = match self.plan(&before) {
            Ok(plan) => self.change(&before, plan).await,
            Err(error) => Err(error),
        };
        self.adopt(before);
        match restored {
            Ok(_) => Err(ReloadError::Kept(reason)),
            Err(restoring) => {
                self.resources.health.set_ready(false);
                Err(ReloadError::Broken { reason, restoring })
            }
        }
    }

    /// Stops taking, hands on or persists everything that was taken, and stops.
    pub async fn shutdown(mut self) {
        self.resources.health.set_ready(false);
        let nothing = Configuration::empty();
        let stopped = match self.plan(&nothing) {
            Ok(plan) => self.change(&nothing, plan).await.map(|_| ()),
            Err(error) => Err(error),
        };
        if let Err(error) = stopped {
            tracing::error!(%error, "the pipelines did not shut down");
        }
    }

    /// `configuration` is what runs now; components that it does not have lose their metrics.
    fn adopt(&mut self, configuration: Arc<Configuration>) {
        let named = configuration.pipelines.iter().flat_map(|pipeline| &pipeline.receivers);
        let otlp = named.filter(|id| id.kind() == otlp::FACTORY.kind).find_map(|id| self.receivers.get(id));
        self.resources.otlp_listening.set(otlp.map(|running| running.component.listening()).unwrap_or_default());
        let Configuration { receivers, processors, connectors, exporters, .. } = &*configuration;
        let names = |id: &ComponentId, name: &str| id.to_string() == name;
        self.resources.metrics.retain(
            |name| matches!(name, MAIN_LISTENER | PROMETHEUS_CONFIG) || receivers.keys().any(|id| names(id, name)),
            |name| processors.keys().any(|id| names(id, name)),
            |name| connectors.keys().any(|id| names(id, name)),
            |name| is_of_prometheus(name) || exporters.keys().any(|id| names(id, name)),
        );
        self.configuration = configuration;
    }

    fn plan(&self, next: &Configuration) -> Result<Plan, GraphError> {
        let existing =
            Existing { extensions: &self.extensions, exporters: &self.exporters, receivers: &self.receivers };
        Plan::new(next, &existing, &self.resources)
    }

    async fn change(&mut self, next: &Configuration, plan: Plan) -> Result<Changes, GraphError> {
        let mut changes = Changes::default();
        let gate = Gate::new();
        let leaving = self.leaving_receivers(next, &plan);
        for (_, component) in &self.middle.components {
            // A receiver that leaves waits for its clients, and those for batches.
            component.hurry();
        }
        self.stop_receivers(leaving, &mut changes).await;
        let doors = self.receivers.values().map(|receiver| &receiver.downstream).chain([&self.resources.otlp]);
        let behind = doors.map(|downstream| gate.close(downstream)).collect();
        self.drain(behind).await;
        self.stop_middle().await;
        self.stop_exporters(next, &mut changes).await;
        self.stop_extensions(|id| is_replaced(id, &plan.extensions), &mut changes).await;

        let Plan { extensions, exporters, middle, receivers, changed, mut behind, otlp } = plan;
        for (id, running) in extensions {
            running.component.start().await.map_err(GraphError::of("extensions", &id))?;
            changes.started.push(format!("extensions.{id}"));
            self.extensions.insert(id, running);
        }
        for (id, running) in exporters {
            running.component.start().await.map_err(GraphError::of("exporters", &id))?;
            changes.started.push(format!("exporters.{id}"));
            self.exporters.insert(id, running);
        }
        for (path, component) in middle.components {
            component.start().await.map_err(|reason| GraphError { component: path.clone(), reason })?;
            self.middle.components.push((path, component));
        }
        for (id, receiver) in &self.receivers {
            receiver.downstream.swap(Generation::new(behind.remove(id).unwrap_or_default()));
            changes.kept.push(format!("receivers.{id}"));
        }
        self.resources.otlp.swap(match next.pipelines.is_empty() {
            true => Generation::not_running(),
            false => Generation::new(otlp),
        });
        gate.open();
        for (id, change, node) in changed {
            if let Some(running) = self.receivers.get_mut(&id) {
                change();
                running.node = node;
                changes.changed.push(format!("receivers.{id}"));
            }
        }
        for (id, receiver) in receivers {
            receiver.component.start().await.map_err(GraphError::of("receivers", &id))?;
            changes.started.push(format!("receivers.{id}"));
            self.receivers.insert(id, receiver);
        }
        let wanted: Vec<&ComponentId> = next.extensions.iter().map(|(id, _)| id).collect();
        self.stop_extensions(|id| !wanted.contains(&id), &mut changes).await;
        for list in [&mut changes.started, &mut changes.stopped, &mut changes.kept, &mut changes.changed] {
            list.sort();
        }
        Ok(changes)
    }

    fn leaving_receivers(&self, next: &Configuration, plan: &Plan) -> Vec<ComponentId> {
        let stays = |id: &ComponentId, running: &RunningReceiver| {
            next.receivers.get(id).is_some_and(|configured| configured.node == running.node)
                || plan.changed.iter().any(|(changed, ..)| changed == id)
        };
        self.receivers.iter().filter(|(id, running)| !stays(id, running)).map(|(id, _)| id.clone()).collect()
    }

    async fn stop_receivers(&mut self, leaving: Vec<ComponentId>, changes: &mut Changes) {
        let leaving: Vec<_> = leaving.into_iter().filter_map(|id| self.receivers.remove_entry(&id)).collect();
        let grace = self.resources.grace;
        join_all(leaving.iter().map(|(_, receiver)| receiver.component.shutdown(grace))).await;
        changes.stopped.extend(leaving.iter().map(|(id, _)| format!("receivers.{id}")));
    }

    /// Waits until no request is left in what is about to be stopped.
    async fn drain(&self, behind: Vec<Arc<Generation>>) {
        let drained = join_all(behind.iter().map(|generation| generation.drained()));
        if timeout(self.resources.grace, drained).await.is_err() {
            tracing::warn!(
                grace = ?self.resources.grace,
                "some requests are not answered within the grace; their clients have to send them again"
            );
        }
    }

    /// Upstream before downstream: processors were built from the end of each pipeline to its beginning.
    async fn stop_middle(&mut self) {
        for (_, component) in std::mem::take(&mut self.middle).components.iter().rev() {
            component.shutdown(self.resources.grace).await;
        }
    }

    async fn stop_exporters(&mut self, next: &Configuration, changes: &mut Changes) {
        let stays = |id: &ComponentId, running: &Running<dyn Exporter>| {
            next.exporters.get(id).is_some_and(|configured| configured.node == running.node)
        };
        let leaving: Vec<ComponentId> =
            self.exporters.iter().filter(|(id, running)| !stays(id, running)).map(|(id, _)| id.clone()).collect();
        let leaving: Vec<_> = leaving.into_iter().filter_map(|id| self.exporters.remove_entry(&id)).collect();
        join_all(leaving.iter().map(|(_, running)| running.component.shutdown(self.resources.grace))).await;
        changes.stopped.extend(leaving.iter().map(|(id, _)| format!("exporters.{id}")));
    }

    async fn stop_extensions(&mut self, leaves: impl Fn(&ComponentId) -> bool, changes: &mut Changes) {
        let leaving: Vec<ComponentId> = self.extensions.keys().filter(|id| leaves(id)).cloned().collect();
        for id in leaving {
            let Some(running) = self.extensions.remove(&id) else { continue };
            running.component.shutdown(self.resources.grace).await;
            changes.stopped.push(format!("extensions.{id}"));
        }
    }
}

/// One of a `prometheus.yml`, which this configuration knows nothing of.
fn is_of_prometheus(exporter: &str) -> bool {
    exporter.split('/').next() == Some(PROMETHEUS_CONFIG)
}

fn is_replaced<C: ?Sized>(id: &ComponentId, replacements: &[(ComponentId, Running<C>)]) -> bool {
    replacements.iter().any(|(new, _)| new == id)
}
