//! `trefoil trace ID --diff OTHER`.

use serde::Deserialize;

use super::{counted, cut, table, took};

#[derive(Debug, Deserialize)]
pub struct Answer {
    added: u64,
    removed: u64,
    changed: u64,
    unchanged: u64,
    differences: Vec<Difference>,
    truncated: bool,
}

#[derive(Debug, Deserialize)]
struct Difference {
    before: Option<Span>,
    after: Option<Span>,
    fields: Vec<Value>,
    attributes: Vec<Value>,
}

#[derive(Debug, Deserialize)]
struct Span {
    service: String,
    name: String,
    duration_nano: i64,
}

#[derive(Debug, Deserialize)]
struct Value {
    key: String,
    before: Option<String>,
    after: Option<String>,
}

pub fn shown(answer: &Answer) -> anyhow::Result<String> {
    let row = |difference: &Difference| {
        let what = match (&difference.before, &difference.after) {
            (None, _) => "added",
            (_, None) => "removed",
            _ => "changed",
        };
        let label = |span: &Span| format!("{} {}", span.service, span.name);
        let of = difference.after.as_ref().or(difference.before.as_ref()).map(label).unwrap_or_default();
        let length = |span: &Option<Span>| span.as_ref().map(|span| took(span.duration_nano)).unwrap_or_default();
        let value = |value: &Value| {
            let [before, after] = [&value.before, &value.after].map(|side| side.as_deref().unwrap_or("-"));
            format!("{}: {before} → {after}", value.key)
        };
        // Durations have columns of their own.
        let fields = difference.fields.iter().filter(|value| value.key != "duration_nano");
        let values: Vec<String> = fields.chain(&difference.attributes).map(value).collect();
        [what.to_owned(), of, length(&difference.before), length(&difference.after), values.join(", ")]
    };
    let below = format!(
        "{} added, {} removed, {} changed, {} the same{}",
        counted(answer.added, "span"),
        answer.removed,
        answer.changed,
        answer.unchanged,
        cut(answer.truncated)
    );
    table(["", "span", "before", "after", "other"], answer.differences.iter().map(row).collect(), &below)
}
