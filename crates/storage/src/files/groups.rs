//! Sorting rows of which many share all of their key but the last word: the samples of one series.
//!
//! The few distinct beginnings of keys are sorted, rows are dealt out to them in one pass, and what lies in one group is nearly
//! always in order already, since time goes on. A comparison sort costs five times as much.

use std::collections::HashMap;

use super::gather::Row;

/// With fewer rows a group, a comparison sort is as good.
const ROWS_A_GROUP: usize = 4;

/// `rows` by the key words, ties in the order of `rows`; `None` if there are too many groups. `position` is where in `words` a
/// row is.
pub(super) fn sorted(words: [&[u64]; 3], rows: &[Row], position: impl Fn(&Row) -> usize) -> Option<Vec<Row>> {
    let grouping = Grouping::new(words[0], words[1], rows, &position)?;
    let mut starts = grouping.starts();
    let mut dealt = vec![(0, 0); rows.len()];
    for (row, group) in rows.iter().zip(&grouping.of_rows) {
        let next = &mut starts[*group as usize];
        dealt[*next as usize] = *row;
        *next += 1;
    }
    // Each start has moved to the end of its group.
    let time = |row: &Row| words[2][position(row)];
    let mut start = 0;
    for group in grouping.in_order() {
        let end = starts[group as usize] as usize;
        let group = &mut dealt[start..end];
        if !group.is_sorted_by_key(time) {
            group.sort_by_key(time);
        }
        start = end;
    }
    Some(dealt)
}

struct Grouping {
    keys: Vec<(u64, u64)>,
    sizes: Vec<u32>,
    /// The group of each row.
    of_rows: Vec<u32>,
}

impl Grouping {
    fn new(first: &[u64], second: &[u64], rows: &[Row], position: impl Fn(&Row) -> usize) -> Option<Self> {
        let most = rows.len() / ROWS_A_GROUP;
        let mut numbers: HashMap<(u64, u64), u32, ahash::RandomState> = HashMap::default();
        let (mut keys, mut sizes) = (Vec::new(), Vec::new());
        // Senders send their series in the same order again and again: the group that followed a group the last time.
        let mut followers: Vec<u32> = Vec::new();
        let mut of_rows = Vec::with_capacity(rows.len());
        let mut before = 0;
        for row in rows {
            let at = position(row);
            let key = (first[at], second[at]);
            let expected = followers.get(before as usize).copied().unwrap_or(0);
            let group = if keys.get(expected as usize) == Some(&key) {
                expected
            } else {
                let new = keys.len() as u32;
                let group = *numbers.entry(key).or_insert(new);
                if group == new {
                    if keys.len() >= most {
                        return None;
                    }
                    keys.push(key);
                    sizes.push(0);
                    followers.push(0);
                }
                followers[before as usize] = group;
                group
            };
            sizes[group as usize] += 1;
            of_rows.push(group);
            before = group;
        }
        Some(Self { keys, sizes, of_rows })
    }

    fn in_order(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.keys.len() as u32).collect();
        order.sort_unstable_by_key(|group| self.keys[*group as usize]);
        order
    }

    /// Where each group begins, by its number.
    fn starts(&self) -> Vec<u32> {
        let mut starts = vec![0; self.keys.len()];
        let mut next = 0;
        for group in self.in_order() {
            starts[group as usize] = next;
            next += self.sizes[group as usize];
        }
        starts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(keys: &[(u64, u64, u64)]) -> bool {
        let words = [0, 1, 2].map(|word| keys.iter().map(|key| [key.0, key.1, key.2][word]).collect::<Vec<u64>>());
        let rows: Vec<Row> = (0..keys.len() as u32).map(|row| (row % 3, row)).collect();
        let mut expected = rows.clone();
        expected.sort_by_key(|row| keys[row.1 as usize]);
        let found = sorted([&words[0], &words[1], &words[2]], &rows, |row| row.1 as usize);
        found.as_ref().is_none_or(|found| *found == expected) && (found.is_some() || keys.len() < 4 * 16)
    }

    proptest! {
        #[test]
        fn it_is_the_order_of_a_comparison_sort(keys in proptest::collection::vec((0..4u64, 0..4u64, 0..9u64), 0..300)) {
            prop_assert!(check(&keys));
        }
    }

    #[test]
    fn series_that_come_in_turns_are_grouped() {
        let keys: Vec<_> =
            (0..10u64).flat_map(|tick| (0..7).rev().map(move |series| (series / 3, series, tick))).collect();
        assert!(check(&keys));
        let words: Vec<u64> = (0..100).collect();
        assert_eq!(sorted([&words, &words, &words], &vec![(0, 0); 100], |_| 0).map(|rows| rows.len()), Some(100));
        let rows: Vec<Row> = (0..100).map(|row| (0, row)).collect();
        assert_eq!(sorted([&words, &words, &words], &rows, |row| row.1 as usize), None);
    }
}
