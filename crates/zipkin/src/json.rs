//! JSON of version 2.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::fields::{Object, for_each, kind, text};
use crate::names;
use crate::problem::Problem;
use crate::span::{Annotation, Kind, Span};

/// A list of spans as `/api/v2/spans` takes it.
///
/// # Errors
/// None that spans can cause.
pub fn to_json(spans: &[Span]) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(spans)
}

pub(crate) fn read(body: &[u8], each: impl FnMut(Result<Span, Problem>)) -> Result<(), String> {
    for_each(body, span, each)
}

fn span(value: &Value) -> Result<Span, Problem> {
    let object = Object::of(value)?;
    let mut tags = tags(&object)?;
    let kind = object.text("kind")?;
    let known = kind.as_deref().and_then(Kind::from_name);
    if let Some(unknown) = kind.filter(|kind| known.is_none() && !kind.is_empty()) {
        tags.entry(names::SPAN_KIND.to_owned()).or_insert_with(|| unknown.to_lowercase());
    }
    let annotations = object.list("annotations", |annotation| {
        let timestamp = annotation.micros("timestamp")?.unwrap_or_default();
        Ok(Annotation { timestamp, value: annotation.text("value")?.unwrap_or_default().into_owned() })
    })?;
    Ok(Span {
        trace_id: object.trace_id("traceId")?,
        parent_id: object.span_id("parentId")?,
        id: object.span_id("id")?.ok_or_else(|| Problem::new("id", "is missing or zero"))?,
        kind: known,
        name: object.text("name")?.unwrap_or_default().into_owned(),
        timestamp: object.micros("timestamp")?.filter(|micros| *micros > 0),
        duration: object.micros("duration")?.filter(|micros| *micros > 0),
        local_endpoint: object.endpoint("localEndpoint")?,
        remote_endpoint: object.endpoint("remoteEndpoint")?,
        annotations,
        tags,
        debug: object.flag("debug")?,
        shared: object.flag("shared")?,
    })
}

fn tags(object: &Object<'_>) -> Result<BTreeMap<String, String>, Problem> {
    let Some(tags) = object.object("tags")? else { return Ok(BTreeMap::new()) };
    let tags = tags.members().filter(|(_, value)| !value.is_null());
    tags.map(|(key, value)| {
        let text = text(value).ok_or_else(|| {
            Problem::new(format!("[{key:?}]"), format!("is {} instead of text", kind(value))).within("tags")
        })?;
        Ok((key.clone(), text.into_owned()))
    })
    .collect()
}
