//! When the rows of series were measured: lists that series share that were measured together.

use std::collections::HashMap;
use std::sync::Arc;

use trefoil_promql::times::Times;

use super::super::NANOS_PER_MILLI;

/// When the rows of one series were measured, each millisecond once.
#[derive(Debug, Clone)]
pub struct Measured {
    pub times: Times,
    /// The nanoseconds beyond the milliseconds, as long; `None`: all 0. (They say which sample of a millisecond is the later.)
    pub rests: Option<Arc<[i64]>>,
    /// Of each millisecond the last of its rows; `None`: each has one.
    pub rows: Option<Arc<[u32]>>,
}

/// The nanoseconds, and what was made of them.
type Known = (Box<[i64]>, Measured);

/// Lists that were made already.
#[derive(Debug, Default)]
pub struct SharedTimes {
    /// By length, first and last of the nanoseconds they were made of.
    known: HashMap<(usize, i64, i64), Vec<Known>>,
}

impl SharedTimes {
    /// Of rows in the order of time (nanoseconds since the epoch), and what that costs in memory beyond the lists that there are.
    pub fn measured(&mut self, nanos: &[i64]) -> (Measured, usize) {
        let key = (nanos.len(), nanos.first().copied().unwrap_or(0), nanos.last().copied().unwrap_or(0));
        let known = self.known.entry(key).or_default();
        if let Some((_, measured)) = known.iter().find(|(of, _)| **of == *nanos) {
            return (measured.clone(), 0);
        }
        let measured = Measured::of(nanos);
        known.push((nanos.into(), measured.clone()));
        let lists = 1 + usize::from(measured.rests.is_some());
        (measured.clone(), lists * measured.times.len() * size_of::<i64>())
    }
}

impl Measured {
    fn of(nanos: &[i64]) -> Self {
        let millis: Vec<i64> = nanos.iter().map(|time| time.div_euclid(NANOS_PER_MILLI)).collect();
        let is_distinct = millis.iter().zip(millis.iter().skip(1)).all(|(before, after)| before < after);
        let rows = (!is_distinct).then(|| {
            let is_last = |row: &usize| millis.get(row + 1) != Some(&millis[*row]);
            (0..millis.len()).filter(is_last).map(|row| u32::try_from(row).unwrap_or(u32::MAX)).collect::<Arc<[u32]>>()
        });
        let kept = |list: Vec<i64>| match &rows {
            None => list,
            Some(rows) => rows.iter().map(|row| list[*row as usize]).collect(),
        };
        let rests: Vec<i64> = kept(nanos.iter().map(|time| time.rem_euclid(NANOS_PER_MILLI)).collect());
        let rests = rests.iter().any(|rest| *rest != 0).then(|| rests.into());
        Self { times: kept(millis).into(), rests, rows }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_that_were_measured_together_share_their_times() {
        let mut shared = SharedTimes::default();
        let (first, cost) = shared.measured(&[1_000_000, 2_000_000]);
        assert_eq!((cost, first.rests.as_deref(), first.rows.as_deref()), (16, None, None));
        let (same, cost) = shared.measured(&[1_000_000, 2_000_000]);
        assert!(cost == 0 && same.times.is_shared_with(&first.times) && same.times == [1, 2]);
        // The last of a millisecond counts.
        let (twice, cost) = shared.measured(&[1_000_000, 1_000_005, 2_000_000]);
        assert!(twice.times == [1, 2]);
        assert_eq!((cost, twice.rests.as_deref(), twice.rows.as_deref()), (32, Some(&[5, 0][..]), Some(&[1, 2][..])));
    }
}
