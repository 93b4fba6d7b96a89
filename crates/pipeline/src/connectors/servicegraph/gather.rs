//! The halves of edges in a request: read as a whole before any is used, so that a malformed one adds nothing.

use std::sync::Arc;

use trefoil_model::wire::{Reader, WireError};

use super::config::Options;
use super::store::{Connection, Half, Key, Side};
use crate::connectors::spans::attributes::{Found, value_text};
use crate::connectors::spans::{
    CLIENT, CONSUMER, Ids, Lists, MOST_ITEMS, PRODUCER, SERVER, STATUS_ERROR, Span, Visit, nested,
};

/// Links of a span that are followed.
const MOST_LINKS: usize = 128;

pub struct Gathered<'a, 'o> {
    options: &'o Options,
    pub halves: Vec<Half>,
    /// Spans that found no room here.
    pub dropped: u64,
    service: Arc<str>,
    resource: Found<'a>,
    lists: Lists<'a>,
}

impl<'a, 'o> Gathered<'a, 'o> {
    pub fn new(options: &'o Options) -> Self {
        Self {
            options,
            halves: Vec::new(),
            dropped: 0,
            service: "".into(),
            resource: Found::default(),
            lists: Lists::default(),
        }
    }

    fn half(&self, key: Key, side: Side, span: &Span<'a>) -> Half {
        let found = &self.lists.found;
        let everywhere = |place: usize| self.resource.get(place).or_else(|| found.get(place)).map(value_text);
        let is_client = side == Side::Client;
        let options = self.options;
        Half {
            key,
            side,
            service: self.service.clone(),
            connection: match span.kind {
                PRODUCER | CONSUMER => Connection::Messaging,
                _ => Connection::Direct,
            },
            nanos: span.duration(),
            is_failed: span.status_code == STATUS_ERROR,
            dimensions: options.dimensions.iter().map(|dimension| everywhere(dimension.place)).collect(),
            peer: match is_client {
                true => options.peers.iter().find_map(|place| found.get(*place)).map(value_text),
                false => None,
            },
            database: match is_client {
                true => options.databases.iter().find_map(|place| everywhere(*place)),
                false => None,
            },
            ids: span.ids(),
            end: span.end,
        }
    }

    fn consumer(&mut self, span: &Span<'a>) {
        let Some(own) = span.ids() else { return };
        for link in self.lists.links.iter().take(MOST_LINKS) {
            let id = |number| nested(*link, number).last().unwrap_or_default().bytes();
            if let Some(producer) = Ids::new(id(1), id(2)) {
                let half = self.half(Key::Linked { consumer: own, producer }, Side::Server, span);
                self.halves.push(half);
            }
        }
    }
}

impl<'a> Visit<'a> for Gathered<'a, '_> {
    fn resource(&mut self, message: Reader<'a>) -> Result<bool, WireError> {
        let keys = &self.options.keys;
        self.resource.clear(keys);
        nested(message, 1).for_each(|attribute| self.resource.take(keys, attribute));
        let name = self.resource.get(self.options.service).map(value_text).unwrap_or_default();
        self.service = name.into();
        Ok(!self.service.is_empty())
    }

    fn scope(&mut self, _message: Reader<'a>) -> Result<(), WireError> {
        Ok(())
    }

    fn span(&mut self, message: Reader<'a>) -> Result<(), WireError> {
        if self.halves.len() >= MOST_ITEMS {
            self.dropped += 1;
            return Ok(());
        }
        let span = Span::parse(message, &self.options.keys, &mut self.lists)?;
        let half = match span.kind {
            CLIENT | PRODUCER => span.ids().map(|ids| self.half(Key::Parent(ids), Side::Client, &span)),
            CONSUMER if !self.lists.links.is_empty() => {
                self.consumer(&span);
                None
            }
            SERVER | CONSUMER => {
                let key = match Ids::new(span.trace_id, span.parent_span_id) {
                    Some(parent) => Some(Key::Parent(parent)),
                    // Without a parent nobody called it who sends spans.
                    None if span.parent_span_id.iter().all(|byte| *byte == 0) => span.ids().map(Key::Root),
                    None => None,
                };
                key.map(|key| self.half(key, Side::Server, &span))
            }
            _ => None,
        };
        self.halves.extend(half);
        Ok(())
    }
}
