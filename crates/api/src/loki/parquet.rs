//! Answers as Parquet, for those who ask for it: a row for each line or sample, in the columns that Loki has.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Builder, MapBuilder, MapFieldNames, RecordBatch, StringBuilder, TimestampMillisecondBuilder,
    TimestampNanosecondBuilder,
};
use arrow::datatypes::{DataType, Field};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use trefoil_logql::metrics::Answer;
use trefoil_query::logs::FoundLine;

use super::LokiError;
use super::streams::merged;

const PARQUET: &str = "application/vnd.apache.parquet";
const NANOS_PER_MILLI: i64 = 1_000_000;

pub(super) fn is_accepted(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
    accepted
        .flat_map(|accept| accept.split(','))
        .any(|kind| kind.split(';').next().unwrap_or_default().trim() == PARQUET)
}

/// `timestamp` (nanoseconds), `labels` (all of a line), `line`.
pub(super) fn streams(lines: &[FoundLine]) -> Result<Response, LokiError> {
    let mut times = TimestampNanosecondBuilder::new().with_timezone("UTC");
    let mut labels = maps();
    let mut texts = StringBuilder::new();
    for line in lines {
        times.append_value(line.time);
        append(&mut labels, merged(line).into_iter())?;
        texts.append_value(&line.line);
    }
    let (times, labels, texts): (ArrayRef, ArrayRef, ArrayRef) =
        (Arc::new(times.finish()), Arc::new(labels.finish()), Arc::new(texts.finish()));
    response([("timestamp", times), ("labels", labels), ("line", texts)])
}

/// `timestamp` (milliseconds), `labels`, `value`.
pub(super) fn series(answer: &Answer) -> Result<Response, LokiError> {
    let mut times = TimestampMillisecondBuilder::new().with_timezone("UTC");
    let mut labels = maps();
    let mut values = Float64Builder::new();
    let mut add = |pairs: &trefoil_promql::labels::Labels, time: i64, value: f64| {
        times.append_value(time.div_euclid(NANOS_PER_MILLI));
        values.append_value(value);
        append(&mut labels, pairs.iter().map(|label| (&*label.name, &*label.value)))
    };
    match answer {
        Answer::Scalar { time, value } => add(&trefoil_promql::labels::Labels::default(), *time, *value)?,
        Answer::Vector { time, samples } => {
            samples.iter().try_for_each(|(labels, value)| add(labels, *time, *value))?;
        }
        Answer::Matrix(all) => {
            for (labels, samples) in all {
                samples.iter().try_for_each(|(time, value)| add(labels, *time, *value))?;
            }
        }
    }
    let (times, labels, values): (ArrayRef, ArrayRef, ArrayRef) =
        (Arc::new(times.finish()), Arc::new(labels.finish()), Arc::new(values.finish()));
    response([("timestamp", times), ("labels", labels), ("value", values)])
}

type Maps = MapBuilder<StringBuilder, StringBuilder>;

/// With the names that Parquet wants.
fn maps() -> Maps {
    let names = MapFieldNames { entry: "key_value".to_owned(), key: "key".to_owned(), value: "value".to_owned() };
    let value = Field::new("value", DataType::Utf8, false);
    MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new()).with_values_field(value)
}

fn append<'l>(maps: &mut Maps, pairs: impl Iterator<Item = (&'l str, &'l str)>) -> Result<(), LokiError> {
    for (name, value) in pairs {
        maps.keys().append_value(name);
        maps.values().append_value(value);
    }
    maps.append(true).map_err(failed)
}

fn response(columns: [(&str, ArrayRef); 3]) -> Result<Response, LokiError> {
    let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, false)));
    let batch = batch.map_err(failed)?;
    let properties = WriterProperties::builder().set_compression(Compression::LZ4_RAW).build();
    let mut body = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut body, batch.schema(), Some(properties)).map_err(failed)?;
    writer.write(&batch).map_err(failed)?;
    writer.close().map_err(failed)?;
    Ok(([(header::CONTENT_TYPE, PARQUET)], body).into_response())
}

fn failed(error: impl std::fmt::Display) -> LokiError {
    LokiError(StatusCode::INTERNAL_SERVER_ERROR, format!("the answer could not be encoded: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parquet_is_for_those_who_ask() {
        let accepts = |accept: &str| is_accepted(&HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]));
        assert!(accepts(PARQUET) && accepts("application/vnd.apache.parquet;q=1, application/json"));
        assert!(!accepts("application/json, */*") && !is_accepted(&HeaderMap::new()));
    }
}
