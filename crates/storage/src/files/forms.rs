//! Rows of logs whose lines are of one form (objects of JSON, text …) are row groups of their own: what is looked for is mostly in lines of
//! one form, and the filters of the other row groups say so (docs/decisions/0044-forms-apart.md).

use arrow::array::{Array, AsArray};
use arrow::datatypes::{ArrowPrimitiveType, TimestampNanosecondType, UInt64Type};
use trefoil_model::logs::FORMAT_COLUMN;

use super::FilesError;
use super::columns::Columns;
use super::gather::{Flat, Parts, Row};

/// Fewer rows stay with those of the form that most have: a row group costs a few kilobytes.
const FEWEST_ROWS: usize = 2 << 10;

/// Sorted rows by the form of their lines, each set in the order of `rows`, the largest set last. `None` where there is one set, or where
/// nothing is known of forms.
///
/// Lines of one stream and time stay together, for their order is that of their rows.
pub(super) fn apart(columns: &Columns<'_, impl Parts>, rows: &[Row]) -> Result<Option<Vec<Vec<Row>>>, FilesError> {
    let Some(forms) = columns.named(FORMAT_COLUMN)? else { return Ok(None) };
    let Some(of_rows) = forms.keys(rows) else { return Ok(None) };
    // The first place is that of rows whose form is not known.
    let places: Vec<usize> = of_rows.map(|key| key.map_or(0, |key| key as usize + 1)).collect();
    let mut counts = vec![0; places.iter().max().map_or(0, |most| most + 1)];
    places.iter().for_each(|place| counts[*place] += 1);
    let Some(main) = (0..counts.len()).max_by_key(|place| counts[*place]) else { return Ok(None) };
    if (0..counts.len()).all(|place| place == main || counts[place] < FEWEST_ROWS) {
        return Ok(None);
    }
    let (Some(streams), Some(times)) = (columns.named("stream_id")?, columns.named("time_unix_nano")?) else {
        return Ok(None);
    };
    let (streams, times) = (numbers::<UInt64Type>(&streams, rows)?, numbers::<TimestampNanosecondType>(&times, rows)?);
    let mut sets: Vec<Vec<Row>> = vec![Vec::new(); counts.len()];
    let mut start = 0;
    while start < rows.len() {
        let is_same = |row: &usize| times[*row] == times[start] && streams[*row] == streams[start];
        let end = start + (start..rows.len()).take_while(is_same).count();
        let place = places[start];
        let has_set = counts[place] >= FEWEST_ROWS && places[start..end].iter().all(|other| *other == place);
        sets[if has_set { place } else { main }].extend(&rows[start..end]);
        start = end;
    }
    sets.retain(|set| !set.is_empty());
    sets.sort_by_key(Vec::len);
    Ok(Some(sets).filter(|sets| sets.len() > 1))
}

/// Of these rows, 0 where there is none.
fn numbers<T: ArrowPrimitiveType<Native: Default>>(column: &Flat, rows: &[Row]) -> Result<Vec<T::Native>, FilesError> {
    let array = column.gather(rows).map_err(|error| encode(&error))?;
    let Some(array) = array.as_primitive_opt::<T>() else {
        return Err(encode(&format!("unexpected {}", array.data_type())));
    };
    Ok(array.iter().map(Option::unwrap_or_default).collect())
}

fn encode(reason: &dyn std::fmt::Display) -> FilesError {
    FilesError::Encode { path: "row groups by forms".into(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use arrow::array::{ArrayRef, DictionaryArray, TimestampNanosecondArray, UInt64Array};
    use arrow::datatypes::{Field, Int32Type, Schema, SchemaRef};
    use proptest::prelude::*;
    use trefoil_model::Table;

    use super::super::gather::Gather;
    use super::*;

    /// Rows of one part.
    struct Part {
        schema: SchemaRef,
        arrays: Vec<ArrayRef>,
        rows: [usize; 1],
    }

    impl Parts for Part {
        fn schema(&self) -> &SchemaRef {
            &self.schema
        }

        fn rows(&self) -> &[usize] {
            &self.rows
        }

        fn column(&self, index: usize) -> Result<Gather, FilesError> {
            let array = &self.arrays[index];
            let data_type = match array.data_type() {
                arrow::datatypes::DataType::Dictionary(..) => &arrow::datatypes::DataType::Utf8View,
                other => other,
            };
            Ok(Gather::new(data_type, &[Some(array.clone())], &self.rows).unwrap())
        }
    }

    /// Each row's form, stream and time.
    type Lines = [(Option<&'static str>, u64, i64)];

    fn part(lines: &Lines) -> Part {
        let forms: DictionaryArray<Int32Type> = lines.iter().map(|line| line.0).collect();
        let streams: UInt64Array = lines.iter().map(|line| Some(line.1)).collect();
        let times: TimestampNanosecondArray = lines.iter().map(|line| Some(line.2)).collect();
        let arrays: Vec<ArrayRef> = vec![Arc::new(forms), Arc::new(streams), Arc::new(times)];
        let names = [FORMAT_COLUMN, "stream_id", "time_unix_nano"];
        let fields = names.iter().zip(&arrays).map(|(name, array)| Field::new(*name, array.data_type().clone(), true));
        Part { schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())), arrays, rows: [lines.len()] }
    }

    fn sets(lines: &Lines) -> Option<Vec<Vec<Row>>> {
        let rows: Vec<Row> = (0..lines.len() as u32).map(|row| (0, row)).collect();
        apart(&Columns::new(Table::Logs, &part(lines)), &rows).unwrap()
    }

    #[test]
    fn forms_that_many_lines_have_are_apart() {
        let form = |row: usize| match row % 8 {
            0 | 1 => Some("text"),
            2 if row < FEWEST_ROWS => None,
            _ => Some("json"),
        };
        let lines: Vec<_> = (0..4 * FEWEST_ROWS).map(|row| (form(row), row as u64 / 100, row as i64)).collect();
        let sets = sets(&lines).unwrap();
        assert_eq!(sets.iter().map(Vec::len).collect::<Vec<_>>(), [FEWEST_ROWS, 3 * FEWEST_ROWS]);
        assert!(sets[0].iter().all(|row| lines[row.1 as usize].0 == Some("text")));
        assert!(sets[1].contains(&(0, 2)), "few stay with most");
    }

    #[test]
    fn lines_of_one_form_are_not_parted() {
        assert_eq!(sets(&[]), None);
        assert_eq!(sets(&vec![(Some("json"), 1, 1); 3 * FEWEST_ROWS]), None);
        assert_eq!(sets(&vec![(None, 1, 1); 3 * FEWEST_ROWS]), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        /// Nothing is lost, sets keep the order of rows, and no two of one stream and time are in two sets.
        #[test]
        fn lines_of_one_moment_stay_together(runs in prop::collection::vec(
            (0..4usize, 0..3u64, 0..2i64, 1..2 * FEWEST_ROWS), 1..12)) {
            let (mut stream, mut time) = (0, 0);
            let lines: Vec<_> = runs.iter().flat_map(|(form, next_stream, next_time, count)| {
                (stream, time) = (stream + next_stream, time + next_time);
                let step = i64::try_from(*next_stream).unwrap();
                let (first, form) = (time, [None, Some("json"), Some("logfmt"), Some("text")][*form]);
                time += step * *count as i64;
                (0..*count).map(move |row| (form, stream, first + step * row as i64))
            }).collect();
            let all = (0..lines.len() as u32).collect::<Vec<_>>();
            let Some(sets) = sets(&lines) else { return Ok(()) };
            prop_assert!(sets.is_sorted_by_key(Vec::len) && sets.len() > 1);
            let mut found: Vec<u32> = sets.iter().flatten().map(|row| row.1).collect();
            found.sort_unstable();
            prop_assert_eq!(found, all);
            let mut moments = BTreeSet::new();
            for set in &sets {
                prop_assert!(set.is_sorted());
                let of_set: BTreeSet<_> = set.iter().map(|row| (lines[row.1 as usize].1, lines[row.1 as usize].2)).collect();
                prop_assert!(of_set.iter().all(|moment| moments.insert(*moment)));
            }
        }
    }
}
