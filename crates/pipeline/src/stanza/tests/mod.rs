//! What operators do, by tables.

use super::*;
use crate::config::{Document, Section};
use crate::stanza::receipt::{Receipt, Source};

mod conditions;
mod containers;
mod mistakes;
mod operators;
mod recombined;
mod severities;

pub fn chain(yaml: &str) -> Result<Chain, String> {
    let text = format!("operators:\n{yaml}");
    let document = Document::verbatim("o.yaml", &text).unwrap();
    config::parse(&Section::new(document.root(), &[])).map_err(|error| error.to_string())
}

/// `{body: …, attributes: …, resource: …}` as an entry that was observed at second 1.
pub fn entry(json: &str) -> Entry {
    let mut given: Map = value::object(json).unwrap_or_else(|error| panic!("{json}: {error}"));
    let mut entry = Entry::new(given.shift_remove("body").unwrap_or(Value::Null), 1_000_000_000);
    for (place, name) in [(&mut entry.attributes, "attributes"), (&mut entry.resource, "resource")] {
        if let Some(value) = given.shift_remove(name) {
            *place = value;
        }
    }
    assert!(given.is_empty(), "{given:?}");
    entry
}

/// What of an entry is not as it was made.
pub fn written(entry: &Entry) -> String {
    let mut parts = vec![format!("body={}", serde_json::to_string(&entry.body).unwrap())];
    let maps = [("attributes", &entry.attributes), ("resource", &entry.resource)];
    parts.extend(maps.iter().filter(|(_, map)| map.to_string() != "{}").map(|(name, map)| format!("{name}={map}")));
    if entry.timestamp != 0 {
        parts.push(format!("time={}", entry.timestamp));
    }
    if entry.severity != 0 || !entry.severity_text.is_empty() {
        parts.push(format!("severity={}:{}", entry.severity, entry.severity_text));
    }
    if !entry.scope.is_empty() {
        parts.push(format!("scope={}", entry.scope));
    }
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    for (name, id) in [("trace", &entry.trace_id), ("span", &entry.span_id)] {
        if !id.is_empty() {
            parts.push(format!("{name}={}", hex(id)));
        }
    }
    if entry.trace_flags != 0 {
        parts.push(format!("flags={}", entry.trace_flags));
    }
    parts.join(" ")
}

/// What comes out of the operators, one line each; all that was put in is done with afterwards.
pub fn run(yaml: &str, entries: &[&str]) -> String {
    let mut chain = chain(yaml).unwrap_or_else(|error| panic!("{error}\nin\n{yaml}"));
    let open = std::sync::Arc::new(Open::default());
    let mut out = Vec::new();
    for (number, json) in entries.iter().enumerate() {
        let mut entry = entry(json);
        entry.receipts.push(Receipt::new(open.clone(), number as u64));
        chain.process(entry, &mut out);
    }
    chain.flush_all(&mut out);
    let lines: Vec<String> = out.iter().map(written).collect();
    out.into_iter().for_each(Entry::settle);
    let mut done = std::mem::take(&mut *open.0.lock());
    done.sort_unstable();
    assert_eq!(done, (0..entries.len() as u64).collect::<Vec<_>>(), "lines that are done, of\n{yaml}");
    lines.join("\n")
}

#[derive(Default)]
pub struct Open(parking_lot::Mutex<Vec<u64>>);

impl Source for Open {
    fn settled(&self, number: u64) {
        self.0.lock().push(number);
    }
}
