//! What of a request is sent, and under which labels: Prometheus' `external_labels`, `write_relabel_configs` and the like.

use std::time::Duration;

use super::series::{Series, Value};
use crate::receivers::prometheus::relabel::{self, Labels, Rule};

pub struct Selection {
    /// For series that have no such labels.
    pub external_labels: Vec<(String, String)>,
    pub rules: Vec<Rule>,
    pub exemplars: bool,
    /// By 1.0; 2.0 always has them.
    pub native_histograms: bool,
    pub max_age: Option<Duration>,
}

/// Everything as it is.
impl Default for Selection {
    fn default() -> Self {
        Self { external_labels: Vec::new(), rules: Vec::new(), exemplars: true, native_histograms: true, max_age: None }
    }
}

impl Selection {
    /// What is left, whichever version is spoken. `now` in milliseconds since the epoch.
    pub fn of(&self, mut series: Vec<Series>, now: i64) -> Vec<Series> {
        self.forget_old(&mut series, now);
        series.retain_mut(|series| {
            if !self.exemplars {
                series.exemplars.clear();
            }
            !is_empty(series) && self.relabel(series)
        });
        series
    }

    /// Leaves out samples that have become too old.
    pub fn forget_old(&self, series: &mut Vec<Series>, now: i64) {
        let Some(age) = self.max_age else { return };
        let oldest = now.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        series.retain_mut(|series| {
            series.samples.retain(|sample| sample.time >= oldest);
            !is_empty(series)
        });
    }

    /// What of it 1.0 is to say.
    pub fn for_v1(&self, series: &[Series]) -> Option<Vec<Series>> {
        if self.native_histograms {
            return None;
        }
        let without = |series: &Series| {
            let mut series = series.clone();
            series.samples.retain(|sample| matches!(sample.value, Value::Float(_)));
            series
        };
        Some(series.iter().map(without).filter(|series| !is_empty(series)).collect())
    }

    fn relabel(&self, series: &mut Series) -> bool {
        if self.external_labels.is_empty() && self.rules.is_empty() {
            return true;
        }
        let mut labels: Labels = series.labels.iter().map(|(name, value)| (name, value)).collect();
        for (name, value) in &self.external_labels {
            labels.set_if_absent(name, value);
        }
        if !relabel::apply(&self.rules, &mut labels) {
            return false;
        }
        series.labels = labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        !series.labels.is_empty()
    }
}

fn is_empty(series: &Series) -> bool {
    series.samples.is_empty() && series.exemplars.is_empty()
}
