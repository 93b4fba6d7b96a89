use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, Int64Array};
use arrow::datatypes::Int32Type;

use super::*;

fn batch(values: &[&str]) -> RecordBatch {
    let names: DictionaryArray<Int32Type> = values.iter().copied().collect();
    RecordBatch::try_from_iter([("name", Arc::new(names) as ArrayRef)]).unwrap()
}

fn values(batches: &[RecordBatch]) -> Vec<String> {
    let mut values = Vec::new();
    for batch in batches {
        let names = batch.column_by_name("name").unwrap();
        let names = arrow::compute::cast(names, &arrow::datatypes::DataType::Utf8).unwrap();
        values.extend(names.as_string::<i32>().iter().map(|value| value.unwrap().to_string()));
    }
    values.sort();
    values
}

fn spans(buffer: &Buffer, position: Option<u64>) -> Vec<String> {
    values(&buffer.view(&Tenant::default()).above(position)[Table::Spans as usize])
}

fn buffer() -> Buffer {
    Buffer::new(1, Recent::new(1 << 20, crate::config::Acknowledge::Log))
}

fn arrive(buffer: &Buffer, tenant: &Tenant, table: Table, names: &[&str], entries: &[u64]) -> Inserted {
    buffer.insert(tenant, Arrival { batches: vec![(table, batch(names))], entries: entries.to_vec() })
}

fn insert(buffer: &Buffer, names: &[&str]) -> Vec<Table> {
    arrive(buffer, &Tenant::default(), Table::Spans, names, &[]).due
}

#[test]
fn a_row_is_seen_once_before_during_and_after_a_flush() {
    let buffer = buffer();
    insert(&buffer, &["a"]);
    assert_eq!(spans(&buffer, None), ["a"]);
    let frozen = buffer.freeze(5).unwrap();
    insert(&buffer, &["b"]);
    assert_eq!(spans(&buffer, Some(4)), ["a", "b"], "not committed yet");
    assert_eq!(spans(&buffer, Some(5)), ["b"], "the snapshot has it in files");
    buffer.remove(4);
    assert_eq!(spans(&buffer, None), ["a", "b"], "another generation was meant");
    buffer.remove(frozen.end);
    assert_eq!(spans(&buffer, Some(5)), ["b"]);
    assert!(buffer.freeze(9).is_some());
}

#[test]
fn a_snapshot_taken_two_flushes_after_the_view_repeats_nothing() {
    let buffer = buffer();
    insert(&buffer, &["a"]);
    buffer.freeze(2);
    insert(&buffer, &["b"]);
    let view = || buffer.view(&Tenant::default());
    let tables = |position| values(&view().above(position)[Table::Spans as usize]);
    assert_eq!(tables(None), ["a", "b"]);
    assert_eq!(tables(Some(2)), ["b"]);
    // Meanwhile the second generation was frozen at 3 and committed as well.
    assert_eq!(tables(Some(3)), [""; 0]);
}

#[test]
fn an_empty_generation_is_not_frozen() {
    let buffer = buffer();
    insert(&buffer, &[]);
    assert!(buffer.freeze(3).is_none());
    assert_eq!((buffer.age(), buffer.size()), (None, Size::default()));
}

#[test]
fn tenants_see_their_own_rows_only() {
    let buffer = buffer();
    insert(&buffer, &["mine"]);
    let other = Tenant::new("other").unwrap();
    arrive(&buffer, &other, Table::Spans, &["theirs"], &[]);
    assert_eq!(spans(&buffer, None), ["mine"]);
    buffer.freeze(2);
    assert_eq!(spans(&buffer, None), ["mine"]);
    assert_eq!(values(&buffer.view(&other).above(None)[Table::Spans as usize]), ["theirs"]);
}

#[test]
fn small_batches_are_merged_into_one_with_one_dictionary() {
    let buffer = buffer();
    let mut due = Vec::new();
    for index in 0..COALESCE_BATCHES {
        due = insert(&buffer, &["same", &format!("n{index}")]);
    }
    assert_eq!(due, [Table::Spans]);
    let before = (spans(&buffer, None), buffer.size());
    insert(&buffer, &["late"]);
    buffer.coalesce(&Tenant::default(), Table::Spans);
    buffer.coalesce(&Tenant::default(), Table::Spans);
    let view = buffer.view(&Tenant::default()).above(None);
    let batches = &view[Table::Spans as usize];
    assert_eq!(batches.len(), 1);
    assert_eq!(batches[0].column(0).as_dictionary::<Int32Type>().values().len(), COALESCE_BATCHES + 2);
    assert_eq!(spans(&buffer, None).len(), before.0.len() + 1);
    assert_eq!(buffer.size().rows, before.1.rows + 1);
    assert!(buffer.size().bytes < before.1.bytes, "one dictionary is smaller than many");
    assert_eq!(buffer.size().bytes, memory(&batches[0]));
}

#[test]
fn columns_that_only_some_batches_have_become_null_elsewhere() {
    let numbers = RecordBatch::try_from_iter([
        ("name", batch(&["x"]).column(0).clone()),
        ("number", Arc::new(Int64Array::from(vec![7])) as ArrayRef),
    ])
    .unwrap();
    let merged = coalesce::merge(&[batch(&["a", "b"]), numbers]).unwrap();
    let number = merged.column_by_name("number").unwrap();
    assert_eq!((merged.num_rows(), number.null_count()), (3, 2));
    assert_eq!(number.as_primitive::<arrow::datatypes::Int64Type>().value(2), 7);
    assert_eq!(values(&[merged]), ["a", "b", "x"]);
}

#[test]
fn columns_without_values_share_their_memory() {
    let nulls = || Arc::new(Int64Array::new_null(1000)) as ArrayRef;
    let batch = || RecordBatch::try_from_iter([("a", nulls()), ("b", nulls()), ("c", nulls())]).unwrap();
    let merged = coalesce::merge(&[batch(), batch()]).unwrap();
    assert_eq!((merged.num_rows(), merged.column(2).null_count()), (2000, 2000));
    assert!(memory(&merged) < 2000 * 10, "{}", memory(&merged));
}

#[test]
fn entries_that_come_again_are_not_inserted() {
    let (buffer, tenant) = (buffer(), Tenant::default());
    let logs = |position| values(&buffer.view(&tenant).above(position)[Table::Logs as usize]);
    let (_, mut following) = buffer.follow(&tenant, Table::Logs);
    let first = arrive(&buffer, &tenant, Table::Logs, &["a", "b"], &[1, 2]);
    assert_eq!(first, Inserted { due: vec![], again: 0, is_open: true });
    let second = arrive(&buffer, &tenant, Table::Logs, &["b", "c", "x", "c"], &[2, 3, 0, 3]);
    assert_eq!(second, Inserted { due: vec![], again: 2, is_open: true });
    assert_eq!(logs(None), ["a", "b", "c", "x"]);
    let followed = [following.try_next().unwrap().1, following.try_next().unwrap().1];
    assert_eq!(values(&followed), ["a", "b", "c", "x"], "nobody who watches sees a line twice");
    let only_again = arrive(&buffer, &tenant, Table::Logs, &["a"], &[1]);
    assert_eq!(only_again, Inserted { due: vec![], again: 1, is_open: true });

    let frozen = buffer.freeze(5).unwrap();
    let mut entries = buffer.frozen_entries();
    entries.sort_unstable();
    assert_eq!(entries, [1, 2, 3]);
    buffer.remove(frozen.end);
    let of_files = arrive(&buffer, &tenant, Table::Logs, &["a"], &[1]);
    assert_eq!(of_files, Inserted { due: vec![], again: 1, is_open: false });
    assert_eq!(buffer.size(), Size::default());
}

#[test]
fn what_was_refused_is_taken_when_it_comes_again() {
    let buffer = Buffer::new(1, Recent::new(1 << 20, crate::config::Acknowledge::Commit));
    let tenant = Tenant::default();
    arrive(&buffer, &tenant, Table::Logs, &["a"], &[1]);
    let frozen = buffer.freeze(2).unwrap();
    buffer.refuse(frozen.end);
    assert_eq!(arrive(&buffer, &tenant, Table::Logs, &["a"], &[1]).again, 0);
    assert_eq!(buffer.size().rows, 1);
}
