//! The connector's options.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::config::{ConfigError, Problems, Section, duration};
use crate::connectors::series::Buckets;
use crate::connectors::spans::attributes::Keys;

/// The Collector's buckets, in seconds.
const DEFAULT_BUCKETS: [f64; 16] =
    [0.002, 0.004, 0.006, 0.008, 0.01, 0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.4, 2.0, 5.0, 10.0, 15.0];
const DEFAULT_PEERS: [&str; 3] = ["peer.service", "db.name", "db.system"];
const DEFAULT_DATABASES: [&str; 1] = ["db.name"];
/// Of exponential histograms, as the Collector's library has it.
const MAX_SIZES: std::ops::RangeInclusive<usize> = 2..=16_384;
const MOST_EXEMPLARS: usize = 1_000;

const UNSUPPORTED: &[(&str, &str)] = &[(
    "metrics_exporter",
    "it has no effect in the Collector either; name the connector as a receiver of a pipeline of metrics",
)];

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    store: StoreConfig,
    #[serde(with = "duration")]
    cache_loop: Duration,
    #[serde(with = "duration")]
    store_expiration_loop: Duration,
    virtual_node_peer_attributes: Option<Vec<String>>,
    virtual_node_extra_label: bool,
    latency_histogram_buckets: Option<Vec<Bound>>,
    exponential_histogram_max_size: usize,
    dimensions: Vec<String>,
    #[serde(with = "duration::option")]
    metrics_flush_interval: Option<Duration>,
    #[serde(with = "duration")]
    metrics_timestamp_offset: Duration,
    database_name_attribute: Option<String>,
    database_name_attributes: Vec<String>,
    /// Ours.
    exemplars: ExemplarsConfig,
    /// Ours.
    max_series: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            store: StoreConfig::default(),
            cache_loop: Duration::ZERO,
            store_expiration_loop: Duration::ZERO,
            virtual_node_peer_attributes: None,
            virtual_node_extra_label: false,
            latency_histogram_buckets: None,
            exponential_histogram_max_size: 0,
            dimensions: Vec::new(),
            metrics_flush_interval: None,
            metrics_timestamp_offset: Duration::ZERO,
            database_name_attribute: None,
            database_name_attributes: Vec::new(),
            exemplars: ExemplarsConfig::default(),
            max_series: 100_000,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct StoreConfig {
    max_items: usize,
    #[serde(with = "duration")]
    ttl: Duration,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { max_items: 1000, ttl: Duration::from_secs(2) }
    }
}

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

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(transparent)]
struct Bound(#[serde(with = "duration")] Duration);

/// The options, checked.
#[derive(Debug, Clone)]
pub struct Options {
    /// All attributes that anything is read from.
    pub keys: Keys,
    /// The place of `service.name` in `keys`.
    pub service: usize,
    pub dimensions: Vec<Dimension>,
    /// Places in `keys`, those that are preferred first; none: nodes that send no spans are not shown.
    pub peers: Vec<usize>,
    /// Places in `keys`, those that are preferred first.
    pub databases: Vec<usize>,
    pub virtual_node_label: bool,
    /// Of seconds.
    pub buckets: Buckets,
    pub ttl: Duration,
    /// Edges of a tenant that wait for their other span.
    pub most_edges: usize,
    pub expiration_interval: Duration,
    pub cleaning_interval: Duration,
    /// 0: after each request.
    pub flush_interval: Duration,
    /// By how much points are dated back.
    pub timestamp_offset: Duration,
    /// Exemplars of a point; 0: none.
    pub exemplars: usize,
    /// Series of a tenant, each of which has a few metrics.
    pub max_series: usize,
}

/// An attribute that edges have from the span of each side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dimension {
    /// In the `Keys` of the options.
    pub place: usize,
    pub client_key: String,
    pub server_key: String,
}

pub fn read(section: &Section<'_>) -> Result<Options, ConfigError> {
    let config: Config = section.without(UNSUPPORTED).parse()?;
    let mut problems = Problems::default();
    for (option, value) in [("store.max_items", config.store.max_items), ("max_series", config.max_series)] {
        if value == 0 {
            problems.push(section.problem(option, "must be more than 0"));
        }
    }
    if config.exemplars.enabled && !(1..=MOST_EXEMPLARS).contains(&config.exemplars.max_per_data_point) {
        let message = format!("must be between 1 and {MOST_EXEMPLARS}");
        problems.push(section.problem("exemplars.max_per_data_point", message));
    }
    if config.database_name_attribute.is_some() && !config.database_name_attributes.is_empty() {
        problems.push(section.problem("database_name_attribute", "use `database_name_attributes` alone"));
    }
    let mut seen = HashSet::new();
    for (index, name) in config.dimensions.iter().enumerate().filter(|(_, name)| !seen.insert(*name)) {
        problems.push(section.problem(&format!("dimensions[{index}]"), format!("`{name}` is named twice")));
    }
    let buckets = buckets(section, &config, &mut problems);
    let mut keys = Keys::default();
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let peers = config.virtual_node_peer_attributes.unwrap_or_else(|| owned(&DEFAULT_PEERS));
    let databases = match (config.database_name_attributes, config.database_name_attribute) {
        (names, _) if !names.is_empty() => names,
        (_, Some(name)) => vec![name],
        (_, None) => owned(&DEFAULT_DATABASES),
    };
    let dimension = |keys: &mut Keys, name: &String| Dimension {
        place: keys.add(name),
        client_key: format!("client_{name}"),
        server_key: format!("server_{name}"),
    };
    problems.or(Options {
        service: keys.add("service.name"),
        dimensions: config.dimensions.iter().map(|name| dimension(&mut keys, name)).collect(),
        peers: peers.iter().map(|name| keys.add(name)).collect(),
        databases: databases.iter().map(|name| keys.add(name)).collect(),
        keys,
        virtual_node_label: config.virtual_node_extra_label,
        buckets,
        ttl: config.store.ttl,
        most_edges: config.store.max_items,
        expiration_interval: or(config.store_expiration_loop, Duration::from_secs(2)),
        cleaning_interval: or(config.cache_loop, Duration::from_secs(60)),
        flush_interval: config.metrics_flush_interval.unwrap_or(Duration::from_secs(60)),
        timestamp_offset: config.metrics_timestamp_offset,
        exemplars: if config.exemplars.enabled { config.exemplars.max_per_data_point } else { 0 },
        max_series: config.max_series,
    })
}

/// 0 is the default, as in the Collector.
fn or(interval: Duration, default: Duration) -> Duration {
    if interval.is_zero() { default } else { interval }
}

fn buckets(section: &Section<'_>, config: &Config, problems: &mut Problems) -> Buckets {
    let max_size = config.exponential_histogram_max_size;
    if max_size != 0 {
        if config.latency_histogram_buckets.is_some() {
            let message = "use either `latency_histogram_buckets` or `exponential_histogram_max_size`";
            problems.push(section.problem("latency_histogram_buckets", message));
        }
        if !MAX_SIZES.contains(&max_size) {
            let message = format!("must be between {} and {}", MAX_SIZES.start(), MAX_SIZES.end());
            problems.push(section.problem("exponential_histogram_max_size", message));
        }
        return Buckets::Exponential(max_size);
    }
    let Some(bounds) = &config.latency_histogram_buckets else {
        return Buckets::Explicit(DEFAULT_BUCKETS.into());
    };
    for (index, _) in bounds.windows(2).enumerate().filter(|(_, pair)| pair[0].0 >= pair[1].0) {
        let place = format!("latency_histogram_buckets[{}]", index + 1);
        problems.push(section.problem(&place, "bounds must increase"));
    }
    let bounds: Arc<[f64]> = bounds.iter().map(|bound| bound.0.as_nanos() as f64 / 1e9).collect();
    Buckets::Explicit(bounds)
}
