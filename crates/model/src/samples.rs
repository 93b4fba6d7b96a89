//! Samples of series that are known: all that is left to store of most of what comes by Prometheus' ways, without labels.
//!
//! They become rows with [`crate::decode::decode_samples`]; the durable log holds them in the form of [`KnownSamples::write`].

use hashbrown::HashMap;

/// The NaN that Prometheus writes where a series ends; any other NaN is a value.
pub(crate) const STALE_NAN: u64 = 0x7ff0_0000_0000_0002;

/// Numbers at times, of series whose rows in `series` are safe. One entry of each list a sample.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KnownSamples {
    /// When they were judged ([`crate::active::TenantSeries::era`]); not written to the log.
    pub era: u64,
    names: Vec<Box<str>>,
    numbers: HashMap<Box<str>, u32, ahash::RandomState>,
    /// Of the sample before: series of one metric come together.
    last: u32,
    metrics: Vec<u32>,
    series_ids: Vec<u64>,
    times: Vec<i64>,
    values: Vec<u64>,
    /// Empty while no sample has a start.
    start_times: Vec<i64>,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KnownSample {
    /// The metric's name, by its place in [`KnownSamples::names`].
    pub metric: u32,
    pub series_id: u64,
    /// Nanoseconds since the epoch.
    pub time: i64,
    /// 0: not told.
    pub start_time: i64,
    /// `None`: the series ends here.
    pub value: Option<f64>,
}

impl KnownSample {
    /// The value's bits, Prometheus' NaN where the series ends: what samples are judged by ([`crate::active`]).
    pub fn bits(&self) -> u64 {
        self.value.map_or(STALE_NAN, f64::to_bits)
    }
}

impl KnownSamples {
    pub fn len(&self) -> usize {
        self.series_ids.len()
    }

    pub fn is_empty(&self) -> bool {
        self.series_ids.is_empty()
    }

    /// Names of metrics.
    pub fn names(&self) -> &[Box<str>] {
        &self.names
    }

    /// Bytes of all samples together.
    pub fn bytes(&self) -> usize {
        self.len() * 36
    }

    /// The place of a metric's name.
    #[inline]
    pub fn metric(&mut self, name: &str) -> u32 {
        if self.names.get(self.last as usize).is_some_and(|last| **last == *name) {
            return self.last;
        }
        self.last = match self.numbers.get(name) {
            Some(number) => *number,
            None => {
                let number = self.names.len() as u32;
                self.names.push(name.into());
                self.numbers.insert(name.into(), number);
                number
            }
        };
        self.last
    }

    /// `metric` as [`Self::metric`] gave it; times in nanoseconds since the epoch, `value` with Prometheus' NaN where the
    /// series ends.
    #[inline]
    pub fn push(&mut self, metric: u32, series_id: u64, time: i64, start_time: i64, value: f64) {
        if start_time != 0 || !self.start_times.is_empty() {
            self.start_times.resize(self.len(), 0);
            self.start_times.push(start_time);
        }
        self.metrics.push(metric);
        self.series_ids.push(series_id);
        self.times.push(time);
        self.values.push(value.to_bits());
    }

    pub fn iter(&self) -> impl Iterator<Item = KnownSample> + '_ {
        (0..self.len()).map(|row| KnownSample {
            metric: self.metrics[row],
            series_id: self.series_ids[row],
            time: self.times[row],
            start_time: self.start_times.get(row).copied().unwrap_or(0),
            value: Some(self.values[row]).filter(|bits| *bits != STALE_NAN).map(f64::from_bits),
        })
    }

    /// Appends them to `out`: numbers of names and samples, whether there are starts, the names each with its length, then
    /// list by list, all numbers little-endian.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.reserve(16 + self.bytes() + self.names.iter().map(|name| name.len() + 4).sum::<usize>());
        put_u32s(out, &[self.names.len() as u32, self.len() as u32, u32::from(!self.start_times.is_empty())]);
        for name in &self.names {
            put_u32s(out, &[name.len() as u32]);
            out.extend_from_slice(name.as_bytes());
        }
        put_u32s(out, &self.metrics);
        put_u64s(out, self.series_ids.iter().copied());
        put_u64s(out, self.times.iter().map(|time| *time as u64));
        put_u64s(out, self.values.iter().copied());
        put_u64s(out, self.start_times.iter().map(|time| *time as u64));
    }

    /// What [`Self::write`] wrote, and what follows it. `None` if it is anything else.
    pub fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let mut rest = bytes;
        let (names, rows, has_starts) = (take_u32(&mut rest)?, take_u32(&mut rest)? as usize, take_u32(&mut rest)?);
        let mut samples = KnownSamples::default();
        for _ in 0..names {
            let length = take_u32(&mut rest)? as usize;
            let name = std::str::from_utf8(take(&mut rest, length)?).ok()?;
            samples.names.push(name.into());
        }
        let metrics = take(&mut rest, rows.checked_mul(4)?)?;
        samples.metrics =
            metrics.chunks_exact(4).map(|bytes| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).collect();
        if samples.metrics.iter().any(|metric| *metric >= names) || has_starts > 1 {
            return None;
        }
        samples.series_ids = take_u64s(&mut rest, rows)?;
        samples.times = signed(take_u64s(&mut rest, rows)?);
        samples.values = take_u64s(&mut rest, rows)?;
        samples.start_times = signed(take_u64s(&mut rest, rows * has_starts as usize)?);
        Some((samples, rest))
    }
}

fn put_u32s(out: &mut Vec<u8>, values: &[u32]) {
    values.iter().for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
}

fn put_u64s(out: &mut Vec<u8>, values: impl Iterator<Item = u64>) {
    values.for_each(|value| out.extend_from_slice(&value.to_le_bytes()));
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    let (bytes, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(u32::from_le_bytes(*bytes))
}

fn take_u64s(rest: &mut &[u8], count: usize) -> Option<Vec<u64>> {
    let bytes = take(rest, count.checked_mul(8)?)?;
    Some(bytes.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect())
}

fn signed(values: Vec<u64>) -> Vec<i64> {
    values.into_iter().map(|value| value as i64).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn samples(rows: &[(&str, u64, i64, i64, f64)]) -> KnownSamples {
        let mut samples = KnownSamples::default();
        for (name, series_id, time, start, value) in rows {
            let metric = samples.metric(name);
            samples.push(metric, *series_id, *time, *start, *value);
        }
        samples
    }

    fn rows(samples: &KnownSamples) -> Vec<(String, u64, i64, i64, Option<u64>)> {
        let row = |sample: KnownSample| {
            let name = samples.names()[sample.metric as usize].to_string();
            (name, sample.series_id, sample.time, sample.start_time, sample.value.map(f64::to_bits))
        };
        samples.iter().map(row).collect()
    }

    #[test]
    fn an_end_has_no_value_and_another_nan_has() {
        let samples = samples(&[("a", 1, 2, 0, f64::from_bits(STALE_NAN)), ("a", 1, 3, 0, f64::NAN)]);
        let values: Vec<_> = samples.iter().map(|sample| sample.value.map(f64::is_nan)).collect();
        assert_eq!((values, samples.names().len()), (vec![None, Some(true)], 1));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            wanted in proptest::collection::vec(("[a-c]{0,2}", any::<u64>(), any::<i64>(), 0..3i64, any::<f64>()), 0..50),
            tail in proptest::collection::vec(any::<u8>(), 0..5),
        ) {
            let wanted: Vec<_> = wanted.iter().map(|(a, b, c, d, e)| (a.as_str(), *b, *c, *d, *e)).collect();
            let written = samples(&wanted);
            let mut bytes = Vec::new();
            written.write(&mut bytes);
            let length = bytes.len();
            bytes.extend_from_slice(&tail);
            let (read, rest) = KnownSamples::read(&bytes).unwrap();
            prop_assert_eq!(rest, tail.as_slice());
            prop_assert_eq!(rows(&read), rows(&written));
            let expected: Vec<_> = wanted.iter().map(|(_, id, time, start, _)| (*id, *time, *start)).collect();
            prop_assert_eq!(rows(&read).into_iter().map(|row| (row.1, row.2, row.3)).collect::<Vec<_>>(), expected);
            for cut in (0..length).step_by(5) {
                prop_assert!(KnownSamples::read(&bytes[..cut]).is_none());
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(0..4u8, 0..100)) {
            let _ = KnownSamples::read(&bytes);
        }
    }
}
