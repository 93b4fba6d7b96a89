//! The spans of a request: read as a whole before any is used, so that a malformed one adds nothing.

use std::sync::Arc;

use trefoil_model::wire::{Reader, WireError};
use trefoil_trace::propagation::target;

use super::config::Options;
use super::state::{Arrived, Role, To};
use crate::connectors::spans::attributes::{Found, value_text};
use crate::connectors::spans::{CLIENT, CONSUMER, Ids, Lists, MOST_ITEMS, PRODUCER, SERVER, Span, Visit, nested};

pub struct Gathered<'a, 'o> {
    options: &'o Options,
    pub spans: Vec<Arrived>,
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
            spans: Vec::new(),
            dropped: 0,
            service: "".into(),
            resource: Found::default(),
            lists: Lists::default(),
        }
    }

    fn first(&self, places: &[usize]) -> Option<String> {
        let texts = places.iter().filter_map(|place| self.lists.found.get(*place)).map(value_text);
        texts.into_iter().find(|text| !text.is_empty())
    }

    fn role(&self, span: &Span<'a>) -> Role {
        let queue = || self.first(&self.options.queues).map(|name| To::Queue(name.into()));
        match span.kind {
            SERVER => Role::Entry(To::Service(self.service.clone())),
            CONSUMER => Role::Entry(queue().unwrap_or_else(|| To::Service(self.service.clone()))),
            // Databases send no spans.
            CLIENT if self.first(&self.options.databases).is_some() => Role::Call(None),
            CLIENT => Role::Call(self.target()),
            PRODUCER => Role::Message(queue().or_else(|| self.target())),
            _ => Role::Other,
        }
    }

    fn target(&self) -> Option<To> {
        let named = self.options.targets.iter().find_map(|(name, place)| {
            let text = value_text(self.lists.found.get(*place)?);
            (!text.is_empty()).then_some((*name, text))
        });
        named.map(|(name, text)| To::Service(target(name, &text).into()))
    }
}

impl<'a> Visit<'a> for Gathered<'a, '_> {
    fn resource(&mut self, message: Reader<'a>) -> Result<bool, WireError> {
        let keys = &self.options.keys;
        self.resource.clear(keys);
        nested(message, 1).for_each(|attribute| self.resource.take(keys, attribute));
        let name = self.resource.get(self.options.service).map(value_text).unwrap_or_default();
        self.service = name.into();
        // Spans of services without a name are parents, too.
        Ok(true)
    }

    fn scope(&mut self, _message: Reader<'a>) -> Result<(), WireError> {
        Ok(())
    }

    fn span(&mut self, message: Reader<'a>) -> Result<(), WireError> {
        if self.spans.len() >= MOST_ITEMS {
            self.dropped += 1;
            return Ok(());
        }
        let span = Span::parse(message, &self.options.keys, &mut self.lists)?;
        let Some(ids) = span.ids() else { return Ok(()) };
        self.spans.push(Arrived {
            ids,
            parent: Ids::new(span.trace_id, span.parent_span_id),
            role: self.role(&span),
            service: self.service.clone(),
            has_links: !self.lists.links.is_empty(),
            start: span.start,
            end: span.end.max(span.start),
        });
        Ok(())
    }
}
