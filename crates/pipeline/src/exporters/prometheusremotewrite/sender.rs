//! Sends what waits, and reads what the receiver says to it.
//!
//! 5xx and 429 are tried again, as the specification of remote write has it; everything else is final. A receiver that answers
//! 415 to 2.0, or takes it without saying how much was written (which is how one behaves that only knows 1.0 and does not
//! look at the content type), is sent 1.0 from then on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message as _;
use reqwest::{Client, Url};

use super::config::{Config, ProtobufMessage};
use super::series::{Collected, Series, Value};
use super::{encode, lanes};
use crate::component::ComponentError;
use crate::exporters::otlphttp::{explain, read_some};
use crate::exporters::parcel::{Parcel, Sender};
use crate::exporters::prometheus_view::View;
use crate::exporters::{answer, headers};
use crate::net::compression::{Encoding, compress};
use crate::telemetry::{Accepted, Refused};

const VERSION: &str = "x-prometheus-remote-write-version";
const SAMPLES_WRITTEN: &str = "x-prometheus-remote-write-samples-written";
const HISTOGRAMS_WRITTEN: &str = "x-prometheus-remote-write-histograms-written";

/// Bytes that a sample and what frames a series have at most, nearly always.
const SAMPLE_BYTES: usize = 32;

pub struct WriteSender {
    name: String,
    client: Client,
    url: Url,
    headers: HeaderMap,
    view: View,
    lanes: usize,
    max_bytes: usize,
    has_metadata: bool,
    /// The receiver does not know 2.0, or shall not get it.
    is_v1: AtomicBool,
}

/// What an answer says.
enum Answer {
    Written,
    /// So many samples were not.
    Partly {
        missing: u64,
        reason: String,
    },
    /// The receiver does not know 2.0.
    OnlyV1(&'static str),
}

impl WriteSender {
    pub fn new(name: String, config: &Config, lanes: usize) -> Result<Self, ComponentError> {
        Ok(Self {
            name,
            client: config.client()?,
            url: config.url().map_err(ComponentError::new)?,
            headers: headers::parse(&config.headers).map_err(ComponentError::new)?,
            view: config.view(),
            lanes,
            max_bytes: config.max_batch_size_bytes,
            has_metadata: config.send_metadata,
            is_v1: AtomicBool::new(config.protobuf_message == ProtobufMessage::V1),
        })
    }

    /// Sends some series; the number that the receiver did not take, and why.
    async fn write(&self, series: &[Series]) -> Result<(u64, Option<String>), Refused> {
        if !self.is_v1.load(Ordering::Relaxed) {
            match self.attempt(series, encode::v2(series), false).await? {
                Answer::Written => return Ok((0, None)),
                Answer::Partly { missing, reason } => return Ok((missing, Some(reason))),
                Answer::OnlyV1(why) => {
                    tracing::warn!(
                        exporter = self.name,
                        why,
                        "the receiver does not take remote write 2.0; sending 1.0"
                    );
                    self.is_v1.store(true, Ordering::Relaxed);
                }
            }
        }
        match self.attempt(series, encode::v1(series, self.has_metadata), true).await? {
            Answer::Partly { missing, reason } => Ok((missing, Some(reason))),
            Answer::Written | Answer::OnlyV1(_) => Ok((0, None)),
        }
    }

    async fn attempt(&self, series: &[Series], body: Bytes, is_v1: bool) -> Result<Answer, Refused> {
        let (content_type, version) = match is_v1 {
            true => ("application/x-protobuf", "0.1.0"),
            false => ("application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0"),
        };
        let invalid = |error| Refused::Invalid(format!("cannot be compressed: {error}"));
        let body = compress(Encoding::Snappy, body, None).map_err(invalid)?;
        let request = self.client.post(self.url.clone()).headers(self.headers.clone()).body(body);
        let request =
            request.header(CONTENT_TYPE, content_type).header(CONTENT_ENCODING, "snappy").header(VERSION, version);
        let response = request.send().await.map_err(|error| Refused::unavailable(explain(&error)))?;
        let status = response.status();
        let written = if is_v1 { None } else { written(response.headers()) };
        let header = |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let retry_after = header(RETRY_AFTER).and_then(|value| answer::retry_after(value, chrono::Utc::now()));
        let text = read_some(response).await;
        let reason = answer::reason("text/plain", &text);
        match (status, written) {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, _) if !is_v1 => Ok(Answer::OnlyV1("it answers 415")),
            (status, None) if status.is_success() && !is_v1 => {
                Ok(Answer::OnlyV1("it does not say how much it has written"))
            }
            (status, None) if status.is_success() => Ok(Answer::Written),
            (status, Some(written)) if status.is_success() || (written > 0 && status == StatusCode::BAD_REQUEST) => {
                let missing = count(series).saturating_sub(written);
                let reason = if reason.is_empty() { format!("{missing} samples were not written") } else { reason };
                Ok(if missing == 0 { Answer::Written } else { Answer::Partly { missing, reason } })
            }
            _ => Err(refusal(status, retry_after, &reason)),
        }
    }
}

/// Samples and histograms that the receiver says it has written; `None` if it says nothing.
fn written(headers: &HeaderMap) -> Option<u64> {
    let number = |name| headers.get(name).and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
    let (samples, histograms) = (number(SAMPLES_WRITTEN), number(HISTOGRAMS_WRITTEN));
    if samples.is_none() && histograms.is_none() {
        return None;
    }
    Some(samples.unwrap_or(0) + histograms.unwrap_or(0))
}

fn count(series: &[Series]) -> u64 {
    series.iter().map(|series| series.samples.len() as u64).sum()
}

fn refusal(status: StatusCode, retry_after: Option<Duration>, reason: &str) -> Refused {
    let reason = if reason.is_empty() { status.to_string() } else { format!("{status}: {reason}") };
    match status {
        StatusCode::TOO_MANY_REQUESTS => Refused::Overloaded { reason, retry_after },
        status if status.is_server_error() => Refused::Unavailable { reason, retry_after },
        _ => Refused::Invalid(reason),
    }
}

#[async_trait]
impl Sender for WriteSender {
    async fn send(&self, parcel: &Parcel) -> Result<Accepted, Refused> {
        let request = ExportMetricsServiceRequest::decode(&parcel.body[..])
            .map_err(|error| Refused::Invalid(format!("not an OTLP request of metrics: {error}")))?;
        let collected = Collected::of(request, &self.view);
        let mut rejected = collected.without_form + collected.deltas;
        let mut reasons = Vec::new();
        if collected.deltas > 0 {
            reasons.push("remote write has no differences: let the source send cumulative metrics".to_owned());
        }
        if collected.without_form > 0 {
            reasons.push("some metrics have no form that Prometheus knows".to_owned());
        }
        for batch in batches(&collected.series, self.max_bytes) {
            let (missing, reason) = self.write(batch).await?;
            rejected += missing;
            reasons.extend(reason);
        }
        reasons.dedup();
        let message = (!reasons.is_empty()).then(|| reasons.join("; "));
        // A point is often several samples.
        let accepted = Accepted { rejected: rejected.min(parcel.items), message };
        answer::log_partial_success(&self.name, parcel, &accepted);
        Ok(accepted)
    }

    fn lane(&self, parcel: &Parcel) -> Option<u64> {
        if self.lanes == 1 {
            return Some(0);
        }
        // What cannot be read is refused when it is sent.
        let request = ExportMetricsServiceRequest::decode(&parcel.body[..]).unwrap_or_default();
        Some(lanes::of_request(&request, self.lanes) as u64)
    }
}

/// Series in their order, as many at once as the bytes allow; at least one.
fn batches(series: &[Series], max_bytes: usize) -> impl Iterator<Item = &[Series]> {
    let mut rest = series;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut bytes = 0;
        let fits = |series: &&Series| {
            bytes += size(series);
            bytes <= max_bytes
        };
        let count = rest.iter().take_while(fits).count().max(1);
        let (batch, after) = rest.split_at(count);
        rest = after;
        Some(batch)
    })
}

/// Roughly the bytes of a series.
fn size(series: &Series) -> usize {
    let labels: usize = series.labels.iter().map(|(name, value)| name.len() + value.len() + 8).sum();
    let samples: usize = series
        .samples
        .iter()
        .map(|sample| match &sample.value {
            Value::Float(_) => SAMPLE_BYTES,
            Value::Histogram(native) => {
                let spans = native.positive_spans.len() + native.negative_spans.len();
                let lengths =
                    native.positive_spans.iter().chain(&native.negative_spans).map(|span| span.length as usize);
                3 * SAMPLE_BYTES + 8 * (spans + lengths.sum::<usize>() + native.custom_values.len())
            }
        })
        .sum();
    labels + samples + series.exemplars.len() * 4 * SAMPLE_BYTES + SAMPLE_BYTES
}
