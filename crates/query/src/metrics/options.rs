//! What of PromQL can be chosen: for the whole store (how Prometheus sees OpenTelemetry's metrics) and for each query.

use std::time::Duration;

use trefoil_prometheus::names::NameTranslation;
use trefoil_promql::eval::EngineOptions;
use trefoil_promql::parser::ParserOptions;

use super::spent::Spent;

/// Which resource attributes are labels of every series of the resource. (`service.*` are `job` and `instance` anyway, and all
/// are labels of `target_info`.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PromotedAttributes {
    /// `otlp.promote_resource_attributes`.
    These(Vec<String>),
    /// `otlp.promote_all_resource_attributes`, without `otlp.ignore_resource_attributes`.
    AllBut(Vec<String>),
}

impl Default for PromotedAttributes {
    fn default() -> Self {
        Self::These(Vec::new())
    }
}

/// How PromQL sees metrics that came as OTLP. Series that came by Prometheus' own ways are seen as they were sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PrometheusView {
    pub translation: NameTranslation,
    pub promoted_resource_attributes: PromotedAttributes,
    /// `target_info` has `service.*` beside `job` and `instance`: `otlp.keep_identifying_resource_attributes`.
    pub keep_identifying_resource_attributes: bool,
    /// Histograms with explicit bounds are native ones with custom buckets: `otlp.convert_histograms_to_nhcb`.
    pub convert_histograms_to_nhcb: bool,
    /// The labels `__type__` and `__unit__`: the feature `type-and-unit-labels`.
    pub type_and_unit_labels: bool,
    /// `otlp.promote_scope_metadata`: the labels `otel_scope_name`, `otel_scope_version`, `otel_scope_schema_url` and `otel_scope_<attribute>`.
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
    /// Where to tell what the selectors take.
    pub spent: Option<Spent>,
}

impl Default for PromqlOptions {
    fn default() -> Self {
        Self {
            engine: EngineOptions::default(),
            parser: ParserOptions::ALL,
            timeout: Duration::from_secs(120),
            max_raw_samples: 50_000_000,
            max_series: 1_000_000,
            spent: None,
        }
    }
}
