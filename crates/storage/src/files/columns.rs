//! The columns of parts, as writers of row groups ask for them.

use std::cell::RefCell;
use std::rc::Rc;

use arrow::datatypes::SchemaRef;
use trefoil_model::Table;

use super::FilesError;
use super::gather::{Flat, Parts};

/// Columns of logs are put together once for all row groups: a flush fills several, which are small, and lines of different forms are apart.
/// Row groups of other tables are as large as a flush, and hold one column at a time.
pub(super) struct Columns<'p, P> {
    parts: &'p P,
    /// By their places in the schema; `None`: nothing is kept.
    kept: Option<RefCell<Vec<Option<Rc<Flat>>>>>,
}

impl<'p, P: Parts> Columns<'p, P> {
    pub fn new(table: Table, parts: &'p P) -> Self {
        let kept = (table == Table::Logs).then(|| RefCell::new(vec![None; parts.schema().fields().len()]));
        Self { parts, kept }
    }

    pub fn schema(&self) -> &SchemaRef {
        self.parts.schema()
    }

    pub fn named(&self, name: &str) -> Result<Option<Rc<Flat>>, FilesError> {
        self.schema().index_of(name).ok().map(|index| self.at(index)).transpose()
    }

    /// `index`: in the schema.
    pub fn at(&self, index: usize) -> Result<Rc<Flat>, FilesError> {
        let known = self.kept.as_ref().and_then(|kept| kept.borrow()[index].clone());
        if let Some(known) = known {
            return Ok(known);
        }
        let field = self.schema().field(index);
        let flat = Flat::new(self.parts.column(index)?, self.parts.rows(), field.data_type());
        let failed = |reason: String| FilesError::Encode { path: format!("column {:?}", field.name()), reason };
        let flat = Rc::new(flat.map_err(|error| failed(error.to_string()))?);
        if let Some(kept) = &self.kept {
            kept.borrow_mut()[index] = Some(flat.clone());
        }
        Ok(flat)
    }
}
