//! What a load run measured, for people and for scripts.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::Signal;
use crate::process::{Disk, Memory};

/// How things stood at one moment of the run.
#[derive(Debug, Clone, Serialize)]
pub struct Moment {
    pub seconds: f64,
    pub items: u64,
    pub resident: Option<u64>,
    pub parquet_files: Option<u64>,
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:6.0} s  {:>12} items", self.seconds, self.items)?;
        if let Some(resident) = self.resident {
            write!(f, "  {:6} MiB", resident >> 20)?;
        }
        if let Some(files) = self.parquet_files {
            write!(f, "  {files:5} files")?;
        }
        Ok(())
    }
}

/// Milliseconds from sending a request to its answer, retries included.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Latency {
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
}

impl Latency {
    pub fn of(mut latencies: Vec<Duration>) -> Latency {
        latencies.sort_unstable();
        let at = |share: f64| {
            let index = ((latencies.len() as f64 * share) as usize).min(latencies.len().saturating_sub(1));
            latencies.get(index).map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
        };
        Latency { p50: at(0.5), p99: at(0.99), max: at(1.0) }
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub signal: Signal,
    /// Acknowledged items.
    pub items: u64,
    /// Protobuf bytes of acknowledged requests.
    pub bytes: u64,
    pub rejected: u64,
    pub retries: u64,
    pub seconds: f64,
    /// How long the server went on working after the last request.
    pub settle_seconds: f64,
    /// The server's CPU time until the last answer.
    pub cpu_seconds_under_load: Option<f64>,
    /// The server's CPU time until it was idle: flushes and compaction included.
    pub cpu_seconds: Option<f64>,
    pub latency: Latency,
    pub memory: Option<Memory>,
    pub disk: Option<Disk>,
    pub timeline: Vec<Moment>,
}

impl Report {
    pub fn items_per_second(&self) -> f64 {
        self.items as f64 / self.seconds
    }

    pub fn items_per_cpu_second(&self) -> Option<f64> {
        self.cpu_seconds.map(|cpu| self.items as f64 / cpu)
    }

    pub fn bytes_on_disk_per_item(&self) -> Option<f64> {
        self.disk.map(|disk| disk.parquet_bytes as f64 / self.items as f64)
    }

    /// The report with its derived numbers, as one JSON object.
    pub fn to_json(&self) -> serde_json::Result<serde_json::Value> {
        let mut report = serde_json::to_value(self)?;
        report["items_per_second"] = self.items_per_second().into();
        report["items_per_cpu_second"] = self.items_per_cpu_second().into();
        report["bytes_on_disk_per_item"] = self.bytes_on_disk_per_item().into();
        Ok(report)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let item = self.signal.item();
        let megabytes = self.bytes as f64 / 1e6;
        writeln!(f, "{} {item} ({megabytes:.0} MB) in {:.1} s", self.items, self.seconds)?;
        writeln!(f, "  rate            {:.0} {item}/s, {:.1} MB/s", self.items_per_second(), megabytes / self.seconds)?;
        if let Some(cpu) = self.cpu_seconds {
            writeln!(
                f,
                "  server CPU      {cpu:.1} s ({:.1} s of it under load): {:.0} {item} and {:.1} MB a CPU-second",
                self.cpu_seconds_under_load.unwrap_or_default(),
                self.items as f64 / cpu,
                megabytes / cpu
            )?;
        }
        writeln!(
            f,
            "  latency         p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
            self.latency.p50, self.latency.p99, self.latency.max
        )?;
        if let Some(memory) = self.memory {
            writeln!(f, "  server memory   {} MiB, peak {} MiB", memory.resident >> 20, memory.peak >> 20)?;
        }
        if let Some(disk) = self.disk {
            writeln!(
                f,
                "  on disk         {:.1} bytes an item in {} Parquet files; {:.1} MB of log and catalog",
                disk.parquet_bytes as f64 / self.items as f64,
                disk.parquet_files,
                disk.other_bytes as f64 / 1e6
            )?;
        }
        write!(f, "  rejected {}, retried {}", self.rejected, self.retries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_known_values() {
        let latency = Latency::of((1..=100).rev().map(Duration::from_millis).collect());
        assert_eq!((latency.p50, latency.p99, latency.max), (51.0, 100.0, 100.0));
        assert_eq!(Latency::of(Vec::new()).max, 0.0);
    }
}
