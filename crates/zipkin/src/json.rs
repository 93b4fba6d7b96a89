//! JSON of version 2.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::fields::{Object, for_each};
use crate::names;
use crate::problem::Problem;
use crate::span::{Annotation, Kind, Span};
use crate::tags::Tags;
use crate::tree::Json;

/// A list of spans as `/api/v2/spans` takes it.
///
/// # Errors
/// None that spans can cause.
pub fn to_json(spans: &[Span<'_>]) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(spans)
}

pub(crate) fn read(body: &[u8], mut each: impl FnMut(Result<Span<'_>, Problem>)) -> Result<(), String> {
    for_each(body, |value| match value {
        Ok(value) => each(span(&value)),
        Err(problem) => each(Err(problem)),
    })
}

fn span<'a>(value: &'a Json<'a>) -> Result<Span<'a>, Problem> {
    let object = Object::of(value)?;
    let mut tags = tags(&object)?;
    let kind = object.text("kind")?;
    let known = kind.as_deref().and_then(Kind::from_name);
    if let Some(unknown) = kind.filter(|kind| known.is_none() && !kind.is_empty())
        && tags.get(names::SPAN_KIND).is_none()
    {
        tags.insert(names::SPAN_KIND, unknown.to_lowercase());
    }
    let annotations = object.list("annotations", |annotation| {
        let timestamp = annotation.micros("timestamp")?.unwrap_or_default();
        Ok(Annotation { timestamp, value: annotation.text("value")?.unwrap_or_default() })
    })?;
    Ok(Span {
        trace_id: object.trace_id("traceId")?,
        parent_id: object.span_id("parentId")?,
        id: object.span_id("id")?.ok_or_else(|| Problem::new("id", "is missing or zero"))?,
        kind: known,
        name: object.text("name")?.unwrap_or_default(),
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

fn tags<'a>(object: &Object<'a>) -> Result<Tags<'a>, Problem> {
    let Some(tags) = object.object("tags")? else { return Ok(Tags::default()) };
    let mut texts = Vec::with_capacity(tags.members().len());
    for (name, value) in tags.members() {
        let Some(text) = value.text() else { return where_some_are_no_texts(tags) };
        texts.push((Cow::Borrowed(&**name), text));
    }
    Ok(texts.into())
}

/// Where a name comes again, only the last is to be a text.
fn where_some_are_no_texts(tags: Object<'_>) -> Result<Tags<'_>, Problem> {
    let members: BTreeMap<&str, &Json> = tags.members().iter().map(|(name, value)| (&**name, value)).collect();
    let members = members.into_iter().filter(|(_, value)| !value.is_null());
    members
        .map(|(name, value)| {
            let text = value.text().ok_or_else(|| {
                Problem::new(format!("[{name:?}]"), format!("is {} instead of text", value.kind())).within("tags")
            })?;
            Ok((name.into(), text))
        })
        .collect()
}
