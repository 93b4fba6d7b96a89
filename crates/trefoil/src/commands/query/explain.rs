//! What a query took, for people.

use std::fmt::Write;

use chrono::{DateTime, SecondsFormat};
use serde::Deserialize;

/// The member `explain` of an answer. Times are seconds.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    timings: Timings,
    selectors: Vec<Selector>,
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Timings {
    exec_total_time: f64,
    exec_queue_time: f64,
    query_preparation_time: f64,
    inner_eval_time: f64,
    result_sort_time: f64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Selector {
    selector: String,
    start: f64,
    end: f64,
    time: f64,
    metrics: u64,
    series_looked_at: u64,
    stored_series: u64,
    series: u64,
    samples: u64,
    tables: Tables,
}

#[derive(Debug, Deserialize)]
struct Tables {
    samples: Table,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Table {
    files: u64,
    pruned_files: u64,
    row_groups: u64,
    pruned_row_groups: u64,
    bytes: u64,
    rows: u64,
    kept_rows: u64,
}

#[derive(Debug, Deserialize)]
struct Node {
    depth: usize,
    expr: String,
    time: f64,
    series: u64,
    samples: u64,
}

impl Explained {
    pub fn shown(&self) -> String {
        let Timings { exec_total_time, exec_queue_time, query_preparation_time, inner_eval_time, result_sort_time } =
            &self.timings;
        let mut out = format!(
            "{} in all: waited {}, prepared {}, evaluated {}, sorted {}\n",
            millis(*exec_total_time),
            millis(*exec_queue_time),
            millis(*query_preparation_time),
            millis(*inner_eval_time),
            millis(*result_sort_time),
        );
        for selector in &self.selectors {
            out.push_str(&selector.shown());
        }
        let width = self.nodes.iter().map(|node| 2 * node.depth + node.expr.chars().count()).max().unwrap_or(0);
        // Writing to memory does not fail.
        let _ = writeln!(out, "\n{:width$}  {:>12}  {:>9}  {:>11}", "node", "time", "series", "samples");
        for Node { depth, expr, time, series, samples } in &self.nodes {
            let expr = format!("{}{expr}", "  ".repeat(*depth));
            let _ = writeln!(out, "{expr:width$}  {:>12}  {series:>9}  {samples:>11}", millis(*time));
        }
        out
    }
}

impl Selector {
    fn shown(&self) -> String {
        let Self { selector, start, end, time, metrics, series_looked_at, stored_series, series, samples, tables } =
            self;
        format!(
            "\n{selector} from {} to {}: {}\n  {metrics} metrics; {stored_series} of {series_looked_at} stored series fulfil \
             the matchers\n  {series} series, {samples} samples\n    {}\n",
            instant(*start),
            instant(*end),
            millis(*time),
            tables.samples.shown(),
        )
    }
}

impl Table {
    fn shown(&self) -> String {
        let Self { files, pruned_files, row_groups, pruned_row_groups, bytes, rows, kept_rows } = self;
        format!(
            "{rows} rows read and {kept_rows} found decoded in memory; {files} of {} files, {row_groups} of their {} row groups, {bytes} bytes",
            files + pruned_files,
            row_groups + pruned_row_groups,
        )
    }
}

fn millis(seconds: f64) -> String {
    format!("{:.2} ms", seconds * 1000.0)
}

fn instant(seconds: f64) -> String {
    let time = DateTime::from_timestamp_millis((seconds * 1000.0) as i64);
    time.map_or_else(|| seconds.to_string(), |time| time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_and_nodes_are_shown() {
        let table = json!({
            "files": 1, "prunedFiles": 2, "rowGroups": 3, "prunedRowGroups": 4, "bytes": 5, "rows": 8, "keptRows": 9,
        });
        let explained: Explained = serde_json::from_value(json!({
            "timings": {
                "execTotalTime": 0.01, "execQueueTime": 0.0, "queryPreparationTime": 0.001, "innerEvalTime": 0.009,
                "resultSortTime": 0.0, "evalTotalTime": 0.01,
            },
            "selectors": [{
                "selector": "{__name__=\"up\"}", "start": 0.001, "end": 60.0, "time": 0.004, "metrics": 1,
                "seriesLookedAt": 7, "storedSeries": 2, "series": 2, "samples": 8,
                "tables": { "samples": table },
            }],
            "nodes": [
                { "depth": 0, "expr": "sum(up)", "time": 0.009, "series": 1, "samples": 4 },
                { "depth": 1, "expr": "up", "time": 0.008, "series": 2, "samples": 8 },
            ],
        }))
        .unwrap();
        insta::assert_snapshot!(explained.shown(), @r#"
        10.00 ms in all: waited 0.00 ms, prepared 1.00 ms, evaluated 9.00 ms, sorted 0.00 ms

        {__name__="up"} from 1970-01-01T00:00:00.001Z to 1970-01-01T00:01:00.000Z: 4.00 ms
          1 metrics; 2 of 7 stored series fulfil the matchers
          2 series, 8 samples
            8 rows read and 9 found decoded in memory; 1 of 3 files, 3 of their 7 row groups, 5 bytes

        node             time     series      samples
        sum(up)       9.00 ms          1            4
          up          8.00 ms          2            8
        "#);
    }
}
