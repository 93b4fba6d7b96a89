//! Buckets as pairs of index and count: what operations on layouts work on, so that only reading and writing know spans.

use super::Span;

/// An index and what is counted there.
pub(super) type Cell<T> = (i32, T);

/// The buckets that spans name, ascending by index (in a well-formed histogram). Ends where spans or counts end, whichever
/// is first.
#[derive(Clone)]
pub(super) struct Cells<'a> {
    spans: &'a [Span],
    counts: &'a [f64],
    /// Buckets left of the span that was begun.
    left: u32,
    /// Of the next bucket.
    index: i32,
}

pub(super) fn cells<'a>(spans: &'a [Span], counts: &'a [f64]) -> Cells<'a> {
    Cells { spans, counts, left: 0, index: 0 }
}

impl Iterator for Cells<'_> {
    type Item = Cell<f64>;

    fn next(&mut self) -> Option<Cell<f64>> {
        while self.left == 0 {
            let (span, spans) = self.spans.split_first()?;
            self.spans = spans;
            self.left = span.length;
            self.index = self.index.wrapping_add(span.offset);
        }
        let (count, counts) = self.counts.split_first()?;
        self.counts = counts;
        self.left -= 1;
        let index = self.index;
        self.index = index.wrapping_add(1);
        Some((index, *count))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.counts.len()))
    }
}

/// The same in descending order.
#[derive(Clone)]
pub(super) struct CellsBack<'a> {
    spans: &'a [Span],
    counts: &'a [f64],
    /// Buckets left of the last span.
    left: u32,
    /// One more than that of the next bucket.
    end: i32,
}

pub(super) fn cells_back<'a>(spans: &'a [Span], counts: &'a [f64]) -> CellsBack<'a> {
    let end = spans.iter().fold(0i32, |end, span| end.wrapping_add(span.offset).wrapping_add(span.length as i32));
    CellsBack { spans, counts, left: spans.last().map_or(0, |span| span.length), end }
}

impl Iterator for CellsBack<'_> {
    type Item = Cell<f64>;

    fn next(&mut self) -> Option<Cell<f64>> {
        while self.left == 0 {
            let (last, spans) = self.spans.split_last()?;
            self.spans = spans;
            self.left = spans.last()?.length;
            self.end = self.end.wrapping_sub(last.offset);
        }
        let (count, counts) = self.counts.split_last()?;
        self.counts = counts;
        self.left -= 1;
        self.end = self.end.wrapping_sub(1);
        Some((self.end, *count))
    }
}

/// Spans for buckets that come by ascending index, each index once.
#[derive(Default)]
pub(super) struct Layout {
    spans: Vec<Span>,
    /// One more than the index of the last bucket.
    end: i32,
}

impl Layout {
    pub(super) fn push(&mut self, index: i32) {
        let offset = index.wrapping_sub(self.end);
        self.end = index.wrapping_add(1);
        match self.spans.last_mut() {
            Some(last) if offset == 0 => last.length = last.length.saturating_add(1),
            _ => self.spans.push(Span { offset, length: 1 }),
        }
    }

    pub(super) fn into_spans(self) -> Vec<Span> {
        self.spans
    }
}

pub(super) fn to_spans(cells: impl IntoIterator<Item = Cell<f64>>) -> (Vec<Span>, Vec<f64>) {
    let mut layout = Layout::default();
    let mut counts = Vec::new();
    for (index, count) in cells {
        layout.push(index);
        counts.push(count);
    }
    (layout.into_spans(), counts)
}

/// All buckets of both, those of the same index combined. Both ascending.
pub(super) fn merge<T: Copy>(
    a: impl Iterator<Item = Cell<T>>,
    b: impl Iterator<Item = Cell<T>>,
    combine: impl Fn(T, T) -> T,
) -> Vec<Cell<T>> {
    let (mut a, mut b) = (a.peekable(), b.peekable());
    let mut merged = Vec::with_capacity(a.size_hint().0.max(b.size_hint().0));
    loop {
        let cell = match (a.peek().copied(), b.peek().copied()) {
            (Some((index, left)), Some((other, right))) if index == other => {
                a.next();
                b.next();
                (index, combine(left, right))
            }
            (Some(left), Some(right)) if left.0 < right.0 => {
                a.next();
                left
            }
            (_, Some(right)) => {
                b.next();
                right
            }
            (Some(left), None) => {
                a.next();
                left
            }
            (None, None) => return merged,
        };
        merged.push(cell);
    }
}

/// The index in a schema that is lower by `levels` of the bucket that holds the one with this index.
pub(super) fn coarser_index(index: i32, levels: u32) -> i32 {
    (index.wrapping_sub(1) >> levels.min(31)).wrapping_add(1)
}

/// Buckets of a schema that is lower by `levels`.
pub(super) fn coarsen<T: Copy>(
    cells: impl Iterator<Item = Cell<T>>,
    levels: u32,
    combine: impl Fn(T, T) -> T,
) -> Vec<Cell<T>> {
    let mut coarse: Vec<Cell<T>> = Vec::new();
    for (index, value) in cells {
        let index = coarser_index(index, levels);
        match coarse.last_mut() {
            Some(last) if last.0 == index => last.1 = combine(last.1, value),
            _ => coarse.push((index, value)),
        }
    }
    coarse
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(offset: i32, length: u32) -> Span {
        Span { offset, length }
    }

    #[test]
    fn spans_name_buckets() {
        for (spans, counts, expected) in [
            (vec![], vec![], vec![]),
            (vec![span(-2, 2), span(1, 1)], vec![1.0, 2.0, 3.0], vec![(-2, 1.0), (-1, 2.0), (1, 3.0)]),
            (vec![span(3, 0), span(2, 1), span(0, 1)], vec![1.0, 2.0], vec![(5, 1.0), (6, 2.0)]),
            (vec![span(1, 1), span(2, 0), span(1, 1)], vec![1.0, 2.0], vec![(1, 1.0), (5, 2.0)]),
        ] {
            assert_eq!(cells(&spans, &counts).collect::<Vec<_>>(), expected);
            let mut backwards = cells_back(&spans, &counts).collect::<Vec<_>>();
            backwards.reverse();
            assert_eq!(backwards, expected);
        }
        assert_eq!(cells(&[span(0, 9)], &[1.0]).count(), 1, "fewer counts than the span says");
        assert_eq!(cells(&[span(i32::MAX, 2), span(i32::MAX, 1)], &[1.0; 3]).count(), 3, "no index overflows");
    }

    #[test]
    fn neighbours_share_a_span() {
        let (spans, counts) = to_spans([(-2, 1.0), (-1, 2.0), (1, 3.0)]);
        assert_eq!((spans, counts), (vec![span(-2, 2), span(1, 1)], vec![1.0, 2.0, 3.0]));
    }

    #[test]
    fn buckets_merge_by_index() {
        let merged = merge([(1, 1.0), (3, 2.0)].into_iter(), [(0, 4.0), (3, 8.0), (5, 16.0)].into_iter(), |a, b| a + b);
        assert_eq!(merged, [(0, 4.0), (1, 1.0), (3, 10.0), (5, 16.0)]);
        // (1/2, 1], (1, 2], (2, 4] and (4, 8] in terms of a base of 4: (1/4, 1], (1, 4], (4, 16].
        let coarse = coarsen([(0, 1.0), (1, 2.0), (2, 4.0), (3, 8.0)].into_iter(), 1, |a, b| a + b);
        assert_eq!(coarse, [(0, 1.0), (1, 6.0), (2, 8.0)]);
    }
}
