//! Stripes → the samples of the series that are wanted.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use trefoil_promql::source::Samples;

use super::super::{Meter, Period};
use super::Stripe;
use crate::metrics::error::PromqlError;
use crate::metrics::index::IdHash;

/// Where the wanted series are in the answer, by their ids.
pub type Places = HashMap<u64, u32, IdHash>;

/// Some samples of the series at a place.
#[derive(Debug, Default)]
pub struct Piece {
    place: u32,
    samples: Samples,
    /// The nanoseconds beyond the milliseconds; empty: all 0.
    rests: Vec<i64>,
}

/// Takes what is wanted out of a stripe.
pub fn pieces(
    stripe: &Stripe,
    wanted: &Places,
    period: Period,
    meter: &Meter,
    pieces: &mut Vec<Piece>,
) -> Result<(), PromqlError> {
    let mut last: Option<(&Arc<[i64]>, Range<usize>)> = None;
    for run in &stripe.runs {
        let Some(place) = wanted.get(&run.id) else { continue };
        let inside = match &last {
            Some((times, inside)) if Arc::ptr_eq(times, &run.times) => inside.clone(),
            _ => {
                let from = run.times.partition_point(|time| *time < period.start_ms);
                let to = run.times.partition_point(|time| *time <= period.end_ms);
                last = Some((&run.times, from..to));
                from..to
            }
        };
        if inside.is_empty() {
            continue;
        }
        meter.add(inside.len())?;
        let samples = Samples {
            times: run.times[inside.clone()].to_vec(),
            floats: stripe.values(run, inside.clone()).to_vec(),
            histograms: None,
            start_times: run.starts.as_ref().map(|starts| starts[inside.clone()].to_vec()),
        };
        let rests = run.rests.as_ref().map_or_else(Vec::new, |rests| rests[inside].to_vec());
        pieces.push(Piece { place: *place, samples, rests });
    }
    Ok(())
}

/// The samples of each of so many series, of pieces in the order of their arrival: of one millisecond the latest, and of equal
/// times the one that arrived last.
pub fn assembled(pieces: Vec<Piece>, series: usize) -> Vec<Samples> {
    let mut all = Vec::new();
    all.resize_with(series, Piece::default);
    for piece in pieces {
        let Some(known) = all.get_mut(piece.place as usize) else { continue };
        if known.samples.is_empty() {
            *known = piece;
            continue;
        }
        match known.samples.times.last() < piece.samples.times.first() {
            true => known.append(piece),
            false => *known = known.merged(&piece),
        }
    }
    all.into_iter().map(|piece| piece.samples).collect()
}

impl Piece {
    fn append(&mut self, later: Piece) {
        let (before, all) = (self.samples.len(), self.samples.len() + later.samples.len());
        self.samples.times.extend(later.samples.times);
        self.samples.floats.extend(later.samples.floats);
        extend(&mut self.rests, later.rests, before, all);
        let mut starts = self.samples.start_times.take().unwrap_or_default();
        extend(&mut starts, later.samples.start_times.unwrap_or_default(), before, all);
        self.samples.start_times = (!starts.is_empty()).then_some(starts);
    }

    fn merged(&self, later: &Piece) -> Piece {
        let mut merged = Piece { place: self.place, ..Piece::default() };
        let has_rests = !self.rests.is_empty() || !later.rests.is_empty();
        let has_starts = self.samples.start_times.is_some() || later.samples.start_times.is_some();
        let mut starts = Vec::new();
        let (mut a, mut b) = (0, 0);
        while a < self.samples.len() || b < later.samples.len() {
            let (earlier_time, later_time) = (self.samples.times.get(a), later.samples.times.get(b));
            let is_same = earlier_time == later_time;
            let takes_later = match (earlier_time, later_time) {
                (Some(_), Some(_)) if is_same => later.rest(b) >= self.rest(a),
                (Some(earlier), Some(later)) => later < earlier,
                (earlier, _) => earlier.is_none(),
            };
            let (from, at) = if takes_later { (later, b) } else { (self, a) };
            a += usize::from(!takes_later || is_same);
            b += usize::from(takes_later || is_same);
            merged.samples.push_float(from.samples.times[at], from.samples.floats[at]);
            if has_rests {
                merged.rests.push(from.rest(at));
            }
            if has_starts {
                starts.push(from.samples.start_times.as_ref().map_or(0, |starts| starts[at]));
            }
        }
        merged.samples.start_times = has_starts.then_some(starts);
        merged
    }

    fn rest(&self, index: usize) -> i64 {
        self.rests.get(index).copied().unwrap_or(0)
    }
}

/// Lists that are empty stand for zeros.
fn extend(list: &mut Vec<i64>, later: Vec<i64>, before: usize, all: usize) {
    if list.is_empty() && later.is_empty() {
        return;
    }
    list.resize(before, 0);
    list.extend(later);
    list.resize(all, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(place: u32, points: &[(i64, i64, f64)], start: i64) -> Piece {
        let mut piece = Piece { place, ..Piece::default() };
        points.iter().for_each(|(time, _, value)| piece.samples.push_float(*time, *value));
        piece.samples.start_times = (start != 0).then(|| vec![start; points.len()]);
        if points.iter().any(|(_, rest, _)| *rest != 0) {
            piece.rests = points.iter().map(|(_, rest, _)| *rest).collect();
        }
        piece
    }

    #[test]
    fn pieces_are_in_the_order_of_time_and_the_later_counts() {
        let pieces = vec![
            piece(1, &[(10, 0, 1.0), (20, 0, 2.0)], 0),
            piece(0, &[(5, 0, 5.0)], 0),
            piece(1, &[(30, 0, 3.0)], 7),
            piece(1, &[(15, 0, 1.5), (20, 0, 2.5), (40, 0, 4.0)], 0),
        ];
        let all = assembled(pieces, 3);
        assert_eq!((&all[0].times, all[2].is_empty()), (&vec![5], true));
        assert_eq!(all[1].times, [10, 15, 20, 30, 40]);
        assert_eq!(all[1].floats, [1.0, 1.5, 2.5, 3.0, 4.0]);
        assert_eq!(all[1].start_times, Some(vec![0, 0, 0, 7, 0]));
    }

    #[test]
    fn nanoseconds_say_what_is_later_in_a_millisecond() {
        let pieces = vec![piece(0, &[(1, 900, 3.0)], 0), piece(0, &[(1, 100, 1.0), (2, 5, 8.0)], 0)];
        assert_eq!(assembled(pieces, 1)[0].floats, [3.0, 8.0]);
        let pieces = vec![piece(0, &[(1, 0, 3.0)], 0), piece(0, &[(2, 7, 1.0)], 0), piece(0, &[(2, 7, 2.0)], 0)];
        assert_eq!(assembled(pieces, 1)[0].floats, [3.0, 2.0]);
    }
}
