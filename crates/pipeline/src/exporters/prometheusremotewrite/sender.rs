//! Sends what waits, and reads what the receiver says to it.
//!
//! 5xx and 429 are tried again, as the specification of remote write has it; everything else is final. A receiver that answers
//! 415 to 2.0, or takes it without saying how much was written (which is how one behaves that only knows 1.0 and does not
//! look at the content type), is sent 1.0 from then on.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use parking_lot::Mutex;
use prost::Message as _;
use reqwest::Url;

use super::client::WriteClient;
use super::config::ProtobufMessage;
use super::delivery::WriteDelivery;
use super::selection::Selection;
use super::series::Series;
use super::{encode, lanes};
use crate::exporters::answer;
use crate::exporters::http_client::read_some;
use crate::exporters::parcel::{Delivery, Parcel, Sender};
use crate::exporters::prometheus_view::View;
use crate::net::compression::{Encoding, compress};
use crate::telemetry::{Accepted, Refused};

const VERSION: HeaderName = HeaderName::from_static("x-prometheus-remote-write-version");
const SAMPLES_WRITTEN: &str = "x-prometheus-remote-write-samples-written";
const HISTOGRAMS_WRITTEN: &str = "x-prometheus-remote-write-histograms-written";

/// Families whose telling is remembered; when they are more, all are told again.
const MAX_TOLD: usize = 100_000;

/// What is sent where, and how.
pub struct Settings {
    /// For logs.
    pub name: String,
    pub client: WriteClient,
    pub url: Url,
    pub view: View,
    pub lanes: usize,
    /// Of one request before it is compressed, roughly.
    pub max_bytes: usize,
    pub max_samples: usize,
    /// How many requests there are at once for what waits together: as many as it fills, within these.
    pub shards: RangeInclusive<usize>,
    pub message: ProtobufMessage,
    pub metadata: Metadata,
    /// Otherwise 429 is final.
    pub retries_on_429: bool,
    pub selection: Selection,
}

/// How 1.0 tells type, help and unit of families. (2.0 tells them of every series.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metadata {
    Never,
    WithSeries,
    /// In requests of its own, of so many families, each every so often.
    Apart {
        every: Duration,
        at_once: usize,
    },
}

pub struct WriteSender {
    pub(super) settings: Settings,
    /// The receiver does not know 2.0, or shall not get it.
    is_v1: AtomicBool,
    /// When each family was told last.
    told: Mutex<HashMap<String, Instant>>,
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
    pub fn new(settings: Settings) -> Self {
        let is_v1 = AtomicBool::new(settings.message == ProtobufMessage::V1);
        Self { settings, is_v1, told: Mutex::default() }
    }

    /// Sends some series; the number that the receiver did not take, and why.
    pub(super) async fn write(&self, series: &[Series]) -> Result<(u64, Option<String>), Refused> {
        if !self.is_v1.load(Ordering::Relaxed) {
            match self.attempt(series, encode::v2(series), false).await? {
                Answer::Written => return Ok((0, None)),
                Answer::Partly { missing, reason } => return Ok((missing, Some(reason))),
                Answer::OnlyV1(why) => {
                    tracing::warn!(
                        exporter = self.settings.name,
                        why,
                        "the receiver does not take remote write 2.0; sending 1.0"
                    );
                    self.is_v1.store(true, Ordering::Relaxed);
                }
            }
        }
        let selected = self.settings.selection.for_v1(series);
        let series = selected.as_deref().unwrap_or(series);
        if let Metadata::Apart { every, at_once } = self.settings.metadata {
            self.tell_families(series, every, at_once).await;
        }
        if series.is_empty() {
            return Ok((0, None));
        }
        let has_metadata = self.settings.metadata == Metadata::WithSeries;
        match self.attempt(series, encode::v1(series, has_metadata), true).await? {
            Answer::Partly { missing, reason } => Ok((missing, Some(reason))),
            Answer::Written | Answer::OnlyV1(_) => Ok((0, None)),
        }
    }

    /// Tells of the families that are due. What cannot be told is told another time; the samples do not wait for it.
    async fn tell_families(&self, series: &[Series], every: Duration, at_once: usize) {
        let now = Instant::now();
        let due: Vec<(String, &Series)> = {
            let mut told = self.told.lock();
            if told.len() > MAX_TOLD {
                told.clear();
            }
            let mut due = Vec::new();
            for one in series {
                let family = encode::family(&one.of);
                if told.get(family).is_none_or(|last| now.duration_since(*last) >= every) {
                    told.insert(family.to_owned(), now);
                    due.push((family.to_owned(), one));
                }
            }
            due
        };
        for part in due.chunks(at_once.max(1)) {
            let body = encode::metadata(part.iter().map(|(_, series)| &*series.of));
            if let Err(refused) = self.attempt(&[], body, true).await {
                tracing::debug!(exporter = self.settings.name, %refused, "the metadata of families is not taken");
                let mut told = self.told.lock();
                // Those that the receiver refuses for good are as good as told.
                part.iter().filter(|_| refused.is_retryable()).for_each(|(family, _)| {
                    told.remove(family);
                });
            }
        }
    }

    async fn attempt(&self, series: &[Series], body: Bytes, is_v1: bool) -> Result<Answer, Refused> {
        let (content_type, version) = match is_v1 {
            true => ("application/x-protobuf", "0.1.0"),
            false => ("application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0"),
        };
        let invalid = |error| Refused::Invalid(format!("cannot be compressed: {error}"));
        let body = compress(Encoding::Snappy, body, None).map_err(invalid)?;
        let own = HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static(content_type)),
            (CONTENT_ENCODING, HeaderValue::from_static("snappy")),
            (VERSION, HeaderValue::from_static(version)),
        ]);
        let Settings { client, url, retries_on_429, .. } = &self.settings;
        let response = client.post(url.clone(), own, body).await.map_err(Refused::unavailable)?;
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
            _ => Err(refusal(status, retry_after, &reason, *retries_on_429)),
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

pub(super) fn count(series: &[Series]) -> u64 {
    series.iter().map(|series| series.samples.len() as u64).sum()
}

fn refusal(status: StatusCode, retry_after: Option<Duration>, reason: &str, retries_on_429: bool) -> Refused {
    let reason = if reason.is_empty() { status.to_string() } else { format!("{status}: {reason}") };
    match status {
        StatusCode::TOO_MANY_REQUESTS if retries_on_429 => Refused::Overloaded { reason, retry_after },
        status if status.is_server_error() => Refused::Unavailable { reason, retry_after },
        _ => Refused::Invalid(reason),
    }
}

#[async_trait]
impl Sender for WriteSender {
    async fn send(&self, parcel: &Parcel) -> Result<Accepted, Refused> {
        self.delivery(parcel).attempt().await
    }

    fn delivery<'a>(&'a self, parcel: &'a Parcel) -> Box<dyn Delivery + 'a> {
        Box::new(WriteDelivery::new(self, parcel))
    }

    fn lane(&self, parcel: &Parcel) -> Option<u64> {
        if self.settings.lanes == 1 {
            return Some(0);
        }
        // What cannot be read is refused when it is sent.
        let request = ExportMetricsServiceRequest::decode(&parcel.body[..]).unwrap_or_default();
        Some(lanes::of_request(&request, self.settings.lanes) as u64)
    }
}
