//! The bookstore's metrics as a Prometheus that scrapes all its pods sends them on, by remote write 1.0 or 2.0.
//!
//! Each connection has pods of its own and sends them tick by tick, so that no series ever goes backwards in time. Bodies
//! are made when they are sent; what is kept of a series is its encoded labels.

mod body;
mod pod;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use bytes::Bytes;

use crate::client::{Connection, Outcome, Target};
use crate::load::{LoadOptions, Progress, deliver, measure};
use crate::report::Report;
use crate::source::Signal;
use body::{Template, metadata_v1};
pub use pod::{Kind, Pod, SERIES_PER_POD, Series};

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Version {
    #[value(name = "1")]
    One,
    #[value(name = "2")]
    Two,
}

#[derive(Debug, Clone)]
pub struct RemoteWriteOptions {
    pub version: Version,
    pub seed: u64,
    /// Rounded down to whole pods of 200, at least one.
    pub series: usize,
    pub ticks: u64,
    /// Milliseconds between two samples of a series.
    pub step: u64,
    /// Of the first tick, milliseconds since the epoch.
    pub start: u64,
    /// Nobody visits the shop: all series keep the values of the first tick.
    pub idle: bool,
    /// Samples a request, rounded down to whole pods, at least one.
    pub batch: usize,
}

/// Sends all ticks of all series. Fails on the first request that the server refuses for good.
pub async fn run(options: RemoteWriteOptions, load: LoadOptions) -> anyhow::Result<Report> {
    let neither = load.rate.is_none() && load.count.is_none() && load.tenants.is_none();
    ensure!(neither, "remote write knows neither a rate nor a count nor tenants");
    let pods = (options.series / SERIES_PER_POD).max(1) as u64;
    let per_request = (options.batch / SERIES_PER_POD).max(1) as u64;
    let connections = (load.connections as u64).clamp(1, pods.div_ceil(per_request));
    if options.version == Version::One {
        send_metadata(&options, &load.target).await?;
    }
    let shards: Vec<Vec<Template>> = (0..connections)
        .map(|shard| {
            let requests = (0..pods).step_by(per_request as usize).skip(shard as usize).step_by(connections as usize);
            let template = |first| Template::new(options.version, options.seed, first..pods.min(first + per_request));
            requests.map(template).collect()
        })
        .collect();
    let (target, duration) = (load.target.clone(), load.duration);
    measure(Signal::Metrics, load, |progress, begin| {
        let end = begin + duration;
        let worker = |shard| tokio::spawn(worker(shard, options.clone(), target.clone(), progress.clone(), end));
        shards.into_iter().map(worker).collect()
    })
    .await
}

async fn send_metadata(options: &RemoteWriteOptions, target: &Target) -> anyhow::Result<()> {
    let message = metadata_v1(&Pod::new(options.seed, 0).series());
    let mut connection = Connection::remote_write(target, options.version)?;
    match connection.send(compress(&message)?).await {
        Outcome::Accepted { .. } => Ok(()),
        other => bail!("metadata: {other:?}"),
    }
}

async fn worker(
    shard: Vec<Template>,
    options: RemoteWriteOptions,
    target: Target,
    progress: Arc<Progress>,
    end: Instant,
) -> anyhow::Result<Vec<Duration>> {
    let mut connection = Connection::remote_write(&target, options.version)?;
    let mut latencies = Vec::new();
    for tick in 0..options.ticks {
        for template in &shard {
            let message = template.message(tick, if options.idle { 0 } else { tick }, options.start, options.step);
            let body = compress(&message)?;
            let sent = Instant::now();
            let Some(rejected) = deliver(&mut connection, body, &progress, end).await? else { return Ok(latencies) };
            latencies.push(sent.elapsed());
            progress.delivered(template.items() as u64, message.len() as u64, rejected);
        }
    }
    Ok(latencies)
}

fn compress(message: &[u8]) -> anyhow::Result<Bytes> {
    Ok(snap::raw::Encoder::new().compress_vec(message)?.into())
}
