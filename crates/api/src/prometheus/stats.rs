//! What a query took: Prometheus' `stats`, and `explain`, which is ours: what was read, pruned and spent, by selector and by node.

use std::time::Duration;

use serde_json::{Value, json};
use trefoil_promql::eval::{NodeSpent, QueryStats, Timings};
use trefoil_query::metrics::{SelectorSpent, TableSpent};

/// As of Prometheus' `stats=true`; `by_step` as of `stats=all` with its feature `promql-per-step-stats`.
pub(super) fn stats(stats: &QueryStats, took: Duration, by_step: bool) -> Value {
    let mut samples = json!({ "totalQueryableSamples": stats.samples, "peakSamples": stats.peak_samples });
    if by_step {
        let steps: Vec<Value> =
            stats.samples_by_step.iter().map(|(millis, samples)| json!([seconds(*millis), samples])).collect();
        samples["totalQueryableSamplesPerStep"] = steps.into();
    }
    json!({ "timings": timings(&stats.timings, took), "samples": samples })
}

/// Seconds.
fn timings(timings: &Timings, took: Duration) -> Value {
    let Timings { queue, preparation, evaluation, sorting } = timings;
    json!({
        "evalTotalTime": took.saturating_sub(*queue).as_secs_f64(),
        "resultSortTime": sorting.as_secs_f64(),
        "queryPreparationTime": preparation.as_secs_f64(),
        "innerEvalTime": evaluation.saturating_sub(*sorting).as_secs_f64(),
        "execQueueTime": queue.as_secs_f64(),
        "execTotalTime": took.as_secs_f64(),
    })
}

pub(super) fn explain(selectors: &[SelectorSpent], nodes: &[NodeSpent], stats: &QueryStats, took: Duration) -> Value {
    json!({
        "timings": timings(&stats.timings, took),
        "selectors": selectors.iter().map(selector).collect::<Vec<_>>(),
        "nodes": nodes.iter().map(node).collect::<Vec<_>>(),
    })
}

fn selector(spent: &SelectorSpent) -> Value {
    json!({
        "selector": spent.selector,
        "start": seconds(spent.start_ms),
        "end": seconds(spent.end_ms),
        "time": spent.time.as_secs_f64(),
        "metrics": spent.metrics,
        "seriesLookedAt": spent.series_looked_at,
        "storedSeries": spent.stored_series,
        "series": spent.series,
        "samples": spent.samples,
        "tables": { "samples": table(&spent.samples_table) },
    })
}

fn table(spent: &TableSpent) -> Value {
    json!({
        "files": spent.files,
        "prunedFiles": spent.pruned_files,
        "rowGroups": spent.row_groups,
        "prunedRowGroups": spent.pruned_row_groups,
        "bytes": spent.bytes,
        "rows": spent.rows,
        "keptRows": spent.kept_rows,
    })
}

fn node(spent: &NodeSpent) -> Value {
    json!({
        "depth": spent.depth,
        "expr": spent.text,
        "time": spent.time.as_secs_f64(),
        "series": spent.series,
        "samples": spent.samples,
    })
}

fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_have_prometheus_names() {
        let timings = Timings {
            queue: Duration::from_secs(1),
            preparation: Duration::from_secs(2),
            evaluation: Duration::from_secs(5),
            sorting: Duration::from_secs(1),
        };
        let taken = QueryStats { samples: 3, samples_by_step: vec![(1_500, 1), (2_500, 2)], peak_samples: 2, timings };
        let took = Duration::from_secs(9);
        let expected = json!({
            "timings": {
                "evalTotalTime": 8.0, "resultSortTime": 1.0, "queryPreparationTime": 2.0, "innerEvalTime": 4.0,
                "execQueueTime": 1.0, "execTotalTime": 9.0,
            },
            "samples": {
                "totalQueryableSamplesPerStep": [[1.5, 1], [2.5, 2]], "totalQueryableSamples": 3, "peakSamples": 2,
            },
        });
        assert_eq!(stats(&taken, took, true), expected);
        assert_eq!(stats(&taken, took, false)["samples"].get("totalQueryableSamplesPerStep"), None);
    }
}
