//! What of PromQL can be chosen: for the whole store (how Prometheus sees OpenTelemetry's metrics) and for each query.

use std::time::Duration;

use trefoil_prometheus::names::NameTranslation;
use trefoil_promql::eval::EngineOptions;
use trefoil_promql::parser::ParserOptions;

use super::spent::Spent;
use crate::Limits;

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
        Self::within(&Limits::default())
    }
}

impl PromqlOptions {
    /// All that the limits allow.
    pub fn within(limits: &Limits) -> Self {
        let lookback_delta = i64::try_from(limits.lookback_delta.as_millis()).unwrap_or(i64::MAX);
        Self {
            engine: EngineOptions { lookback_delta, max_samples: limits.max_samples, ..EngineOptions::default() },
            parser: ParserOptions::ALL,
            timeout: limits.timeout,
            max_raw_samples: limits.max_samples,
            max_series: limits.max_series,
            spent: None,
        }
    }
}
