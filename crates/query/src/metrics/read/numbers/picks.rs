//! Which samples of a stripe are wanted.

use std::ops::Range;
use std::sync::Arc;

use trefoil_promql::times::Times;

use super::super::{Meter, Period};
use super::{Run, Stripe};
use crate::metrics::error::PromqlError;

/// From so many times as many runs as wanted series on, runs are looked for and not gone through.
const RUNS_PER_SEARCH: usize = 16;

/// The wanted series by id, ascending, and where each is in the answer.
#[derive(Debug)]
pub struct Places(Vec<(u64, u32)>);

/// Some samples of the series at a place.
#[derive(Debug, Clone, Copy)]
pub struct Pick {
    pub place: u32,
    pub run: u32,
    pub from: u32,
    pub to: u32,
}

/// What was found in a stripe.
#[derive(Debug)]
pub struct Found {
    pub stripe: Arc<Stripe>,
    pub picks: Vec<Pick>,
}

impl FromIterator<u64> for Places {
    /// Of the series in the order of the answer.
    fn from_iter<I: IntoIterator<Item = u64>>(ids: I) -> Self {
        let mut places: Vec<(u64, u32)> = ids.into_iter().zip(0..).collect();
        places.sort_unstable();
        Self(places)
    }
}

impl Found {
    pub fn in_stripe(
        stripe: Arc<Stripe>,
        wanted: &Places,
        period: Period,
        meter: &Meter,
    ) -> Result<Option<Self>, PromqlError> {
        let mut picking = Picking { period, last: None, picks: Vec::new(), samples: 0, times: 0 };
        let runs = &stripe.runs;
        let (first, last) = (runs.first().map_or(0, |run| run.id), runs.last().map_or(0, |run| run.id));
        let from = wanted.0.partition_point(|(id, _)| *id < first);
        let to = wanted.0.partition_point(|(id, _)| *id <= last);
        let wanted = wanted.0.get(from..to).unwrap_or_default();
        if wanted.len() * RUNS_PER_SEARCH < runs.len() {
            for (id, place) in wanted {
                let mut number = runs.partition_point(|run| run.id < *id);
                while let Some(run) = runs.get(number).filter(|run| run.id == *id) {
                    picking.pick(run, number, *place);
                    number += 1;
                }
            }
        } else {
            let mut wanted = wanted.iter().peekable();
            for (number, run) in runs.iter().enumerate() {
                while wanted.next_if(|(id, _)| *id < run.id).is_some() {}
                if let Some((_, place)) = wanted.peek().filter(|(id, _)| *id == run.id) {
                    picking.pick(run, number, *place);
                }
            }
        }
        meter.add(picking.samples)?;
        // With the places that they are put in order by, and the values and times that they will be.
        let numbers = picking.samples * size_of::<f64>() + picking.times * size_of::<i64>();
        meter.hold(picking.picks.len() * 2 * size_of::<Pick>() + numbers)?;
        let picks = picking.picks;
        Ok((!picks.is_empty()).then_some(Self { stripe, picks }))
    }
}

struct Picking {
    period: Period,
    /// Neighbours share their times.
    last: Option<(Times, Range<u32>)>,
    picks: Vec<Pick>,
    samples: usize,
    /// Those of neighbours that share them once.
    times: usize,
}

impl Picking {
    fn pick(&mut self, run: &Run, number: usize, place: u32) {
        let inside = match self.last.as_ref().filter(|(times, _)| times.is_shared_with(run.times())) {
            Some((_, inside)) => inside.clone(),
            None => {
                let from = run.times().partition_point(|time| *time < self.period.start_ms);
                let to = run.times().partition_point(|time| *time <= self.period.end_ms);
                let place = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
                let inside = place(from)..place(to);
                self.times += inside.len();
                self.last = Some((run.times().clone(), inside.clone()));
                inside
            }
        };
        if !inside.is_empty() {
            self.samples += inside.len();
            let run = u32::try_from(number).unwrap_or(u32::MAX);
            self.picks.push(Pick { place, run, from: inside.start, to: inside.end });
        }
    }
}
