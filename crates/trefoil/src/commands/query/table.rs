//! Samples as a table: a column for each label, one for the value.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::util::pretty::pretty_format_batches;
use chrono::{DateTime, SecondsFormat};
use trefoil_promql::labels::METRIC_NAME;

use super::answer::{Metric, Sample, Series};

/// An instant vector.
pub fn vector(samples: &[Sample]) -> anyhow::Result<String> {
    let rows = samples.iter().map(|sample| {
        let value = match (&sample.value, &sample.histogram) {
            (Some(point), _) => point.1.clone(),
            (None, Some(point)) => point.1.to_string(),
            (None, None) => String::new(),
        };
        (&sample.metric, None, value)
    });
    table(rows.collect())
}

/// The samples of range vectors, each with its time.
pub fn matrix(series: &[Series]) -> anyhow::Result<String> {
    let mut rows = Vec::new();
    for series in series {
        let floats = series.values.iter().map(|point| (point.0, point.1.clone()));
        let histograms = series.histograms.iter().map(|point| (point.0, point.1.to_string()));
        let mut points: Vec<(f64, String)> = floats.chain(histograms).collect();
        points.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        rows.extend(points.into_iter().map(|(time, value)| (&series.metric, Some(time), value)));
    }
    table(rows)
}

fn table(rows: Vec<(&Metric, Option<f64>, String)>) -> anyhow::Result<String> {
    let summary = format!("{} row{}\n", rows.len(), if rows.len() == 1 { "" } else { "s" });
    if rows.is_empty() {
        return Ok(summary);
    }
    let names: BTreeSet<&str> =
        rows.iter().flat_map(|(metric, ..)| metric.0.iter()).map(|label| label.name.as_ref()).collect();
    // `__name__` sorts before what letters begin.
    let mut columns: Vec<(&str, ArrayRef)> = Vec::with_capacity(names.len() + 2);
    for name in names {
        let values = StringArray::from_iter_values(rows.iter().map(|(metric, ..)| metric.0.get(name)));
        columns.push((if name == METRIC_NAME { "metric" } else { name }, Arc::new(values)));
    }
    if rows.iter().any(|(_, time, _)| time.is_some()) {
        let times = StringArray::from_iter_values(rows.iter().map(|(_, time, _)| time.map_or_else(String::new, shown)));
        columns.push(("time", Arc::new(times)));
    }
    columns.push(("value", Arc::new(StringArray::from_iter_values(rows.iter().map(|(.., value)| value)))));
    let batch = RecordBatch::try_from_iter(columns)?;
    Ok(format!("{}\n{summary}", pretty_format_batches(&[batch])?))
}

/// Seconds since the epoch.
pub fn shown(seconds: f64) -> String {
    match DateTime::from_timestamp_millis((seconds * 1000.0).round() as i64) {
        Some(time) => time.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        None => seconds.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_columns() {
        let samples: Vec<Sample> = serde_json::from_str(
            r#"[{"metric": {"__name__": "up", "job": "a"}, "value": [1, "1"]},
                {"metric": {"zone": "b"}, "histogram": [1, {"count": "3", "sum": "1.5"}]}]"#,
        )
        .unwrap();
        insta::assert_snapshot!(vector(&samples).unwrap(), @"
        +--------+-----+------+------------------+
        | metric | job | zone | value            |
        +--------+-----+------+------------------+
        | up     | a   |      | 1                |
        |        |     | b    | count 3, sum 1.5 |
        +--------+-----+------+------------------+
        2 rows
        ");
        assert_eq!(vector(&[]).unwrap(), "0 rows\n");
    }

    #[test]
    fn samples_of_ranges_have_times() {
        let series: Vec<Series> =
            serde_json::from_str(r#"[{"metric": {"__name__": "up"}, "values": [[1.5, "1"], [2, "NaN"]]}]"#).unwrap();
        insta::assert_snapshot!(matrix(&series).unwrap(), @"
        +--------+--------------------------+-------+
        | metric | time                     | value |
        +--------+--------------------------+-------+
        | up     | 1970-01-01T00:00:01.500Z | 1     |
        | up     | 1970-01-01T00:00:02Z     | NaN   |
        +--------+--------------------------+-------+
        2 rows
        ");
    }
}
