//! A remote-write request on its way through the pipelines.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use trefoil_model::active::Flight;
use trefoil_model::samples::KnownSamples;
use trefoil_model::series::SeriesIndex;
use trefoil_model::wire::{Reader, WireError};
use trefoil_model::{Signal, Tenant};

use super::batch::Batch;
use super::families::{Families, Family};
use super::message::{SAMPLES, Version};
use super::report::Report;
use super::translate::{Surroundings, Translated, Unreadable, translate, translate_for_store};
use crate::net::body::{Admission, BodyError, Reservation};
use crate::receivers::otlp::workshop::Workshop;
use crate::telemetry::{Accepted, Consumer, Origin, Payload, Refused, Telemetry};

/// Samples as they came, with what is needed to read them. Who looks inside gets them as OTLP ([`WriteRequest::into_telemetry`]);
/// the store reads them as they are. Clones share what became of them.
#[derive(Clone)]
pub struct WriteRequest {
    pub tenant: Tenant,
    pub origin: Origin,
    pub(super) source: Source,
    /// Nanoseconds since the epoch.
    pub(super) now: u64,
    /// Bytes that it may have as OTLP.
    pub(super) limit: usize,
    pub(super) workshop: Workshop,
    /// For the body, and for what it becomes.
    pub(super) reservation: Arc<Mutex<Reservation>>,
    pub(super) outcome: Arc<Mutex<Option<Result<Outcome, Unreadable>>>>,
}

#[derive(Clone)]
pub(super) enum Source {
    /// From outside.
    Sent(Sent),
    /// By a scrape.
    Found(Arc<Batch>),
}

/// A body as it was sent, unpacked.
#[derive(Clone)]
pub(super) struct Sent {
    pub version: Version,
    pub body: Bytes,
    /// What earlier requests told of families.
    pub remembered: Arc<Families>,
}

/// Bytes that a request may have with every label written out: what the store takes.
const MAX_TRANSLATED: usize = 64 << 20;

/// What became of the items of a request.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    pub report: Report,
    /// What it told of families, to be remembered once it is safe.
    pub told: Vec<Family>,
}

/// A request as the store takes it.
pub struct ForStore {
    pub samples: KnownSamples,
    /// An `ExportMetricsServiceRequest` with the rest.
    pub rest: Bytes,
    /// To be landed once both are safe.
    pub flight: Flight,
    /// What is not in either, and why.
    pub refused: Accepted,
}

impl WriteRequest {
    /// What came from outside brings its bounds. `now` in nanoseconds since the epoch.
    pub(super) fn sent(tenant: Tenant, sent: Sent, now: u64) -> Self {
        Self::new(tenant, Source::Sent(sent), now)
    }

    /// What a scrape found.
    pub(crate) fn found(tenant: Tenant, batch: Batch, now: u64, workshop: Workshop) -> Self {
        Self { workshop, ..Self::new(tenant, Source::Found(Arc::new(batch)), now) }
    }

    fn new(tenant: Tenant, source: Source, now: u64) -> Self {
        Self {
            tenant,
            origin: Origin::default(),
            source,
            now,
            limit: MAX_TRANSLATED,
            workshop: Workshop::default(),
            reservation: Arc::new(Mutex::new(Admission::new(usize::MAX).start())),
            outcome: Arc::default(),
        }
    }

    /// The request as OTLP; what of it cannot be taken is in the second value.
    pub async fn into_telemetry(self) -> Result<(Telemetry, Accepted), Refused> {
        let request = self.clone();
        let read = move || match &request.source {
            Source::Sent(sent) => translate(sent.version, &sent.body, &request.surroundings(&sent.remembered)),
            Source::Found(batch) => batch.translate(request.limit),
        };
        let translated = self.workshop.run(self.bytes(), read).await.map_err(cut_off)?;
        let Translated { body, points, report, told } = translated.map_err(|error| self.unreadable(error))?;
        let busy = |error: BodyError| Refused::overloaded(error.to_string(), Duration::from_secs(1));
        self.reservation.lock().resize(self.bytes() + body.len()).map_err(busy)?;
        let refused = refused(&report);
        // What the store made of it says more.
        self.outcome.lock().get_or_insert(Ok(Outcome { report, told }));
        let payload = Payload::from_bytes(Signal::Metrics, body).with_items(points);
        Ok((Telemetry { tenant: self.tenant, payload, origin: self.origin }, refused))
    }

    /// The request with the samples of known series beside OTLP, judged by what the store remembers of them.
    pub async fn into_store(self, series: &SeriesIndex) -> Result<ForStore, Refused> {
        let flight = Flight::begin(series.active().of(&self.tenant), i64::try_from(self.now).unwrap_or(i64::MAX));
        let request = self.clone();
        let read = move || match &request.source {
            Source::Sent(sent) => {
                translate_for_store(sent.version, &sent.body, &request.surroundings(&sent.remembered), flight)
            }
            Source::Found(batch) => batch.translate_for_store(request.limit, flight),
        };
        let translated = self.workshop.run(self.bytes(), read).await.map_err(cut_off)?;
        let (Translated { body: rest, report, told, .. }, flight, samples) =
            translated.map_err(|error| self.unreadable(error))?;
        let refused = refused(&report);
        *self.outcome.lock() = Some(Ok(Outcome { report, told }));
        Ok(ForStore { samples, rest, flight, refused })
    }

    /// Samples and histograms. Counted once it was read, or else by looking through it.
    pub fn items(&self) -> u64 {
        if let Some(Ok(outcome)) = &*self.outcome.lock() {
            let Report { written, refused, .. } = &outcome.report;
            return written.samples + written.histograms + refused;
        }
        match &self.source {
            Source::Sent(sent) => sent.count().unwrap_or(0),
            Source::Found(batch) => batch.points(),
        }
    }

    /// In memory, roughly.
    fn bytes(&self) -> usize {
        match &self.source {
            Source::Sent(sent) => sent.body.len(),
            Source::Found(batch) => batch.bytes(),
        }
    }

    /// What became of it, once somebody has looked inside.
    pub(crate) fn take_outcome(&self) -> Option<Result<Outcome, Unreadable>> {
        self.outcome.lock().take()
    }

    fn unreadable(&self, error: Unreadable) -> Refused {
        *self.outcome.lock() = Some(Err(error.clone()));
        Refused::Invalid(error.to_string())
    }

    fn surroundings<'a>(&self, remembered: &'a Families) -> Surroundings<'a> {
        Surroundings { remembered, now: self.now, limit: self.limit }
    }
}

impl Sent {
    fn count(&self) -> Result<u64, WireError> {
        let layout = self.version.layout();
        let mut items = 0;
        for field in Reader::new(&self.body) {
            let field = field?;
            if field.number == layout.series {
                for field in field.message()? {
                    let number = field?.number;
                    items += u64::from(number == SAMPLES || number == layout.histograms);
                }
            }
        }
        Ok(items)
    }
}

/// Sends the request to who takes OTLP.
pub(crate) async fn consume_as_otlp(
    consumer: &(impl Consumer + ?Sized),
    request: WriteRequest,
) -> Result<Accepted, Refused> {
    let (telemetry, refused) = request.into_telemetry().await?;
    match telemetry.payload.items() {
        0 => Ok(refused),
        _ => Ok(refused.and(consumer.consume(telemetry).await?)),
    }
}

fn refused(report: &Report) -> Accepted {
    Accepted { rejected: report.refused, message: report.message() }
}

fn cut_off(answer: crate::receivers::otlp::status::Answer) -> Refused {
    Refused::unavailable(answer.message)
}
