//! The range aggregations of a query, which lines are read for.

use trefoil_promql::labels::Labels;

use super::accumulator::Function;
use super::series::{Errors, SeriesLabels};
use super::{Accumulator, Grid, Limits, MetricsError};
use crate::ast::{Grouping, LabelFilter, LogRange, RangeAggregation, RangeOp, Stage, VectorAggregation, VectorOp};
use crate::matcher::{Condition, Matcher};
use crate::pipeline::{ERROR, Wants};

/// One range aggregation.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    range: LogRange,
    op: RangeOp,
    param: Option<f64>,
    labels: SeriesLabels,
}

impl Leaf {
    /// `around`: the aggregation that it stands in directly.
    pub(super) fn new(aggregation: &RangeAggregation, around: Option<&VectorAggregation>) -> Leaf {
        let RangeAggregation { op, param, range, grouping } = aggregation;
        let unwrapped = range.unwrap.as_ref().map(|unwrap| unwrap.label.as_str());
        let labels = match (op, grouping, around.filter(|around| is_one_with(*op, around.op))) {
            (RangeOp::AbsentOverTime, _, _) => SeriesLabels::Constant(labels_of_absent(&range.query.selector)),
            (_, None, Some(around)) => match &around.grouping {
                None => SeriesLabels::By(Vec::new()),
                Some(grouping) => labels(grouping, unwrapped),
            },
            (_, Some(grouping), _) => labels(grouping, unwrapped),
            (_, None, None) => SeriesLabels::Without(unwrapped.map(str::to_owned).into_iter().collect()),
        };
        Leaf { range: range.clone(), op: *op, param: *param, labels }
    }

    /// Which lines are read, and what is unwrapped.
    pub fn range(&self) -> &LogRange {
        &self.range
    }

    /// The labels that its lines are told apart by. Others need not be looked for.
    pub fn labels(&self) -> &SeriesLabels {
        &self.labels
    }

    /// What its lines' stages have to find out.
    pub fn wants(&self) -> Wants {
        match &self.labels {
            SeriesLabels::Without(_) => Wants::All,
            SeriesLabels::By(names) => Wants::Labels(self.with_unwrapped(names)),
            SeriesLabels::Constant(_) => Wants::Labels(self.with_unwrapped(&[])),
        }
    }

    /// Labels, and those that unwrapping looks at.
    fn with_unwrapped(&self, names: &[String]) -> Vec<String> {
        let mut all = names.to_vec();
        if let Some(unwrap) = &self.range.unwrap {
            all.push(unwrap.label.clone());
            unwrap.filters.iter().for_each(|filter| push_labels(filter, &mut all));
        }
        all
    }

    /// What of a line is to be added.
    pub fn measure(&self) -> Measure {
        match self.op {
            _ if self.range.unwrap.is_some() => Measure::Unwrapped,
            RangeOp::BytesOverTime | RangeOp::BytesRate => Measure::Bytes,
            _ => Measure::Line,
        }
    }

    /// A query that looks at errors knows of them.
    fn errors(&self) -> Errors {
        let mut looked_at = match &self.labels {
            SeriesLabels::By(names) => names.clone(),
            _ => Vec::new(),
        };
        for stage in &self.range.query.stages {
            if let Stage::LabelFilter(filter) = stage {
                push_labels(filter, &mut looked_at);
            }
        }
        let filters = self.range.unwrap.iter().flat_map(|unwrap| &unwrap.filters);
        filters.for_each(|filter| push_labels(filter, &mut looked_at));
        match looked_at.iter().any(|name| name == ERROR) {
            true => Errors::Keep,
            false => Errors::Fail,
        }
    }

    /// What lines are added to.
    pub fn accumulator(&self, grid: Grid, limits: Limits) -> Result<Accumulator, MetricsError> {
        let function = Function {
            op: self.op,
            quantile: self.param.unwrap_or_default(),
            of_values: self.range.unwrap.is_some(),
            range: self.range.range,
            offset: self.range.offset,
            errors: self.errors(),
        };
        Accumulator::new(function, self.labels.clone(), grid, limits)
    }
}

/// What [`Accumulator::add`] is given of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Nothing: that there is one is enough.
    Line,
    /// Its length in bytes, as the stages leave it.
    Bytes,
    /// The value of the unwrapped label. A line without the label is left out.
    Unwrapped,
}

/// Whether an aggregation of a range aggregation's series is the same range aggregation of series with fewer labels.
fn is_one_with(range: RangeOp, around: VectorOp) -> bool {
    use RangeOp::*;
    match around {
        VectorOp::Sum => matches!(range, CountOverTime | Rate | BytesOverTime | BytesRate | SumOverTime),
        VectorOp::Max => range == MaxOverTime,
        VectorOp::Min => range == MinOverTime,
        _ => false,
    }
}

/// Adds the labels that a filter looks at.
fn push_labels(filter: &LabelFilter, labels: &mut Vec<String>) {
    match filter {
        LabelFilter::Text(matcher) => labels.push(matcher.name.clone()),
        LabelFilter::Number { label, .. }
        | LabelFilter::Duration { label, .. }
        | LabelFilter::Bytes { label, .. }
        | LabelFilter::Ip { label, .. } => labels.push(label.clone()),
        LabelFilter::All(list) | LabelFilter::Any(list) => list.iter().for_each(|filter| push_labels(filter, labels)),
    }
}

/// A label that is unwrapped is the value, and so none of the series.
fn labels(grouping: &Grouping, unwrapped: Option<&str>) -> SeriesLabels {
    match grouping {
        Grouping::By(names) => {
            let names = names.iter().filter(|name| unwrapped != Some(name.as_str()));
            SeriesLabels::By(names.cloned().collect())
        }
        Grouping::Without(names) => {
            SeriesLabels::Without(names.iter().cloned().chain(unwrapped.map(str::to_owned)).collect())
        }
    }
}

/// What lines would have that there are none of: of labels that the selector asks for by one equality the value.
fn labels_of_absent(selector: &[Matcher]) -> Labels {
    let only = |name: &str| selector.iter().filter(|matcher| matcher.name == name).count() == 1;
    let named = selector.iter().filter_map(|matcher| match &matcher.condition {
        Condition::Equal(value) if only(&matcher.name) => Some((matcher.name.as_str(), value.as_str())),
        _ => None,
    });
    Labels::from_pairs(named)
}

#[cfg(test)]
mod tests {
    use super::super::Plan;
    use super::*;

    #[test]
    fn lines_are_told_apart_by_what_the_query_asks_for() {
        let by = |names: &[&str]| SeriesLabels::By(names.iter().map(|name| (*name).to_owned()).collect());
        let without = |names: &[&str]| SeriesLabels::Without(names.iter().map(|name| (*name).to_owned()).collect());
        for (query, expected, measure) in [
            (r#"count_over_time({a="b"}[1m])"#, without(&[]), Measure::Line),
            (r#"sum(rate({a="b"}[1m]))"#, by(&[]), Measure::Line),
            (r#"sum by (c) (bytes_rate({a="b"}[1m]))"#, by(&["c"]), Measure::Bytes),
            (r#"sum without (c) (bytes_over_time({a="b"}[1m]))"#, without(&["c"]), Measure::Bytes),
            (r#"avg by (c) (rate({a="b"}[1m]))"#, without(&[]), Measure::Line),
            (r#"max by (c) (rate({a="b"}[1m]))"#, without(&[]), Measure::Line),
            (r#"sum by (c) (rate({a="b"}[1m]) + 1)"#, without(&[]), Measure::Line),
            (r#"sum by (c) (sum_over_time({a="b"} | unwrap v [1m]))"#, by(&["c"]), Measure::Unwrapped),
            (r#"sum by (c, v) (rate({a="b"} | unwrap v [1m]))"#, by(&["c"]), Measure::Unwrapped),
            (r#"sum without (c) (rate({a="b"} | unwrap v [1m]))"#, without(&["c", "v"]), Measure::Unwrapped),
            (r#"max by (c) (max_over_time({a="b"} | unwrap v [1m]))"#, by(&["c"]), Measure::Unwrapped),
            (r#"max by (c) (max_over_time({a="b"} | unwrap v [1m]) by (d))"#, by(&["d"]), Measure::Unwrapped),
            (r#"min by (c) (max_over_time({a="b"} | unwrap v [1m]))"#, without(&["v"]), Measure::Unwrapped),
            (r#"sum by (c) (avg_over_time({a="b"} | unwrap v [1m]))"#, without(&["v"]), Measure::Unwrapped),
            (
                r#"absent_over_time({a="b",c=~"d.+",e="1",e="1"}[1m])"#,
                SeriesLabels::Constant(Labels::from_pairs([("a", "b")])),
                Measure::Line,
            ),
        ] {
            let plan = Plan::new(&crate::parse_metric(query).unwrap()).unwrap();
            assert_eq!((plan.leaves()[0].labels(), plan.leaves()[0].measure()), (&expected, measure), "{query}");
        }
    }
}
