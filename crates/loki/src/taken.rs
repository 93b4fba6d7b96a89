//! Lines as people take them away: JSON lines (which are read again, too), CSV, text.

use std::collections::BTreeMap;
use std::fmt::Write;

use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A line and what is known of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TakenLine {
    /// Nanoseconds since the epoch; written as RFC 3339.
    #[serde(serialize_with = "write_time", deserialize_with = "read_time")]
    pub timestamp: i64,
    /// Of its stream.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub structured_metadata: BTreeMap<String, String>,
    /// What the stages of the query made of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parsed: BTreeMap<String, String>,
    pub line: String,
}

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineForm {
    /// A [`TakenLine`] as a JSON object on a line of its own. It holds everything.
    Jsonl,
    /// With a header; labels, structured metadata and what was parsed are JSON objects in columns. It holds everything.
    Csv,
    /// The time, the labels of the stream, the line.
    Text,
    /// The line alone.
    Raw,
}

const CSV_HEADER: &str = "timestamp,labels,structured_metadata,parsed,line\n";

impl LineForm {
    /// What is before the first line.
    pub fn header(self) -> &'static str {
        match self {
            LineForm::Csv => CSV_HEADER,
            LineForm::Jsonl | LineForm::Text | LineForm::Raw => "",
        }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            LineForm::Jsonl => "application/x-ndjson",
            LineForm::Csv => "text/csv; charset=utf-8",
            LineForm::Text | LineForm::Raw => "text/plain; charset=utf-8",
        }
    }

    /// `line` and what ends it, behind what `out` has.
    pub fn write(self, line: &TakenLine, out: &mut String) {
        match self {
            LineForm::Jsonl => out.push_str(&json(line)),
            LineForm::Csv => {
                out.push_str(&time(line.timestamp));
                for cell in [&json(&line.labels), &json(&line.structured_metadata), &json(&line.parsed), &line.line] {
                    out.push(',');
                    push_quoted(cell, out);
                }
            }
            LineForm::Text => {
                out.push_str(&time(line.timestamp));
                out.push_str(" {");
                for (number, (name, value)) in line.labels.iter().enumerate() {
                    let separator = if number == 0 { "" } else { ", " };
                    // Writing to a string does not fail.
                    let _ = write!(out, "{separator}{name}={}", trefoil_go::quote::quote(value));
                }
                out.push_str("} ");
                out.push_str(&line.line);
            }
            LineForm::Raw => out.push_str(&line.line),
        }
        out.push('\n');
    }
}

/// Of nanoseconds since the epoch, with all of them.
pub fn time(nanos: i64) -> String {
    DateTime::from_timestamp_nanos(nanos).to_rfc3339_opts(SecondsFormat::Nanos, true)
}

/// Of texts alone, which can always be written.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn push_quoted(cell: &str, out: &mut String) {
    out.push('"');
    out.push_str(&cell.replace('"', "\"\""));
    out.push('"');
}

fn write_time<S: Serializer>(nanos: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time(*nanos))
}

fn read_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let text = String::deserialize(deserializer)?;
    let time = DateTime::parse_from_rfc3339(&text).map_err(de::Error::custom)?;
    time.timestamp_nanos_opt().ok_or_else(|| de::Error::custom(format!("{text}: too far away")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(form: LineForm, lines: &[TakenLine]) -> String {
        let mut out = form.header().to_owned();
        lines.iter().for_each(|line| form.write(line, &mut out));
        out
    }

    fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn each_form_is_what_its_readers_know() {
        let lines = [
            TakenLine {
                timestamp: 1_700_000_000_000_000_001,
                labels: pairs(&[("app", "cart"), ("path", "C:\\\"x\"")]),
                structured_metadata: pairs(&[("trace", "t1")]),
                parsed: pairs(&[("level", "info")]),
                line: "said \"no\", twice\nand left".to_owned(),
            },
            TakenLine { line: "x".to_owned(), ..TakenLine::default() },
        ];
        insta::assert_snapshot!(written(LineForm::Jsonl, &lines), @r#"
        {"timestamp":"2023-11-14T22:13:20.000000001Z","labels":{"app":"cart","path":"C:\\\"x\""},"structuredMetadata":{"trace":"t1"},"parsed":{"level":"info"},"line":"said \"no\", twice\nand left"}
        {"timestamp":"1970-01-01T00:00:00.000000000Z","labels":{},"line":"x"}
        "#);
        insta::assert_snapshot!(written(LineForm::Csv, &lines), @r#"
        timestamp,labels,structured_metadata,parsed,line
        2023-11-14T22:13:20.000000001Z,"{""app"":""cart"",""path"":""C:\\\""x\""""}","{""trace"":""t1""}","{""level"":""info""}","said ""no"", twice
        and left"
        1970-01-01T00:00:00.000000000Z,"{}","{}","{}","x"
        "#);
        insta::assert_snapshot!(written(LineForm::Text, &lines), @r#"
        2023-11-14T22:13:20.000000001Z {app="cart", path="C:\\\"x\""} said "no", twice
        and left
        1970-01-01T00:00:00.000000000Z {} x
        "#);
        assert_eq!(written(LineForm::Raw, &lines[1..]), "x\n");
    }

    #[test]
    fn what_is_no_line_says_why() {
        for (text, says) in [
            (r#"{"timestamp":"soon","line":""}"#, "premature end of input"),
            (r#"{"timestamp":"9999-01-01T00:00:00Z","line":""}"#, "too far away"),
            (r#"{"line":""}"#, "missing field `timestamp`"),
            (r#"{"error":{}}"#, "missing field"),
        ] {
            let error = serde_json::from_str::<TakenLine>(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    fn some_pairs() -> impl Strategy<Value = BTreeMap<String, String>> {
        prop::collection::btree_map(any::<String>(), any::<String>(), 0..3)
    }

    proptest! {
        #[test]
        fn json_lines_are_read_again(
            timestamp: i64,
            labels in some_pairs(),
            structured_metadata in some_pairs(),
            parsed in some_pairs(),
            line: String,
        ) {
            let line = TakenLine { timestamp, labels, structured_metadata, parsed, line };
            let text = written(LineForm::Jsonl, std::slice::from_ref(&line));
            prop_assert_eq!(text.lines().count(), 1);
            prop_assert_eq!(serde_json::from_str::<TakenLine>(&text).unwrap(), line);
        }
    }
}
