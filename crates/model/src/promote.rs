//! Which attributes are columns of their own.
//!
//! The registry starts with the semantic conventions that people filter and group by ([`conventions`]) and grows with the
//! keys that a meaningful share of rows carries ([`learn`]). It never shrinks, and a column never changes its type: files
//! and the catalog hold it. A value of another type than its column stays in the JSON text of its scope.
//!
//! Only attributes of resources, spans and log records are promoted; those of scopes, events, links and metric series are
//! always JSON.

mod conventions;
mod learn;

pub use learn::{KeyCounts, Learner};

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field};
use hashbrown::{HashSet, HashTable};

use crate::Table;

/// The most promoted columns of one table, those of the conventions included.
pub const MAX_PROMOTED: usize = 320;

/// The longest key that is promoted on its own merits.
const MAX_KEY_BYTES: usize = 120;

/// Where an attribute that may become a column hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    Resource,
    Span,
    Log,
}

impl Scope {
    /// What stands before the `.` in the name of a promoted column.
    pub const fn prefix(self) -> &'static str {
        match self {
            Scope::Resource => "resource",
            Scope::Span => "span",
            Scope::Log => "log",
        }
    }

    /// The scope of what a row of the table is about; `None` for the tables without promoted attributes.
    pub const fn of_item(table: Table) -> Option<Scope> {
        match table {
            Table::Spans => Some(Scope::Span),
            Table::Logs => Some(Scope::Log),
            Table::Samples | Table::Series | Table::Exemplars => None,
        }
    }

    /// Scope and key of a promoted column's name: `span.http.route` → `(Span, "http.route")`.
    pub fn split(column: &str) -> Option<(Scope, &str)> {
        let (prefix, key) = column.split_once('.')?;
        let scope = [Scope::Resource, Scope::Span, Scope::Log].into_iter().find(|scope| scope.prefix() == prefix)?;
        Some((scope, key))
    }
}

/// The types a promoted column can have: OTLP's scalars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    String,
    Int,
    Double,
    Bool,
}

impl Kind {
    /// As queries and the catalog see it.
    pub const fn data_type(self) -> DataType {
        match self {
            Kind::String => DataType::Utf8View,
            Kind::Int => DataType::Int64,
            Kind::Double => DataType::Float64,
            Kind::Bool => DataType::Boolean,
        }
    }

    fn from_data_type(data_type: &DataType) -> Option<Kind> {
        match data_type {
            DataType::Utf8View | DataType::Utf8 | DataType::LargeUtf8 => Some(Kind::String),
            DataType::Dictionary(_, value) => Kind::from_data_type(value),
            DataType::Int64 => Some(Kind::Int),
            DataType::Float64 => Some(Kind::Double),
            DataType::Boolean => Some(Kind::Bool),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromotedColumn {
    /// `<scope>.<key>`
    pub name: Arc<str>,
    pub scope: Scope,
    pub kind: Kind,
    /// The position among the promoted columns of its table; it never changes.
    pub index: usize,
}

impl PromotedColumn {
    pub fn key(&self) -> &str {
        &self.name[self.scope.prefix().len() + 1..]
    }

    /// The column as queries and the catalog see it.
    pub fn field(&self) -> Field {
        Field::new(&*self.name, self.kind.data_type(), true)
    }
}

/// The registry. Cheap to clone; a change makes a new one ([`Promoted::extend`]).
#[derive(Debug, Clone)]
pub struct Promoted {
    spans: Arc<Columns>,
    logs: Arc<Columns>,
}

/// The semantic conventions only.
impl Default for Promoted {
    fn default() -> Self {
        static CONVENTIONS: LazyLock<Promoted> = LazyLock::new(|| Promoted::restore(&[], &[]));
        CONVENTIONS.clone()
    }
}

impl Promoted {
    /// The registry of a store that already has columns. These keep their types even where the conventions say otherwise.
    /// Fields that are not promoted attributes are ignored, so whole table schemas may be given.
    pub fn restore(spans: &[Arc<Field>], logs: &[Arc<Field>]) -> Self {
        let table = |fields: &[Arc<Field>], table: Table, item: Scope, conventions: &[(&str, Kind)]| {
            let mut columns = Columns::default();
            for field in fields {
                let Some((scope, key)) = Scope::split(field.name()) else { continue };
                let Some(kind) = Kind::from_data_type(field.data_type()) else { continue };
                if scope == Scope::Resource || Scope::of_item(table) == Some(scope) {
                    columns.add(scope, key, kind);
                }
            }
            for &(key, kind) in conventions::RESOURCE {
                columns.add(Scope::Resource, key, kind);
            }
            for &(key, kind) in conventions {
                columns.add(item, key, kind);
            }
            Arc::new(columns)
        };
        Self {
            spans: table(spans, Table::Spans, Scope::Span, conventions::SPAN),
            logs: table(logs, Table::Logs, Scope::Log, conventions::LOG),
        }
    }

    /// The registry that promotes nothing: all attributes stay JSON text.
    pub fn nothing() -> Self {
        Self { spans: Arc::default(), logs: Arc::default() }
    }

    /// The column of an attribute, if it is promoted. `key` need not be valid UTF-8.
    #[inline]
    pub fn lookup(&self, table: Table, scope: Scope, key: &[u8]) -> Option<&PromotedColumn> {
        self.table(table)?.find(scope, key)
    }

    /// All promoted columns of the table, by index.
    pub fn columns(&self, table: Table) -> &[PromotedColumn] {
        self.table(table).map_or(&[], |columns| &columns.list)
    }

    /// A registry with further columns. Keys that are there already, that make no good column name, that differ from
    /// another column only in case (SQL names are case-insensitive) or that exceed [`MAX_PROMOTED`] are left out.
    pub fn extend<'k>(&self, table: Table, additions: impl IntoIterator<Item = (Scope, &'k str, Kind)>) -> Self {
        let mut extended = self.clone();
        let columns = match table {
            Table::Spans => &mut extended.spans,
            Table::Logs => &mut extended.logs,
            Table::Samples | Table::Series | Table::Exemplars => return extended,
        };
        let columns = Arc::make_mut(columns);
        for (scope, key, kind) in additions {
            if is_column_name(key) {
                columns.add(scope, key, kind);
            }
        }
        extended
    }

    #[inline]
    fn table(&self, table: Table) -> Option<&Columns> {
        match table {
            Table::Spans => Some(&self.spans),
            Table::Logs => Some(&self.logs),
            Table::Samples | Table::Series | Table::Exemplars => None,
        }
    }
}

/// Keys that every SQL tool can quote and people can read.
fn is_column_name(key: &str) -> bool {
    (1..=MAX_KEY_BYTES).contains(&key.len())
        && key.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'`\\".contains(&byte))
}

#[derive(Debug, Clone, Default)]
struct Columns {
    list: Vec<PromotedColumn>,
    by_key: HashTable<u32>,
    lower_case_names: HashSet<String, ahash::RandomState>,
}

impl Columns {
    #[inline]
    fn find(&self, scope: Scope, key: &[u8]) -> Option<&PromotedColumn> {
        let is_it = |&index: &u32| {
            let column = &self.list[index as usize];
            column.scope == scope && column.key().as_bytes() == key
        };
        self.by_key.find(hash(scope, key), is_it).map(|&index| &self.list[index as usize])
    }

    fn add(&mut self, scope: Scope, key: &str, kind: Kind) {
        // `service.name` has a base column.
        if self.list.len() >= MAX_PROMOTED || (scope == Scope::Resource && key == "service.name") {
            return;
        }
        let name = format!("{}.{key}", scope.prefix());
        if !self.lower_case_names.insert(name.to_lowercase()) {
            return;
        }
        let index = self.list.len();
        self.list.push(PromotedColumn { name: name.into(), scope, kind, index });
        let list = &self.list;
        let rehash = |&index: &u32| {
            let column = &list[index as usize];
            hash(column.scope, column.key().as_bytes())
        };
        self.by_key.insert_unique(hash(scope, key.as_bytes()), index as u32, rehash);
    }
}

/// Not keyed: the table is small and its content ours, so nobody can make it slow.
#[inline]
fn hash(scope: Scope, key: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(key, scope as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find<'p>(promoted: &'p Promoted, table: Table, scope: Scope, key: &str) -> Option<&'p PromotedColumn> {
        promoted.lookup(table, scope, key.as_bytes())
    }

    #[test]
    fn starts_with_the_conventions() {
        let promoted = Promoted::default();
        let route = find(&promoted, Table::Spans, Scope::Span, "http.route").unwrap();
        assert_eq!((&*route.name, route.key(), route.kind), ("span.http.route", "http.route", Kind::String));
        let status = find(&promoted, Table::Spans, Scope::Span, "http.response.status_code").unwrap();
        assert_eq!(status.field(), Field::new("span.http.response.status_code", DataType::Int64, true));
        assert!(find(&promoted, Table::Logs, Scope::Resource, "k8s.pod.name").is_some());
        assert_eq!(find(&promoted, Table::Spans, Scope::Resource, "service.name"), None, "it is a base column");
        assert_eq!(find(&promoted, Table::Spans, Scope::Resource, "http.route"), None);
        assert_eq!(find(&promoted, Table::Samples, Scope::Resource, "k8s.pod.name"), None);
        for table in [Table::Spans, Table::Logs] {
            let columns = promoted.columns(table);
            assert!(columns.len() <= MAX_PROMOTED - 100, "{} leaves room to learn", columns.len());
            assert!(columns.iter().enumerate().all(|(index, column)| column.index == index));
        }
    }

    #[test]
    fn grows_and_keeps_what_it_had() {
        let old = Promoted::default();
        let new = old.extend(
            Table::Spans,
            [
                (Scope::Span, "acme.order", Kind::Int),
                (Scope::Span, "acme.Order", Kind::Int),
                (Scope::Span, "http.route", Kind::Int),
                (Scope::Span, "with space", Kind::Int),
                (Scope::Span, "", Kind::Int),
            ],
        );
        assert_eq!(find(&new, Table::Spans, Scope::Span, "acme.order").unwrap().kind, Kind::Int);
        assert_eq!(new.columns(Table::Spans).len(), old.columns(Table::Spans).len() + 1);
        assert_eq!(find(&old, Table::Spans, Scope::Span, "acme.order"), None);
        assert_eq!(find(&new, Table::Spans, Scope::Span, "http.route").unwrap().kind, Kind::String);
    }

    #[test]
    fn is_bounded() {
        let keys: Vec<String> = (0..1000).map(|i| format!("key.{i}")).collect();
        let additions = keys.iter().map(|key| (Scope::Log, key.as_str(), Kind::String));
        assert_eq!(Promoted::default().extend(Table::Logs, additions).columns(Table::Logs).len(), MAX_PROMOTED);
    }

    #[test]
    fn a_restored_column_keeps_its_type() {
        let field = |name, data_type| Arc::new(Field::new(name, data_type, true));
        let spans = [
            field("trace_id", DataType::FixedSizeBinary(16)),
            field("span.http.response.status_code", DataType::Utf8),
            field("span.acme.paid", DataType::Boolean),
        ];
        let promoted = Promoted::restore(&spans, &[]);
        let columns = promoted.columns(Table::Spans);
        assert_eq!((columns[0].kind, columns[0].index), (Kind::String, 0));
        assert_eq!((columns[1].key(), columns[1].kind), ("acme.paid", Kind::Bool));
        assert_eq!(columns.iter().filter(|column| column.key() == "http.response.status_code").count(), 1);
    }
}
