//! When the rows of series were measured: lists that series share that were measured together.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
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

/// By length, first and last of the nanoseconds they are of.
type Key = (usize, i64, i64);

/// Tables that lists are split over, each behind a lock.
const SHARDS: usize = 16;

/// Lists of one key that are told apart; more than that are not shared.
const MOST_ALIKE: usize = 8;

/// Fewer lists than these are not looked through for such that nobody has any more.
const LEAST_LISTS: usize = 64;

/// The lists that there are. Series of a target lie apart by their metrics: so whoever decodes shares with everybody else, and a
/// list is there once for all of them.
#[derive(Debug, Default)]
pub struct SharedTimes {
    shards: [Mutex<Shard>; SHARDS],
    hashes: ahash::RandomState,
}

#[derive(Debug, Default)]
struct Shard {
    known: HashMap<Key, Vec<Arc<Measured>>>,
    lists: usize,
    /// With so many lists, those that nobody else has are thrown away.
    most: usize,
}

impl SharedTimes {
    /// Of rows in the order of time (nanoseconds since the epoch), and what that costs in memory beyond the lists that there are.
    pub fn measured(&self, nanos: &[i64]) -> (Arc<Measured>, usize) {
        let key = (nanos.len(), nanos.first().copied().unwrap_or(0), nanos.last().copied().unwrap_or(0));
        let mut shard = self.shards[self.hashes.hash_one(key) as usize % SHARDS].lock();
        let alike = shard.known.get(&key).map_or(&[][..], Vec::as_slice);
        if let Some(measured) = alike.iter().find(|measured| measured.is_of(nanos)) {
            return (measured.clone(), 0);
        }
        let measured = Arc::new(Measured::of(nanos));
        if measured.rows.is_none() && alike.len() < MOST_ALIKE {
            shard.keep(key, measured.clone());
        }
        let bytes = measured.bytes();
        (measured, bytes)
    }
}

impl Shard {
    fn keep(&mut self, key: Key, measured: Arc<Measured>) {
        if self.lists >= self.most {
            self.known.retain(|_, alike| {
                alike.retain(|measured| Arc::strong_count(measured) > 1);
                !alike.is_empty()
            });
            self.lists = self.known.values().map(Vec::len).sum();
            self.most = LEAST_LISTS.max(2 * self.lists);
        }
        self.known.entry(key).or_default().push(measured);
        self.lists += 1;
    }
}

impl Measured {
    /// Whether it was made of these, which are as many as there are times.
    fn is_of(&self, nanos: &[i64]) -> bool {
        let is_at = |(time, nano): (&i64, &i64)| time.wrapping_mul(NANOS_PER_MILLI) == *nano;
        match &self.rests {
            None => self.times.iter().zip(nanos).all(is_at),
            Some(rests) => {
                let nanos = nanos.iter().zip(rests.iter()).map(|(nano, rest)| nano.wrapping_sub(*rest));
                self.times.iter().zip(nanos).all(|(time, nano)| is_at((time, &nano)))
            }
        }
    }

    fn bytes(&self) -> usize {
        let lists = 1 + usize::from(self.rests.is_some());
        let rows = self.rows.as_ref().map_or(0, |rows| size_of_val(&**rows));
        size_of::<Self>() + lists * self.times.len() * size_of::<i64>() + rows
    }

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
        let shared = SharedTimes::default();
        let (first, cost) = shared.measured(&[1_000_000, 2_000_000]);
        assert_eq!((cost, first.rests.as_deref(), first.rows.as_deref()), (16 + size_of::<Measured>(), None, None));
        let (same, cost) = shared.measured(&[1_000_000, 2_000_000]);
        assert!(cost == 0 && Arc::ptr_eq(&same, &first) && same.times == [1, 2]);
        let (later, _) = shared.measured(&[1_000_007, 2_000_000]);
        assert_eq!((later.rests.as_deref(), &*later.times), (Some(&[7, 0][..]), &[1, 2][..]));
        assert!(Arc::ptr_eq(&later, &shared.measured(&[1_000_007, 2_000_000]).0));
        // The last of a millisecond counts.
        let (twice, _) = shared.measured(&[1_000_000, 1_000_005, 2_000_000]);
        assert!(twice.times == [1, 2]);
        assert_eq!((twice.rests.as_deref(), twice.rows.as_deref()), (Some(&[5, 0][..]), Some(&[1, 2][..])));
    }

    #[test]
    fn lists_of_one_length_and_the_same_ends_are_told_apart() {
        let shared = SharedTimes::default();
        for between in 1..100 {
            let nanos = [0, between * 1_000_000, 100_000_000];
            assert!(shared.measured(&nanos).0.times == [0, between, 100]);
        }
    }

    #[test]
    fn lists_that_nobody_has_are_forgotten() {
        let shared = SharedTimes::default();
        let (held, _) = shared.measured(&[0, 1_000_000]);
        for end in 0..100_000 {
            shared.measured(&[1_000_000, end * 1_000_000]);
        }
        let lists: usize = shared.shards.iter().map(|shard| shard.lock().lists).sum();
        assert!(lists <= SHARDS * (LEAST_LISTS + 2), "{lists}");
        assert!(Arc::ptr_eq(&held, &shared.measured(&[0, 1_000_000]).0));
    }
}
