//! What three ways to store the attributes of spans cost in a Parquet file: promoted columns and JSON text for the rest,
//! JSON text only, and a map of key to value. `cargo bench -p trefoil-model --bench attribute_layouts`; the numbers are
//! in `docs/decisions/0003-attributes.md`.

#![allow(clippy::unwrap_used, reason = "a bench may fail loudly")]

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, AsArray, MapBuilder, RecordBatch, StringBuilder, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema};
use bytes::Bytes;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use trefoil_loadgen::{Source, SourceOptions};
use trefoil_model::attributes::read_attributes;
use trefoil_model::decode::{DecodeContext, decode};
use trefoil_model::promote::Learner;
use trefoil_model::series::SeriesIndex;
use trefoil_model::{Limits, Promoted, Signal, Table, Tenant};

const REQUESTS: u64 = 100;
const WANTED: (&str, &str) = ("http.route", "/v1/charges");

fn main() {
    let source = Source::new(SourceOptions::new(trefoil_loadgen::Signal::Traces));
    let requests: Vec<Bytes> = (0..REQUESTS).map(|number| source.request(number)).collect();
    let (json, _) = decode_all(&requests, &Promoted::nothing());
    let (columns, learned) = decode_all(&requests, &Promoted::default());
    let (learned, _) = decode_all(&requests, &learned);
    let map: Vec<RecordBatch> = json.iter().map(with_map).collect();
    measure("conventions as columns, rest JSON", &columns, &format!("span.{}", WANTED.0), matches_text);
    measure("+ keys learned from the data", &learned, &format!("span.{}", WANTED.0), matches_text);
    measure("JSON only", &json, "span_attributes", matches_json);
    measure("map only", &map, "span_attributes", matches_map);
}

/// The batches, and the registry after learning from them.
fn decode_all(requests: &[Bytes], promoted: &Promoted) -> (Vec<RecordBatch>, Promoted) {
    let (limits, series, mut learner) = (Limits::default(), SeriesIndex::default(), Learner::new(Table::Spans));
    let context = DecodeContext { promoted, limits: &limits, series: &series, received: 1, trace_ids: None };
    let mut learned = promoted.clone();
    let mut batches = Vec::new();
    for request in requests {
        let mut decoded = decode(Signal::Traces, &Tenant::default(), request, &context).unwrap();
        learned = learner.observe(&decoded.key_counts.take().unwrap(), &learned).unwrap_or(learned);
        batches.extend(decoded.batches.into_iter().map(|(_, batch)| batch));
    }
    (batches, learned)
}

/// The same rows with the attributes of spans and resources as maps.
fn with_map(batch: &RecordBatch) -> RecordBatch {
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let column = match field.name().as_str() {
            "span_attributes" | "resource_attributes" => map_of(column),
            _ => column.clone(),
        };
        fields.push(field.as_ref().clone().with_data_type(column.data_type().clone()));
        columns.push(column);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn map_of(column: &ArrayRef) -> ArrayRef {
    let texts = cast(column, &DataType::Utf8).unwrap();
    let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for text in texts.as_string::<i32>() {
        for attribute in text.map(|text| read_attributes(text).unwrap()).unwrap_or_default() {
            map.keys().append_value(attribute.key);
            map.values().append_value(match attribute.value.unwrap().value.unwrap() {
                Value::StringValue(text) => text,
                other => format!("{other:?}"),
            });
        }
        map.append(text.is_some()).unwrap();
    }
    Arc::new(map.finish())
}

fn measure(name: &str, batches: &[RecordBatch], column: &str, matches: fn(&ArrayRef) -> usize) {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let start = processor_time();
    let file = Bytes::from(write(batches));
    let written = processor_time() - start;
    let start = processor_time();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file.clone()).unwrap();
    let leaves: Vec<usize> = (0..builder.parquet_schema().num_columns())
        .filter(|&leaf| builder.parquet_schema().column(leaf).path().parts()[0] == column)
        .collect();
    let mask = ProjectionMask::leaves(builder.parquet_schema(), leaves.iter().copied());
    let groups = builder.metadata().row_groups();
    let size = |leaf: &usize| groups.iter().map(|group| group.column(*leaf).compressed_size()).sum::<i64>();
    let bytes: i64 = leaves.iter().map(size).sum();
    let found: usize = builder
        .with_projection(mask)
        .with_batch_size(8192)
        .build()
        .unwrap()
        .map(|batch| matches(batch.unwrap().column(0)))
        .sum();
    let read = processor_time() - start;
    let per_row = |time: Duration| time.as_nanos() as f64 / rows as f64;
    println!(
        "{name:<34} {:>5.1} bytes a span, write {:>5.0} ns, {} = {}: {found} rows, {:>4.0} ns a span, {} KiB",
        file.len() as f64 / rows as f64,
        per_row(written),
        WANTED.0,
        WANTED.1,
        per_row(read),
        bytes / 1024,
    );
}

fn write(batches: &[RecordBatch]) -> Vec<u8> {
    let schema = Arc::new(Schema::try_merge(batches.iter().map(|batch| batch.schema_ref().as_ref().clone())).unwrap());
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::try_new(1).unwrap()));
    let mut writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties.build())).unwrap();
    for batch in batches {
        let column = |field: &Arc<arrow::datatypes::Field>| match batch.column_by_name(field.name()) {
            Some(column) => column.clone(),
            None => new_null_array(field.data_type(), batch.num_rows()),
        };
        let columns = schema.fields().iter().map(column).collect();
        writer.write(&RecordBatch::try_new(schema.clone(), columns).unwrap()).unwrap();
    }
    writer.into_inner().unwrap()
}

fn matches_text(column: &ArrayRef) -> usize {
    let texts = cast(column, &DataType::Utf8).unwrap();
    texts.as_string::<i32>().iter().filter(|text| *text == Some(WANTED.1)).count()
}

fn matches_json(column: &ArrayRef) -> usize {
    let wanted = |text: &str| {
        let object: std::collections::HashMap<&str, &serde_json::value::RawValue> = serde_json::from_str(text).unwrap();
        object.get(WANTED.0).is_some_and(|value| value.get() == format!("\"{}\"", WANTED.1))
    };
    let texts = cast(column, &DataType::Utf8).unwrap();
    texts.as_string::<i32>().iter().flatten().filter(|text| wanted(text)).count()
}

fn matches_map(column: &ArrayRef) -> usize {
    let map = column.as_map();
    let (keys, values) = (map.keys().as_string::<i32>(), map.values().as_string::<i32>());
    let wanted = |entry: usize| keys.value(entry) == WANTED.0 && values.value(entry) == WANTED.1;
    let offsets = map.value_offsets();
    (0..map.len()).filter(|&row| (offsets[row]..offsets[row + 1]).any(|entry| wanted(entry as usize))).count()
}

/// What this thread has used of its processor (Linux).
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}
