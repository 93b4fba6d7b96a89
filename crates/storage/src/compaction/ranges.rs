//! Where to cut row groups that are too large for one together: each range has some of the series, and all of their rows.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{Int32Type, UInt64Type};

use super::groups::{Group, Slice};
use crate::files::{FilesError, dictionary_type};

/// One row in so many is looked at to find the cuts.
const SAMPLED: usize = 1024;

/// Slices of the row groups, sorted by metric and series as each of them is, in sets of about at most `capacity` rows; one set
/// if they all fit. Of different sets no row is of the same series.
pub(super) fn split(groups: &[Group], capacity: usize) -> Result<Vec<Vec<Slice<'_>>>, FilesError> {
    let total: usize = groups.iter().map(Group::rows).sum();
    if total <= capacity {
        return Ok(vec![groups.iter().map(|group| Slice { group, rows: 0..group.rows() }).collect()]);
    }
    // Of each row group at most so many rows more than were sampled lie in a set.
    let room = capacity.saturating_sub(groups.len() * SAMPLED).max(capacity / 2);
    let cuts = cuts(groups, total, total.div_ceil(room))?;
    let mut sets: Vec<Vec<Slice<'_>>> = (0..=cuts.len()).map(|_| Vec::new()).collect();
    for group in groups {
        let keys = Keys::of(group)?;
        let mut start = 0;
        let ends = cuts.iter().map(|(name, id)| keys.first_from((name, *id))).chain([group.rows()]);
        for (set, end) in sets.iter_mut().zip(ends) {
            if end > start {
                set.push(Slice { group, rows: start..end });
                start = end;
            }
        }
    }
    sets.retain(|set| !set.is_empty());
    Ok(sets)
}

/// The first keys of all ranges but the first.
fn cuts(groups: &[Group], total: usize, ranges: usize) -> Result<Vec<(String, u64)>, FilesError> {
    let mut sampled = Vec::with_capacity(total / SAMPLED + groups.len());
    for group in groups {
        let keys = Keys::of(group)?;
        sampled.extend((0..group.rows()).step_by(SAMPLED).map(|row| {
            let (name, id) = keys.key(row);
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
struct Keys {
    names: DictionaryArray<Int32Type>,
    texts: StringArray,
    ids: ArrayRef,
}

impl Keys {
    fn of(group: &Group) -> Result<Self, FilesError> {
        let all: Range<usize> = 0..group.rows();
        let missing = || group.damaged("it has no metric_name and series_id");
        let names = group.column("metric_name", &all)?.ok_or_else(missing)?;
        let ids = group.column("series_id", &all)?.ok_or_else(missing)?;
        let names = cast(&names, &dictionary_type()).map_err(|error| group.damaged(&error.to_string()))?;
        let names = names.as_dictionary_opt::<Int32Type>().ok_or_else(missing)?.clone();
        let texts = names.values().as_string_opt::<i32>().ok_or_else(missing)?.clone();
        if ids.as_primitive_opt::<UInt64Type>().is_none() {
            return Err(missing());
        }
        Ok(Self { names, texts, ids })
    }

    fn key(&self, row: usize) -> (&str, u64) {
        let name = self.names.key(row).map_or("", |key| self.texts.value(key));
        (name, self.ids.as_primitive::<UInt64Type>().value(row))
    }

    /// The first row whose key is not less.
    fn first_from(&self, key: (&str, u64)) -> usize {
        let (mut low, mut high) = (0, self.ids.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.key(middle) < key {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    }
}
