//! `--prometheus-config`: a whole `prometheus.yml`, whose jobs are scraped into the store, and on to where `remote_write` says.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use trefoil_model::{Signal, Tenancy, Tenant};
use trefoil_pipeline::Resources;
use trefoil_pipeline::config::{ConfigError, Document, Problem, Section};
use trefoil_pipeline::exporters::prometheusremotewrite::RemoteWrites;
use trefoil_pipeline::graph::PROMETHEUS_CONFIG;
use trefoil_pipeline::receivers::prometheus::config::PrometheusConfig;
use trefoil_pipeline::receivers::prometheus::status::Shown;
use trefoil_pipeline::receivers::prometheus::{Manager, Scraping, manager, tenant_of};

use crate::cli::ServeArgs;

/// Reads and checks the file; the error holds all that is wrong or not there yet.
pub fn load(path: &Path) -> Result<(PrometheusConfig, Vec<Problem>), ConfigError> {
    let document = Document::load_verbatim(path)?;
    let section = Section::new(document.root(), &[]);
    let base = path.parent().unwrap_or(Path::new(""));
    let configuration = PrometheusConfig::parse(&section, base, &|name| std::env::var(name).ok())?;
    let warnings = configuration.check_servable(&section)?;
    Ok((configuration, warnings))
}

/// A configuration that was read, and whose its samples are.
pub struct Scrapes {
    configuration: PrometheusConfig,
    tenant: Tenant,
}

impl Scrapes {
    /// Where there is no file there is nothing to scrape.
    pub fn of(args: &ServeArgs, tenancy: Tenancy) -> anyhow::Result<Option<Self>> {
        let Some(path) = &args.prometheus_config else { return Ok(None) };
        let read = load(path).map_err(|error| anyhow::anyhow!("the Prometheus configuration is wrong:\n{error}"));
        let (configuration, warnings) = read?;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        let told = args.prometheus_tenant.as_deref().map(Tenant::new).transpose().context("--prometheus-tenant")?;
        let tenant = tenant_of(tenancy, told.as_ref()).context("--prometheus-tenant is missing")?;
        Ok(Some(Self { configuration, tenant }))
    }

    /// Begins to scrape into the pipelines of the `otlp` receivers, which must run by now.
    pub async fn start(self, resources: Resources) -> anyhow::Result<Scraper> {
        if !resources.otlp.takes(Signal::Metrics) {
            anyhow::bail!(
                "--prometheus-config: no metrics pipeline has an `otlp` receiver, where scraped samples go, too"
            );
        }
        let scraping = resources.scraping.clone();
        let writes = RemoteWrites::new(resources.otlp.clone(), resources.clone());
        let manager = manager(writes.entrance(), self.tenant, &resources.metrics, PROMETHEUS_CONFIG, scraping.clone());
        let scraper = Scraper { manager, writes, scraping };
        match scraper.apply(self.configuration).await {
            Ok(()) => Ok(scraper),
            Err(error) => {
                scraper.shutdown(Duration::ZERO).await;
                Err(error)
            }
        }
    }
}

/// Its jobs, running.
pub struct Scraper {
    manager: Manager,
    writes: Arc<RemoteWrites>,
    scraping: Scraping,
}

impl Scraper {
    /// Scrapes the jobs of the configuration and sends on what it says; what is done already goes on.
    async fn apply(&self, configuration: PrometheusConfig) -> anyhow::Result<()> {
        let jobs = self.manager.prepare(&configuration.jobs).map_err(anyhow::Error::msg)?;
        self.writes.apply(&configuration.remote_write).await.context("remote_write")?;
        let changes = self.manager.change(jobs);
        tracing::info!(started = ?changes.started, stopped = ?changes.stopped, kept = changes.kept.len(), "scraping");
        let external_labels = configuration.external_labels().clone();
        self.scraping.set_configuration(Shown { yaml: configuration.yaml, external_labels });
        Ok(())
    }

    /// With an error, what was scraped before still is.
    pub async fn reload(&self, path: &Path) -> anyhow::Result<()> {
        let (configuration, warnings) = load(path)?;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        self.apply(configuration).await
    }

    /// Ends scraping; `grace` is how long what was scraped may still be sent on.
    pub async fn shutdown(&self, grace: Duration) {
        self.manager.shutdown().await;
        self.writes.shutdown(grace).await;
    }
}
