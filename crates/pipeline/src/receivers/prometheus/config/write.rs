//! One `remote_write` with the defaults put in.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use url::Url;
use xxhash_rust::xxh3::xxh3_64;

use super::http::HttpClientConfig;
use super::names::NameValidation;
use super::raw::{Global, RemoteWrite};
use super::rest::{check_relabeling, check_remote_write};
use crate::component::ComponentId;
use crate::graph::PROMETHEUS_CONFIG;
use crate::receivers::prometheus::relabel::Rule;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_METADATA_INTERVAL: Duration = Duration::from_secs(60);
const DEFAULT_METADATA_SAMPLES: u64 = 2000;

/// More requests at once than anybody takes.
const MAX_SHARDS: u64 = 1000;

pub const V2: &str = "io.prometheus.write.v2.Request";

/// Where samples are sent, and how. Two are equal if nothing has to be done anew for the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// Of the exporter: by the section's name, or by its URL.
    pub id: ComponentId,
    pub url: Url,
    pub is_v2: bool,
    pub timeout: Duration,
    pub headers: HeaderMap,
    /// For series that have no such labels, before they are relabelled.
    pub external_labels: BTreeMap<String, String>,
    pub relabeling: Vec<Rule>,
    pub exemplars: bool,
    /// By 1.0, too.
    pub native_histograms: bool,
    /// Requests sent at once: as many as what waits fills, within these.
    pub min_shards: usize,
    pub max_shards: usize,
    pub samples_per_send: usize,
    /// How long samples wait for more to be sent with.
    pub batch_send_deadline: Duration,
    pub min_backoff: Duration,
    pub max_backoff: Duration,
    pub retries_on_429: bool,
    /// Older samples are not sent; `None`: all are.
    pub max_age: Option<Duration>,
    /// How often families are told by 1.0, and how many at once.
    pub metadata: Option<(Duration, usize)>,
    pub http: HttpClientConfig,
}

type IsGiven = fn(&RemoteWrite) -> bool;

/// What Prometheus has and Trefoil has not.
const UNSUPPORTED: [(&str, IsGiven); 4] = [
    ("sigv4", |config| config.sigv4.is_some()),
    ("azuread", |config| config.azuread.is_some()),
    ("google_iam", |config| config.google_iam.is_some()),
    ("round_robin_dns", |config| config.round_robin_dns),
];

impl Write {
    /// Reports what is wrong, and what is not there; `None` if nothing can be made of it.
    pub fn new(
        config: &RemoteWrite,
        global: &Global,
        base: &Path,
        report: &mut dyn FnMut(&str, String),
        unsupported: &mut dyn FnMut(&str, String),
    ) -> Option<Self> {
        let validation = global.metric_name_validation_scheme.unwrap_or_default();
        check_remote_write(config, validation, report);
        for (option, is_given) in UNSUPPORTED {
            if is_given(config) {
                unsupported(option, format!("{option} is not supported yet"));
            }
        }
        let url = match Url::parse(config.url.as_deref()?) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => url,
            // Prometheus takes it and fails to send; what is no URL at all has been told.
            Ok(_) | Err(url::ParseError::RelativeUrlWithoutBase) => {
                unsupported("url", "it must begin with http:// or https://".to_owned());
                return None;
            }
            Err(_) => return None,
        };
        let headers = headers(&config.headers, report);
        let mut http = config.http();
        http.resolve(base);
        let queue = &config.queue_config;
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let metadata = &config.metadata_config;
        let metadata = metadata.send.unwrap_or(true).then(|| {
            let interval = metadata.send_interval.map_or(DEFAULT_METADATA_INTERVAL, |interval| interval.0);
            (interval, size(metadata.max_samples_per_send.unwrap_or(DEFAULT_METADATA_SAMPLES)))
        });
        Some(Self {
            id: id(config.name.as_deref().unwrap_or_default(), &url)?,
            url,
            is_v2: config.protobuf_message.as_deref() == Some(V2),
            timeout: config.remote_timeout.map_or(DEFAULT_TIMEOUT, |timeout| timeout.0),
            headers,
            external_labels: global.external_labels.clone(),
            relabeling: relabeling(config, validation),
            exemplars: config.send_exemplars,
            native_histograms: config.send_native_histograms.unwrap_or(false),
            min_shards: size(queue.min_shards.clamp(1, MAX_SHARDS)),
            max_shards: size(queue.max_shards.clamp(queue.min_shards.clamp(1, MAX_SHARDS), MAX_SHARDS)),
            samples_per_send: size(queue.max_samples_per_send),
            batch_send_deadline: queue.batch_send_deadline.0,
            min_backoff: queue.min_backoff.0,
            max_backoff: queue.max_backoff.0,
            retries_on_429: queue.retry_on_http_429,
            max_age: Some(queue.sample_age_limit.0).filter(|age| !age.is_zero()),
            metadata,
            http,
        })
    }
}

fn relabeling(config: &RemoteWrite, validation: NameValidation) -> Vec<Rule> {
    // What is wrong with them has been told.
    check_relabeling(&config.write_relabel_configs, validation, "write_relabel_configs", &mut |_, _| {})
}

/// What waits on disk is found again under it, so that it must not depend on options that change.
fn id(name: &str, url: &Url) -> Option<ComponentId> {
    let of = |name: &str| format!("{PROMETHEUS_CONFIG}/{name}").parse().ok();
    match name {
        "" => of(&format!("{:06x}", xxh3_64(url.as_str().as_bytes()) >> 40)),
        name => of(name).or_else(|| of(&format!("{:06x}", xxh3_64(name.as_bytes()) >> 40))),
    }
}

fn headers(told: &BTreeMap<String, String>, report: &mut dyn FnMut(&str, String)) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in told {
        // A name that is none has been told.
        let Ok(header) = HeaderName::from_bytes(name.as_bytes()) else { continue };
        match HeaderValue::from_str(value) {
            Ok(mut value) => {
                value.set_sensitive(true);
                headers.insert(header, value);
            }
            Err(_) => report(&format!("headers.{name}"), "it holds characters that no header may have".to_owned()),
        }
    }
    headers
}
