//! What was found in stripes → the samples of each series.

use trefoil_promql::shares::shared_out;
use trefoil_promql::source::Samples;
use trefoil_promql::times::Times;

use super::Run;
use super::picks::{Found, Pick};
use crate::metrics::error::PromqlError;

/// Lists of times that are remembered: series that are neighbours are of few targets.
const REMEMBERED: usize = 16;

/// The samples of each of so many series, of what was found in the order of arrival: of one millisecond the latest, and of equal
/// times the one that arrived last.
pub fn assembled(found: &[Found], series: usize) -> Result<Vec<Samples>, PromqlError> {
    let (ends, order) = by_place(found, series);
    let mut places: Vec<usize> = (0..series).collect();
    let samples: usize = found.iter().flat_map(|found| &found.picks).map(|pick| (pick.to - pick.from) as usize).sum();
    shared_out(&mut places, samples / series.max(1), |places| {
        let mut joining = Joining::default();
        let samples = places.iter().map(|place| {
            let begin = place.checked_sub(1).map_or(0, |before| ends[before]);
            let pieces =
                order[begin..ends[*place]].iter().map(|(number, pick)| Piece::of(&found[*number as usize], *pick));
            joining.samples(pieces.collect())
        });
        Ok(samples.collect())
    })
}

/// All picks in the order of their places and, of one place, of arrival, each with where it was found; and where each place ends.
fn by_place(found: &[Found], series: usize) -> (Vec<usize>, Vec<(u32, Pick)>) {
    let mut ends = vec![0; series];
    for pick in found.iter().flat_map(|found| &found.picks) {
        ends[pick.place as usize] += 1;
    }
    let mut begin = 0;
    // Where each begins, and once all are in, ends.
    for end in &mut ends {
        (begin, *end) = (begin + *end, begin);
    }
    let nothing = Pick { place: 0, run: 0, from: 0, to: 0 };
    let mut order = vec![(0, nothing); begin];
    for (number, found) in (0..).zip(found) {
        for pick in &found.picks {
            let next = &mut ends[pick.place as usize];
            order[*next] = (number, *pick);
            *next += 1;
        }
    }
    (ends, order)
}

/// Some samples of a series.
#[derive(Clone, Copy)]
struct Piece<'f> {
    found: &'f Found,
    run: &'f Run,
    from: usize,
    to: usize,
}

impl<'f> Piece<'f> {
    fn of(found: &'f Found, pick: Pick) -> Self {
        let run = &found.stripe.runs[pick.run as usize];
        Self { found, run, from: pick.from as usize, to: pick.to as usize }
    }

    fn times(&self) -> &'f [i64] {
        &self.run.times()[self.from..self.to]
    }

    fn read(&self, values: &mut Vec<f64>) {
        self.found.stripe.values.read(self.run.values, self.from..self.to, values);
    }
}

/// Makes samples of pieces.
#[derive(Default)]
struct Joining {
    /// Times that were put together of these parts.
    known: Vec<(Vec<Times>, Times)>,
    pieces: Vec<Times>,
}

impl Joining {
    fn samples(&mut self, mut pieces: Vec<Piece<'_>>) -> Samples {
        if pieces.is_empty() {
            return Samples::default();
        }
        let by_time =
            |pieces: &[Piece<'_>]| pieces.windows(2).all(|pair| pair[0].times().last() < pair[1].times().first());
        if !by_time(&pieces) {
            let arrived = pieces.clone();
            pieces.sort_by_key(|piece| piece.times().first().copied());
            if !by_time(&pieces) {
                return merged(&arrived);
            }
        }
        let mut floats = Vec::with_capacity(pieces.iter().map(|piece| piece.to - piece.from).sum());
        pieces.iter().for_each(|piece| piece.read(&mut floats));
        let starts = pieces.iter().any(|piece| piece.run.starts.is_some()).then(|| {
            let starts = pieces.iter().flat_map(|piece| (piece.from..piece.to).map(|place| piece.run.start(place)));
            starts.collect()
        });
        Samples { times: self.times(&pieces), floats, histograms: None, start_times: starts }
    }

    /// Of all pieces; series that were measured together get the same list.
    fn times(&mut self, pieces: &[Piece<'_>]) -> Times {
        self.pieces.clear();
        self.pieces.extend(pieces.iter().map(|piece| piece.run.times().part(piece.from..piece.to)));
        if let [only] = self.pieces.as_slice() {
            return only.clone();
        }
        let same = |parts: &[Times]| {
            parts.len() == self.pieces.len() && parts.iter().zip(&self.pieces).all(|(a, b)| a.is_shared_with(b))
        };
        if let Some((_, times)) = self.known.iter().find(|(parts, _)| same(parts)) {
            return times.clone();
        }
        let times: Vec<i64> = self.pieces.iter().flat_map(|part| part.iter().copied()).collect();
        let known = self.known.iter().find(|(_, known)| **known == *times).map(|(_, known)| known.clone());
        let times = known.unwrap_or_else(|| times.into());
        if self.known.len() >= REMEMBERED {
            self.known.remove(0);
        }
        self.known.push((self.pieces.clone(), times.clone()));
        times
    }
}

/// A sample on its way: milliseconds, the nanoseconds beyond, the value, when counting began.
type Sample = (i64, i64, f64, i64);

/// Of pieces that lie over each other.
fn merged(pieces: &[Piece<'_>]) -> Samples {
    let mut all: Vec<Sample> = Vec::new();
    let mut values = Vec::new();
    for piece in pieces {
        values.clear();
        piece.read(&mut values);
        let places = (piece.from..piece.to).zip(&values);
        let sample = |(place, value): (usize, &f64)| {
            (piece.run.times()[place], piece.run.rest(place), *value, piece.run.start(place))
        };
        all.extend(places.map(sample));
    }
    // Stable: of equal times the one that arrived last stays behind.
    all.sort_by_key(|(time, rest, ..)| (*time, *rest));
    let is_last = |place: &usize| all.get(place + 1).is_none_or(|next| next.0 != all[*place].0);
    let kept: Vec<Sample> = (0..all.len()).filter(is_last).map(|place| all[place]).collect();
    let starts: Vec<i64> = kept.iter().map(|sample| sample.3).collect();
    Samples {
        times: kept.iter().map(|sample| sample.0).collect(),
        floats: kept.iter().map(|sample| sample.2).collect(),
        histograms: None,
        start_times: starts.iter().any(|start| *start != 0).then_some(starts),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::packed::Packed;
    use super::super::times::SharedTimes;
    use super::super::{Starts, Stripe};
    use super::*;

    const NANOS: i64 = 1_000_000;

    /// A stripe of one series.
    fn found(place: u32, points: &[(i64, i64, f64)], start: i64) -> Found {
        let nanos: Vec<i64> = points.iter().map(|(millis, rest, _)| millis * NANOS + rest).collect();
        let (measured, _) = SharedTimes::default().measured(&nanos);
        let mut values = Packed::default();
        let list = values.push(&points.iter().map(|(_, _, value)| *value).collect::<Vec<_>>());
        let starts = (start != 0).then(|| Arc::new(Starts::Same(start)));
        let run = Run { id: u64::from(place), values: list, measured, starts };
        let pick = Pick { place, run: 0, from: 0, to: points.len() as u32 };
        Found { stripe: Arc::new(Stripe { runs: vec![run], values, bytes: 0, _ids: None }), picks: vec![pick] }
    }

    #[test]
    fn pieces_are_in_the_order_of_time_and_the_later_counts() {
        let pieces = [
            found(1, &[(10, 0, 1.0), (20, 0, 2.0)], 0),
            found(0, &[(5, 0, 5.0)], 0),
            found(1, &[(30, 0, 3.0)], 7),
            found(1, &[(15, 0, 1.5), (20, 0, 2.5), (40, 0, 4.0)], 0),
        ];
        let all = assembled(&pieces, 3).unwrap();
        assert!(all[0].times == [5] && all[2].is_empty() && all[1].times == [10, 15, 20, 30, 40]);
        assert_eq!(all[1].floats, [1.0, 1.5, 2.5, 3.0, 4.0]);
        assert_eq!(all[1].start_times, Some(vec![0, 0, 0, 7, 0]));
    }

    #[test]
    fn pieces_that_follow_each_other_are_put_together_whenever_they_arrived() {
        let pieces = [
            found(0, &[(30, 0, 3.0), (40, 0, 4.0)], 9),
            found(1, &[(30, 0, 7.0), (40, 0, 8.0)], 0),
            found(0, &[(10, 0, 1.0), (20, 0, 2.0)], 0),
            found(1, &[(10, 0, 5.0), (20, 0, 6.0)], 0),
        ];
        let all = assembled(&pieces, 2).unwrap();
        assert!(all[0].times == [10, 20, 30, 40] && all[0].times.is_shared_with(&all[1].times));
        assert_eq!((&all[0].floats, &all[1].floats), (&vec![1.0, 2.0, 3.0, 4.0], &vec![5.0, 6.0, 7.0, 8.0]));
        assert_eq!((&all[0].start_times, &all[1].start_times), (&Some(vec![0, 0, 9, 9]), &None));
    }

    #[test]
    fn nanoseconds_say_what_is_later_in_a_millisecond() {
        let pieces = [found(0, &[(1, 900, 3.0)], 0), found(0, &[(1, 100, 1.0), (2, 5, 8.0)], 0)];
        assert_eq!(assembled(&pieces, 1).unwrap()[0].floats, [3.0, 8.0]);
        let pieces = [found(0, &[(1, 0, 3.0)], 0), found(0, &[(2, 7, 1.0)], 0), found(0, &[(2, 7, 2.0)], 0)];
        assert_eq!(assembled(&pieces, 1).unwrap()[0].floats, [3.0, 2.0]);
    }
}
