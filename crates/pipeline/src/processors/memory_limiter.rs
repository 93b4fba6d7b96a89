//! `memory_limiter`: refuses telemetry, retryably, while the process uses too much memory.
//!
//! Memory is the process's anonymous resident memory (what its own data takes, without mapped files). It is looked at
//! no more than once in `check_interval`, when a request comes. Above the soft limit (limit minus spike limit) requests
//! are refused. There is no garbage collector to be forced at the hard limit: what is freed is free.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;
use serde::Deserialize;
use trefoil_model::Signal;

use crate::component::{Component, ComponentError, Context, Processor, ProcessorConfig, ProcessorFactory};
use crate::config::{ConfigError, Problems, Section};
use crate::metrics::ItemCounters;
use crate::receivers::prometheusremotewrite::WriteRequest;
use crate::telemetry::{Accepted, Consumer, Refused, Telemetry};

pub const FACTORY: ProcessorFactory = ProcessorFactory { kind: "memory_limiter", signals: &Signal::ALL, parse };

const MIB: u64 = 1 << 20;

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    #[serde(with = "crate::config::duration")]
    check_interval: Duration,
    limit_mib: u64,
    spike_limit_mib: u64,
    limit_percentage: u64,
    spike_limit_percentage: u64,
}

const UNSUPPORTED: &[(&str, &str)] = &[
    ("min_gc_interval_when_soft_limited", "it is about Go's garbage collector; remove it"),
    ("min_gc_interval_when_hard_limited", "it is about Go's garbage collector; remove it"),
    ("max_gc_interval_when_soft_limited", "it is about Go's garbage collector; remove it"),
    ("max_gc_interval_when_hard_limited", "it is about Go's garbage collector; remove it"),
    ("ballast_size_mib", "it is about Go's garbage collector; remove it"),
];

fn parse(section: &Section<'_>) -> Result<Box<dyn ProcessorConfig>, ConfigError> {
    let config: Config = section.without(UNSUPPORTED).parse()?;
    let mut problems = Problems::default();
    if config.check_interval.is_zero() {
        problems.push(section.problem("check_interval", "must be greater than zero; 1s is recommended"));
    }
    if config.limit_mib == 0 && config.limit_percentage == 0 {
        problems.push(section.problem("", "one of `limit_mib` and `limit_percentage` is needed"));
    }
    for (option, percentage) in
        [("limit_percentage", config.limit_percentage), ("spike_limit_percentage", config.spike_limit_percentage)]
    {
        if percentage > 100 {
            problems.push(section.problem(option, format!("{percentage} is more than 100 percent")));
        }
    }
    if config.limit_mib > 0 && config.spike_limit_mib >= config.limit_mib {
        problems.push(section.problem("spike_limit_mib", "must be less than `limit_mib`"));
    }
    if config.limit_percentage > 0 && config.spike_limit_percentage >= config.limit_percentage {
        problems.push(section.problem("spike_limit_percentage", "must be less than `limit_percentage`"));
    }
    problems.or(Box::new(config))
}

/// In bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limits {
    hard: u64,
    soft: u64,
}

impl Config {
    /// `total` is the memory that there is, asked for only where percentages count.
    fn limits(&self, total: impl FnOnce() -> Option<u64>) -> Option<Limits> {
        let (hard, spike) = if self.limit_mib > 0 {
            (self.limit_mib.saturating_mul(MIB), self.spike_limit_mib.saturating_mul(MIB))
        } else {
            let total = total()?;
            let share = |percentage: u64| total / 100 * percentage;
            (share(self.limit_percentage), share(self.spike_limit_percentage))
        };
        let spike = if spike == 0 { hard / 5 } else { spike };
        Some(Limits { hard, soft: hard.saturating_sub(spike) })
    }
}

impl ProcessorConfig for Config {
    fn build(
        &self,
        context: Context,
        _signal: Signal,
        next: Arc<dyn Consumer>,
    ) -> Result<Arc<dyn Processor>, ComponentError> {
        let Some(limits) = self.limits(total_memory) else {
            let reason =
                "`limit_percentage` needs the size of the memory, which this system does not tell; use `limit_mib`";
            return Err(ComponentError::new(reason));
        };
        if process_memory().is_none() {
            return Err(ComponentError::new("this system does not tell how much memory a process uses"));
        }
        let gauge = Gauge { used: 0, measured: None, limited: false };
        Ok(Arc::new(MemoryLimiter {
            limits,
            check_interval: self.check_interval,
            gauge: Mutex::new(gauge),
            measure: process_memory,
            refused: context.metrics.refused_by(&context.id),
            next,
        }))
    }
}

struct MemoryLimiter {
    limits: Limits,
    check_interval: Duration,
    gauge: Mutex<Gauge>,
    measure: fn() -> Option<u64>,
    refused: ItemCounters,
    next: Arc<dyn Consumer>,
}

struct Gauge {
    used: u64,
    measured: Option<Instant>,
    limited: bool,
}

impl MemoryLimiter {
    /// The bytes in use if they are too many.
    fn excess(&self) -> Option<u64> {
        let mut gauge = self.gauge.lock();
        if gauge.measured.is_none_or(|measured| measured.elapsed() >= self.check_interval) {
            gauge.used = (self.measure)().unwrap_or(gauge.used);
            gauge.measured = Some(Instant::now());
            let limited = gauge.used > self.limits.soft;
            if limited != gauge.limited {
                gauge.limited = limited;
                let (used_mib, soft_mib, hard_mib) = (gauge.used / MIB, self.limits.soft / MIB, self.limits.hard / MIB);
                match limited {
                    true => {
                        tracing::warn!(used_mib, soft_mib, hard_mib, "memory is above the soft limit: refusing data")
                    }
                    false => tracing::info!(used_mib, soft_mib, hard_mib, "memory is back below the soft limit"),
                }
            }
        }
        gauge.limited.then_some(gauge.used)
    }
}

impl MemoryLimiter {
    fn check(&self) -> Result<(), Refused> {
        let Some(used) = self.excess() else { return Ok(()) };
        let (used, soft) = (used / MIB, self.limits.soft / MIB);
        let reason = format!("memory_limiter: {used} MiB are in use, more than the soft limit of {soft} MiB");
        Err(Refused::Unavailable { reason, retry_after: Some(self.check_interval) })
    }
}

impl Component for MemoryLimiter {}

impl Processor for MemoryLimiter {}

#[async_trait]
impl Consumer for MemoryLimiter {
    async fn consume(&self, telemetry: Telemetry) -> Result<Accepted, Refused> {
        if let Err(refused) = self.check() {
            self.refused.add(telemetry.signal(), telemetry.payload.items());
            return Err(refused);
        }
        self.next.consume(telemetry).await
    }

    async fn consume_write(&self, request: WriteRequest) -> Result<Accepted, Refused> {
        if let Err(refused) = self.check() {
            self.refused.add(Signal::Metrics, request.items());
            return Err(refused);
        }
        self.next.consume_write(request).await
    }
}

/// Anonymous resident memory of this process in bytes.
fn process_memory() -> Option<u64> {
    kibibytes(&std::fs::read_to_string("/proc/self/status").ok()?, "RssAnon:")
}

/// The memory this process may use in bytes: of its control group if that is limited, else of the machine.
pub fn total_memory() -> Option<u64> {
    let machine = kibibytes(&std::fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")?;
    Some(
        group_limit(Path::new("/sys/fs/cgroup"), &group_path().unwrap_or_default())
            .map_or(machine, |limit| limit.min(machine)),
    )
}

/// The path of this process's control group (version 2), as seen below the mount.
fn group_path() -> Option<String> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    groups.lines().find_map(|line| line.strip_prefix("0::")).map(|path| path.trim_start_matches('/').to_owned())
}

/// The least limit on the way from the group up to `mount`; version 1 keeps it in another file.
fn group_limit(mount: &Path, group: &str) -> Option<u64> {
    let number = |path: &Path| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let own = mount.join(group);
    let groups = own.ancestors().take_while(|path| path.starts_with(mount));
    let v2 = groups.filter_map(|path| number(&path.join("memory.max"))).min();
    v2.or_else(|| number(&mount.join("memory/memory.limit_in_bytes")))
}

fn kibibytes(text: &str, field: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(field))?;
    rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use bytes::Bytes;
    use trefoil_model::Tenant;

    use super::*;
    use crate::telemetry::Payload;

    fn config(limit_mib: u64, spike_limit_mib: u64, limit_percentage: u64, spike_limit_percentage: u64) -> Config {
        let check_interval = Duration::from_secs(1);
        Config { check_interval, limit_mib, spike_limit_mib, limit_percentage, spike_limit_percentage }
    }

    #[test]
    fn limits_are_the_collectors() {
        let limits =
            |config: Config| config.limits(|| Some(1000 * MIB)).map(|limits| (limits.hard / MIB, limits.soft / MIB));
        assert_eq!(limits(config(100, 0, 0, 0)), Some((100, 80)));
        assert_eq!(limits(config(100, 10, 0, 0)), Some((100, 90)));
        assert_eq!(limits(config(0, 0, 80, 0)), Some((800, 640)));
        assert_eq!(limits(config(0, 0, 80, 30)), Some((800, 500)));
        // Fixed sizes take precedence.
        assert_eq!(limits(config(100, 0, 80, 30)), Some((100, 80)));
        assert_eq!(config(0, 0, 80, 0).limits(|| None), None);
    }

    #[test]
    fn this_process_uses_memory() {
        let (used, total) = (process_memory().unwrap(), total_memory().unwrap());
        assert!(used > 100 * 1024 && used < total, "{used} of {total}");
    }

    #[test]
    fn the_least_limit_of_a_group_and_its_parents_counts() {
        let mount = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(mount.path().join("pod/container")).unwrap();
        assert_eq!(group_limit(mount.path(), "pod/container"), None);
        std::fs::write(mount.path().join("pod/memory.max"), "1000\n").unwrap();
        std::fs::write(mount.path().join("pod/container/memory.max"), "max\n").unwrap();
        assert_eq!(group_limit(mount.path(), "pod/container"), Some(1000));
        std::fs::write(mount.path().join("pod/container/memory.max"), "500\n").unwrap();
        assert_eq!(group_limit(mount.path(), "pod/container"), Some(500));
    }

    struct Sink;

    #[async_trait]
    impl Consumer for Sink {
        async fn consume(&self, _telemetry: Telemetry) -> Result<Accepted, Refused> {
            Ok(Accepted::all())
        }
    }

    #[tokio::test]
    async fn refuses_above_the_soft_limit_and_recovers() {
        static USED: AtomicU64 = AtomicU64::new(0);
        let limiter = MemoryLimiter {
            limits: Limits { hard: 100 * MIB, soft: 80 * MIB },
            check_interval: Duration::ZERO,
            gauge: Mutex::new(Gauge { used: 0, measured: None, limited: false }),
            measure: || Some(USED.load(Ordering::SeqCst) * MIB),
            refused: ItemCounters::default(),
            next: Arc::new(Sink),
        };
        let send =
            || limiter.consume(Telemetry::new(Tenant::default(), Payload::from_bytes(Signal::Logs, Bytes::new())));
        assert_eq!(send().await, Ok(Accepted::all()));
        USED.store(81, Ordering::SeqCst);
        let refused = send().await.unwrap_err();
        assert!(refused.is_retryable());
        assert_eq!(refused.to_string(), "memory_limiter: 81 MiB are in use, more than the soft limit of 80 MiB");
        USED.store(79, Ordering::SeqCst);
        assert_eq!(send().await, Ok(Accepted::all()));
    }
}
