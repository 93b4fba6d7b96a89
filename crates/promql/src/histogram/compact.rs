//! Dropping buckets that say nothing.

use super::cells::{Cell, Layout, cells};
use super::{FloatHistogram, Span};

/// The cells that are not `empty`, and between them runs of at most `max_empty` empty ones. A longer run would need a span
/// of its own, which costs as much as an empty bucket does.
pub(super) fn compacted<T: Copy + Default>(
    cells: impl Iterator<Item = Cell<T>>,
    max_empty: usize,
    empty: impl Fn(T) -> bool,
) -> (Vec<Span>, Vec<T>) {
    let mut layout = Layout::default();
    let mut counts = Vec::new();
    let mut before: Option<i32> = None;
    for (index, value) in cells.filter(|(_, value)| !empty(*value)) {
        if let Some(before) = before {
            let gap = i64::from(index) - i64::from(before) - 1;
            if usize::try_from(gap).is_ok_and(|gap| gap <= max_empty) {
                for filler in before.saturating_add(1)..index {
                    layout.push(filler);
                    counts.push(T::default());
                }
            }
        }
        layout.push(index);
        counts.push(value);
        before = Some(index);
    }
    (layout.into_spans(), counts)
}

/// No bucket is empty, no span either, and no two spans are so close that they would be joined.
fn is_compact(spans: &[Span], counts: &[f64], max_empty: usize) -> bool {
    let far_apart = |span: &Span| usize::try_from(span.offset).is_ok_and(|offset| offset > max_empty);
    spans.iter().skip(1).all(far_apart)
        && spans.iter().all(|span| span.length > 0)
        && spans.iter().map(|span| span.length as usize).sum::<usize>() == counts.len()
        && counts.iter().all(|count| *count != 0.0)
}

fn compact_side(spans: &mut Vec<Span>, counts: &mut Vec<f64>, max_empty: usize) {
    if !is_compact(spans, counts, max_empty) {
        (*spans, *counts) = compacted(cells(spans, counts), max_empty, |count| count == 0.0);
    }
}

impl FloatHistogram {
    /// Drops empty buckets at the ends of spans and runs of more than `max_empty` of them inside, and joins spans that are
    /// at most `max_empty` apart.
    pub fn compact(&mut self, max_empty: usize) -> &mut Self {
        compact_side(&mut self.positive_spans, &mut self.positive_buckets, max_empty);
        compact_side(&mut self.negative_spans, &mut self.negative_buckets, max_empty);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(offset: i32, length: u32) -> Span {
        Span { offset, length }
    }

    #[test]
    fn only_short_runs_of_empty_buckets_stay() {
        for (spans, counts, max_empty, expected) in [
            (vec![], vec![], 0, (vec![], vec![])),
            (vec![span(0, 2)], vec![0.0, -0.0], 3, (vec![], vec![])),
            (vec![span(1, 2), span(0, 1)], vec![1.0, 2.0, 3.0], 0, (vec![span(1, 3)], vec![1.0, 2.0, 3.0])),
            (vec![span(0, 3)], vec![0.0, 2.0, 0.0], 0, (vec![span(1, 1)], vec![2.0])),
            (vec![span(0, 5)], vec![1.0, 0.0, 2.0, 0.0, 0.0], 0, (vec![span(0, 1), span(1, 1)], vec![1.0, 2.0])),
            (vec![span(0, 5)], vec![1.0, 0.0, 2.0, 0.0, 3.0], 1, (vec![span(0, 5)], vec![1.0, 0.0, 2.0, 0.0, 3.0])),
            (vec![span(0, 4)], vec![1.0, 0.0, 0.0, 2.0], 1, (vec![span(0, 1), span(2, 1)], vec![1.0, 2.0])),
            (vec![span(0, 1), span(2, 1)], vec![1.0, 2.0], 2, (vec![span(0, 4)], vec![1.0, 0.0, 0.0, 2.0])),
            (vec![span(0, 2), span(1, 2)], vec![1.0, 0.0, 0.0, 2.0], 2, (vec![span(0, 1), span(3, 1)], vec![1.0, 2.0])),
            (vec![span(3, 0), span(1, 1)], vec![f64::MAX], 0, (vec![span(4, 1)], vec![f64::MAX])),
        ] {
            let mut histogram = FloatHistogram {
                positive_spans: spans.clone(),
                positive_buckets: counts.clone(),
                negative_spans: spans,
                negative_buckets: counts,
                ..FloatHistogram::default()
            };
            histogram.compact(max_empty);
            assert_eq!((&histogram.positive_spans, &histogram.positive_buckets), (&expected.0, &expected.1));
            assert_eq!((&histogram.negative_spans, &histogram.negative_buckets), (&expected.0, &expected.1));
        }
    }
}
