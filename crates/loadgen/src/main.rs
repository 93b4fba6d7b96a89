use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand};
use http::{HeaderName, HeaderValue};
use trefoil_loadgen::client::{Protocol, Target};
use trefoil_loadgen::load::{self, LoadOptions};
use trefoil_loadgen::process::Process;
use trefoil_loadgen::remote_write::{self, RemoteWriteOptions, Version};
use trefoil_loadgen::report::Report;
use trefoil_loadgen::source::{Clock, now};
use trefoil_loadgen::verify::{self, VerifyOptions};
use trefoil_loadgen::{Signal, Source, SourceOptions, lookup};

/// Sends a bookstore's telemetry and measures the server that takes it.
#[derive(Parser)]
#[command(name = "trefoil-loadgen", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Checkout traces of 12 spans over 9 services, about 830 bytes a span.
    Traces(Load),
    /// Log lines with JSON bodies of about 300 bytes.
    Logs(Load),
    /// Counters, gauges, histograms and exponential histograms of pods with 200 series each.
    Metrics(Load),
    /// The bookstore's metrics as a Prometheus scrapes and sends them: pods with 200 series each, tick by tick.
    RemoteWrite(RemoteWrite),
    /// Asks for traces that `traces` sent with the same --seed and --batch, and times the answers.
    Lookup(Lookup),
    /// Sends numbered items of all signals and writes down what became of each (for the crash test).
    Verify(Verify),
}

#[derive(Args)]
struct Load {
    /// Of the receiver.
    #[arg(long, default_value = "http://127.0.0.1:4318")]
    endpoint: String,
    #[arg(long, value_enum, default_value = "http")]
    protocol: Protocol,
    /// Sent with every request, as NAME=VALUE (for example X-Scope-OrgID=shop). Can be given several times.
    #[arg(long = "header", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Send to so many tenants in turn: tenant-1, tenant-2, …
    #[arg(long)]
    tenants: Option<NonZeroU32>,
    /// Items a request.
    #[arg(long, default_value_t = 1000)]
    batch: usize,
    /// Connections, each with one request under way.
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// How long, for example 30s, 10m.
    #[arg(long, value_parser = duration, default_value = "30s")]
    duration: Duration,
    /// Stop after so many items even if time is left.
    #[arg(long)]
    count: Option<u64>,
    /// Items a second, or max.
    #[arg(long, value_parser = rate, default_value = "max")]
    rate: Rate,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Metrics: number of series.
    #[arg(long, default_value_t = 20_000)]
    series: usize,
    /// Metrics: time between two points of a series.
    #[arg(long, value_parser = duration, default_value = "15s")]
    interval: Duration,
    /// With --count: let the items' times fill this long until now, instead of being the time of sending.
    #[arg(long, value_parser = duration)]
    spread: Option<Duration>,
    /// Process id of the server, to measure its CPU time and memory.
    #[arg(long)]
    server_pid: Option<u32>,
    /// The server's data directory, to measure bytes on disk.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// After the load, wait at most this long for the server to finish flushing and compacting.
    #[arg(long, value_parser = duration, default_value = "0s")]
    settle: Duration,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct RemoteWrite {
    /// The whole address.
    #[arg(long, default_value = "http://127.0.0.1:9090/api/v1/write")]
    endpoint: String,
    /// Of the remote-write protocol.
    #[arg(long = "protocol-version", value_enum, default_value = "1")]
    version: Version,
    #[arg(long = "header", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Rounded down to whole pods.
    #[arg(long, default_value_t = 20_000)]
    series: usize,
    /// Samples of each series.
    #[arg(long, default_value_t = 240)]
    ticks: u64,
    /// Time between two ticks.
    #[arg(long, value_parser = duration, default_value = "15s")]
    step: Duration,
    /// Of the first tick, seconds since the epoch; without it the last tick is now.
    #[arg(long)]
    start: Option<u64>,
    /// Nobody visits the shop: all series keep the values of the first tick.
    #[arg(long)]
    idle: bool,
    /// Samples a request, rounded down to whole pods.
    #[arg(long, default_value_t = 5000)]
    batch: usize,
    /// Connections, each with one request under way.
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Gives up after so long.
    #[arg(long, value_parser = duration, default_value = "6h")]
    duration: Duration,
    /// Process id of the server, to measure its CPU time and memory.
    #[arg(long)]
    server_pid: Option<u32>,
    /// The server's data directory, to measure bytes on disk.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// After the load, wait at most this long for the server to finish flushing and compacting.
    #[arg(long, value_parser = duration, default_value = "0s")]
    settle: Duration,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Lookup {
    /// Of the Tempo API.
    #[arg(long, default_value = "http://127.0.0.1:3200")]
    endpoint: String,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long, default_value_t = 1000)]
    batch: usize,
    /// How many spans were sent.
    #[arg(long)]
    spans: u64,
    #[arg(long, default_value_t = 200)]
    lookups: u64,
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Verify {
    /// Of the OTLP/HTTP receiver.
    #[arg(long, default_value = "http://127.0.0.1:4318")]
    endpoint: String,
    #[arg(long = "header", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Connections of each signal.
    #[arg(long, default_value_t = 2)]
    connections: u32,
    #[arg(long, default_value_t = 20)]
    batch: u64,
    /// Between two requests of a connection.
    #[arg(long, value_parser = duration, default_value = "10ms")]
    pause: Duration,
    #[arg(long, value_parser = duration, default_value = "30s")]
    duration: Duration,
    /// Where to write what became of each range of numbers, one JSON object a line.
    #[arg(long)]
    output: PathBuf,
}

#[derive(Clone, Copy)]
struct Rate(Option<f64>);

fn rate(text: &str) -> Result<Rate, String> {
    if text == "max" {
        return Ok(Rate(None));
    }
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate.is_finite() => Ok(Rate(Some(rate))),
        _ => Err("expected a positive number of items a second, or max".into()),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().map_err(|_| "expected a duration such as 30s, 10m or 2h".to_string())?;
    let milliseconds = match &text[digits..] {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("expected a duration with a unit: ms, s, m or h".into()),
    };
    number.checked_mul(milliseconds).map(Duration::from_millis).ok_or_else(|| "too long".into())
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    let name = name.parse().map_err(|error| format!("{name:?}: {error}"))?;
    let value = value.parse().map_err(|error| format!("{value:?}: {error}"))?;
    Ok((name, value))
}

const TIMEOUT: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Traces(load) => run_load(Signal::Traces, load).await,
        Command::Logs(load) => run_load(Signal::Logs, load).await,
        Command::Metrics(load) => run_load(Signal::Metrics, load).await,
        Command::RemoteWrite(remote_write) => run_remote_write(remote_write).await,
        Command::Lookup(lookup) => run_lookup(lookup).await,
        Command::Verify(verify) => run_verify(verify).await,
    }
}

async fn run_load(signal: Signal, load: Load) -> anyhow::Result<()> {
    let mut source = SourceOptions {
        seed: load.seed,
        batch: load.batch,
        series: load.series,
        interval: load.interval,
        ..SourceOptions::new(signal)
    };
    if let Some(spread) = load.spread {
        let Some(count) = load.count else { bail!("--spread needs --count") };
        let requests = (count / load.batch.max(1) as u64).max(1);
        let spread = spread.as_nanos() as u64;
        source.clock = Clock::Steps { start: now().saturating_sub(spread), step: spread / requests };
    }
    let endpoint = load.endpoint;
    let options = LoadOptions {
        target: Target { endpoint, protocol: load.protocol, headers: load.headers, timeout: TIMEOUT },
        tenants: load.tenants,
        connections: load.connections,
        duration: load.duration,
        count: load.count,
        rate: load.rate.0,
        server: load.server_pid.map(Process::new).transpose()?,
        data_directory: load.data_dir,
        settle: load.settle,
    };
    print(&load::run(Source::new(source), options).await?, load.json)
}

fn print(report: &Report, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", report.to_json()?);
    } else {
        println!("{report}");
    }
    Ok(())
}

async fn run_remote_write(remote_write: RemoteWrite) -> anyhow::Result<()> {
    let step = remote_write.step.as_millis() as u64;
    let start = remote_write.start.map(|seconds| seconds.saturating_mul(1_000));
    let options = RemoteWriteOptions {
        version: remote_write.version,
        seed: remote_write.seed,
        series: remote_write.series,
        ticks: remote_write.ticks,
        step,
        start: start.unwrap_or_else(|| (now() / 1_000_000).saturating_sub(remote_write.ticks.saturating_mul(step))),
        idle: remote_write.idle,
        batch: remote_write.batch,
    };
    let (endpoint, headers) = (remote_write.endpoint, remote_write.headers);
    let load = LoadOptions {
        target: Target { endpoint, protocol: Protocol::Http, headers, timeout: TIMEOUT },
        tenants: None,
        connections: remote_write.connections,
        duration: remote_write.duration,
        count: None,
        rate: None,
        server: remote_write.server_pid.map(Process::new).transpose()?,
        data_directory: remote_write.data_dir,
        settle: remote_write.settle,
    };
    print(&remote_write::run(options, load).await?, remote_write.json)
}

async fn run_lookup(lookup: Lookup) -> anyhow::Result<()> {
    let options = SourceOptions { seed: lookup.seed, batch: lookup.batch, ..SourceOptions::new(Signal::Traces) };
    let source = Source::new(options);
    let report = lookup::run(&source, &lookup.endpoint, lookup.spans, lookup.lookups).await?;
    if lookup.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!(
            "{} lookups: first {:.1} ms, p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
            report.lookups, report.first, report.latency.p50, report.latency.p99, report.latency.max
        );
    }
    Ok(())
}

async fn run_verify(verify: Verify) -> anyhow::Result<()> {
    let target = Target {
        endpoint: verify.endpoint,
        protocol: Protocol::Http,
        headers: verify.headers,
        timeout: Duration::from_secs(20),
    };
    let options = VerifyOptions {
        targets: Signal::ALL.map(|signal| (signal, target.clone())).to_vec(),
        connections: verify.connections,
        batch: verify.batch,
        pause: verify.pause,
        duration: verify.duration,
        output: verify.output,
    };
    verify::run(options).await.context("verify")
}
