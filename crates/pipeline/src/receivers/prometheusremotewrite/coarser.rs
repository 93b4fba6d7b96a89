//! Buckets finer than any that are kept → the finest that are.
//!
//! Prometheus has room for schemas up to 52 and keeps those up to 8: of a finer one so many neighbours become one bucket as it is
//! finer, which loses nothing but resolution.

use super::histogram::Unfit;
use super::message::BucketSpan;

/// The buckets of one side and their counts, those of `finer` schemas ahead: each the sum (by `add`) of 2^`finer` of them.
pub fn coarser<T: Copy>(
    spans: &[BucketSpan],
    counts: &[T],
    finer: u32,
    add: impl Fn(T, T) -> T,
) -> Result<(Vec<BucketSpan>, Vec<T>), Unfit> {
    let mut remaining = counts.iter();
    let mut merged: Vec<(i64, T)> = Vec::new();
    let mut next = 0i64;
    for (place, span) in spans.iter().enumerate() {
        if place > 0 && span.offset < 0 {
            return Err(Unfit::Overlap);
        }
        next = next.saturating_add(i64::from(span.offset));
        // As many counts as there are, whatever the span says: their number has been compared.
        for count in remaining.by_ref().take(span.length as usize) {
            // Bucket `i` ends at `base^i`, inclusive.
            let index = ((next - 1) >> finer) + 1;
            match merged.last_mut() {
                Some((last, sum)) if *last == index => *sum = add(*sum, *count),
                _ => merged.push((index, *count)),
            }
            next += 1;
        }
    }
    let mut end = 0;
    let mut span_of = |index: i64| {
        let offset = i32::try_from(index - end).map_err(|_| Unfit::TooWide)?;
        end = index + 1;
        Ok(BucketSpan { offset, length: 1 })
    };
    let spans = merged.iter().map(|(index, _)| span_of(*index)).collect::<Result<Vec<_>, _>>()?;
    Ok((spans, merged.into_iter().map(|(_, count)| count).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_become_one() {
        let span = |offset, length| BucketSpan { offset, length };
        let of =
            |spans: &[BucketSpan], counts: &[u64], finer| coarser(spans, counts, finer, u64::saturating_add).unwrap();
        // -3 -2 -1 0 1 2 and 9: by twos (-5 -4) (-3 -2) (-1 0) (1 2) … (9 10).
        let (spans, counts) = of(&[span(-3, 6), span(6, 1)], &[1, 2, 4, 8, 16, 32, 64], 1);
        assert_eq!(counts, [3, 12, 48, 64]);
        assert_eq!(spans, [span(-1, 1), span(0, 1), span(0, 1), span(3, 1)]);
        let (spans, counts) = of(&[span(i32::MAX, 1), span(i32::MAX, 2)], &[1, u64::MAX, 9], 44);
        assert_eq!((spans, counts), (vec![span(1, 1)], vec![u64::MAX]));
        assert_eq!(of(&[], &[], 3), (vec![], vec![]));
        let overlapping = [span(5, 2), span(-1, 1)];
        assert_eq!(coarser(&overlapping, &[1, 1, 1], 1, u64::saturating_add), Err(Unfit::Overlap));
    }
}
