//! The connector's options.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::metrics::v1::AggregationTemporality;
use serde::Deserialize;

use super::labels::{Dimension, Labels};
use crate::config::{ConfigError, Problems, Section, duration, mentioned};
use crate::connectors::series::Buckets;
use crate::connectors::spans::attributes::Keys;

/// The Collector's buckets, in milliseconds.
const DEFAULT_BUCKETS: [f64; 16] =
    [2.0, 4.0, 6.0, 8.0, 10.0, 50.0, 100.0, 200.0, 400.0, 800.0, 1e3, 1.4e3, 2e3, 5e3, 1e4, 1.5e4];
/// Tempo's: this many from 2 ms on, each twice the one before.
const TEMPO_BUCKETS: i32 = 14;
const DEFAULT_NAMESPACE: &str = "traces.span.metrics";
const DEFAULT_MAX_SIZE: usize = 160;
/// Of exponential histograms, as the Collector's library has it.
const MAX_SIZES: std::ops::RangeInclusive<usize> = 2..=16_384;
const MOST_EXEMPLARS: usize = 1_000;

const UNSUPPORTED: &[(&str, &str)] = &[
    ("dimensions_cache_size", "there is no such cache; `aggregation_cardinality_limit` bounds series"),
    ("dimensions.[].glob", "write a dimension for each attribute"),
    ("calls_dimensions.[].glob", "write a dimension for each attribute"),
    ("histogram.dimensions.[].glob", "write a dimension for each attribute"),
    ("events.dimensions.[].glob", "write a dimension for each attribute"),
];

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    dimensions: Vec<DimensionConfig>,
    calls_dimensions: Vec<DimensionConfig>,
    exclude_dimensions: Vec<String>,
    resource_metrics_cache_size: usize,
    resource_metrics_key_attributes: Vec<String>,
    aggregation_temporality: Temporality,
    histogram: HistogramConfig,
    #[serde(with = "duration")]
    metrics_flush_interval: Duration,
    #[serde(with = "duration")]
    metrics_expiration: Duration,
    #[serde(with = "duration")]
    series_expiration: Duration,
    metric_timestamp_cache_size: Option<usize>,
    namespace: Option<String>,
    exemplars: ExemplarsConfig,
    events: EventsConfig,
    include_instrumentation_scope: Vec<String>,
    aggregation_cardinality_limit: usize,
    add_resource_attributes: Option<bool>,
    enable_metrics_sampling_method: bool,
    /// Ours.
    names: Names,
    /// Ours.
    include_status_message: bool,
    /// Ours.
    max_series: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            dimensions: Vec::new(),
            calls_dimensions: Vec::new(),
            exclude_dimensions: Vec::new(),
            resource_metrics_cache_size: 1000,
            resource_metrics_key_attributes: Vec::new(),
            aggregation_temporality: Temporality::Cumulative,
            histogram: HistogramConfig::default(),
            metrics_flush_interval: Duration::from_secs(60),
            metrics_expiration: Duration::ZERO,
            series_expiration: Duration::ZERO,
            metric_timestamp_cache_size: None,
            namespace: None,
            exemplars: ExemplarsConfig::default(),
            events: EventsConfig::default(),
            include_instrumentation_scope: Vec::new(),
            aggregation_cardinality_limit: 0,
            add_resource_attributes: None,
            enable_metrics_sampling_method: false,
            names: Names::Collector,
            include_status_message: false,
            max_series: 100_000,
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct DimensionConfig {
    name: String,
    #[serde(default)]
    default: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Temporality {
    #[serde(rename = "AGGREGATION_TEMPORALITY_CUMULATIVE")]
    Cumulative,
    #[serde(rename = "AGGREGATION_TEMPORALITY_DELTA")]
    Delta,
}

/// Whose names metrics and attributes have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Names {
    #[default]
    Collector,
    /// Those of Tempo's metrics-generator, which Grafana asks for.
    Tempo,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct HistogramConfig {
    disable: bool,
    unit: Option<Unit>,
    #[serde(deserialize_with = "mentioned")]
    exponential: Option<ExponentialConfig>,
    #[serde(deserialize_with = "mentioned")]
    explicit: Option<ExplicitConfig>,
    dimensions: Vec<DimensionConfig>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Unit {
    #[serde(rename = "ms")]
    Milliseconds,
    #[serde(rename = "s")]
    Seconds,
}

impl Unit {
    /// Nanoseconds in one.
    pub const fn nanos(self) -> f64 {
        match self {
            Unit::Milliseconds => 1e6,
            Unit::Seconds => 1e9,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Unit::Milliseconds => "ms",
            Unit::Seconds => "s",
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ExponentialConfig {
    max_size: usize,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ExplicitConfig {
    buckets: Option<Vec<Bound>>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(transparent)]
struct Bound(#[serde(with = "duration")] Duration);

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ExemplarsConfig {
    enabled: bool,
    max_per_data_point: usize,
}

impl Default for ExemplarsConfig {
    fn default() -> Self {
        Self { enabled: false, max_per_data_point: 5 }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct EventsConfig {
    enabled: bool,
    dimensions: Vec<DimensionConfig>,
}

/// Series of the same dimensions, and what is counted in them.
#[derive(Debug, Clone)]
pub struct Group {
    /// Beside those that all have.
    pub dimensions: Vec<Dimension>,
    pub calls: bool,
    pub duration: bool,
    /// Of events, not of spans; nothing else is counted then.
    pub events: bool,
}

/// The names of the metrics.
#[derive(Debug, Clone)]
pub struct MetricNames {
    pub calls: String,
    pub duration: String,
    /// OTLP's unit of durations; where it is empty, Prometheus adds nothing to the name.
    pub duration_unit: &'static str,
    pub events: String,
    /// The bytes of spans, if they are counted.
    pub size: Option<String>,
}

/// The options, checked.
#[derive(Debug, Clone)]
pub struct Options {
    /// All attributes that are dimensions of anything.
    pub keys: Keys,
    pub groups: Vec<Group>,
    pub labels: Labels,
    pub metrics: MetricNames,
    pub buckets: Buckets,
    pub unit: Unit,
    pub is_delta: bool,
    pub flush_interval: Duration,
    /// 0: never; as is `series_expiration`.
    pub metrics_expiration: Duration,
    pub series_expiration: Duration,
    /// How many series' last times are remembered for the starts of deltas.
    pub timestamps: usize,
    /// Exemplars of a point; 0: none.
    pub exemplars: usize,
    /// Whether metrics have the resources of their spans, and so series of their own for each.
    pub resources: bool,
    /// Which of a resource's attributes tell it from others; empty: all.
    pub resource_keys: HashSet<String>,
    pub most_resources: usize,
    /// Series of one metric of a resource.
    pub cardinality_limit: usize,
    /// Series of a tenant.
    pub max_series: usize,
    /// Without a `service.name`, spans are counted, too.
    pub counts_nameless: bool,
}

impl Options {
    pub const fn temporality(&self) -> AggregationTemporality {
        match self.is_delta {
            true => AggregationTemporality::Delta,
            false => AggregationTemporality::Cumulative,
        }
    }
}

pub fn read(section: &Section<'_>) -> Result<Options, ConfigError> {
    let config: Config = section.without(UNSUPPORTED).parse()?;
    let mut problems = Problems::default();
    for (option, value) in
        [("resource_metrics_cache_size", config.resource_metrics_cache_size), ("max_series", config.max_series)]
    {
        if value == 0 {
            problems.push(section.problem(option, "must be more than 0"));
        }
    }
    if config.metrics_flush_interval.is_zero() {
        problems.push(section.problem("metrics_flush_interval", "must be more than 0"));
    }
    let is_delta = config.aggregation_temporality == Temporality::Delta;
    match config.metric_timestamp_cache_size {
        Some(0) => problems.push(section.problem("metric_timestamp_cache_size", "must be more than 0")),
        Some(_) if !is_delta => {
            let message = "has a meaning only with `aggregation_temporality: AGGREGATION_TEMPORALITY_DELTA`";
            problems.push(section.problem("metric_timestamp_cache_size", message));
        }
        _ => {}
    }
    if config.exemplars.enabled && !(1..=MOST_EXEMPLARS).contains(&config.exemplars.max_per_data_point) {
        let message = format!("must be between 1 and {MOST_EXEMPLARS}");
        problems.push(section.problem("exemplars.max_per_data_point", message));
    }
    let is_tempo = config.names == Names::Tempo;
    let resources = config.add_resource_attributes.unwrap_or(!is_tempo);
    if !resources && !config.resource_metrics_key_attributes.is_empty() {
        let message = "has no meaning where resources are not part of the metrics (`add_resource_attributes`)";
        problems.push(section.problem("resource_metrics_key_attributes", message));
    }
    if is_tempo && config.namespace.is_some() {
        problems.push(section.problem("namespace", "`names: tempo` has names that are fixed"));
    }
    for (index, name) in config.exclude_dimensions.iter().enumerate().filter(|(_, name)| !Labels::has(name)) {
        let message = format!(
            "`{name}` is none of the dimensions that are there without being configured: {}",
            Labels::DEFAULT.join(", ")
        );
        problems.push(section.problem(&format!("exclude_dimensions[{index}]"), message));
    }
    let unit = unit(section, &config, &mut problems);
    let buckets = buckets(section, &config, unit, &mut problems);
    let (keys, groups) = groups(section, &config, &mut problems);
    let metrics = names(&config, unit);
    let labels = Labels {
        names: config.names,
        excluded: config.exclude_dimensions.into_iter().collect(),
        status_message: config.include_status_message,
        scopes: config.include_instrumentation_scope.into_iter().collect(),
        sampling_method: config.enable_metrics_sampling_method,
    };
    problems.or(Options {
        keys,
        groups,
        labels,
        metrics,
        buckets,
        unit,
        is_delta,
        flush_interval: config.metrics_flush_interval,
        metrics_expiration: config.metrics_expiration,
        series_expiration: config.series_expiration,
        timestamps: config.metric_timestamp_cache_size.unwrap_or(1000),
        exemplars: if config.exemplars.enabled { config.exemplars.max_per_data_point } else { 0 },
        resources,
        resource_keys: config.resource_metrics_key_attributes.into_iter().collect(),
        most_resources: config.resource_metrics_cache_size,
        cardinality_limit: match config.aggregation_cardinality_limit {
            0 => usize::MAX,
            limit => limit,
        },
        max_series: config.max_series,
        counts_nameless: is_tempo,
    })
}

fn unit(section: &Section<'_>, config: &Config, problems: &mut Problems) -> Unit {
    match (config.names, config.histogram.unit) {
        (Names::Collector, unit) => unit.unwrap_or(Unit::Milliseconds),
        (Names::Tempo, Some(Unit::Milliseconds)) => {
            problems.push(section.problem("histogram.unit", "`names: tempo` counts in seconds"));
            Unit::Seconds
        }
        (Names::Tempo, _) => Unit::Seconds,
    }
}

fn buckets(section: &Section<'_>, config: &Config, unit: Unit, problems: &mut Problems) -> Buckets {
    let histogram = &config.histogram;
    if let Some(exponential) = &histogram.exponential {
        if histogram.explicit.is_some() {
            problems.push(section.problem("histogram", "use either `explicit` or `exponential`"));
        }
        let max_size = if exponential.max_size == 0 { DEFAULT_MAX_SIZE } else { exponential.max_size };
        if !MAX_SIZES.contains(&max_size) {
            let message = format!("must be between {} and {}", MAX_SIZES.start(), MAX_SIZES.end());
            problems.push(section.problem("histogram.exponential.max_size", message));
        }
        return Buckets::Exponential(max_size);
    }
    let explicit = histogram.explicit.as_ref().and_then(|explicit| explicit.buckets.as_ref());
    let bounds: Arc<[f64]> = match explicit {
        Some(bounds) => {
            for (index, _) in bounds.windows(2).enumerate().filter(|(_, pair)| pair[0].0 >= pair[1].0) {
                let place = format!("histogram.explicit.buckets[{}]", index + 1);
                problems.push(section.problem(&place, "bounds must increase"));
            }
            bounds.iter().map(|bound| bound.0.as_nanos() as f64 / unit.nanos()).collect()
        }
        None if config.names == Names::Tempo => (0..TEMPO_BUCKETS).map(|i| 0.002 * f64::from(i).exp2()).collect(),
        None => DEFAULT_BUCKETS.iter().map(|bound| bound * 1e6 / unit.nanos()).collect(),
    };
    Buckets::Explicit(bounds)
}

fn groups(section: &Section<'_>, config: &Config, problems: &mut Problems) -> (Keys, Vec<Group>) {
    if config.events.enabled && config.events.dimensions.is_empty() {
        problems.push(section.problem("events", "name at least one of `dimensions`"));
    }
    let mut keys = Keys::default();
    let mut dimensions = |option: &str, further: &[DimensionConfig], checked: bool| {
        let mut seen: HashSet<String> = HashSet::new();
        let mut all = Vec::new();
        for (index, dimension) in config.dimensions.iter().chain(further).enumerate() {
            let key = config.names.dimension(&dimension.name);
            let is_taken = config.names == Names::Collector && Labels::has(&dimension.name);
            if (is_taken || !seen.insert(key.clone())) && (checked || index >= config.dimensions.len()) {
                let index = index.checked_sub(config.dimensions.len()).unwrap_or(index);
                let message = format!("there is a dimension `{}` already", dimension.name);
                problems.push(section.problem(&format!("{option}[{index}].name"), message));
            }
            let place = keys.add(&dimension.name);
            all.push(Dimension { key, place, default: dimension.default.clone() });
        }
        all
    };
    dimensions("dimensions", &[], true);
    let calls = dimensions("calls_dimensions", &config.calls_dimensions, false);
    let duration = dimensions("histogram.dimensions", &config.histogram.dimensions, false);
    let has_duration = !config.histogram.disable;
    let mut groups = match calls == duration {
        true => vec![Group { dimensions: calls, calls: true, duration: has_duration, events: false }],
        false => {
            let durations = Group { dimensions: duration, calls: false, duration: true, events: false };
            let calls = Group { dimensions: calls, calls: true, duration: false, events: false };
            std::iter::once(calls).chain(has_duration.then_some(durations)).collect()
        }
    };
    if config.events.enabled {
        let dimensions = dimensions("events.dimensions", &config.events.dimensions, false);
        groups.push(Group { dimensions, calls: false, duration: false, events: true });
    }
    (keys, groups)
}

fn names(config: &Config, unit: Unit) -> MetricNames {
    match config.names {
        Names::Tempo => MetricNames {
            calls: "traces_spanmetrics_calls_total".to_owned(),
            duration: "traces_spanmetrics_latency".to_owned(),
            duration_unit: "",
            events: "traces_spanmetrics_events_total".to_owned(),
            size: Some("traces_spanmetrics_size_total".to_owned()),
        },
        Names::Collector => {
            let namespace = config.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE);
            let named = |name: &str| match namespace {
                "" => name.to_owned(),
                namespace => format!("{namespace}.{name}"),
            };
            MetricNames {
                calls: named("calls"),
                duration: named("duration"),
                duration_unit: unit.as_str(),
                events: named("events"),
                size: None,
            }
        }
    }
}
