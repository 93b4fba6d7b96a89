//! The columns of a table and the catalog's ids of them.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;

/// A column or, inside one, a list's element or a struct's member. Its id is the Parquet field id in every file.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub id: i64,
    pub name: String,
    pub data_type: DataType,
    pub nullable: bool,
    /// One for a list, one per member for a struct, none for a scalar.
    pub children: Vec<Column>,
}

impl Column {
    /// The field without ids.
    pub fn field(&self) -> Field {
        Field::new(&self.name, self.data_type.clone(), self.nullable)
    }

    /// The field with `PARQUET:field_id` on it and on everything inside it.
    pub fn field_with_ids(&self) -> Field {
        let child = |column: &Column| Arc::new(column.field_with_ids());
        let data_type = match (&self.data_type, self.children.as_slice()) {
            (DataType::List(_), [element]) => DataType::List(child(element)),
            (DataType::Struct(_), members) => DataType::Struct(members.iter().map(child).collect::<Fields>()),
            (other, _) => other.clone(),
        };
        let metadata = HashMap::from([(PARQUET_FIELD_ID_META_KEY.to_string(), self.id.to_string())]);
        Field::new(&self.name, data_type, self.nullable).with_metadata(metadata)
    }
}

/// A table's columns: the base columns of `model::schema` in their order, then the promoted ones, oldest first.
#[derive(Debug, Clone)]
pub struct TableColumns {
    table_id: i64,
    columns: Vec<Column>,
    base: usize,
    by_name: HashMap<String, usize>,
    schema: SchemaRef,
}

impl TableColumns {
    /// `base` = how many of `columns`, from the front, are base columns.
    pub(super) fn new(table_id: i64, columns: Vec<Column>, base: usize) -> Self {
        let by_name = columns.iter().enumerate().map(|(index, column)| (column.name.clone(), index)).collect();
        let schema = Arc::new(Schema::new(columns.iter().map(Column::field).collect::<Vec<_>>()));
        Self { table_id, columns, base, by_name, schema }
    }

    /// DuckLake's `table_id`.
    pub fn table_id(&self) -> i64 {
        self.table_id
    }

    pub fn all(&self) -> &[Column] {
        &self.columns
    }

    /// The promoted attribute columns (`span.http.route`, …), which are nullable scalars.
    pub fn promoted(&self) -> &[Column] {
        &self.columns[self.base..]
    }

    pub fn get(&self, name: &str) -> Option<&Column> {
        self.by_name.get(name).map(|&index| &self.columns[index])
    }

    /// All columns as queries see them.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }
}
