//! A `remote_write` section of Prometheus as the options of this exporter.
//!
//! Where Prometheus reads its log again after an outage, here the requests wait on disk.

use std::time::Duration;

use super::client::WriteClient;
use super::config::ProtobufMessage;
use super::selection::Selection;
use super::sender::{Metadata, Settings};
use crate::component::ComponentError;
use crate::exporters::prometheus_view::View;
use crate::exporters::queue::{Batch, QueueConfig, Sizer};
use crate::exporters::retry::RetryConfig;
use crate::receivers::prometheus::client::HttpClient;
use crate::receivers::prometheus::config::Write;

/// Bytes that may wait on disk. (A sample has some 150 there.)
const QUEUE_BYTES: u64 = 1 << 30;

/// Bytes that are in memory to be sent together.
const BATCH_BYTES: u64 = 16 << 20;

/// Not to ask without pause.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

pub fn settings(config: &Write) -> Result<Settings, ComponentError> {
    let client = HttpClient::new(&config.http).map_err(ComponentError::new)?;
    Ok(Settings {
        name: config.id.to_string(),
        client: WriteClient::Prometheus {
            client: Box::new(client),
            headers: config.headers.clone(),
            timeout: config.timeout,
        },
        url: config.url.clone(),
        // What is scraped is literal.
        view: View::default(),
        lanes: 1,
        max_bytes: usize::MAX,
        max_samples: config.samples_per_send,
        shards: config.min_shards..=config.max_shards,
        message: if config.is_v2 { ProtobufMessage::V2 } else { ProtobufMessage::V1 },
        metadata: config.metadata.map_or(Metadata::Never, |(every, at_once)| Metadata::Apart { every, at_once }),
        retries_on_429: config.retries_on_429,
        selection: Selection {
            external_labels: config.external_labels.clone().into_iter().collect(),
            rules: config.relabeling.clone(),
            exemplars: config.exemplars,
            native_histograms: config.native_histograms,
            max_age: config.max_age,
        },
    })
}

/// For ever, as in Prometheus; what finds no room in the queue is given up.
pub fn retry(config: &Write) -> RetryConfig {
    RetryConfig {
        initial_interval: config.min_backoff.max(SHORTEST_WAIT),
        max_interval: config.max_backoff.max(SHORTEST_WAIT),
        multiplier: 2.0,
        randomization_factor: 0.0,
        max_elapsed_time: Duration::ZERO,
        ..RetryConfig::default()
    }
}

/// Requests join until each shard has enough, or the first of them has waited for long enough.
pub fn queue(config: &Write) -> QueueConfig {
    let samples = |shards: usize| config.samples_per_send.saturating_mul(shards) as u64;
    QueueConfig {
        num_consumers: 1,
        batch: Batch {
            min_items: samples(config.min_shards),
            max_items: samples(config.max_shards),
            max_bytes: BATCH_BYTES,
            flush_timeout: config.batch_send_deadline,
        },
        queue_size: QUEUE_BYTES,
        sizer: Sizer::Bytes,
        storage: Some("file_storage".to_owned()),
        ..QueueConfig::default()
    }
}
