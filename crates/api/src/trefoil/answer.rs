//! Rows as a streamed HTTP body. The first batch is awaited before the status is sent, so that a query that fails at
//! once is an ordinary error; one that fails later cuts the body off (CSV, Arrow) or ends it with an `error` (JSON).

use std::io;

use arrow::array::RecordBatch;
use arrow::csv;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::ipc::writer::StreamWriter;
use arrow::json::writer::{EncoderOptions, NullableEncoder, make_encoder};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt, stream};
use serde::Serialize;
use serde_json::{Value, json};
use trefoil_query::QueryError;
use trefoil_query::sql::Rows;
use utoipa::ToSchema;

use super::error::{ApiError, ErrorBody};

/// How the rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// `{"columns": [{"name", "type"}], "rows": [[…], …]}`; ids as hex, times as ISO 8601, absent values as null.
    Json,
    /// With a header line.
    Csv,
    /// Arrow's IPC stream format.
    Arrow,
}

/// Columns and rows.
// For the description only: answers are written row by row.
#[derive(ToSchema)]
#[allow(dead_code)]
pub(super) struct SqlAnswer {
    columns: Vec<SqlColumn>,
    /// A value for each column: numbers, texts and booleans as such, ids in hexadecimal, times in ISO 8601, lists as
    /// lists, absent values as null.
    #[schema(value_type = Vec<Vec<Value>>)]
    rows: Vec<Vec<Value>>,
    /// Present where the query failed after the first rows were sent: the rows are not all.
    #[schema(nullable = false)]
    error: Option<ErrorBody>,
}

#[derive(Serialize, ToSchema)]
struct SqlColumn {
    #[schema(example = "service_name")]
    name: String,
    /// As SQL names it.
    #[schema(example = "VARCHAR")]
    r#type: String,
}

/// Arrow's IPC stream format.
// For the description only.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[allow(dead_code)]
pub(super) struct ArrowStream(Vec<u8>);

const ARROW_STREAM: &str = "application/vnd.apache.arrow.stream";

impl Format {
    pub fn accepted(headers: &HeaderMap) -> Result<Self, ApiError> {
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("*/*");
        for kind in accept.split(',').map(|part| part.split(';').next().unwrap_or(part).trim()) {
            match kind {
                "application/json" | "*/*" | "application/*" | "" => return Ok(Format::Json),
                "text/csv" | "text/*" => return Ok(Format::Csv),
                ARROW_STREAM => return Ok(Format::Arrow),
                _ => {}
            }
        }
        Err(ApiError {
            status: http::StatusCode::NOT_ACCEPTABLE,
            code: "not_acceptable",
            message: format!("Accept: {accept}: the answer can be application/json, text/csv or {ARROW_STREAM}"),
        })
    }

    fn content_type(self) -> &'static str {
        match self {
            Format::Json => "application/json",
            Format::Csv => "text/csv; charset=utf-8",
            Format::Arrow => ARROW_STREAM,
        }
    }
}

pub(super) async fn stream(mut rows: Rows, format: Format) -> Result<Response, ApiError> {
    let schema = rows.schema();
    let first = rows.next().await.transpose()?;
    let batches = stream::iter(first.map(Ok)).chain(rows);
    let body = match format {
        Format::Json => Body::from_stream(write(JsonWriter::new(&schema), batches)),
        Format::Csv => Body::from_stream(write(CsvWriter::new(schema), batches)),
        Format::Arrow => Body::from_stream(write(ArrowWriter::new(&schema)?, batches)),
    };
    Ok(([(header::CONTENT_TYPE, format.content_type())], body).into_response())
}

trait Writer: Send + 'static {
    fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, QueryError>;
    fn end(&mut self) -> Result<Vec<u8>, QueryError>;
    /// What can still be said to the reader about a failure half-way; `None` where the format has no words for it.
    fn failed(&mut self, error: ApiError) -> Option<Vec<u8>>;
}

/// Fused: what compresses an answer asks for more after its end.
fn write<W: Writer>(
    writer: W,
    batches: impl Stream<Item = Result<RecordBatch, QueryError>> + Send + 'static,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::unfold(Some((writer, Box::pin(batches))), async |state| {
        let (mut writer, mut batches) = state?;
        let (written, ended) = match batches.next().await {
            Some(Ok(batch)) => (writer.batch(&batch), false),
            Some(Err(error)) => (Err(error), true),
            None => (writer.end(), true),
        };
        match written {
            Ok(bytes) => Some((Ok(bytes.into()), (!ended).then_some((writer, batches)))),
            Err(error) => {
                tracing::warn!(%error, "a query failed after the first rows were sent");
                let last = match writer.failed(error.into()) {
                    Some(bytes) => Ok(bytes.into()),
                    None => Err(io::Error::other("the query failed")),
                };
                Some((last, None))
            }
        }
    })
    .fuse()
}

fn encoding(error: impl std::fmt::Display) -> QueryError {
    QueryError::Internal(format!("the answer could not be encoded: {error}"))
}

struct JsonWriter {
    /// What goes before the next row.
    pending: Vec<u8>,
    rows: usize,
}

impl JsonWriter {
    fn new(schema: &SchemaRef) -> Self {
        let columns: Vec<_> = schema
            .fields()
            .iter()
            .map(|field| SqlColumn { name: field.name().clone(), r#type: type_name(field.data_type()) })
            .collect();
        Self { pending: format!("{{\"columns\":{},\"rows\":[", json!(columns)).into_bytes(), rows: 0 }
    }
}

impl Writer for JsonWriter {
    fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, QueryError> {
        let options = EncoderOptions::default().with_explicit_nulls(true);
        let schema = batch.schema();
        let mut columns: Vec<NullableEncoder<'_>> = schema
            .fields()
            .iter()
            .zip(batch.columns())
            .map(|(field, column)| make_encoder(field, column, &options).map_err(encoding))
            .collect::<Result<_, _>>()?;
        let mut out = std::mem::take(&mut self.pending);
        for row in 0..batch.num_rows() {
            out.extend_from_slice(if self.rows == 0 { b"[" } else { b",\n[" });
            self.rows += 1;
            for (index, column) in columns.iter_mut().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                match column.is_null(row) {
                    true => out.extend_from_slice(b"null"),
                    false => column.encode(row, &mut out),
                }
            }
            out.push(b']');
        }
        Ok(out)
    }

    fn end(&mut self) -> Result<Vec<u8>, QueryError> {
        let mut out = std::mem::take(&mut self.pending);
        out.extend_from_slice(b"]}\n");
        Ok(out)
    }

    fn failed(&mut self, error: ApiError) -> Option<Vec<u8>> {
        let mut out = std::mem::take(&mut self.pending);
        out.extend_from_slice(format!("],\"error\":{}}}\n", json!(error.into_body())).as_bytes());
        Some(out)
    }
}

/// The type as SQL names it.
fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "VARCHAR".into(),
        DataType::Dictionary(_, value) => type_name(value),
        DataType::Boolean => "BOOLEAN".into(),
        DataType::Int64 => "BIGINT".into(),
        DataType::Int32 => "INTEGER".into(),
        DataType::UInt64 => "UBIGINT".into(),
        DataType::UInt32 => "UINTEGER".into(),
        DataType::Float64 => "DOUBLE".into(),
        DataType::Timestamp(_, _) => "TIMESTAMP".into(),
        DataType::Date32 => "DATE".into(),
        DataType::FixedSizeBinary(_) | DataType::Binary | DataType::BinaryView => "BLOB".into(),
        other => other.to_string(),
    }
}

struct CsvWriter {
    schema: SchemaRef,
    header_written: bool,
}

impl CsvWriter {
    fn new(schema: SchemaRef) -> Self {
        Self { schema, header_written: false }
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, QueryError> {
        let mut out = Vec::new();
        let header = !std::mem::replace(&mut self.header_written, true);
        let batch = nested_as_text(batch)?;
        csv::WriterBuilder::new().with_header(header).build(&mut out).write(&batch).map_err(encoding)?;
        Ok(out)
    }
}

/// CSV has no nesting: lists and structs are written as their JSON.
fn nested_as_text(batch: &RecordBatch) -> Result<RecordBatch, QueryError> {
    if !batch.schema().fields().iter().any(|field| field.data_type().is_nested()) {
        return Ok(batch.clone());
    }
    let options = EncoderOptions::default().with_explicit_nulls(true);
    let schema = batch.schema();
    let mut fields = Vec::with_capacity(batch.num_columns());
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        if !field.data_type().is_nested() {
            fields.push(field.clone());
            columns.push(column.clone());
            continue;
        }
        let mut encoder = make_encoder(field, column, &options).map_err(encoding)?;
        let text: arrow::array::StringArray = (0..batch.num_rows())
            .map(|row| {
                (!encoder.is_null(row)).then(|| {
                    let mut json = Vec::new();
                    encoder.encode(row, &mut json);
                    String::from_utf8_lossy(&json).into_owned()
                })
            })
            .collect();
        fields.push(arrow::datatypes::Field::new(field.name(), DataType::Utf8, true).into());
        columns.push(std::sync::Arc::new(text) as arrow::array::ArrayRef);
    }
    RecordBatch::try_new(arrow::datatypes::Schema::new(fields).into(), columns).map_err(encoding)
}

impl Writer for CsvWriter {
    fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, QueryError> {
        self.write(batch)
    }

    fn end(&mut self) -> Result<Vec<u8>, QueryError> {
        match self.header_written {
            true => Ok(Vec::new()),
            false => self.write(&RecordBatch::new_empty(self.schema.clone())),
        }
    }

    fn failed(&mut self, _error: ApiError) -> Option<Vec<u8>> {
        None
    }
}

struct ArrowWriter(StreamWriter<Vec<u8>>);

impl ArrowWriter {
    fn new(schema: &SchemaRef) -> Result<Self, QueryError> {
        Ok(Self(StreamWriter::try_new(Vec::new(), schema).map_err(encoding)?))
    }

    fn take(&mut self) -> Vec<u8> {
        std::mem::take(self.0.get_mut())
    }
}

impl Writer for ArrowWriter {
    fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, QueryError> {
        self.0.write(batch).map_err(encoding)?;
        Ok(self.take())
    }

    fn end(&mut self) -> Result<Vec<u8>, QueryError> {
        self.0.finish().map_err(encoding)?;
        Ok(self.take())
    }

    fn failed(&mut self, _error: ApiError) -> Option<Vec<u8>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, FixedSizeBinaryArray, Int64Array, ListArray, TimestampNanosecondArray};
    use arrow::datatypes::Int64Type;

    use super::*;

    fn batch() -> RecordBatch {
        let ids: ArrayRef = Arc::new(FixedSizeBinaryArray::try_from_iter([[0xabu8; 8], [1; 8]].iter()).unwrap());
        let times: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![1_000_000_001, 0]));
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(i64::MAX), None]));
        let lists: ArrayRef =
            Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1), Some(2)]), None]));
        RecordBatch::try_from_iter_with_nullable([
            ("id", ids, true),
            ("time", times, true),
            ("n", numbers, true),
            ("l", lists, true),
        ])
        .unwrap()
    }

    fn written(mut writer: impl Writer) -> String {
        let mut out = writer.batch(&batch()).unwrap();
        out.extend(writer.end().unwrap());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_is_one_document() {
        let text = written(JsonWriter::new(&batch().schema()));
        insta::assert_snapshot!(text, @r#"
        {"columns":[{"name":"id","type":"BLOB"},{"name":"time","type":"TIMESTAMP"},{"name":"n","type":"BIGINT"},{"name":"l","type":"List(Int64)"}],"rows":[["abababababababab","1970-01-01T00:00:01.000000001",9223372036854775807,[1,2]],
        ["0101010101010101","1970-01-01T00:00:00",null,null]]}
        "#);
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
    }

    #[tokio::test]
    async fn an_answer_can_be_asked_for_more_after_its_end() {
        for batches in [vec![Ok(batch())], vec![Err(QueryError::Internal("the disk is gone".into()))]] {
            let mut answer = Box::pin(write(JsonWriter::new(&batch().schema()), stream::iter(batches)));
            while answer.next().await.is_some() {}
            assert!(answer.next().await.is_none());
        }
    }

    #[test]
    fn json_says_that_it_was_cut_short() {
        let mut writer = JsonWriter::new(&batch().schema());
        let mut out = writer.batch(&batch()).unwrap();
        out.extend(writer.failed(QueryError::LimitExceeded("too much".into()).into()).unwrap());
        let document: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(document["error"], json!({ "code": "limit_exceeded", "message": "too much" }));
    }

    #[test]
    fn csv_writes_nested_values_as_json() {
        insta::assert_snapshot!(written(CsvWriter::new(batch().schema())), @r#"
        id,time,n,l
        abababababababab,1970-01-01T00:00:01.000000001,9223372036854775807,"[1,2]"
        0101010101010101,1970-01-01T00:00:00,,
        "#);
    }

    #[test]
    fn accept_chooses_the_format() {
        let accepted = |accept: &str| {
            let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
            Format::accepted(&headers).map_err(|e| e.status)
        };
        assert_eq!(accepted("text/csv;q=0.9, */*"), Ok(Format::Csv));
        assert_eq!(accepted(ARROW_STREAM), Ok(Format::Arrow));
        assert_eq!(accepted("image/png"), Err(http::StatusCode::NOT_ACCEPTABLE));
        assert_eq!(Format::accepted(&HeaderMap::new()).map_err(|e| e.status), Ok(Format::Json));
    }
}
