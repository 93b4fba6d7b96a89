//! Custom buckets whose bounds differ.

use super::Span;
use super::cells::Cell;
use super::compact::compacted;
use super::kahan::Kahan;

/// Bounds compare as numbers.
pub(super) fn same_bounds(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b)
}

/// The bounds that are in both lists, which ascend.
pub(super) fn common_bounds(a: &[f64], b: &[f64]) -> Vec<f64> {
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    let mut common = Vec::new();
    while let (Some(left), Some(right)) = (a.peek(), b.peek()) {
        if left == right {
            common.push(**left);
            a.next();
            b.next();
        } else if left < right {
            a.next();
        } else {
            b.next();
        }
    }
    common
}

/// Counts for a subset of bounds, one more for what is above them all.
pub(super) struct Mapped<'a> {
    bounds: &'a [f64],
    counts: Vec<Kahan>,
}

impl<'a> Mapped<'a> {
    pub(super) fn onto(bounds: &'a [f64]) -> Self {
        Self { bounds, counts: vec![Kahan::default(); bounds.len() + 1] }
    }

    /// Adds buckets that end at `bounds`, each to the first one here that ends no earlier.
    pub(super) fn add(&mut self, cells: impl Iterator<Item = Cell<Kahan>>, bounds: &[f64]) {
        let mut target = 0;
        for (index, count) in cells {
            let upper = usize::try_from(index).ok().and_then(|index| bounds.get(index)).copied();
            let slot = match upper {
                None => self.bounds.len(),
                Some(upper) => {
                    while self.bounds.get(target).is_some_and(|bound| *bound < upper) {
                        target += 1;
                    }
                    target
                }
            };
            if let Some(total) = self.counts.get_mut(slot) {
                total.add(count.sum);
                if count.compensation != 0.0 {
                    total.add(count.compensation);
                }
            }
        }
    }

    pub(super) fn counts(&self) -> impl Iterator<Item = f64> {
        self.counts.iter().map(|count| count.sum)
    }

    /// Spans, counts and their compensations without what is empty.
    pub(super) fn into_spans(self) -> (Vec<Span>, Vec<f64>, Vec<f64>) {
        let cells = (0..).zip(self.counts);
        let (spans, counts) = compacted(cells, 0, |count| count == Kahan::default());
        let (sums, compensations) = counts.into_iter().map(|count| (count.sum, count.compensation)).unzip();
        (spans, sums, compensations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_bounds_are_those_in_both() {
        for (a, b, common) in [
            (&[1.0, 2.0, 3.0][..], &[2.0, 2.5, 3.0, 4.0][..], &[2.0, 3.0][..]),
            (&[], &[1.0], &[]),
            (&[1.0], &[2.0], &[]),
            (&[f64::NAN, 1.0], &[1.0], &[]),
        ] {
            assert_eq!(common_bounds(a, b), common);
        }
    }

    #[test]
    fn buckets_go_where_they_end() {
        let common = [5.0, 10.0];
        let mut mapped = Mapped::onto(&common);
        let count = |index, sum| (index, Kahan { sum, compensation: 0.0 });
        let cells = [count(0, 1.0), count(1, 2.0), count(2, 4.0), count(3, 8.0), count(4, 16.0)];
        mapped.add(cells.into_iter(), &[2.0, 5.0, 7.0, 12.0]);
        assert_eq!(mapped.counts().collect::<Vec<_>>(), [3.0, 4.0, 24.0]);
        mapped.add([count(0, -4.0)].into_iter(), &[10.0]);
        let (spans, counts, _) = mapped.into_spans();
        assert_eq!(counts, [3.0, 24.0]);
        assert_eq!(spans, [Span { offset: 0, length: 1 }, Span { offset: 1, length: 1 }]);
    }
}
