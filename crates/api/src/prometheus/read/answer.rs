//! The series of a request's queries, one query after the other, as samples or as chunks.

use std::collections::VecDeque;
use std::io;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures::stream;
use prost::Message;
use tokio::sync::OwnedSemaphorePermit;
use trefoil_model::Tenant;
use trefoil_promql::histogram::{CounterResetHint, FloatHistogram, Span};
use trefoil_promql::labels::Labels;
use trefoil_promql::points::PointRef;
use trefoil_promql::source::RawSeries;
use trefoil_query::Engine;
use trefoil_query::metrics::{PromqlError, SeriesQuestion, SeriesStream};

use super::request::Asked;
use super::{frames, plain};
use crate::ApiState;
use crate::prometheus::error::PromError;
use trefoil_prometheus::remote::read::{QueryResult, ReadResponse, TimeSeries};
use trefoil_prometheus::remote::{BucketSpan, Histogram, Label, Sample};

/// Prometheus' `storage.remote.read-sample-limit`: of one query that is answered as samples, since those are held.
const MOST_SAMPLES: usize = 50_000_000;
/// Of all answers of that kind together, for the same reason.
const MOST_ANSWER_BYTES: usize = 512 << 20;
/// Samples that one piece of a streamed answer may read.
const MOST_PIECE_SAMPLES: usize = 50_000_000;
/// One piece of a streamed answer.
const PIECE_BYTES: usize = 64 << 10;

/// Memory that a byte of such an answer takes: as a message about twice as much, then as it is written, then compressed.
const BYTES_BY_ENCODED: usize = 4;

const SAMPLES: &str = "application/x-protobuf";
const CHUNKS: &str = "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse";

/// What is left of a request.
pub struct Reading {
    engine: Engine,
    tenant: Tenant,
    external: Vec<(String, String)>,
    asked: VecDeque<Asked>,
    /// Which of the queries is next.
    query: usize,
    series: Option<SeriesStream>,
    _turn: OwnedSemaphorePermit,
}

impl Reading {
    pub fn new(state: &ApiState, tenant: Tenant, asked: Vec<Asked>, turn: OwnedSemaphorePermit) -> Self {
        let external = state.external_labels().into_iter().collect();
        let engine = state.engine.clone();
        Self { engine, tenant, external, asked: asked.into(), query: 0, series: None, _turn: turn }
    }

    /// Whole, since snappy's block format begins with the length.
    pub async fn samples(mut self) -> Result<Response, PromError> {
        let mut response = ReadResponse::default();
        let mut bytes = 0_usize;
        let memory = self.engine.memory();
        while let Some(asked) = self.asked.pop_front() {
            let mut timeseries = Vec::new();
            let mut samples = 0;
            if asked.labels_only {
                timeseries = self.label_sets(&asked).await?;
            } else {
                let mut series = self.open(asked, MOST_SAMPLES).await?;
                while let Some(piece) = series.next().await? {
                    samples += piece.iter().map(|series| series.samples.len()).sum::<usize>();
                    if samples > MOST_SAMPLES {
                        return Err(PromError::bad_data(format!("exceeded sample limit ({MOST_SAMPLES})")));
                    }
                    for series in &piece {
                        let series = self.whole(series);
                        let size = series.encoded_len();
                        memory.grow(size * BYTES_BY_ENCODED)?;
                        bytes += size;
                        timeseries.push(series);
                    }
                    if bytes > MOST_ANSWER_BYTES {
                        return Err(PromError::bad_data(format!(
                            "the answer exceeds {MOST_ANSWER_BYTES} bytes; ask for STREAMED_XOR_CHUNKS, which has no such limit"
                        )));
                    }
                }
            }
            response.results.push(QueryResult { timeseries });
        }
        let message = response.encode_to_vec();
        drop(response);
        let compressed = snap::raw::Encoder::new().compress_vec(&message);
        let compressed = compressed.map_err(|error| PromError::internal(error.to_string()))?;
        let mut response = plain(SAMPLES, compressed.into());
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("snappy"));
        Ok(response)
    }

    /// As the client takes them. What fails before anything was sent is said; later the answer breaks off.
    pub async fn chunks(mut self) -> Result<Response, PromError> {
        let first = self.frames().await?;
        let first = stream::iter(first.map(Ok::<_, io::Error>));
        let rest = stream::try_unfold(self, |mut reading| async {
            let frames = reading.frames().await.map_err(|error| {
                tracing::warn!(error = %error, "a remote read broke off");
                io::Error::other(error.to_string())
            })?;
            Ok(frames.map(|frames| (frames, reading)))
        });
        Ok(plain(CHUNKS, Body::from_stream(futures::StreamExt::chain(first, rest))))
    }

    /// The next frames of whichever query has some; `None` after the last.
    async fn frames(&mut self) -> Result<Option<Bytes>, PromqlError> {
        let mut out = Vec::new();
        loop {
            let Some(series) = &mut self.series else {
                match self.asked.pop_front() {
                    // A series without samples has no frame.
                    Some(asked) if asked.labels_only => self.query += 1,
                    Some(asked) => self.series = Some(self.open(asked, MOST_PIECE_SAMPLES).await?),
                    None => return Ok((!out.is_empty()).then(|| out.into())),
                }
                continue;
            };
            let Some(piece) = series.next().await? else {
                self.series = None;
                self.query += 1;
                continue;
            };
            for RawSeries { labels, samples } in piece {
                frames::write(&mut out, self.query, &self.labels(&labels), &samples);
            }
            if out.len() >= PIECE_BYTES {
                return Ok(Some(out.into()));
            }
        }
    }

    async fn open(&self, asked: Asked, max_raw_samples: usize) -> Result<SeriesStream, PromqlError> {
        let Asked { matchers, start_ms, end_ms, .. } = asked;
        self.engine.series_stream(&self.tenant, matchers, start_ms, end_ms, max_raw_samples).await
    }

    async fn label_sets(&self, asked: &Asked) -> Result<Vec<TimeSeries>, PromqlError> {
        let Asked { matchers, start_ms, end_ms, .. } = asked;
        let selectors = std::slice::from_ref(matchers);
        let question = SeriesQuestion { selectors, start_ms: *start_ms, end_ms: *end_ms, limit: None };
        let found = self.engine.series(&self.tenant, &question).await?;
        let series =
            found.items.iter().map(|labels| TimeSeries { labels: self.labels(labels), ..TimeSeries::default() });
        Ok(series.collect())
    }

    fn whole(&self, series: &RawSeries) -> TimeSeries {
        let (mut samples, mut histograms) = (Vec::new(), Vec::new());
        for (index, timestamp) in series.samples.times.iter().enumerate() {
            match series.samples.point(index) {
                PointRef::Float(value) => samples.push(Sample { value, timestamp: *timestamp, start_timestamp: 0 }),
                PointRef::Histogram(histogram) => histograms.push(of_histogram(histogram, *timestamp)),
            }
        }
        TimeSeries { labels: self.labels(&series.labels), samples, histograms }
    }

    /// With those of this server, unless the series has its own of the name.
    fn labels(&self, labels: &Labels) -> Vec<Label> {
        let label = |name: &str, value: &str| Label { name: name.to_owned(), value: value.to_owned() };
        let mut all: Vec<Label> = labels.iter().map(|own| label(&own.name, &own.value)).collect();
        let external = self.external.iter().filter(|(name, _)| !labels.has(name));
        all.extend(external.map(|(name, value)| label(name, value)));
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }
}

fn of_histogram(histogram: &FloatHistogram, timestamp: i64) -> Histogram {
    let spans = |spans: &[Span]| {
        spans.iter().map(|span| BucketSpan { offset: span.offset, length: span.length }).collect::<Vec<_>>()
    };
    Histogram {
        count_float: Some(histogram.count),
        sum: histogram.sum,
        schema: histogram.schema,
        zero_threshold: histogram.zero_threshold,
        zero_count_float: Some(histogram.zero_count),
        negative_spans: spans(&histogram.negative_spans),
        negative_counts: histogram.negative_buckets.clone(),
        positive_spans: spans(&histogram.positive_spans),
        positive_counts: histogram.positive_buckets.clone(),
        reset_hint: match histogram.counter_reset_hint {
            CounterResetHint::Unknown => 0,
            CounterResetHint::CounterReset => 1,
            CounterResetHint::NotCounterReset => 2,
            CounterResetHint::Gauge => 3,
        },
        timestamp,
        custom_values: histogram.custom_values.clone(),
        ..Histogram::default()
    }
}
