//! What the tags of a span mean to OTLP: attributes of the resource, attributes of the span, or something that has a field of its
//! own.

use std::borrow::Cow;
use std::collections::BTreeMap;

use opentelemetry_proto::tonic::trace::v1::span::{Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use crate::embedded::link_from_text;
use crate::names;
use crate::span::{Endpoint, Kind};
use crate::tags::Tags;
use crate::v1::Value;

/// Where a tag belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Resource,
    Span,
    /// In none of the two: a field says it, or an attribute that is no text.
    Elsewhere,
}

/// The tags of one span, and where each belongs. What is asked for as a field is taken out of the attributes of the span.
pub(crate) struct Meanings<'t> {
    tags: &'t Tags<'t>,
    /// Of each tag, in their order.
    places: &'t mut Vec<Place>,
    known: Known,
}

/// Which tags have the names that may mean a field.
#[derive(Debug, Default)]
struct Known {
    service_name_source: Option<usize>,
    scope_name: Option<usize>,
    scope_version: Option<usize>,
    library_name: Option<usize>,
    library_version: Option<usize>,
    kind: Option<usize>,
    error: Option<usize>,
    status_code: Option<usize>,
    status_description: Option<usize>,
    trace_state: Option<usize>,
    dropped_attributes: Option<usize>,
    dropped_events: Option<usize>,
    dropped_links: Option<usize>,
    links: bool,
}

impl Known {
    fn slot(&mut self, name: &str) -> Option<&mut Option<usize>> {
        Some(match name {
            names::SERVICE_NAME_SOURCE => &mut self.service_name_source,
            names::SCOPE_NAME => &mut self.scope_name,
            names::SCOPE_VERSION => &mut self.scope_version,
            names::LIBRARY_NAME => &mut self.library_name,
            names::LIBRARY_VERSION => &mut self.library_version,
            names::SPAN_KIND => &mut self.kind,
            names::ERROR => &mut self.error,
            names::STATUS_CODE => &mut self.status_code,
            names::STATUS_DESCRIPTION => &mut self.status_description,
            names::TRACE_STATE => &mut self.trace_state,
            names::DROPPED_ATTRIBUTES => &mut self.dropped_attributes,
            names::DROPPED_EVENTS => &mut self.dropped_events,
            names::DROPPED_LINKS => &mut self.dropped_links,
            _ => return None,
        })
    }
}

impl<'t> Meanings<'t> {
    /// `typed` are attributes that stand in place of tags of the same names. The memory of `places` is used again.
    pub fn of(tags: &'t Tags<'t>, typed: &BTreeMap<Cow<'_, str>, Value<'_>>, places: &'t mut Vec<Place>) -> Self {
        let mut known = Known::default();
        places.clear();
        places.extend(tags.iter().enumerate().map(|(index, (name, _))| {
            if typed.contains_key(name) {
                return Place::Elsewhere;
            }
            if names::is_of_resource(name) {
                return Place::Resource;
            }
            match known.slot(name) {
                Some(slot) => *slot = Some(index),
                None => known.links |= name.starts_with(names::LINK),
            }
            Place::Span
        }));
        Self { tags, places, known }
    }

    /// The tags, and where each belongs when all fields have been asked for.
    pub fn places(&self) -> impl Iterator<Item = (&'t str, &'t str, Place)> {
        self.tags.iter().zip(&*self.places).map(|((name, text), place)| (name, text, *place))
    }

    fn text(&self, tag: Option<usize>) -> Option<&'t str> {
        tag.map(|tag| self.tags.text(tag))
    }

    fn take(&mut self, tag: Option<usize>) -> Option<&'t str> {
        self.places[tag?] = Place::Elsewhere;
        self.text(tag)
    }

    /// The attribute of the resource that has the name of the service.
    pub fn service(&mut self, local: Option<&'t Endpoint<'t>>) -> Option<(&'t str, &'t str)> {
        let service = local.map(|endpoint| &*endpoint.service_name).unwrap_or_default();
        if service.is_empty() || service == names::NO_SERVICE_NAME {
            return None;
        }
        let source = self.known.service_name_source;
        let substitute = self.text(source).filter(|source| names::SERVICE_NAME_SUBSTITUTES.contains(source));
        let attribute = match substitute {
            Some(_) => self.take(source)?,
            None => names::SERVICE_NAME,
        };
        // A tag that contradicts the endpoint stays with the span.
        if let Ok(tag) = self.tags.place(attribute)
            && self.places[tag] == Place::Resource
        {
            self.places[tag] = Place::Span;
        }
        Some((attribute, service))
    }

    /// The name and the version of the scope.
    pub fn scope(&mut self) -> [&'t str; 2] {
        let Known { scope_name, scope_version, library_name, library_version, .. } = self.known;
        [scope_name.or(library_name), scope_version.or(library_version)].map(|tag| self.take(tag).unwrap_or_default())
    }

    pub fn kind(&mut self, kind: Option<Kind>) -> SpanKind {
        match kind {
            Some(Kind::Client) => return SpanKind::Client,
            Some(Kind::Server) => return SpanKind::Server,
            Some(Kind::Producer) => return SpanKind::Producer,
            Some(Kind::Consumer) => return SpanKind::Consumer,
            None => {}
        }
        let tag = self.known.kind;
        let kind = match self.text(tag) {
            Some("internal") => SpanKind::Internal,
            Some("client") => SpanKind::Client,
            Some("server") => SpanKind::Server,
            Some("producer") => SpanKind::Producer,
            Some("consumer") => SpanKind::Consumer,
            _ => return SpanKind::Unspecified,
        };
        self.take(tag);
        kind
    }

    /// The status and its description. Whatever `error` says, the span failed; but for `false`, which exporters write that do
    /// not know this.
    pub fn status(&mut self) -> Option<(StatusCode, &'t str)> {
        let said = self.text(self.known.status_code).and_then(status_code);
        let error = self.text(self.known.error).filter(|text| *text != "false");
        if said.is_none() && error.is_none() {
            return None;
        }
        if said.is_some() {
            self.take(self.known.status_code);
        }
        let code = if error.is_some() { StatusCode::Error } else { said.unwrap_or_default() };
        let described = self.take(self.known.status_description);
        let description = error.filter(|text| *text != "true");
        // Where both describe it, the tag is not lost.
        let is_told = |text: &str| text.is_empty() || described.is_none_or(|described| described == text);
        if error.is_some() && description.is_none_or(is_told) {
            self.take(self.known.error);
        }
        Some((code, described.or(description).unwrap_or_default()))
    }

    pub fn trace_state(&mut self) -> &'t str {
        self.take(self.known.trace_state).unwrap_or_default()
    }

    /// Of attributes, events and links, how many were dropped.
    pub fn dropped(&mut self) -> [u32; 3] {
        let Known { dropped_attributes, dropped_events, dropped_links, .. } = self.known;
        [dropped_attributes, dropped_events, dropped_links].map(|tag| {
            let Some(count) = self.text(tag).and_then(|text| text.parse().ok()) else { return 0 };
            self.take(tag);
            count
        })
    }

    /// Tags that are none stay tags.
    pub fn links(&mut self) -> Vec<Link> {
        let mut links = Vec::new();
        if !self.known.links {
            return links;
        }
        for index in 0.. {
            let Ok(tag) = self.tags.place(&format!("{}{index}", names::LINK)) else { break };
            if self.places[tag] == Place::Elsewhere {
                break;
            }
            if let Some(link) = link_from_text(self.tags.text(tag)) {
                links.push(link);
                self.places[tag] = Place::Elsewhere;
            }
        }
        links
    }
}

/// As exporters, the Collector and old versions of it write it.
fn status_code(text: &str) -> Option<StatusCode> {
    const PREFIX: &str = "STATUS_CODE_";
    let name = match text.split_at_checked(PREFIX.len()) {
        Some((prefix, name)) if prefix.eq_ignore_ascii_case(PREFIX) => name,
        _ => text,
    };
    let codes = [("UNSET", StatusCode::Unset), ("OK", StatusCode::Ok), ("ERROR", StatusCode::Error)];
    codes.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, code)| code)
}
