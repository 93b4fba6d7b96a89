//! The exemplars of a request: each to the point next to it, wherever in the request that is.

use opentelemetry_proto::tonic::metrics::v1::{Exemplar as OtlpExemplar, NumberDataPoint};
use trefoil_model::wire::Reader;

use super::exemplars::{self, Assigned};
use super::groups::Kind;
use super::labels::{self, resolve};
use super::message::{Exemplar, SAMPLES};
use super::times::nanos;
use super::translate::{Series, Stop, Translator};

/// Exemplars of one series, and the series with exemplars and without samples, by number and by bytes of labels; further
/// ones are left out. (Prometheus sends exemplars as series of their own.)
pub(super) const MAX_EXEMPLARS: usize = 1000;
const MAX_STRAYS: usize = 20_000;
pub(super) const MAX_STRAY_BYTES: usize = 16 << 20;

impl<'a> Translator<'a> {
    /// Keeps the exemplars of a series that has nothing else.
    pub(super) fn stray(&mut self, message: Reader<'a>) -> Result<(), Stop> {
        let series = self.scan(message)?;
        if series.points() > 0 || series.exemplars.is_empty() || self.strays.len() >= MAX_STRAYS {
            return Ok(());
        }
        let mut labels = Vec::new();
        if resolve(self.version, message, &self.symbols, &mut labels)?.is_err() {
            // It is told when the series has its turn.
            return Ok(());
        }
        let bytes = labels.iter().map(|(name, value)| name.len() + value.len()).sum();
        let Some(room) = self.stray_room.checked_sub(bytes) else { return Ok(()) };
        self.stray_room = room;
        let kept = self.strays.entry(labels).or_default();
        let room = MAX_EXEMPLARS.saturating_sub(kept.len());
        kept.extend(series.exemplars.into_iter().take(room));
        Ok(())
    }

    /// Which point each exemplar goes to; points without a time get none.
    pub(super) fn assign(&self, series: &mut Series<'a>) -> Result<Assigned<'a>, Stop> {
        let exemplars = std::mem::take(&mut series.exemplars);
        if exemplars.is_empty() {
            return Ok(Assigned::new(Vec::new(), exemplars));
        }
        let mut times = Vec::new();
        let mut ordinal = 0;
        for (number, time_field) in [(SAMPLES, 2), (self.layout.histograms, 15)] {
            for field in series.message {
                let field = field?;
                if field.number != number {
                    continue;
                }
                let mut time = 0;
                for field in field.message()? {
                    let field = field?;
                    if field.number == time_field {
                        time = field.int64()?;
                    }
                }
                if nanos(time).is_some() {
                    times.push((time, ordinal));
                }
                ordinal += 1;
            }
        }
        Ok(Assigned::new(times, exemplars))
    }

    pub(super) fn exemplars(
        &mut self,
        exemplars: impl Iterator<Item = Exemplar<'a>>,
        point_time: u64,
    ) -> Result<Vec<OtlpExemplar>, Stop> {
        let mut translated = Vec::new();
        let mut labels = Vec::new();
        for exemplar in exemplars {
            // Exemplars are extras: an unfit one is left out, which the counts of the answer tell.
            let fit = exemplars::translate(self.version, &exemplar, &self.symbols, point_time, &mut labels)?;
            translated.extend(fit);
        }
        self.report.written.exemplars += translated.len() as u64;
        Ok(translated)
    }

    /// Exemplars whose samples come in another request travel with a point that has no value.
    pub(super) fn remaining_strays(&mut self) -> Result<(), Stop> {
        for (labels, exemplars) in std::mem::take(&mut self.strays) {
            let Ok(name) = labels::metric_name(&labels) else { continue };
            let described = self.described(name, None).unwrap_or_default();
            let latest = exemplars.iter().filter_map(|exemplar| nanos(exemplar.timestamp)).max();
            let time_unix_nano = latest.unwrap_or(self.surroundings.now);
            let exemplars = self.exemplars(exemplars.into_iter(), time_unix_nano)?;
            if exemplars.is_empty() {
                continue;
            }
            let place = self.groups.place(name, Kind::Number, described, &labels)?;
            self.groups.push(place, &NumberDataPoint { time_unix_nano, exemplars, ..NumberDataPoint::default() })?;
        }
        Ok(())
    }
}
