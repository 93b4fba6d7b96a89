//! OpenMetrics 1.0. It has no native histograms: of those it shows count and sum.

use trefoil_go::number::open_metrics;

use super::line::{self, Own};
use crate::exposition::family::{Family, Metric, MetricValue};
use crate::exposition::{Exemplar, MetricType};
use crate::names::Escaping;

/// Characters that the names and values of an exemplar's labels may have together.
const MAX_EXEMPLAR: usize = 128;

pub fn write(body: &mut Vec<u8>, escaping: Escaping, family: &Family) {
    let name = escaping.escape(&family.name);
    let (of_family, kind) = declared(&name, family.kind);
    let mut metadata = |keyword: &str, text: &str| {
        body.extend_from_slice(format!("# {keyword} ").as_bytes());
        line::name(body, of_family);
        body.push(b' ');
        line::escaped(body, text, true);
        body.push(b'\n');
    };
    if !family.help.is_empty() {
        metadata("HELP", &family.help);
    }
    metadata("TYPE", kind.as_str());
    let has_unit = of_family.strip_suffix(&family.unit).is_some_and(|rest| rest.ends_with('_'));
    if !family.unit.is_empty() && has_unit {
        metadata("UNIT", &family.unit);
    }
    for metric in &family.metrics {
        Lines { body, escaping, name: &name, kind: family.kind, metric }.write();
    }
}

/// The family's name and type: a counter's series end in `_total` and an info's in `_info`, their family does not. What is named
/// otherwise cannot be declared to be one.
fn declared(name: &str, kind: MetricType) -> (&str, MetricType) {
    let suffix = match kind {
        MetricType::Counter => "_total",
        MetricType::Info => "_info",
        _ => return (name, kind),
    };
    match name.strip_suffix(suffix).filter(|family| !family.is_empty()) {
        Some(family) => (family, kind),
        None => (name, MetricType::Unknown),
    }
}

struct Lines<'w> {
    body: &'w mut Vec<u8>,
    escaping: Escaping,
    name: &'w str,
    kind: MetricType,
    metric: &'w Metric,
}

impl Lines<'_> {
    fn write(&mut self) {
        match &self.metric.value {
            MetricValue::Number { value, exemplar } => {
                let exemplar = exemplar.as_ref().filter(|_| self.kind == MetricType::Counter);
                self.line("", None, &open_metrics(*value), exemplar);
            }
            MetricValue::Summary { count, sum, quantiles } => {
                for (quantile, value) in quantiles {
                    self.line("", Some(Own::Quantile(open_metrics(*quantile))), &open_metrics(*value), None);
                }
                self.line("_sum", None, &open_metrics(*sum), None);
                self.line("_count", None, &count.to_string(), None);
            }
            MetricValue::Histogram(distribution) => {
                let (sum, count) = match self.kind {
                    MetricType::GaugeHistogram => ("_gsum", "_gcount"),
                    _ => ("_sum", "_count"),
                };
                for (bound, count, exemplar) in distribution.all_buckets() {
                    self.line("_bucket", Some(Own::Bucket(open_metrics(bound))), &open_metrics(count), exemplar);
                }
                self.line(sum, None, &open_metrics(distribution.sum), None);
                self.line(count, None, &open_metrics(distribution.count), None);
            }
        }
    }

    fn line(&mut self, suffix: &str, own: Option<Own>, value: &str, exemplar: Option<&Exemplar<'_>>) {
        let Metric { labels, timestamp, .. } = self.metric;
        line::series(self.body, self.escaping, &format!("{}{suffix}", self.name), labels, own.as_ref());
        self.body.push(b' ');
        self.body.extend_from_slice(value.as_bytes());
        if let Some(timestamp) = timestamp {
            self.time(*timestamp);
        }
        if let Some(exemplar) = exemplar.filter(|exemplar| fits(exemplar)) {
            self.exemplar(exemplar);
        }
        self.body.push(b'\n');
    }

    fn exemplar(&mut self, exemplar: &Exemplar<'_>) {
        self.body.extend_from_slice(b" # {");
        for (index, exemplar_label) in exemplar.labels.iter().enumerate() {
            if index > 0 {
                self.body.push(b',');
            }
            line::label(self.body, self.escaping, &exemplar_label.name, &exemplar_label.value);
        }
        self.body.extend_from_slice(b"} ");
        self.body.extend_from_slice(open_metrics(exemplar.value).as_bytes());
        if let Some(timestamp) = exemplar.timestamp {
            self.time(timestamp);
        }
    }

    /// Seconds.
    fn time(&mut self, milliseconds: i64) {
        let sign = if milliseconds < 0 { "-" } else { "" };
        let milliseconds = milliseconds.unsigned_abs();
        let text = format!(" {sign}{}.{:03}", milliseconds / 1000, milliseconds % 1000);
        self.body.extend_from_slice(text.as_bytes());
    }
}

fn fits(exemplar: &Exemplar<'_>) -> bool {
    let characters = |label: &crate::exposition::Label<'_>| label.name.chars().count() + label.value.chars().count();
    exemplar.labels.iter().map(characters).sum::<usize>() <= MAX_EXEMPLAR
}
