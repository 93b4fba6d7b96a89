//! What batches take in memory.

use std::collections::HashSet;

use arrow::array::{Array, ArrayData};
use arrow::buffer::Buffer;
use arrow::record_batch::RecordBatch;

/// The memory of a batch in bytes. A buffer that several of its columns share counts once: columns without values lie over
/// one buffer of zeros, and most columns of `samples` have none.
pub fn memory(batch: &RecordBatch) -> usize {
    let mut shared = Shared::default();
    batch.columns().iter().for_each(|column| shared.visit(&column.to_data()));
    batch.get_array_memory_size().saturating_sub(shared.repeated)
}

#[derive(Default)]
struct Shared {
    seen: HashSet<usize, ahash::RandomState>,
    /// Bytes of buffers that were seen before.
    repeated: usize,
}

impl Shared {
    fn visit(&mut self, data: &ArrayData) {
        data.buffers().iter().for_each(|buffer| self.count(buffer));
        if let Some(nulls) = data.nulls() {
            self.count(nulls.buffer());
        }
        data.child_data().iter().for_each(|child| self.visit(child));
    }

    fn count(&mut self, buffer: &Buffer) {
        if !self.seen.insert(buffer.data_ptr().as_ptr() as usize) {
            self.repeated += buffer.capacity();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, ListArray, new_null_array};
    use arrow::datatypes::{DataType, Int64Type};

    use super::*;

    fn of(columns: Vec<ArrayRef>) -> usize {
        let names = ["a", "b", "c"];
        memory(&RecordBatch::try_from_iter(names.into_iter().zip(columns)).unwrap())
    }

    #[test]
    fn what_columns_share_counts_once() {
        let column = || Arc::new(Int64Array::from_iter((0..1000).map(|value| (value % 7 > 0).then_some(value))));
        let (one, another) = (column(), column());
        let alone = of(vec![one.clone()]);
        assert!(alone > 8125);
        assert_eq!(of(vec![one.clone(), another]), 2 * alone);
        assert!(of(vec![one.clone(), one.clone(), one]) < alone + 500);
        let nulls = new_null_array(&DataType::Int64, 1000);
        assert!(of(vec![nulls.clone(), nulls.clone()]) < of(vec![nulls]) + 500);
        let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([Some((0..1000).map(Some))]));
        assert!(of(vec![list.clone(), list.clone()]) < of(vec![list]) + 500);
    }
}
