//! `trefoil trace ID --logs`.

use serde::Deserialize;

use super::{counted, cut, moment, table};

#[derive(Debug, Deserialize)]
pub struct Answer {
    logs: Vec<Log>,
    truncated: bool,
}

#[derive(Debug, Deserialize)]
struct Log {
    time_unix_nano: String,
    span_id: String,
    service: String,
    severity_text: String,
    body: String,
}

/// Characters of a line.
const MOST_SHOWN: usize = 120;

pub fn shown(answer: &Answer) -> anyhow::Result<String> {
    let row = |log: &Log| {
        [
            moment(&log.time_unix_nano),
            log.service.clone(),
            log.severity_text.clone(),
            log.body.chars().take(MOST_SHOWN).collect(),
            log.span_id.clone(),
        ]
    };
    let below = format!("{}{}", counted(answer.logs.len() as u64, "log record"), cut(answer.truncated));
    table(["time", "service", "severity", "line", "span"], answer.logs.iter().map(row).collect(), &below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_lines_of_a_table() {
        let answer = r#"{"logs": [{"time_unix_nano": "1780272000000000000", "span_id": "b7ad6b7169203331", "service": "cart",
            "severity_text": "INFO", "severity_number": 9, "body": "it\u001b[1mwent", "attributes": {}, "resource": {}}], "truncated": true}"#;
        let shown = shown(&serde_json::from_str(answer).unwrap()).unwrap();
        assert!(shown.contains("| 2026-06-01T00:00:00.000Z | cart    | INFO     | it\u{fffd}[1mwent"), "{shown}");
        assert!(shown.ends_with("1 log record; there are more (--limit)\n"), "{shown}");
        let none = super::shown(&Answer { logs: Vec::new(), truncated: false }).unwrap();
        assert_eq!(none, "0 log records\n");
    }
}
