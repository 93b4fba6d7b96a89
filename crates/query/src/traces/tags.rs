//! Which attributes spans have, and which values.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray};
use arrow::datatypes::Int32Type;
use quick_cache::sync::Cache;
use trefoil_model::Tenant;
use trefoil_model::attributes::read_attributes;
use trefoil_storage::catalog::FileId;
use trefoil_traceql::ast::{Attribute, Field, Intrinsic, Scope};
use trefoil_traceql::value::Value;

use super::filter::{Narrowing, is_plain, of_array, present};
use super::place::{Item, Place, places};
use super::source::{PARENT, Rows, Source, Sources};
use super::value::{of_column, text, value};
use crate::{Engine, Limits, QueryError};

/// Row groups whose names are kept.
const KEPT_GROUPS: usize = 100_000;
/// Columns of JSON, and the scope of what is in them.
const JSON: [(&str, Scope); 3] = [
    ("span_attributes", Scope::Span),
    ("resource_attributes", Scope::Resource),
    ("scope_attributes", Scope::Instrumentation),
];
const LISTS: [(&str, Scope); 2] = [("events", Scope::Event), ("links", Scope::Link)];

/// Names of attributes by their scope.
pub type Names = BTreeMap<Scope, BTreeSet<String>>;

/// What row groups have, which never changes.
#[derive(Debug)]
pub struct KnownNames(Cache<(FileId, usize), Arc<Names>>);

impl Default for KnownNames {
    fn default() -> Self {
        KnownNames(Cache::new(KEPT_GROUPS))
    }
}

/// A question about names or values.
#[derive(Debug, Clone)]
pub struct TagRequest {
    /// Of spans for which this may hold; of all without it.
    pub filter: Option<Field>,
    /// Of spans that may start within: inclusive, nanoseconds since the epoch.
    pub period: (i64, i64),
    /// Names (of each scope) or values in the answer.
    pub limit: usize,
}

impl Engine {
    /// The names of attributes that spans of `tenant` have.
    pub async fn span_tags(&self, tenant: &Tenant, request: &TagRequest, limits: Limits) -> Result<Names, QueryError> {
        let (tenant, request) = (tenant.clone(), request.clone());
        self.on_thread(limits, move |engine| async move { engine.read_tags(&tenant, &request).await }).await
    }

    async fn read_tags(&self, tenant: &Tenant, request: &TagRequest) -> Result<Names, QueryError> {
        let snapshot = self.snapshot(tenant).await?;
        let sources = Sources::of_spans(&snapshot, &self.span_columns);
        let narrowing = narrowing(request);
        let mut all = Names::new();
        for source in sources.within(request.period).await? {
            tokio::task::yield_now().await;
            let found = match (&source, &narrowing) {
                (Source::Group { file, row_group, .. }, Narrowing::Everything) => {
                    let key = (file.id, *row_group);
                    match self.known_names.0.get(&key) {
                        Some(known) => known,
                        None => {
                            let found = Arc::new(names(&sources, &source, &narrowing).await?);
                            self.known_names.0.insert(key, found.clone());
                            found
                        }
                    }
                }
                _ => Arc::new(names(&sources, &source, &narrowing).await?),
            };
            for (scope, names) in found.iter() {
                let all = all.entry(*scope).or_default();
                let room = request.limit.saturating_sub(all.len());
                all.extend(names.iter().filter(|name| !all.contains(*name)).take(room).cloned().collect::<Vec<_>>());
            }
        }
        Ok(all)
    }

    /// Values that spans of `tenant` have of an attribute, each once, in their order.
    pub async fn span_tag_values(
        &self,
        tenant: &Tenant,
        attribute: &Attribute,
        request: &TagRequest,
        limits: Limits,
    ) -> Result<Vec<Value>, QueryError> {
        let (tenant, attribute, request) = (tenant.clone(), attribute.clone(), request.clone());
        let answer = move |engine: Engine| async move { engine.read_values(&tenant, &attribute, &request).await };
        self.on_thread(limits, answer).await
    }

    async fn read_values(
        &self,
        tenant: &Tenant,
        attribute: &Attribute,
        request: &TagRequest,
    ) -> Result<Vec<Value>, QueryError> {
        let snapshot = self.snapshot(tenant).await?;
        let sources = Sources::of_spans(&snapshot, &self.span_columns);
        let narrowing = narrowing(request);
        let (places, is_of_roots) = of_roots(attribute);
        let mut values = Values { found: Vec::new(), limit: request.limit };
        for source in sources.within(request.period).await? {
            tokio::task::yield_now().await;
            let is_about_all = matches!(narrowing, Narrowing::Everything) && !is_of_roots;
            if is_about_all && values.of_known(&places, &sources, &source) {
                continue;
            }
            let mut columns: Vec<&str> = places.iter().flat_map(Place::columns).collect();
            narrowing.columns(&mut columns);
            if is_of_roots {
                columns.push(PARENT);
            }
            let rows = sources.read(&source, &columns).await?;
            let mut among = narrowing.rows(&rows, (0..source.rows() as u32).collect());
            if is_of_roots && let Some(parents) = rows.column(PARENT) {
                among.retain(|row| parents.is_null(*row as usize));
            }
            values.of_rows(&places, &rows, &among);
            if values.is_full() {
                break;
            }
        }
        Ok(values.found)
    }
}

/// Names and services of roots are those of spans without a parent.
fn of_roots(attribute: &Attribute) -> (Vec<Place>, bool) {
    let column = |name: &str| vec![Place::Column(name.to_owned())];
    match attribute {
        Attribute::Intrinsic(Intrinsic::RootName) => (column("name"), true),
        Attribute::Intrinsic(Intrinsic::RootService) => (column("service_name"), true),
        attribute => (places(attribute), false),
    }
}

fn narrowing(request: &TagRequest) -> Narrowing {
    request.filter.as_ref().map_or(Narrowing::Everything, Narrowing::new)
}

/// The names in a source's rows that are not filtered out.
async fn names(sources: &Sources<'_>, source: &Source, narrowing: &Narrowing) -> Result<Names, QueryError> {
    let promoted = sources.promoted(source);
    let mut columns: Vec<&str> = promoted.iter().map(|(column, ..)| column.as_str()).collect();
    columns.extend(JSON.iter().chain(&LISTS).map(|(column, _)| *column));
    narrowing.columns(&mut columns);
    let rows = sources.read(source, &columns).await?;
    let among = narrowing.rows(&rows, (0..source.rows() as u32).collect());
    let mut names = Names::new();
    for (column, scope, key) in &promoted {
        let has_any = rows.column(column).is_some_and(|array| match narrowing {
            Narrowing::Everything => array.null_count() < array.len(),
            _ => among.iter().any(|row| array.is_valid(*row as usize)),
        });
        if has_any {
            names.entry(*scope).or_default().insert(key.clone());
        }
    }
    for (column, scope) in JSON {
        if let Some(array) = rows.column(column) {
            members(array, among.iter().map(|row| *row as usize), names.entry(scope).or_default());
        }
    }
    for (column, scope) in LISTS {
        let list = rows.column(column).and_then(|array| array.as_any().downcast_ref::<ListArray>());
        if let Some(list) = list {
            let each = among.iter().filter(|row| list.is_valid(**row as usize)).map(|row| list.value(*row as usize));
            for items in each {
                if let Some(attributes) = items.as_struct_opt().and_then(|items| items.column_by_name("attributes")) {
                    members(attributes, 0..attributes.len(), names.entry(scope).or_default());
                }
            }
        }
    }
    names.retain(|_, names| !names.is_empty());
    Ok(names)
}

/// The names in objects of attributes; objects that repeat are read once.
fn members(array: &ArrayRef, among: impl Iterator<Item = usize>, names: &mut BTreeSet<String>) {
    let mut seen_keys = BTreeSet::new();
    let mut last = "";
    for row in among {
        if let Some(dictionary) = array.as_dictionary_opt::<Int32Type>()
            && dictionary.is_valid(row)
            && !seen_keys.insert(dictionary.keys().value(row))
        {
            continue;
        }
        let Some(json) = text(array, row).filter(|json| *json != last) else { continue };
        last = json;
        for attribute in read_attributes(json).unwrap_or_default() {
            if !names.contains(&attribute.key) {
                names.insert(attribute.key);
            }
        }
    }
}

/// Different values, ascending.
struct Values {
    found: Vec<Value>,
    limit: usize,
}

impl Values {
    fn is_full(&self) -> bool {
        self.found.len() >= self.limit
    }

    /// Takes the values of all rows of a source where they are known without reading it, and says whether they are.
    fn of_known(&mut self, places: &[Place], sources: &Sources<'_>, source: &Source) -> bool {
        let mut known = Vec::new();
        for place in places {
            let values = match place {
                Place::Column(name) => sources.known_values(source, name),
                Place::Member { column, key } | Place::Item { column, of: Item::Attribute(key) } if is_plain(key) => {
                    sources.known_mention(source, column, key).filter(|may_be| !may_be).map(|_| None)
                }
                _ => None,
            };
            match values {
                Some(values) => known.extend(values.map(|values| (place, values))),
                None => return false,
            }
        }
        for (place, values) in known {
            (0..values.len()).for_each(|at| self.add(of_array(place, &values, at)));
        }
        true
    }

    fn of_rows(&mut self, places: &[Place], rows: &Rows, among: &[u32]) {
        let present = present(places, rows);
        // What no row has is the same in all of them.
        let places = if present.is_empty() { places.iter().take(1).collect() } else { present };
        if let [Place::Column(name), ..] = places.as_slice()
            && let Some(array) = rows.column(name)
            && let Some(dictionary) = array.as_dictionary_opt::<Int32Type>()
        {
            // Each value of the dictionary that is used, once.
            let mut is_used = vec![false; dictionary.values().len()];
            let keys = dictionary.keys();
            for row in among.iter().map(|row| *row as usize).filter(|row| keys.is_valid(*row)) {
                is_used[keys.value(row) as usize] = true;
            }
            for (place, _) in is_used.iter().enumerate().filter(|(_, is_used)| **is_used) {
                self.add(of_column(name, dictionary.values(), place));
            }
            if places.len() == 1 {
                return;
            }
        }
        for row in among {
            if self.is_full() {
                return;
            }
            for value in value(&places, rows, *row as usize).elements() {
                self.add(value);
            }
        }
    }

    fn add(&mut self, value: Value) {
        if value.is_nil() || self.is_full() {
            return;
        }
        let order =
            |other: &Value| (other.of_type() as u8).cmp(&(value.of_type() as u8)).then_with(|| other.order(&value));
        if let Err(place) = self.found.binary_search_by(order) {
            self.found.insert(place, value);
        }
    }
}
