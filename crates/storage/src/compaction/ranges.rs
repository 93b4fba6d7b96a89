//! Where to cut row groups that are too large for one together: each range has some of the series, and all of their rows.

use std::ops::Range;

use arrow::array::{ArrayRef, AsArray, StringArray, UInt64Array};
use arrow::compute::cast;
use arrow::datatypes::{Int32Type, UInt64Type};

use crate::files::{FilesError, dictionary_type};

/// One row in so many is looked at to find the cuts.
const SAMPLED: usize = 1024;

/// Rows sorted by metric and series.
pub(super) trait Sorted {
    fn rows(&self) -> usize;

    /// Decoded anew each time: all of them together would be large.
    fn keys(&self) -> Result<Keys, FilesError>;
}

/// Stretches of row groups, each with the number of its row group.
pub(super) type Set = Vec<(usize, Range<usize>)>;

/// Stretches of all row groups in sets of about at most `capacity` rows; one set if they all fit. No
/// series is in two of them.
pub(super) fn split(groups: &[impl Sorted], capacity: usize) -> Result<Vec<Set>, FilesError> {
    let total: usize = groups.iter().map(Sorted::rows).sum();
    if total <= capacity {
        return Ok(vec![groups.iter().map(|group| 0..group.rows()).enumerate().collect()]);
    }
    // Of each row group at most so many rows more than were sampled lie in a set.
    let room = capacity.saturating_sub(groups.len() * SAMPLED).max(capacity / 2).max(1);
    let cuts = cuts(groups, total.div_ceil(room))?;
    let mut sets: Vec<Set> = vec![Vec::new(); cuts.len() + 1];
    for (number, group) in groups.iter().enumerate() {
        let keys = group.keys()?;
        let ends = cuts.iter().map(|(name, id)| keys.first_from((name, *id))).chain([group.rows()]);
        let mut start = 0;
        for (set, end) in sets.iter_mut().zip(ends) {
            if end > start {
                set.push((number, start..end));
                start = end;
            }
        }
    }
    sets.retain(|set| !set.is_empty());
    Ok(sets)
}

/// The first keys of all ranges but the first.
fn cuts(groups: &[impl Sorted], ranges: usize) -> Result<Vec<(String, u64)>, FilesError> {
    let mut sampled = Vec::new();
    for group in groups {
        let keys = group.keys()?;
        sampled.extend((0..group.rows()).step_by(SAMPLED).map(|row| {
            let (name, id) = keys.get(row);
            (name.to_owned(), id)
        }));
    }
    sampled.sort_unstable();
    let mut cuts: Vec<(String, u64)> =
        (1..ranges).filter_map(|range| sampled.get(range * sampled.len() / ranges).cloned()).collect();
    cuts.dedup();
    Ok(cuts)
}

/// Metric and series of every row of a row group.
pub(super) struct Keys {
    names: ArrayRef,
    texts: StringArray,
    ids: UInt64Array,
}

impl Keys {
    /// Of the columns `metric_name` and `series_id`; `None` if that is not what they are.
    pub fn of(names: &ArrayRef, ids: &ArrayRef) -> Option<Self> {
        let names = cast(names, &dictionary_type()).ok()?;
        let texts = names.as_dictionary_opt::<Int32Type>()?.values().as_string_opt::<i32>()?.clone();
        let ids = ids.as_primitive_opt::<UInt64Type>()?.clone();
        Some(Self { names, texts, ids })
    }

    fn get(&self, row: usize) -> (&str, u64) {
        let name = self.names.as_dictionary::<Int32Type>().key(row).map_or("", |key| self.texts.value(key));
        (name, self.ids.value(row))
    }

    /// The first row whose key is not less.
    fn first_from(&self, key: (&str, u64)) -> usize {
        let (mut low, mut high) = (0, self.ids.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(middle) < key {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// (metric, series) of each row.
    #[derive(Debug)]
    struct Rows(Vec<(u8, u64)>);

    impl Sorted for Rows {
        fn rows(&self) -> usize {
            self.0.len()
        }

        fn keys(&self) -> Result<Keys, FilesError> {
            let names: ArrayRef =
                Arc::new(StringArray::from_iter_values(self.0.iter().map(|(name, _)| name.to_string())));
            let ids: ArrayRef = Arc::new(UInt64Array::from_iter_values(self.0.iter().map(|(_, id)| *id)));
            Ok(Keys::of(&names, &ids).unwrap())
        }
    }

    /// Row groups of series of many rows each.
    fn groups() -> impl Strategy<Value = Vec<Rows>> {
        let group = vec((0u8..3, 0u64..40, 1usize..700), 0..40).prop_map(|mut series| {
            series.sort_unstable();
            Rows(series.into_iter().flat_map(|(name, id, rows)| std::iter::repeat_n((name, id), rows)).collect())
        });
        vec(group, 1..6)
    }

    proptest! {
        #[test]
        fn sets_have_all_rows_and_share_no_series(groups in groups(), capacity in 1000usize..40_000) {
            let sets = split(&groups, capacity).unwrap();
            let mut set_of = HashMap::new();
            let mut next = vec![0; groups.len()];
            for (set, slices) in sets.iter().enumerate() {
                for (number, rows) in slices {
                    prop_assert_eq!(rows.start, next[*number], "rows are left out or come twice");
                    next[*number] = rows.end;
                    for key in &groups[*number].0[rows.clone()] {
                        prop_assert_eq!(*set_of.entry(*key).or_insert(set), set, "{:?}", key);
                    }
                }
            }
            prop_assert_eq!(next, groups.iter().map(Rows::rows).collect::<Vec<_>>());
        }
    }

    #[test]
    fn sets_are_about_as_large_as_they_may_be() {
        let group = || Rows((0..1000).flat_map(|id| std::iter::repeat_n((0, id), 100)).collect());
        let groups = [group(), group(), group(), group()];
        let sets = split(&groups, 150_000).unwrap();
        let sizes: Vec<usize> = sets.iter().map(|set| set.iter().map(|(_, rows)| rows.len()).sum()).collect();
        assert!(sizes.len() == 3 && sizes.iter().all(|size| (120_000..=150_000).contains(size)), "{sizes:?}");
        assert_eq!(split(&groups, 400_000).unwrap().len(), 1);
    }
}
