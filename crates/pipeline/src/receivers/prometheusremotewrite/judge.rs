//! What the store's memory says of a request on its way there: which series go the short way, and which samples are refused.
//! A request that goes elsewhere as OTLP is not judged.

use trefoil_model::active::{Reason, Verdict};
use trefoil_model::series_id::{MetricIdentity, of_prometheus};
use trefoil_model::wire::Reader;

use super::families::Described;
use super::groups::Kind;
use super::labels::{Labels, METRIC_NAME, resolve};
use super::straight::Otherwise;
use super::translate::{Stop, Translator};

impl<'a> Translator<'a> {
    /// Leaves those series that cannot go the short way.
    pub(super) fn straight(&mut self, series: &mut Vec<Reader<'a>>) -> Result<(), Stop> {
        // With what the request itself tells of families, series may be others than those that were seen before.
        let Some(straight) = self.straight.as_mut().filter(|_| self.families.is_empty()) else { return Ok(()) };
        let active = straight.flight.series().clone();
        let mut known = active.labelled();
        let mut broken = None;
        let mut refused: Vec<(Reader<'a>, Reason)> = Vec::new();
        let (version, symbols, report) = (self.version, &self.symbols, &mut self.report);
        series.retain(|message| match straight.take(version, *message, symbols, &mut known) {
            Ok((written, reasons)) => {
                report.written.samples += written;
                refused.extend(reasons.into_iter().map(|reason| (*message, reason)));
                false
            }
            Err(Otherwise::LongWay) => true,
            Err(Otherwise::Broken(error)) => {
                broken.get_or_insert(error);
                true
            }
        });
        if let Some(error) = broken {
            return Err(Stop::Malformed(error));
        }
        let mut labels = Vec::new();
        for (message, reason) in refused {
            // They were checked when they were seen first.
            let _ = resolve(version, message, symbols, &mut labels)?;
            report.refuse(1, &labels, active.limits().explain(reason));
            report.count(reason);
        }
        Ok(())
    }

    /// Whether labels are within the tenant's limits.
    pub(super) fn within_limits(&mut self, labels: &Labels<'a>, points: u64) -> bool {
        let Some(straight) = &self.straight else { return true };
        let active = straight.flight.series();
        let longest = |part: fn(&(&'a str, &'a str)) -> usize| labels.iter().map(part).max().unwrap_or(0);
        let (name, value) = (longest(|(name, _)| name.len()), longest(|(_, value)| value.len()));
        let Err(reason) = active.limits().check_labels(labels.len(), name, value) else { return true };
        active.discard(reason, points);
        self.report.refuse(points, labels, active.limits().explain(reason));
        false
    }

    /// The id that the points of a series have in the store; `None` if they do not go there.
    pub(super) fn series_id(
        &self,
        name: &str,
        kind: Kind,
        described: Described<'a>,
        labels: &Labels<'a>,
    ) -> Option<u64> {
        self.straight.as_ref()?;
        let metric = MetricIdentity {
            name: name.as_bytes(),
            unit: described.unit.as_bytes(),
            data_type: kind.data(),
            temporality: kind.temporality(),
            is_monotonic: false,
        };
        let attributes = labels.iter().copied().filter(|(name, _)| *name != METRIC_NAME);
        Some(of_prometheus(metric, attributes))
    }

    /// Whether a sample is to be stored; `None` if it is not: then the report knows why.
    pub(super) fn judge(&mut self, series_id: Option<u64>, sample: (i64, u64), labels: &Labels<'a>) -> Option<Verdict> {
        let (Some(straight), Some(series_id)) = (&mut self.straight, series_id) else { return Some(Verdict::Accepted) };
        match straight.flight.judge(series_id, sample) {
            Verdict::Refused(reason) => {
                let limits = straight.flight.series().limits();
                self.report.refuse(1, labels, limits.explain(reason));
                self.report.count(reason);
                None
            }
            verdict => Some(verdict),
        }
    }
}
