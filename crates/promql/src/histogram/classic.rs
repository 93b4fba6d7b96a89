//! Histograms made of one series a bucket: upper bound (`le`) and cumulative count.

use super::equal::almost_equal;

/// Relative differences of counts up to that are rounding: with fewer than 1e12 observations a single one shows.
const SMALL_DELTA_TOLERANCE: f64 = 1e-12;

/// A quantile, and what had to be done to the buckets for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BucketQuantile {
    pub value: f64,
    /// A count was lower than that of a bucket inside it, by more than rounding.
    pub forced_monotonic: bool,
    /// Counts were taken as equal that differ by rounding.
    pub fixed_precision: bool,
    /// The bounds between which counts were forced (+Inf and -Inf where none was), and the most that was added.
    pub min_bucket: f64,
    pub max_bucket: f64,
    pub max_diff: f64,
}

impl BucketQuantile {
    /// Nothing was done to the buckets.
    fn plain(value: f64) -> Self {
        Self { value, forced_monotonic: false, fixed_precision: false, min_bucket: 0.0, max_bucket: 0.0, max_diff: 0.0 }
    }
}

/// Sorts by bounds and adds up the counts of equal ones. False: no bucket ends at +Inf.
fn prepare(buckets: &mut Vec<(f64, f64)>) -> bool {
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    buckets.dedup_by(|bucket, before| {
        let same = bucket.0 == before.0;
        if same {
            before.1 += bucket.1;
        }
        same
    });
    buckets.last().is_some_and(|last| last.0 == f64::INFINITY)
}

/// Raises counts to that of the bucket inside; takes over that one also where the difference is but rounding.
fn ensure_monotonic(buckets: &mut [(f64, f64)]) -> BucketQuantile {
    let mut done =
        BucketQuantile { min_bucket: f64::INFINITY, max_bucket: f64::NEG_INFINITY, ..BucketQuantile::plain(f64::NAN) };
    let Some(mut before) = buckets.first().map(|first| first.1) else { return done };
    for (bound, count) in buckets.iter_mut().skip(1) {
        if *count == before {
            continue;
        }
        if almost_equal(before, *count, SMALL_DELTA_TOLERANCE) {
            *count = before;
            done.fixed_precision = true;
        } else if *count < before {
            done.forced_monotonic = true;
            done.min_bucket = done.min_bucket.min(*bound);
            done.max_bucket = done.max_bucket.max(*bound);
            done.max_diff = done.max_diff.max(before - *count);
            *count = before;
        } else {
            before = *count;
        }
    }
    done
}

/// The value below which the share `q` of all observations is, interpolated on a linear scale. Sorts, merges and corrects the
/// buckets (upper bound, cumulative count).
///
/// -Inf for q < 0, +Inf for q > 1, NaN for q = NaN, without a bucket up to +Inf, without any other bucket and without
/// observations. In the bucket up to +Inf it is the bound of the one below; the lowest bucket begins at 0, and if that is not
/// below its end, the quantile is its end.
pub fn bucket_quantile(q: f64, buckets: &mut Vec<(f64, f64)>) -> BucketQuantile {
    if q.is_nan() {
        return BucketQuantile::plain(f64::NAN);
    }
    if q < 0.0 {
        return BucketQuantile::plain(f64::NEG_INFINITY);
    }
    if q > 1.0 {
        return BucketQuantile::plain(f64::INFINITY);
    }
    if !prepare(buckets) {
        return BucketQuantile::plain(f64::NAN);
    }
    let done = ensure_monotonic(buckets);
    let [finite @ .., (_, observations)] = &buckets[..] else { return done };
    if finite.is_empty() || *observations == 0.0 {
        return done;
    }
    BucketQuantile { value: finite_quantile(finite, q * observations), ..done }
}

/// Of buckets without the one up to +Inf.
fn finite_quantile(buckets: &[(f64, f64)], rank: f64) -> f64 {
    let reaches = |count: f64| count >= rank;
    let position = buckets.partition_point(|(_, count)| !reaches(*count));
    let Some((end, count)) = buckets.get(position) else { return buckets.last().map_or(f64::NAN, |last| last.0) };
    let Some((begin, below)) = position.checked_sub(1).and_then(|before| buckets.get(before)) else {
        return if *end <= 0.0 { *end } else { end * (rank / count) };
    };
    begin + (end - begin) * ((rank - below) / (count - below))
}

/// The share of observations between two values, interpolated likewise. NaN without a bucket up to +Inf, without
/// observations, and for bounds that are NaN.
pub fn bucket_fraction(lower: f64, upper: f64, buckets: &mut Vec<(f64, f64)>) -> f64 {
    if !prepare(buckets) {
        return f64::NAN;
    }
    let count = buckets.last().map_or(0.0, |last| last.1);
    if count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let rank = |value| rank_of(value, buckets).map_or(count, |rank| if rank > count { count } else { rank });
    (rank(upper) - rank(lower)) / count
}

/// How many observations are below a value; `None` for all.
fn rank_of(value: f64, buckets: &[(f64, f64)]) -> Option<f64> {
    // The lowest bucket begins at 0 unless it ends there or below.
    let mut begin = if buckets.first()?.0 <= 0.0 { f64::NEG_INFINITY } else { 0.0 };
    let mut below = 0.0;
    for (end, count) in buckets {
        if begin >= value {
            return Some(below);
        }
        if *end > value {
            // Nothing can be said of where in a bucket that begins at -Inf: all of it counts as lower.
            let infinite = begin == f64::NEG_INFINITY;
            return Some(if infinite { *count } else { below + (count - below) * (value - begin) / (end - begin) });
        }
        (begin, below) = (*end, *count);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const HIGH: f64 = f64::INFINITY;
    const LOW: f64 = f64::NEG_INFINITY;
    const NAN: f64 = f64::NAN;

    fn same(a: f64, b: f64) -> bool {
        almost_equal(a, b, 1e-12)
    }

    #[test]
    fn quantiles_are_interpolated() {
        for (buckets, q, expected) in [
            (&[][..], 0.5, NAN),
            (&[(HIGH, 5.0)], 0.5, NAN),
            (&[(1.0, 5.0)], 0.5, NAN),
            (&[(1.0, 0.0), (HIGH, 0.0)], 0.5, NAN),
            (&[(1.0, 5.0), (HIGH, 5.0)], NAN, NAN),
            (&[(1.0, 5.0), (HIGH, 5.0)], -0.1, LOW),
            (&[(1.0, 5.0), (HIGH, 5.0)], 1.1, HIGH),
            (&[(2.0, 20.0), (1.0, 10.0), (HIGH, 20.0)], 0.0, 0.0),
            (&[(2.0, 20.0), (1.0, 10.0), (HIGH, 20.0)], 0.25, 0.5),
            (&[(2.0, 20.0), (1.0, 10.0), (HIGH, 20.0)], 0.75, 1.5),
            (&[(2.0, 20.0), (1.0, 10.0), (HIGH, 20.0)], 1.0, 2.0),
            (&[(1.0, 10.0), (HIGH, 20.0)], 0.9, 1.0),
            (&[(-1.0, 10.0), (HIGH, 10.0)], 0.5, -1.0),
            (&[(-2.0, 10.0), (-1.0, 20.0), (HIGH, 20.0)], 0.75, -1.5),
            (&[(1.0, 5.0), (1.0, 5.0), (HIGH, 10.0)], 0.5, 0.5),
        ] {
            let done = bucket_quantile(q, &mut buckets.to_vec());
            assert!(same(done.value, expected), "{q} of {buckets:?}: {}", done.value);
            assert!(!done.forced_monotonic && !done.fixed_precision);
        }
    }

    #[test]
    fn counts_are_made_monotonic() {
        let buckets = [(1.0, 10.0), (2.0, 8.0), (3.0, 12.0), (4.0, 11.5), (5.0, 12.0 - 1e-12), (HIGH, 12.0)];
        let mut fixed = buckets.to_vec();
        let done = bucket_quantile(1.0, &mut fixed);
        let expected = BucketQuantile {
            value: 3.0,
            forced_monotonic: true,
            fixed_precision: true,
            min_bucket: 2.0,
            max_bucket: 4.0,
            max_diff: 2.0,
        };
        assert_eq!(done, expected);
        assert_eq!(fixed.iter().map(|bucket| bucket.1).collect::<Vec<_>>(), [10.0, 10.0, 12.0, 12.0, 12.0, 12.0]);
    }

    #[test]
    fn fractions_are_interpolated() {
        let plain = [(2.0, 20.0), (1.0, 10.0), (HIGH, 40.0)];
        let negative = [(-1.0, 10.0), (HIGH, 20.0)];
        for (buckets, lower, upper, expected) in [
            (&[][..], LOW, HIGH, NAN),
            (&[(1.0, 5.0)], LOW, HIGH, NAN),
            (&[(1.0, 0.0), (HIGH, 0.0)], LOW, HIGH, NAN),
            (&plain, LOW, HIGH, 1.0),
            (&plain, NAN, HIGH, NAN),
            (&plain, 1.0, 1.0, 0.0),
            (&plain, 0.0, 1.0, 0.25),
            (&plain, 0.5, 1.5, 0.25),
            (&plain, 1.5, HIGH, 0.625),
            (&plain, 0.0, 3.0, 0.5),
            (&negative, LOW, -2.0, 0.5),
            (&negative, -1.0, HIGH, 0.5),
        ] {
            let fraction = bucket_fraction(lower, upper, &mut buckets.to_vec());
            assert!(same(fraction, expected), "{lower} to {upper} of {buckets:?}: {fraction}");
        }
    }
}
