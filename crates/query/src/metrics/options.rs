//! What of PromQL can be chosen: for the whole store (how Prometheus sees OpenTelemetry's metrics) and for each query.

use std::time::Duration;

use trefoil_promql::eval::EngineOptions;
use trefoil_promql::parser::ParserOptions;

/// How names of OpenTelemetry become names of Prometheus; Prometheus' `otlp.translation_strategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum NameTranslation {
    /// Characters that Prometheus' classic names cannot have become `_`; units and `_total` are appended.
    #[default]
    UnderscoreEscapingWithSuffixes,
    /// Characters become `_`, nothing is appended.
    UnderscoreEscapingWithoutSuffixes,
    /// Names stay as they are, but units and `_total` are appended.
    NoUtf8EscapingWithSuffixes,
    /// Names stay as they are.
    NoTranslation,
}

/// How PromQL sees metrics that came as OTLP. Series that came by Prometheus' own ways are seen as they were sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PrometheusView {
    pub translation: NameTranslation,
    /// Resource attributes that are labels of every series of the resource. (`service.*` are `job` and `instance` anyway, and
    /// all are labels of `target_info`.)
    pub promoted_resource_attributes: Vec<String>,
    /// The labels `otel_scope_name`, `otel_scope_version`, `otel_scope_schema_url` and `otel_scope_<attribute>`.
    pub scope_labels: bool,
}

/// The view and what all queries together may cost.
#[derive(Debug, Clone)]
pub struct PrometheusConfig {
    pub view: PrometheusView,
    /// Queries that are evaluated at once; others wait, within their time.
    pub max_concurrency: usize,
    /// Series of all tenants whose labels are kept in memory, about half a kilobyte each. A tenant with more has them read
    /// again by every question.
    pub cached_series: usize,
    /// Memory for numbers that are kept decoded between queries.
    pub cached_sample_bytes: u64,
    /// For questions about series, labels, metadata and exemplars, which bring no limits of their own.
    pub timeout: Duration,
    /// Series that such a question may look at.
    pub max_series: usize,
}

impl Default for PrometheusConfig {
    fn default() -> Self {
        Self {
            view: PrometheusView::default(),
            max_concurrency: 20,
            cached_series: 1_000_000,
            cached_sample_bytes: 256 << 20,
            timeout: Duration::from_secs(120),
            max_series: 1_000_000,
        }
    }
}

/// Of one query. Names and defaults are Prometheus'.
#[derive(Debug, Clone)]
pub struct PromqlOptions {
    /// Lookback delta, default step of subqueries, `max_samples`, feature flags.
    pub engine: EngineOptions,
    /// What the parser accepts beyond the stable language.
    pub parser: ParserOptions,
    pub timeout: Duration,
    /// Raw samples that one selector may read; what evaluation holds is limited by `engine.max_samples`. A bucket counts as one.
    pub max_raw_samples: usize,
    /// Series that one selector may find.
    pub max_series: usize,
}

impl Default for PromqlOptions {
    fn default() -> Self {
        Self {
            engine: EngineOptions::default(),
            parser: ParserOptions::ALL,
            timeout: Duration::from_secs(120),
            max_raw_samples: 50_000_000,
            max_series: 1_000_000,
        }
    }
}
