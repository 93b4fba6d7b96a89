//! What the operating system says about this process, under the names that every Prometheus client library uses, read
//! at each scrape.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};

/// Registers `process_*` (where the system tells) and `trefoil_build_info`.
pub fn register(registry: &mut Registry) {
    registry.register_collector(Box::new(ProcessCollector));
    // A gauge: the older text format knows no info metrics.
    let build = Family::<[(&str, &str); 1], Gauge>::default();
    build.get_or_create(&[("version", env!("CARGO_PKG_VERSION"))]).set(1);
    registry.register("trefoil_build_info", "Always 1; the version that runs is a label", build);
}

#[derive(Debug)]
struct ProcessCollector;

/// One look at the process.
#[derive(Debug, Clone, PartialEq)]
struct Process {
    cpu_seconds: f64,
    resident_bytes: u64,
    virtual_bytes: u64,
    open_fds: u64,
    /// `None` without a limit.
    max_fds: Option<u64>,
    /// Unix time.
    start_seconds: f64,
}

impl Process {
    #[cfg(target_os = "linux")]
    fn read() -> procfs::ProcResult<Self> {
        use procfs::process::{LimitValue, Process as ProcFs};

        let process = ProcFs::myself()?;
        let stat = process.stat()?;
        let ticks = procfs::ticks_per_second() as f64;
        let max_fds = match process.limits()?.max_open_files.soft_limit {
            LimitValue::Value(fds) => Some(fds),
            LimitValue::Unlimited => None,
        };
        Ok(Self {
            cpu_seconds: (stat.utime + stat.stime) as f64 / ticks,
            resident_bytes: stat.rss * procfs::page_size(),
            virtual_bytes: stat.vsize,
            open_fds: process.fd_count()? as u64,
            max_fds,
            start_seconds: procfs::boot_time_secs()? as f64 + stat.starttime as f64 / ticks,
        })
    }

    #[cfg(not(target_os = "linux"))]
    fn read() -> Result<Self, &'static str> {
        Err("only known on Linux")
    }

    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
        let mut add = |name: &str, help: &str, unit: Option<&Unit>, metric: &dyn EncodeMetric| {
            metric.encode(encoder.encode_descriptor(name, help, unit, metric.metric_type())?)
        };
        let seconds = Some(&Unit::Seconds);
        let bytes = Some(&Unit::Bytes);
        let cpu = ConstCounter::new(self.cpu_seconds);
        add("process_cpu", "User and system CPU time spent.", seconds, &cpu)?;
        let resident = ConstGauge::new(self.resident_bytes);
        add("process_resident_memory", "Resident memory size.", bytes, &resident)?;
        let size = ConstGauge::new(self.virtual_bytes);
        add("process_virtual_memory", "Virtual memory size.", bytes, &size)?;
        add("process_open_fds", "Open file descriptors.", None, &ConstGauge::new(self.open_fds))?;
        if let Some(max_fds) = self.max_fds {
            add("process_max_fds", "How many file descriptors may be open.", None, &ConstGauge::new(max_fds))?;
        }
        let start = ConstGauge::new(self.start_seconds);
        add("process_start_time", "When the process started, in Unix time.", seconds, &start)
    }
}

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        match Process::read() {
            Ok(process) => process.encode(&mut encoder),
            Err(error) => {
                tracing::debug!(%error, "the system does not tell about this process");
                Ok(())
            }
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn this_process_is_as_it_is() {
        let process = Process::read().unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        assert!(process.resident_bytes > 1 << 20 && process.resident_bytes < process.virtual_bytes, "{process:?}");
        assert!(process.open_fds >= 3 && process.max_fds.is_none_or(|max| process.open_fds <= max), "{process:?}");
        assert!(process.start_seconds > now - 3600.0 && process.start_seconds < now + 1.0, "{process:?} at {now}");
        assert!(process.cpu_seconds >= 0.0 && process.cpu_seconds < 3600.0 * 64.0, "{process:?}");
    }

    #[test]
    fn names_are_those_of_every_client_library() {
        let mut registry = Registry::default();
        register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for name in [
            "process_cpu_seconds_total ",
            "process_resident_memory_bytes ",
            "process_virtual_memory_bytes ",
            "process_open_fds ",
            "process_start_time_seconds ",
            "trefoil_build_info{version=\"",
        ] {
            assert!(text.lines().any(|line| line.starts_with(name)), "{name} not in\n{text}");
        }
    }
}
