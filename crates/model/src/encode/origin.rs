//! Gathering rows by the resource and the instrumentation scope they came from.

use std::collections::HashMap;

use arrow::array::{ArrayRef, PrimitiveArray, RecordBatch};
use arrow::datatypes::UInt32Type;
use arrow::row::{RowConverter, SortField};
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

use super::EncodeError;
use super::columns::{Attributes, Columns, Text, json_attributes};
use crate::entities::read_entity_refs;
use crate::promote::Scope;

/// Items under the resource and scope they came from, as OTLP nests them.
pub(super) struct ByResource<T> {
    pub resource: Option<Resource>,
    pub schema_url: String,
    pub scopes: Vec<ByScope<T>>,
}

pub(super) struct ByScope<T> {
    pub scope: Option<InstrumentationScope>,
    pub schema_url: String,
    pub items: Vec<T>,
}

/// A resource or scope with its schema URL.
type Described<M> = (Option<M>, String);

/// Collects items, batch after batch.
pub(super) struct Gathered<T> {
    resources: Vec<ByResource<T>>,
    /// Encoded resource and scope → where their items go.
    places: HashMap<Vec<u8>, (usize, usize)>,
    resource_places: HashMap<Vec<u8>, usize>,
}

impl<T> Gathered<T> {
    pub fn new() -> Self {
        Self { resources: Vec::new(), places: HashMap::new(), resource_places: HashMap::new() }
    }

    pub fn into_resources(self) -> Vec<ByResource<T>> {
        self.resources
    }

    /// Adds `item(row)` of every row of the batch under its origin.
    pub fn add(
        &mut self,
        batch: &RecordBatch,
        mut item: impl FnMut(usize) -> Result<T, EncodeError>,
    ) -> Result<(), EncodeError> {
        let columns = Columns::of_batch(batch);
        let origins: Vec<&ArrayRef> =
            columns.iter().filter(|(name, _)| is_origin(name)).map(|(_, array)| array).collect();
        let fields = origins.iter().map(|array| SortField::new(array.data_type().clone())).collect();
        let converter = RowConverter::new(fields).map_err(EncodeError::Rows)?;
        let arrays: Vec<ArrayRef> = origins.into_iter().cloned().collect();
        let keys = converter.convert_columns(&arrays).map_err(EncodeError::Rows)?;
        let origin = Origin::of(&columns)?;
        let mut known = HashMap::new();
        for row in 0..batch.num_rows() {
            let (resource, scope) = match known.get(&keys.row(row)) {
                Some(&place) => place,
                None => {
                    let place = self.place(origin.resource(row)?, origin.scope(row)?);
                    known.insert(keys.row(row), place);
                    place
                }
            };
            self.resources[resource].scopes[scope].items.push(item(row)?);
        }
        Ok(())
    }

    fn place(&mut self, resource: Described<Resource>, scope: Described<InstrumentationScope>) -> (usize, usize) {
        let resource_key = key(&resource);
        let mut full_key = resource_key.clone();
        full_key.extend(key(&scope));
        if let Some(&place) = self.places.get(&full_key) {
            return place;
        }
        let at = *self.resource_places.entry(resource_key).or_insert_with(|| {
            let (resource, schema_url) = resource;
            self.resources.push(ByResource { resource, schema_url, scopes: Vec::new() });
            self.resources.len() - 1
        });
        let (scope, schema_url) = scope;
        let scopes = &mut self.resources[at].scopes;
        scopes.push(ByScope { scope, schema_url, items: Vec::new() });
        let place = (at, scopes.len() - 1);
        self.places.insert(full_key, place);
        place
    }
}

/// Length-prefixed, so that two keys one after the other cannot be mistaken for two others.
fn key<M: Message>((message, schema_url): &Described<M>) -> Vec<u8> {
    let mut key = message.as_ref().map(M::encode_length_delimited_to_vec).unwrap_or_default();
    key.extend((schema_url.len() as u64).to_le_bytes());
    key.extend(schema_url.as_bytes());
    key
}

fn is_origin(column: &str) -> bool {
    column == "service_name"
        || column.starts_with("resource_")
        || column.starts_with("scope_")
        || matches!(Scope::split(column), Some((Scope::Resource, _)))
}

/// The columns that say where a row comes from.
struct Origin {
    resource_attributes: Attributes,
    resource_dropped: PrimitiveArray<UInt32Type>,
    resource_schema_url: Text,
    scope_name: Text,
    scope_version: Text,
    scope_attributes: Text,
    scope_dropped: PrimitiveArray<UInt32Type>,
    scope_schema_url: Text,
    entity_refs: Text,
}

impl Origin {
    fn of(columns: &Columns<'_>) -> Result<Self, EncodeError> {
        Ok(Self {
            resource_attributes: columns.attributes(Scope::Resource, "resource_attributes")?,
            resource_dropped: columns.number("resource_dropped_attributes_count")?,
            resource_schema_url: columns.text("resource_schema_url")?,
            scope_name: columns.text("scope_name")?,
            scope_version: columns.text("scope_version")?,
            scope_attributes: columns.text("scope_attributes")?,
            scope_dropped: columns.number("scope_dropped_attributes_count")?,
            scope_schema_url: columns.text("scope_schema_url")?,
            entity_refs: columns.text("resource_entity_refs")?,
        })
    }

    fn resource(&self, row: usize) -> Result<Described<Resource>, EncodeError> {
        let resource = Resource {
            attributes: self.resource_attributes.get(row)?,
            dropped_attributes_count: self.resource_dropped.value(row),
            entity_refs: self.entity_refs.get(row).map(read_entity_refs).transpose()?.unwrap_or_default(),
        };
        let resource = (resource != Resource::default()).then_some(resource);
        Ok((resource, self.resource_schema_url.or_empty(row)))
    }

    fn scope(&self, row: usize) -> Result<Described<InstrumentationScope>, EncodeError> {
        let scope = InstrumentationScope {
            name: self.scope_name.or_empty(row),
            version: self.scope_version.or_empty(row),
            attributes: json_attributes(self.scope_attributes.get(row))?,
            dropped_attributes_count: self.scope_dropped.value(row),
        };
        let scope = (scope != InstrumentationScope::default()).then_some(scope);
        Ok((scope, self.scope_schema_url.or_empty(row)))
    }
}
