//! The series that Prometheus adds to every scrape.

use std::time::Duration;

use crate::receivers::prometheus::config::Job;

/// One of them; without a value it ends.
pub struct Gauge {
    pub name: &'static str,
    pub help: &'static str,
    pub value: Option<f64>,
}

/// How a scrape went.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Report {
    pub is_up: bool,
    pub duration: Duration,
    pub scraped: u64,
    pub kept: u64,
    pub added: u64,
    /// Bytes, decompressed; `None` if it was more than allowed.
    pub body_size: Option<u64>,
}

pub const UP: &str = "up";
const HELP: [(&str, &str); 8] = [
    (UP, "Health of the scrape target. 1 means the target is healthy, 0 if the scrape failed."),
    ("scrape_duration_seconds", "Duration of the last scrape in seconds."),
    ("scrape_samples_scraped", "Number of samples last scraped."),
    ("scrape_samples_post_metric_relabeling", "Number of samples remaining after metric relabeling was applied."),
    ("scrape_series_added", "Number of series in the last scrape."),
    ("scrape_timeout_seconds", "The configured scrape timeout for a target."),
    ("scrape_sample_limit", "The configured sample limit for a target. Returns zero if there is no limit configured."),
    (
        "scrape_body_size_bytes",
        "The uncompressed size of the last scrape response, if successful. Scrapes failing because body_size_limit is \
         exceeded report -1, other scrape failures report 0.",
    ),
];

/// The last three come only with `extra_scrape_metrics`.
const EXTRA: usize = 3;

/// The values of a scrape, or the ends of all of them.
pub fn gauges(job: &Job, timeout: Duration, report: Option<&Report>) -> Vec<Gauge> {
    let values = report.map(|report| {
        [
            f64::from(u8::from(report.is_up)),
            report.duration.as_secs_f64(),
            report.scraped as f64,
            report.kept as f64,
            report.added as f64,
            timeout.as_secs_f64(),
            job.limits.samples as f64,
            report.body_size.map_or(-1.0, |bytes| bytes as f64),
        ]
    });
    let shown = if job.extra_metrics { HELP.len() } else { HELP.len() - EXTRA };
    let gauge = |(index, (name, help)): (usize, &(&'static str, &'static str))| Gauge {
        name,
        help,
        value: values.map(|values| values[index]),
    };
    HELP.iter().take(shown).enumerate().map(gauge).collect()
}
