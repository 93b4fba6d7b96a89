//! `trefoil exceptions` and `trefoil trace ID --exceptions`.

use serde::Deserialize;

use super::{counted, cut, moment, table};

#[derive(Debug, Deserialize)]
pub struct Answer {
    groups: Vec<Group>,
    truncated: bool,
    count: u64,
    inspected_spans: u64,
}

#[derive(Debug, Deserialize)]
struct Group {
    service: String,
    r#type: String,
    message: String,
    count: u64,
    first_time_unix_nano: String,
    last_time_unix_nano: String,
    examples: Vec<Example>,
}

#[derive(Debug, Deserialize)]
struct Example {
    trace_id: String,
}

/// Characters of a message.
const MOST_SHOWN: usize = 60;

pub fn shown(answer: &Answer) -> anyhow::Result<String> {
    let row = |group: &Group| {
        [
            group.service.clone(),
            group.r#type.clone(),
            group.message.chars().take(MOST_SHOWN).collect(),
            group.count.to_string(),
            moment(&group.first_time_unix_nano),
            moment(&group.last_time_unix_nano),
            group.examples.first().map(|example| example.trace_id.clone()).unwrap_or_default(),
        ]
    };
    let below = format!(
        "{} of {}, in {}{}",
        counted(answer.count, "exception"),
        counted(answer.groups.len() as u64, "kind"),
        counted(answer.inspected_spans, "span"),
        cut(answer.truncated)
    );
    let titles = ["service", "type", "message", "times", "since", "last", "for example"];
    table(titles, answer.groups.iter().map(row).collect(), &below)
}
