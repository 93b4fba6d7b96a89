//! OpenMetrics' `_created` lines as the start of the series of their metric. They stand before, between or after those.

use super::labels::{are_of_one_metric, identifying};
use super::number;
use super::open_metrics::Line;
use super::scan::Cursor;
use super::{Label, MetricType};

/// The start of the metric (one set of labels) that is being read.
#[derive(Default)]
pub struct Starts<'a> {
    /// Whose; `None` before the first.
    labels: Option<Vec<Label<'a>>>,
    start: Option<i64>,
    ahead: Line<'a>,
}

impl<'a> Starts<'a> {
    pub fn is_created(&self, family: &str, line: &Line<'_>) -> bool {
        line.name.strip_suffix("_created") == Some(family)
    }

    /// A `_created` line is that of its metric.
    pub fn remember(&mut self, line: &Line<'a>) {
        self.labels = Some(identifying(&line.labels).cloned().collect());
        self.start = number::milliseconds(line.value);
    }

    /// The start of a line's metric: known already, or in one of the lines of the same metric that follow it.
    pub fn of(&mut self, family: &str, kind: MetricType, line: &Line<'a>, rest: &Cursor<'a>) -> Option<i64> {
        if self.labels.as_ref().is_some_and(|known| are_of_one_metric(known, &line.labels)) {
            return self.start;
        }
        self.labels = Some(identifying(&line.labels).cloned().collect());
        self.start = self.look_ahead(family, kind, line, rest.clone());
        self.start
    }

    fn look_ahead(&mut self, family: &str, kind: MetricType, line: &Line<'a>, mut rest: Cursor<'a>) -> Option<i64> {
        // An error is told when its line is reached.
        while rest.peek() != Some(b'#') && self.ahead.read(&mut rest, kind).is_ok() {
            if !are_of_one_metric(&self.ahead.labels, &line.labels) {
                return None;
            }
            if self.is_created(family, &self.ahead) {
                return number::milliseconds(self.ahead.value);
            }
        }
        None
    }

    /// The next family begins.
    pub fn forget(&mut self) {
        self.labels = None;
        self.start = None;
    }
}
