//! `--prometheus-config`: a whole `prometheus.yml`, whose jobs are scraped into the store.

use std::path::Path;

use anyhow::Context;
use trefoil_model::{Signal, Tenancy, Tenant};
use trefoil_pipeline::Metrics;
use trefoil_pipeline::component::Downstream;
use trefoil_pipeline::config::{ConfigError, Document, Problem, Section};
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

/// Its jobs, running.
pub struct Scraper {
    manager: Manager,
    scraping: Scraping,
}

impl Scraper {
    /// Where there is no file there is no scraper.
    pub fn of(
        args: &ServeArgs,
        pipelines: Downstream,
        tenancy: Tenancy,
        metrics: &Metrics,
        scraping: &Scraping,
    ) -> anyhow::Result<Option<(Self, PrometheusConfig)>> {
        let Some(path) = &args.prometheus_config else { return Ok(None) };
        let read = load(path).map_err(|error| anyhow::anyhow!("the Prometheus configuration is wrong:\n{error}"));
        let (configuration, warnings) = read?;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        let told = args.prometheus_tenant.as_deref().map(Tenant::new).transpose().context("--prometheus-tenant")?;
        let tenant = tenant_of(tenancy, told.as_ref()).context("--prometheus-tenant is missing")?;
        let manager = manager(pipelines, tenant, metrics, PROMETHEUS_CONFIG, scraping.clone());
        Ok(Some((Self { manager, scraping: scraping.clone() }, configuration)))
    }

    /// The first jobs. `pipelines` is what the scraper was made with, and it must take metrics by now.
    pub fn start(&self, configuration: PrometheusConfig, pipelines: &Downstream) -> anyhow::Result<()> {
        if !pipelines.takes(Signal::Metrics) {
            anyhow::bail!(
                "--prometheus-config: no metrics pipeline has an `otlp` receiver, where scraped samples go, too"
            );
        }
        self.apply(configuration)
    }

    /// Scrapes the jobs of the configuration; those that it scrapes already go on.
    fn apply(&self, configuration: PrometheusConfig) -> anyhow::Result<()> {
        let changes = self.manager.apply(&configuration.jobs).map_err(anyhow::Error::msg)?;
        tracing::info!(started = ?changes.started, stopped = ?changes.stopped, kept = changes.kept.len(), "scraping");
        let external_labels = configuration.external_labels().clone();
        self.scraping.set_configuration(Shown { yaml: configuration.yaml, external_labels });
        Ok(())
    }

    /// With an error, what was scraped before still is.
    pub fn reload(&self, path: &Path) -> anyhow::Result<()> {
        let (configuration, warnings) = load(path)?;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        self.apply(configuration)
    }

    pub async fn shutdown(&self) {
        self.manager.shutdown().await;
    }
}
