//! One `scrape_config` with the defaults put in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::http::HttpClientConfig;
use super::names::{DEFAULT_PROTOCOLS, NameEscaping, NameValidation, PROTO_FIRST, Protocol};
use super::raw::{DnsSd, FileSd, Global, HttpSd, Scheme, Scrape, StaticConfig};
use super::rest::check_relabeling;
use super::{DEFAULT_INTERVAL, DEFAULT_TIMEOUT, check_protocols, escaping, given};
use trefoil_prometheus::exposition::ScrapeProtocol;

use crate::config::Node;
use crate::receivers::prometheus::discovery::{check_dns, check_file, check_http, check_static};
use crate::receivers::prometheus::relabel::Rule;
use crate::receivers::prometheus::yaml::redacted;

/// What a job scrapes, and how. Two are equal if nothing has to be done anew for the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    pub name: String,
    pub honor_labels: bool,
    pub honor_timestamps: bool,
    pub track_timestamps_staleness: bool,
    pub params: BTreeMap<String, Vec<String>>,
    pub interval: Duration,
    pub timeout: Duration,
    pub protocols: Vec<ScrapeProtocol>,
    pub fallback_protocol: Option<ScrapeProtocol>,
    pub native_histograms: bool,
    pub classic_histograms_too: bool,
    pub convert_to_nhcb: bool,
    pub extra_metrics: bool,
    /// Each failed scrape is written there, one JSON object a line.
    pub failure_log: Option<PathBuf>,
    pub metrics_path: String,
    pub scheme: Scheme,
    pub compression: bool,
    pub limits: Limits,
    pub validation: NameValidation,
    pub escaping: NameEscaping,
    pub http: HttpClientConfig,
    pub discovery: Vec<Discovery>,
    pub relabeling: Vec<Rule>,
    pub metric_relabeling: Vec<Rule>,
    /// What the file says, without secrets.
    pub yaml: String,
}

/// 0 is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Limits {
    pub body_size: u64,
    pub samples: u64,
    pub targets: u64,
    pub labels: u64,
    pub label_name_length: u64,
    pub label_value_length: u64,
    pub keep_dropped_targets: u64,
    pub histogram_buckets: u64,
    pub min_bucket_factor: f64,
}

/// Where targets come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Discovery {
    Static(Vec<StaticConfig>),
    File(FileSd),
    Http(Box<HttpSd>, Box<HttpClientConfig>),
    Dns(DnsSd),
}

impl Job {
    /// Reports what is wrong; `None` if nothing can be made of it.
    pub fn new(
        name: &str,
        config: &Scrape,
        node: Option<&Node>,
        global: &Global,
        base: &Path,
        report: &mut dyn FnMut(&str, String),
    ) -> Option<Self> {
        let interval = given(config.scrape_interval).or(given(global.scrape_interval)).unwrap_or(DEFAULT_INTERVAL);
        if given(config.scrape_timeout).is_some_and(|timeout| timeout > interval) {
            let reason =
                format!("scrape timeout greater than scrape interval for scrape config with job name {name:?}");
            report("scrape_timeout", reason);
        }
        let global_timeout = given(global.scrape_timeout).unwrap_or(DEFAULT_TIMEOUT).min(interval);
        let timeout = given(config.scrape_timeout).unwrap_or(global_timeout);
        if let Err(reason) = check_protocols(config.scrape_protocols.as_deref()) {
            report("scrape_protocols", reason);
        }
        let native_histograms = config.scrape_native_histograms.or(global.scrape_native_histograms).unwrap_or(false);
        let protocols = match config.scrape_protocols.as_ref().or(global.scrape_protocols.as_ref()) {
            Some(told) => told.iter().map(|Protocol(protocol)| *protocol).collect(),
            None if native_histograms => PROTO_FIRST.to_vec(),
            None => DEFAULT_PROTOCOLS.to_vec(),
        };
        let told = config.metric_name_validation_scheme.or(global.metric_name_validation_scheme);
        let validation = told.unwrap_or_default();
        // What is told of the job alone does not stand with what the global section says of the other.
        let told = config.metric_name_escaping_scheme.or(match config.metric_name_validation_scheme {
            Some(_) => None,
            None => global.metric_name_escaping_scheme,
        });
        let escaping = escaping(validation, told).unwrap_or_else(|reason| {
            report("metric_name_escaping_scheme", reason);
            NameEscaping::Underscores
        });
        check_static(&config.static_configs, validation, report);
        check_file(&config.file_sd_configs, report);
        check_http(&config.http_sd_configs, report);
        check_dns(&config.dns_sd_configs, report);
        let mut http = config.http();
        http.check(report);
        http.resolve(base);
        let failure_log = config.scrape_failure_log_file.as_ref().or(global.scrape_failure_log_file.as_ref());
        Some(Self {
            name: name.to_owned(),
            honor_labels: config.honor_labels,
            honor_timestamps: config.honor_timestamps.unwrap_or(true),
            track_timestamps_staleness: config.track_timestamps_staleness,
            params: config.params.clone(),
            interval: interval.0,
            timeout: timeout.0,
            protocols,
            fallback_protocol: config.fallback_scrape_protocol.map(|Protocol(protocol)| protocol),
            native_histograms,
            classic_histograms_too: either(
                config.always_scrape_classic_histograms,
                global.always_scrape_classic_histograms,
            ),
            convert_to_nhcb: either(
                config.convert_classic_histograms_to_nhcb,
                global.convert_classic_histograms_to_nhcb,
            ),
            extra_metrics: either(config.extra_scrape_metrics, global.extra_scrape_metrics),
            failure_log: failure_log.map(|file| base.join(file)),
            metrics_path: config.metrics_path.clone().unwrap_or_else(|| "/metrics".to_owned()),
            scheme: config.scheme.unwrap_or_default(),
            compression: config.enable_compression.unwrap_or(true),
            limits: limits(config, global),
            validation,
            escaping,
            http,
            discovery: discovery(config, base),
            relabeling: check_relabeling(&config.relabel_configs, validation, "relabel_configs", report),
            metric_relabeling: check_relabeling(
                &config.metric_relabel_configs,
                validation,
                "metric_relabel_configs",
                report,
            ),
            yaml: node.map(redacted).unwrap_or_default(),
        })
    }
}

fn either(own: Option<bool>, global: Option<bool>) -> bool {
    own.or(global).unwrap_or(false)
}

fn limits(config: &Scrape, global: &Global) -> Limits {
    let or = |own: u64, global: u64| if own == 0 { global } else { own };
    Limits {
        body_size: or(config.body_size_limit.0, global.body_size_limit.0),
        samples: or(config.sample_limit, global.sample_limit),
        targets: or(config.target_limit, global.target_limit),
        labels: or(config.label_limit, global.label_limit),
        label_name_length: or(config.label_name_length_limit, global.label_name_length_limit),
        label_value_length: or(config.label_value_length_limit, global.label_value_length_limit),
        keep_dropped_targets: or(config.keep_dropped_targets, global.keep_dropped_targets),
        histogram_buckets: config.native_histogram_bucket_limit,
        min_bucket_factor: config.native_histogram_min_bucket_factor,
    }
}

fn discovery(config: &Scrape, base: &Path) -> Vec<Discovery> {
    let mut discovery = Vec::new();
    let groups: Vec<StaticConfig> = config.static_configs.iter().flatten().cloned().collect();
    if !groups.is_empty() {
        discovery.push(Discovery::Static(groups));
    }
    for file_sd in config.file_sd_configs.iter().flatten() {
        let mut file_sd = file_sd.clone();
        for file in &mut file_sd.files {
            *file = base.join(&file).to_string_lossy().into_owned();
        }
        discovery.push(Discovery::File(file_sd));
    }
    for http_sd in config.http_sd_configs.iter().flatten() {
        let mut http = http_sd.http();
        http.resolve(base);
        discovery.push(Discovery::Http(Box::new(http_sd.clone()), Box::new(http)));
    }
    discovery.extend(config.dns_sd_configs.iter().flatten().cloned().map(Discovery::Dns));
    discovery
}
