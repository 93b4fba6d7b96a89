//! The text format. It has no native histograms: of those it shows count and sum.

use trefoil_go::number::general;

use super::line::{self, Own};
use crate::exposition::MetricType;
use crate::exposition::family::{Family, Metric, MetricValue};
use crate::names::Escaping;

pub fn write(body: &mut Vec<u8>, escaping: Escaping, family: &Family) {
    let name = escaping.escape(&family.name);
    if !family.help.is_empty() {
        body.extend_from_slice(b"# HELP ");
        line::name(body, &name);
        body.push(b' ');
        line::escaped(body, &family.help, false);
        body.push(b'\n');
    }
    body.extend_from_slice(b"# TYPE ");
    line::name(body, &name);
    body.push(b' ');
    body.extend_from_slice(word(family.kind).as_bytes());
    body.push(b'\n');
    for metric in &family.metrics {
        Lines { body, escaping, name: &name, metric }.write();
    }
}

/// What readers of 0.0.4 know.
fn word(kind: MetricType) -> &'static str {
    match kind {
        MetricType::Counter => "counter",
        MetricType::Gauge | MetricType::Info | MetricType::StateSet => "gauge",
        MetricType::Histogram | MetricType::GaugeHistogram => "histogram",
        MetricType::Summary => "summary",
        MetricType::Unknown => "untyped",
    }
}

struct Lines<'w> {
    body: &'w mut Vec<u8>,
    escaping: Escaping,
    name: &'w str,
    metric: &'w Metric,
}

impl Lines<'_> {
    fn write(&mut self) {
        match &self.metric.value {
            MetricValue::Number { value, .. } => self.line("", None, *value),
            MetricValue::Summary { count, sum, quantiles } => {
                for (quantile, value) in quantiles {
                    self.line("", Some(Own::Quantile(general(*quantile))), *value);
                }
                self.line("_sum", None, *sum);
                self.line("_count", None, *count as f64);
            }
            MetricValue::Histogram(distribution) => {
                for (bound, count, _) in distribution.all_buckets() {
                    self.line("_bucket", Some(Own::Bucket(general(bound))), count);
                }
                self.line("_sum", None, distribution.sum);
                self.line("_count", None, distribution.count);
            }
        }
    }

    fn line(&mut self, suffix: &str, own: Option<Own>, value: f64) {
        let Metric { labels, timestamp, .. } = self.metric;
        line::series(self.body, self.escaping, &format!("{}{suffix}", self.name), labels, own.as_ref());
        self.body.push(b' ');
        self.body.extend_from_slice(general(value).as_bytes());
        if let Some(timestamp) = timestamp {
            self.body.extend_from_slice(format!(" {timestamp}").as_bytes());
        }
        self.body.push(b'\n');
    }
}
