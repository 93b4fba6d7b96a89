//! The `prometheus` receiver: scrapes targets as Prometheus does, by Prometheus' own configuration.
//!
//! A job finds targets ([`discovery`]) and scrapes each in a task of its own ([`scrape`]); what comes of it travels as OTLP with
//! literal names and labels, like remote write. `docs/decisions/0012-scraping.md` says how and why.

use std::any::Any;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use trefoil_model::tenant::Tenancy;
use trefoil_model::{Signal, Tenant};

use self::config::{Job, PrometheusConfig};
use crate::component::{
    Change, Component, ComponentError, Context, Downstream, Receiver, ReceiverConfig, ReceiverFactory,
};
use crate::config::{ConfigError, Node, Problems, Section, Segment};
use crate::metrics::Metrics;

pub mod client;
pub mod config;
mod discovery;
mod manager;
mod pool;
pub mod relabel;
mod scrape;
mod sink;
pub mod status;
mod target;
#[cfg(test)]
mod tests;
pub mod yaml;

pub use self::manager::{Changes, Manager};
pub use self::scrape::cache::Family;
pub use self::status::Scraping;

pub const FACTORY: ReceiverFactory = ReceiverFactory { kind: "prometheus", signals: &[Signal::Metrics], parse };

/// What the Collector has and this receiver has not, with the reason.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("target_allocator", "targets are not shared out among several servers"),
    ("api_server", "Trefoil's own Prometheus API shows the targets"),
    ("trim_metric_suffixes", "names stay as they are scraped"),
    ("use_start_time_metric", "start times are those that targets tell"),
    ("start_time_metric_regex", "start times are those that targets tell"),
    ("report_extra_scrape_metrics", "write `extra_scrape_metrics: true` below config.global"),
];

/// The options beside `config`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// Whose the samples are, where tenants are told apart.
    tenant: Option<String>,
    config: serde::de::IgnoredAny,
}

/// The configuration in the Collector's form: `config` is that of Prometheus, of which it takes what scrapes.
pub struct Config {
    tenant: Option<Tenant>,
    prometheus: PrometheusConfig,
}

fn parse(section: &Section<'_>) -> Result<Box<dyn ReceiverConfig>, ConfigError> {
    Ok(Box::new(Config::parse(section)?))
}

impl Config {
    pub fn parse(section: &Section<'_>) -> Result<Self, ConfigError> {
        let mut problems = Problems::default();
        let options: Option<Options> = problems.note(section.without(UNSUPPORTED).parse());
        let tenant = options.and_then(|options| options.tenant).map(|name| Tenant::new(&name));
        let tenant = tenant.transpose().map_err(|error| problems.push(section.problem("tenant", error))).ok().flatten();
        let nothing = Node::plain("", section.at().clone());
        let way: Vec<Segment> = section.path().iter().cloned().chain([Segment::Key("config".to_owned())]).collect();
        let inner = Section::new(section.node().get("config").unwrap_or(&nothing), &way);
        let environment = |name: &str| std::env::var(name).ok();
        let prometheus = problems.note(PrometheusConfig::parse(&inner, Path::new(""), &environment));
        if let Some(prometheus) = &prometheus {
            for problem in prometheus.not_for_scraping(&inner).into_iter().chain(prometheus.unsupported.clone()) {
                problems.push(problem);
            }
            if prometheus.jobs.is_empty() && prometheus.unsupported.is_empty() {
                problems
                    .push(inner.problem("", "there is nothing to scrape: no scrape_configs, no scrape_config_files"));
            }
        }
        problems.or(Self { tenant, prometheus: prometheus.unwrap_or_default() })
    }
}

/// Reads bodies of a target of the job as scrapes into OTLP requests; for fuzzing.
#[doc(hidden)]
pub fn try_scrapes(job: &Job, format: trefoil_prometheus::exposition::Format, bodies: &[&[u8]]) -> Vec<bytes::Bytes> {
    let found = [("__address__", "h:1")].into_iter().collect();
    match target::populate(job, &found) {
        Ok(target::Populated::Target(target)) => {
            let batches = scrape::try_scrapes(job, *target, format, bodies);
            batches.iter().filter_map(|batch| Some(batch.translate(64 << 20).ok()?.body)).collect()
        }
        _ => Vec::new(),
    }
}

/// Whose the samples are that nobody sent.
pub fn tenant_of(tenancy: Tenancy, told: Option<&Tenant>) -> Result<Tenant, ComponentError> {
    match (tenancy, told) {
        (Tenancy::Multi, None) => {
            Err(ComponentError::new("tenants are told apart (tenancy.enabled), so say whose the samples are: tenant"))
        }
        (_, told) => Ok(told.cloned().unwrap_or_default()),
    }
}

/// Scrapes into `downstream` what the manager is told to; `name` is that of the receiver in metrics.
pub fn manager(downstream: Downstream, tenant: Tenant, metrics: &Metrics, name: &str, scraping: Scraping) -> Manager {
    let sink = sink::Sink::new(downstream, tenant, metrics.receiver(name).over("http"), metrics.scrapes());
    Manager::new(sink, scraping)
}

impl ReceiverConfig for Config {
    fn build(&self, context: Context, downstream: Downstream) -> Result<Arc<dyn Receiver>, ComponentError> {
        let tenant = tenant_of(context.tenancy, self.tenant.as_ref())?;
        let name = context.id.to_string();
        let manager = manager(downstream, tenant, &context.metrics, &name, context.scraping.clone());
        let (jobs, tenant) = (self.prometheus.jobs.clone(), self.tenant.clone());
        Ok(Arc::new(PrometheusReceiver { manager: Arc::new(manager), jobs, tenant }))
    }
}

/// The running receiver.
pub struct PrometheusReceiver {
    manager: Arc<Manager>,
    jobs: Vec<Job>,
    /// As it was told.
    tenant: Option<Tenant>,
}

impl Receiver for PrometheusReceiver {
    fn prepare(&self, next: &dyn ReceiverConfig) -> Option<Result<Change, ComponentError>> {
        let next = (next as &dyn Any).downcast_ref::<Config>().filter(|next| next.tenant == self.tenant)?;
        let change = |prepared| {
            let manager = self.manager.clone();
            let change: Change = Box::new(move || {
                let Changes { started, stopped, kept } = manager.change(prepared);
                tracing::info!(?started, ?stopped, kept = kept.len(), "scraping");
            });
            change
        };
        Some(self.manager.prepare(&next.prometheus.jobs).map(change).map_err(ComponentError::new))
    }
}

#[async_trait]
impl Component for PrometheusReceiver {
    async fn start(&self) -> Result<(), ComponentError> {
        let changes = self.manager.apply(&self.jobs).map_err(ComponentError::new)?;
        tracing::info!(jobs = changes.started.len(), "scraping");
        Ok(())
    }

    async fn shutdown(&self, _grace: Duration) {
        self.manager.shutdown().await;
    }
}
