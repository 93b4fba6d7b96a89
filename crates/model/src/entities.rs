//! The entities of a resource (`Resource.entity_refs`) as JSON text, and back, without loss.
//!
//! `[{"schema_url":"…","type":"service","id_keys":["service.name"],"description_keys":["service.version"]}]`: the fields of
//! `opentelemetry.proto.common.v1.EntityRef` by their names; what is empty is left out. Invalid UTF-8 becomes U+FFFD.

use opentelemetry_proto::tonic::common::v1::EntityRef;
use serde::Deserialize;

use crate::Limits;
use crate::attributes::{ReadError, Tally, push_string};
use crate::wire::{Reader, WireError};

/// Appends the references (each an `EntityRef` message) as one JSON array; nothing if there are none. Of as many as a
/// resource may have attributes, those no longer than a value may be are kept; the others are counted as dropped.
pub fn push_entity_refs(
    out: &mut String,
    references: &[Reader<'_>],
    limits: &Limits,
    tally: &mut Tally,
) -> Result<(), WireError> {
    let start = out.len();
    let mut kept = 0;
    for reference in references {
        let fits = reference.bytes().len() <= limits.max_attribute_value_bytes;
        if kept == limits.max_attributes || !fits {
            tally.dropped = tally.dropped.saturating_add(1);
            continue;
        }
        kept += 1;
        out.push(if out.len() == start { '[' } else { ',' });
        push_entity_ref(out, *reference, tally)?;
    }
    if out.len() > start {
        out.push(']');
    }
    Ok(())
}

fn push_entity_ref(out: &mut String, reference: Reader<'_>, tally: &mut Tally) -> Result<(), WireError> {
    let (mut schema_url, mut entity_type): (&[u8], &[u8]) = (&[], &[]);
    let (mut id_keys, mut description_keys) = (Vec::new(), Vec::new());
    for field in reference {
        let field = field?;
        match field.number {
            1 => schema_url = field.bytes()?,
            2 => entity_type = field.bytes()?,
            3 => id_keys.push(field.bytes()?),
            4 => description_keys.push(field.bytes()?),
            _ => {}
        }
    }
    out.push('{');
    let start = out.len();
    for (name, text) in [("schema_url", schema_url), ("type", entity_type)] {
        if !text.is_empty() {
            push_name(out, start, name);
            push_string(out, text, tally);
        }
    }
    for (name, keys) in [("id_keys", id_keys), ("description_keys", description_keys)] {
        if keys.is_empty() {
            continue;
        }
        push_name(out, start, name);
        for (index, key) in keys.into_iter().enumerate() {
            out.push(if index == 0 { '[' } else { ',' });
            push_string(out, key, tally);
        }
        out.push(']');
    }
    out.push('}');
    Ok(())
}

fn push_name(out: &mut String, start: usize, name: &str) {
    if out.len() > start {
        out.push(',');
    }
    out.push('"');
    out.push_str(name);
    out.push_str("\":");
}

/// Reads what [`push_entity_refs`] wrote.
pub fn read_entity_refs(text: &str) -> Result<Vec<EntityRef>, ReadError> {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Stored {
        schema_url: String,
        r#type: String,
        id_keys: Vec<String>,
        description_keys: Vec<String>,
    }
    let stored: Vec<Stored> = serde_json::from_str(text)?;
    let references = stored.into_iter().map(|Stored { schema_url, r#type, id_keys, description_keys }| EntityRef {
        schema_url,
        r#type,
        id_keys,
        description_keys,
    });
    Ok(references.collect())
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    fn reference(entity_type: &str) -> EntityRef {
        EntityRef { r#type: entity_type.to_owned(), ..EntityRef::default() }
    }

    fn written(references: &[EntityRef], limits: &Limits) -> (String, Tally) {
        let bytes: Vec<Vec<u8>> = references.iter().map(EntityRef::encode_to_vec).collect();
        let readers: Vec<Reader<'_>> = bytes.iter().map(|bytes| Reader::new(bytes)).collect();
        let (mut text, mut tally) = (String::new(), Tally::default());
        push_entity_refs(&mut text, &readers, limits, &mut tally).unwrap();
        (text, tally)
    }

    #[test]
    fn what_is_empty_is_left_out() {
        assert_eq!(written(&[], &Limits::default()).0, "");
        let service = EntityRef { id_keys: vec!["service.name".to_owned(), "\"".to_owned()], ..reference("service") };
        let (text, _) = written(&[service.clone(), EntityRef::default()], &Limits::default());
        assert_eq!(text, r#"[{"type":"service","id_keys":["service.name","\""]},{}]"#);
        assert_eq!(read_entity_refs(&text).unwrap(), [service, EntityRef::default()]);
    }

    #[test]
    fn what_is_beyond_the_limits_is_counted() {
        let limits = Limits { max_attributes: 2, max_attribute_value_bytes: 10, ..Limits::default() };
        let references = [reference("a"), reference("far too long a type"), reference("b"), reference("c")];
        let (text, tally) = written(&references, &limits);
        assert_eq!((text.as_str(), tally.dropped), (r#"[{"type":"a"},{"type":"b"}]"#, 2));
    }
}
