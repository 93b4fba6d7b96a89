//! Resource and instrumentation scope: read once, repeated as a run over the rows of all their items.

use std::sync::Arc;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::error::ArrowError;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::attributes::PromotedColumns;
use super::columns::Strings;
use crate::Limits;
use crate::attributes::{AnyValue, KeyValue, Tally, close_object, push_attributes, push_member, truncate_string};
use crate::entities::push_entity_refs;
use crate::wire::{Reader, WireError};

/// What `ResourceSpans`, `ScopeSpans`, `ResourceLogs` and `ScopeLogs` have in common: fields 1 (whose the items are), 2 (the
/// items) and 3 (a schema URL). The wire may bring them in any order, so 1 and 3 are read before the items.
pub(super) struct Group<'a> {
    message: Reader<'a>,
    /// Several occurrences of a message are one message in pieces.
    owner: Vec<Reader<'a>>,
    schema_url: &'a [u8],
}

impl<'a> Group<'a> {
    pub fn parse(message: Reader<'a>) -> Result<Self, WireError> {
        let mut group = Self { message, owner: Vec::new(), schema_url: &[] };
        for field in message {
            let field = field?;
            match field.number {
                1 => group.owner.push(field.message()?),
                2 => {
                    field.message()?;
                }
                3 => group.schema_url = field.bytes()?,
                _ => {}
            }
        }
        Ok(group)
    }

    /// The messages of field 2, numbered.
    pub fn items(&self) -> impl Iterator<Item = Result<(usize, Reader<'a>), WireError>> + use<'a> {
        let items = self.message.filter_map(|field| match field {
            Ok(field) if field.number != 2 => None,
            field => Some(field.and_then(|field| field.message())),
        });
        items.enumerate().map(|(index, item)| Ok((index, item?)))
    }

    /// The attributes of a resource.
    pub fn attributes(&self) -> impl Iterator<Item = Result<KeyValue<'a>, WireError>> {
        self.owner.iter().copied().flatten().filter_map(|field| match field {
            Ok(field) if field.number != 1 => None,
            field => Some(field.and_then(|field| KeyValue::parse(field.message()?))),
        })
    }

    /// A hash of a resource's attributes in any order.
    pub fn resource_hash(&self) -> Result<u64, WireError> {
        let mut hash = xxh3_64(self.schema_url);
        for owner in &self.owner {
            for field in *owner {
                let field = field?;
                if field.number == 1 {
                    hash = hash.wrapping_add(xxh3_64(field.bytes()?));
                }
            }
        }
        Ok(hash)
    }

    /// [`Self::resource_hash`] and the name of this scope.
    pub fn stream_id(&self, resource_hash: u64) -> Result<u64, WireError> {
        let mut name: &[u8] = &[];
        for owner in &self.owner {
            for field in *owner {
                let field = field?;
                if field.number == 1 {
                    name = field.bytes()?;
                }
            }
        }
        Ok(xxh3_64_with_seed(name, resource_hash))
    }
}

/// The columns of [`crate::schema`]'s `origin`.
#[derive(Default)]
pub(super) struct Origins {
    service_name: Strings,
    resource_attributes: Strings,
    resource_dropped: Vec<u32>,
    resource_schema_url: Strings,
    scope_name: Strings,
    scope_version: Strings,
    scope_attributes: Strings,
    scope_dropped: Vec<u32>,
    scope_schema_url: Strings,
    entity_refs: Strings,
    text: String,
}

impl Origins {
    /// Writes the resource of the rows `first..first + rows`.
    pub fn resource<'a>(
        &mut self,
        group: &Group<'a>,
        first: usize,
        rows: usize,
        promoted: &mut PromotedColumns<'a>,
        limits: &Limits,
        replaced_utf8: &mut u64,
    ) -> Result<(), WireError> {
        let mut dropped = 0;
        let mut attributes = Vec::new();
        let mut entity_refs = Vec::new();
        for owner in &group.owner {
            for field in *owner {
                let field = field?;
                match field.number {
                    1 => attributes.push(KeyValue::parse(field.message()?)?),
                    2 => dropped = field.uint32()?,
                    3 => entity_refs.push(field.message()?),
                    _ => {}
                }
            }
        }
        if rows == 0 {
            return Ok(());
        }
        let mut tally = Tally { dropped, ..Tally::default() };
        let over = attributes.len().saturating_sub(limits.max_attributes);
        tally.dropped = tally.dropped.saturating_add(over as u32);
        attributes.truncate(limits.max_attributes);
        self.text.clear();
        // The first `service.name` is the column, if it is text; then its duplicates follow in the JSON text.
        let mut name = None;
        for attribute in &attributes {
            if attribute.key != b"service.name" {
                promoted.resource(attribute, first, rows, &mut self.text, &mut tally)?;
                continue;
            }
            match (name, attribute.value) {
                (None, AnyValue::String(text)) => name = Some(Some(text)),
                _ => {
                    name.get_or_insert(None);
                    push_member(&mut self.text, 0, attribute, limits, &mut tally)?;
                }
            }
        }
        if let Some(Some(name)) = name {
            let name = truncate_string(name, limits.max_attribute_value_bytes);
            self.service_name.pad(first);
            self.service_name.push_run(name, rows, &mut tally);
        }
        if close_object(&mut self.text, 0) {
            self.resource_attributes.pad(first);
            self.resource_attributes.push_run(self.text.as_bytes(), rows, &mut tally);
        }
        if !group.schema_url.is_empty() {
            self.resource_schema_url.pad(first);
            self.resource_schema_url.push_run(group.schema_url, rows, &mut tally);
        }
        self.text.clear();
        push_entity_refs(&mut self.text, &entity_refs, limits, &mut tally)?;
        if !self.text.is_empty() {
            self.entity_refs.pad(first);
            self.entity_refs.push_run(self.text.as_bytes(), rows, &mut tally);
        }
        self.resource_dropped.resize(first + rows, tally.dropped);
        *replaced_utf8 += tally.replaced_utf8;
        Ok(())
    }

    /// Writes the instrumentation scope of the rows `first..first + rows`.
    pub fn scope(
        &mut self,
        group: &Group<'_>,
        first: usize,
        rows: usize,
        limits: &Limits,
        replaced_utf8: &mut u64,
    ) -> Result<(), WireError> {
        let mut name: &[u8] = &[];
        let mut version: &[u8] = &[];
        let mut dropped = 0;
        let mut attributes = Vec::new();
        for owner in &group.owner {
            for field in *owner {
                let field = field?;
                match field.number {
                    1 => name = field.bytes()?,
                    2 => version = field.bytes()?,
                    3 => attributes.push(field.message()?),
                    4 => dropped = field.uint32()?,
                    _ => {}
                }
            }
        }
        self.text.clear();
        let mut tally = Tally { dropped, ..Tally::default() };
        push_attributes(&mut self.text, attributes, limits, &mut tally)?;
        if rows == 0 {
            return Ok(());
        }
        let texts = [
            (&mut self.scope_name, name),
            (&mut self.scope_version, version),
            (&mut self.scope_attributes, self.text.as_bytes()),
            (&mut self.scope_schema_url, group.schema_url),
        ];
        for (column, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
            column.pad(first);
            column.push_run(text, rows, &mut tally);
        }
        self.scope_dropped.resize(first + rows, tally.dropped);
        *replaced_utf8 += tally.replaced_utf8;
        Ok(())
    }

    /// The columns in the order of the schema.
    pub fn finish(self, rows: usize) -> Result<[ArrayRef; 10], ArrowError> {
        Ok([
            self.service_name.finish(rows)?,
            self.resource_attributes.finish(rows)?,
            Arc::new(UInt32Array::from(self.resource_dropped)),
            self.resource_schema_url.finish(rows)?,
            self.scope_name.finish(rows)?,
            self.scope_version.finish(rows)?,
            self.scope_attributes.finish(rows)?,
            Arc::new(UInt32Array::from(self.scope_dropped)),
            self.scope_schema_url.finish(rows)?,
            self.entity_refs.finish(rows)?,
        ])
    }
}
