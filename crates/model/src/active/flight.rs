//! Samples on their way from the door to the disk.
//!
//! The last sample of a series is written down when it is looked at, before it is durable. So a sample that comes twice is
//! dropped only if the first one has *landed*: while that is still in flight, and after it was lost, the second one is stored
//! as well (it is the same; readers see one). Flights have tickets that count up; all below a mark have ended.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use parking_lot::Mutex;

use super::{Labelled, OverLimit, Reason, TenantSeries, day_of, period_of};

#[derive(Default)]
pub(super) struct Flights {
    open: Mutex<Open>,
    /// Every flight below has ended; tickets wrap around.
    mark: AtomicU32,
}

#[derive(Default)]
struct Open {
    /// The last ticket.
    last: u64,
    tickets: BTreeSet<u64>,
}

impl Flights {
    fn begin(&self) -> u64 {
        let mut open = self.open.lock();
        open.last += 1;
        let ticket = open.last;
        open.tickets.insert(ticket);
        ticket
    }

    fn end(&self, ticket: u64) {
        let mut open = self.open.lock();
        open.tickets.remove(&ticket);
        let mark = open.tickets.first().copied().unwrap_or(open.last + 1);
        self.mark.store(mark as u32, Relaxed);
    }

    fn has_ended(&self, ticket: u32) -> bool {
        (self.mark.load(Relaxed).wrapping_sub(ticket) as i32) > 0
    }

    /// A ticket that has ended.
    pub(super) fn before_all(&self) -> u32 {
        self.mark.load(Relaxed).wrapping_sub(1)
    }
}

/// What becomes of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// To be stored.
    Accepted,
    /// Stored already.
    Duplicate,
    Refused(Reason),
}

/// The samples of one request. What was accepted must be stored, and then [`Flight::land`]ed; a flight that is dropped
/// before is taken for lost, and its series' order is forgotten.
pub struct Flight {
    series: Arc<TenantSeries>,
    era: u64,
    ticket: u64,
    period: u8,
    /// The latest time that a sample may have.
    latest: i64,
    /// Series whose last sample is of this flight.
    changed: Vec<u64>,
    has_landed: bool,
}

impl Flight {
    /// `now` in nanoseconds since the epoch.
    pub fn begin(series: Arc<TenantSeries>, now: i64) -> Self {
        let (era, ticket) = (series.era(), series.flights.begin());
        let latest = now.saturating_add(series.limits.creation_grace_period);
        Self { series, era, ticket, period: period_of(now), latest, changed: Vec::new(), has_landed: false }
    }

    pub fn series(&self) -> &Arc<TenantSeries> {
        &self.series
    }

    /// Of what is known about the series ([`TenantSeries::era`]), at its beginning.
    pub fn era(&self) -> u64 {
        self.era
    }

    /// Its accepted samples are durable.
    pub fn land(mut self) {
        self.has_landed = true;
    }

    /// Judges the samples (nanoseconds since the epoch, bits of the value) of a series. False, and nothing is judged, if the
    /// series is not active or its row may be missing on the day of one of them.
    #[inline]
    pub fn judge_known(&mut self, series_id: u64, samples: &[(i64, u64)], verdicts: &mut Vec<Verdict>) -> bool {
        self.judge_labelled(Labelled::new(series_id, (0, 0)), samples, verdicts)
    }

    /// As [`Flight::judge_known`], and faster.
    #[inline]
    pub fn judge_labelled(&mut self, known: Labelled, samples: &[(i64, u64)], verdicts: &mut Vec<Verdict>) -> bool {
        let Self { series, changed, .. } = self;
        let Labelled { series_id, place, .. } = known;
        let mut shard = series.shard(series_id).lock();
        let place = match shard.get_index(place as usize) {
            Some((expected, _)) if *expected == series_id => Some(place as usize),
            _ => shard.get_index_of(&series_id),
        };
        let Some((_, entry)) = place.and_then(|place| shard.get_index_mut(place)) else { return false };
        if samples.iter().any(|(time, _)| day_of(*time) != entry.day()) {
            return false;
        }
        entry.touch(self.period);
        let (latest, ticket) = (self.latest, self.ticket as u32);
        let before = entry.ticket;
        for sample in samples {
            let verdict = judge(entry, series, *sample, latest, ticket);
            if let Verdict::Refused(reason) = verdict {
                series.discard(reason, 1);
            }
            verdicts.push(verdict);
        }
        if entry.ticket != before {
            changed.push(series_id);
        }
        true
    }

    /// Judges a sample of any series.
    pub fn judge(&mut self, series_id: u64, sample: (i64, u64)) -> Verdict {
        let Self { series, changed, .. } = self;
        let mut shard = series.shard(series_id).lock();
        let verdict = match series.entry(&mut shard, series_id, self.period) {
            Ok(Some(entry)) => {
                let before = entry.ticket;
                let verdict = judge(entry, series, sample, self.latest, self.ticket as u32);
                if entry.ticket != before {
                    changed.push(series_id);
                }
                verdict
            }
            Ok(None) if sample.0 > self.latest => Verdict::Refused(Reason::TooFarInFuture),
            Ok(None) => Verdict::Accepted,
            Err(OverLimit) => Verdict::Refused(Reason::SeriesLimit),
        };
        drop(shard);
        if let Verdict::Refused(reason) = verdict {
            series.discard(reason, 1);
        }
        verdict
    }
}

#[inline]
fn judge(
    entry: &mut super::Entry,
    series: &TenantSeries,
    (time, value): (i64, u64),
    latest: i64,
    ticket: u32,
) -> Verdict {
    if time > latest {
        return Verdict::Refused(Reason::TooFarInFuture);
    }
    match time.cmp(&entry.time) {
        Ordering::Greater => {
            (entry.time, entry.value, entry.ticket) = (time, value, ticket);
            Verdict::Accepted
        }
        Ordering::Equal if entry.value != value => Verdict::Refused(Reason::NewValue),
        // In one request both are stored or none.
        Ordering::Equal if entry.ticket == ticket || series.flights.has_ended(entry.ticket) => Verdict::Duplicate,
        Ordering::Equal => Verdict::Accepted,
        Ordering::Less => {
            let window = series.limits.out_of_order_time_window;
            match entry.time.saturating_sub(time) <= window {
                true => Verdict::Accepted,
                false if window == 0 => Verdict::Refused(Reason::OutOfOrder),
                false => Verdict::Refused(Reason::TooOld),
            }
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if !self.has_landed {
            for series_id in &self.changed {
                let mut shard = self.series.shard(*series_id).lock();
                if let Some(entry) = shard.get_mut(series_id)
                    && entry.ticket == self.ticket as u32
                {
                    entry.time = i64::MIN;
                }
            }
        }
        self.series.flights.end(self.ticket);
    }
}
