//! Which series of a metric have a label's value: for matchers that name one, so that the others are not looked at.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use trefoil_promql::labels::Labels;

/// The places of series by the value of one label, ascending for each.
#[derive(Debug, Default)]
pub struct Postings {
    places: Vec<u32>,
    /// Where among them those of a value lie.
    of: HashMap<Arc<str>, Range<usize>, ahash::RandomState>,
}

impl Postings {
    /// Of series that are few enough to be counted in 32 bits, which those of a metric are.
    pub fn new<'l>(label: &str, series: impl Iterator<Item = &'l Labels> + Clone) -> Self {
        let mut numbers: HashMap<Arc<str>, usize, ahash::RandomState> = HashMap::default();
        let mut counts: Vec<usize> = Vec::new();
        // Series lie by their labels and share their texts.
        let (mut last, mut near): (Option<(&Arc<str>, usize)>, usize) = (None, 0);
        let mut of: Vec<Option<u32>> = Vec::new();
        for labels in series {
            let Some(value) = labels.value_near(label, &mut near) else {
                of.push(None);
                continue;
            };
            let number = match last {
                Some((known, number)) if Arc::ptr_eq(known, value) => number,
                _ => *numbers.entry(value.clone()).or_insert_with(|| {
                    counts.push(0);
                    counts.len() - 1
                }),
            };
            counts[number] += 1;
            last = Some((value, number));
            of.push(u32::try_from(number).ok());
        }
        let mut end = 0;
        let mut ranges: Vec<Range<usize>> = counts.iter().map(|count| (end..end, end += count).0).collect();
        let mut places = vec![0; end];
        for (place, number) in (0..).zip(of) {
            if let Some(range) = number.and_then(|number| ranges.get_mut(number as usize)) {
                places[range.end] = place;
                range.end += 1;
            }
        }
        Self { places, of: numbers.into_iter().map(|(value, number)| (value, ranges[number].clone())).collect() }
    }

    /// The series that have the value.
    pub fn of(&self, value: &str) -> &[u32] {
        self.of.get(value).map_or(&[], |range| &self.places[range.clone()])
    }

    /// About what they take in memory; texts are the series'.
    pub fn bytes(&self) -> usize {
        let of_value = size_of::<Arc<str>>() + size_of::<Range<usize>>() + 1;
        size_of_val(&*self.places) + self.of.capacity() * of_value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_found_by_their_values() {
        let series = [
            Labels::from_pairs([("a", "1"), ("b", "1")]),
            Labels::from_pairs([("a", "1"), ("b", "2")]),
            Labels::from_pairs([("b", "1")]),
            Labels::from_pairs([("0", "x"), ("a", "2"), ("b", "1")]),
            Labels::from_pairs([("a", "1")]),
        ];
        let of = |label: &str, value: &str| Postings::new(label, series.iter()).of(value).to_vec();
        assert_eq!(of("a", "1"), [0, 1, 4]);
        assert_eq!(of("a", "2"), [3]);
        assert_eq!(of("b", "1"), [0, 2, 3]);
        assert_eq!((of("b", "3"), of("c", "1"), of("c", "")), (vec![], vec![], vec![]));
    }
}
