//! What a request has to be counted: read as a whole before anything is counted, so that a malformed one counts for nothing.

use std::ops::Range;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use prost::Message as _;
use trefoil_model::wire::{Reader, WireError};

use super::config::Options;
use super::labels::Origin;
use crate::connectors::series::Hashing;
use crate::connectors::spans::attributes::{Found, key_value};
use crate::connectors::spans::{Ids, Lists, MOST_ITEMS, Span, Visit, nested, sampling};

/// Bytes of a resource's attributes that metrics get; those that do not fit are left out.
const MOST_RESOURCE_BYTES: usize = 64 << 10;

/// Events of a span that are counted: as many as the store keeps.
const MOST_EVENTS: usize = 10_000;

/// A resource of the request.
pub struct Resource<'a> {
    message: Reader<'a>,
    service: &'a [u8],
    found: Found<'a>,
    /// Equal for those whose metrics are the same.
    pub hash: u64,
    /// Its spans.
    pub counted: Range<usize>,
}

/// A span or an event to be counted in one group of series.
pub struct Counted<'a> {
    pub group: usize,
    key: Range<usize>,
    scope: usize,
    message: Reader<'a>,
    event: Option<Reader<'a>>,
    /// Nanoseconds.
    pub duration: u64,
    /// How many spans it stands for.
    pub weight: u64,
    is_adjusted: bool,
    pub ids: Option<Ids>,
    /// Unix nanoseconds.
    pub end: u64,
}

impl Counted<'_> {
    /// Encoded bytes.
    pub fn size(&self) -> u64 {
        self.message.bytes().len() as u64
    }
}

pub struct Gathered<'a, 'o> {
    options: &'o Options,
    hashing: &'o Hashing,
    pub resources: Vec<Resource<'a>>,
    pub counted: Vec<Counted<'a>>,
    /// Spans, whatever is counted of them; without those that found no room.
    pub spans: u64,
    scopes: Vec<Option<(&'a [u8], &'a [u8])>>,
    keys: Vec<u8>,
    lists: Lists<'a>,
    event: Found<'a>,
}

impl<'a, 'o> Gathered<'a, 'o> {
    pub fn new(options: &'o Options, hashing: &'o Hashing) -> Self {
        Self {
            options,
            hashing,
            resources: Vec::new(),
            counted: Vec::new(),
            spans: 0,
            scopes: Vec::new(),
            keys: Vec::new(),
            lists: Lists::default(),
            event: Found::default(),
        }
    }

    pub fn key(&self, counted: &Counted<'a>) -> &[u8] {
        &self.keys[counted.key.clone()]
    }

    /// The attributes of the series that it is counted in: read again, since most series are known.
    pub fn attributes(&self, resource: &Resource<'a>, counted: &Counted<'a>) -> Vec<KeyValue> {
        let options = self.options;
        let mut lists = Lists::default();
        // Both have been read before without an error.
        let span = Span::parse(counted.message, &options.keys, &mut lists).unwrap_or_default();
        let mut event = Found::default();
        if let Some(message) = counted.event {
            find(message, options, &mut event);
        }
        let origin = Origin {
            service: resource.service,
            resource: &resource.found,
            scope: self.scopes[counted.scope],
            span: &span,
            found: &lists.found,
            event: counted.event.map(|_| &event),
            is_adjusted: counted.is_adjusted,
        };
        options.labels.attributes(&origin, &options.groups[counted.group].dimensions)
    }

    fn resource_hash(&self, message: Reader<'a>) -> u64 {
        let options = self.options;
        if !options.resources {
            return 0;
        }
        let is_key = |attribute: &Reader<'_>| {
            options.resource_keys.is_empty()
                || key_value(*attribute)
                    .is_ok_and(|(key, _)| options.resource_keys.iter().any(|name| name.as_bytes() == key))
        };
        // In whatever order they come.
        nested(message, 1)
            .filter(is_key)
            .fold(0, |sum, attribute| sum.wrapping_add(self.hashing.hash(attribute.bytes())).wrapping_add(1))
    }
}

/// The attributes of an event that are wanted.
fn find<'a>(event: Reader<'a>, options: &Options, found: &mut Found<'a>) {
    found.clear(&options.keys);
    nested(event, 3).for_each(|attribute| found.take(&options.keys, attribute));
}

impl Resource<'_> {
    /// What metrics get of it.
    pub fn attributes(&self, options: &Options) -> Vec<KeyValue> {
        let mut attributes = Vec::new();
        let mut left = MOST_RESOURCE_BYTES;
        if !options.resources {
            return attributes;
        }
        for attribute in nested(self.message, 1) {
            if let Some(rest) = left.checked_sub(attribute.bytes().len())
                && let Ok(attribute) = KeyValue::decode(attribute.bytes())
            {
                left = rest;
                attributes.push(attribute);
            }
        }
        attributes
    }
}

impl<'a> Visit<'a> for Gathered<'a, '_> {
    fn resource(&mut self, message: Reader<'a>) -> Result<bool, WireError> {
        let keys = &self.options.keys;
        let (mut service, mut found) = (None, Found::default());
        found.clear(keys);
        for attribute in nested(message, 1) {
            if let Ok((b"service.name", value)) = key_value(attribute)
                && service.is_none()
            {
                service = Some(text(value));
            }
            found.take(keys, attribute);
        }
        if service.is_none() && !self.options.counts_nameless {
            return Ok(false);
        }
        let hash = self.resource_hash(message);
        let counted = self.counted.len()..self.counted.len();
        self.resources.push(Resource { message, service: service.unwrap_or_default(), found, hash, counted });
        Ok(true)
    }

    fn scope(&mut self, message: Reader<'a>) -> Result<(), WireError> {
        let text = |number| nested(message, number).last().unwrap_or_default().bytes();
        let (name, version) = (text(1), text(2));
        let is_dimension = std::str::from_utf8(name).is_ok_and(|name| self.options.labels.scopes.contains(name));
        self.scopes.push(is_dimension.then_some((name, version)));
        Ok(())
    }

    fn span(&mut self, message: Reader<'a>) -> Result<(), WireError> {
        let Some(resource) = self.resources.last_mut() else { return Ok(()) };
        if self.counted.len() >= MOST_ITEMS {
            return Ok(());
        }
        let options = self.options;
        let span = Span::parse(message, &options.keys, &mut self.lists)?;
        self.spans += 1;
        let adjusted = sampling::adjusted_count(span.trace_state);
        let weight = adjusted.map_or(1, sampling::whole);
        let origin = Origin {
            service: resource.service,
            resource: &resource.found,
            scope: self.scopes.last().copied().flatten(),
            span: &span,
            found: &self.lists.found,
            event: None,
            is_adjusted: adjusted.is_some(),
        };
        let mut counted = |group, key, event| {
            self.counted.push(Counted {
                group,
                key,
                scope: self.scopes.len() - 1,
                message,
                event,
                duration: span.duration(),
                weight,
                is_adjusted: adjusted.is_some(),
                ids: if options.exemplars > 0 { span.ids() } else { None },
                end: span.end,
            });
        };
        for (place, group) in options.groups.iter().enumerate() {
            let begin = self.keys.len();
            if !group.events {
                options.labels.push_key(&origin, &group.dimensions, &mut self.keys);
                counted(place, begin..self.keys.len(), None);
                continue;
            }
            for event in self.lists.events.iter().take(MOST_EVENTS) {
                let begin = self.keys.len();
                find(*event, options, &mut self.event);
                let origin = Origin { event: Some(&self.event), ..origin };
                options.labels.push_key(&origin, &group.dimensions, &mut self.keys);
                counted(place, begin..self.keys.len(), Some(*event));
            }
        }
        resource.counted.end = self.counted.len();
        Ok(())
    }
}

/// The text of an `AnyValue`; nothing if it is of another type.
fn text(value: Reader<'_>) -> &[u8] {
    nested(value, 1).last().unwrap_or_default().bytes()
}
