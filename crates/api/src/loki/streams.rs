//! Lines by their streams, as Loki shows them. They are written as they lie in memory: where lines have ids of their own, each is a
//! stream of its own with all labels.

use ahash::RandomState;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, SecondsFormat};
use indexmap::IndexMap;
use serde::ser::{Serialize, SerializeMap, Serializer};
use trefoil_promql::labels::Labels;
use trefoil_query::logs::{FoundLine, FoundLines};

use super::answer::{Data, success};
use super::stats::stats;

/// Asks for labels by where they come from.
const ENCODING: &str = "x-loki-response-encoding-flags";
const CATEGORIZE: &str = "categorize-labels";

/// How labels of lines are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// All as if they were of the stream.
    Merged,
    /// Only those of the stream as such; structured metadata and what was parsed with each line.
    Categorized,
    /// All as text, as the paths of old have it.
    Legacy,
}

impl Encoding {
    pub fn of(headers: &HeaderMap) -> Encoding {
        let flags = headers.get(ENCODING).and_then(|flags| flags.to_str().ok()).unwrap_or_default();
        match flags.split(',').any(|flag| flag.trim() == CATEGORIZE) {
            true => Encoding::Categorized,
            false => Encoding::Merged,
        }
    }

    /// As answers tell it.
    pub fn flags(self) -> Option<[&'static str; 1]> {
        (self == Encoding::Categorized).then_some([CATEGORIZE])
    }
}

pub(super) fn streams(found: &FoundLines, encoding: Encoding) -> Response {
    success(Data {
        result_type: "streams",
        encoding_flags: encoding.flags(),
        result: Streams::of(&found.lines, encoding),
        stats: stats(&found.spent, found.lines.len()),
    })
}

/// Names and values of labels.
type Pairs<'l> = Vec<(&'l str, &'l str)>;

/// Streams in the order of their first lines, by the labels that they are shown with.
pub(super) struct Streams<'l> {
    encoding: Encoding,
    rows: IndexMap<Pairs<'l>, Vec<Row<'l>>, RandomState>,
}

impl<'l> Streams<'l> {
    pub fn of(lines: &'l [FoundLine], encoding: Encoding) -> Self {
        let mut rows = IndexMap::<_, Vec<_>, _>::default();
        for line in lines {
            let labels = match encoding {
                Encoding::Categorized => of_stream(line).collect(),
                Encoding::Merged | Encoding::Legacy => merged(line),
            };
            rows.entry(labels).or_default().push(Row { encoding, line });
        }
        Self { encoding, rows }
    }
}

impl Serialize for Streams<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let streams = self.rows.iter().map(|(labels, rows)| Stream { encoding: self.encoding, labels, rows });
        serializer.collect_seq(streams)
    }
}

/// All labels of a line, sorted.
pub(super) fn merged(line: &FoundLine) -> Pairs<'_> {
    let more = line.metadata.iter().chain(&line.parsed).map(|(name, value)| (name.as_str(), value.as_str()));
    let mut labels: Pairs<'_> = of_stream(line).chain(more).collect();
    labels.sort_unstable();
    labels
}

fn of_stream(line: &FoundLine) -> impl Iterator<Item = (&str, &str)> {
    line.stream.iter().map(|label| (&*label.name, &*label.value))
}

struct Stream<'l> {
    encoding: Encoding,
    labels: &'l Pairs<'l>,
    rows: &'l Vec<Row<'l>>,
}

impl Serialize for Stream<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut stream = serializer.serialize_map(Some(2))?;
        match self.encoding {
            Encoding::Merged | Encoding::Categorized => {
                stream.serialize_entry("stream", &Object(self.labels))?;
                stream.serialize_entry("values", self.rows)?;
            }
            Encoding::Legacy => {
                let labels = Labels::from_pairs(self.labels.iter().copied());
                stream.serialize_entry("labels", &labels.to_string())?;
                stream.serialize_entry("entries", self.rows)?;
            }
        }
        stream.end()
    }
}

/// A line, as it is shown in its stream.
struct Row<'l> {
    encoding: Encoding,
    line: &'l FoundLine,
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let FoundLine { time, line, .. } = self.line;
        match self.encoding {
            Encoding::Merged => (time.to_string(), line).serialize(serializer),
            Encoding::Categorized => (time.to_string(), line, More(self.line)).serialize(serializer),
            Encoding::Legacy => serializer.collect_map([("ts", &rfc3339(*time)), ("line", line)]),
        }
    }
}

fn rfc3339(nanos: i64) -> String {
    DateTime::from_timestamp_nanos(nanos).to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// The labels of a line that are not of its stream, by where they come from.
struct More<'l>(&'l FoundLine);

impl Serialize for More<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let all = [("structuredMetadata", &self.0.metadata), ("parsed", &self.0.parsed)];
        let some = all.into_iter().filter(|(_, pairs)| !pairs.is_empty());
        serializer.collect_map(some.map(|(name, pairs)| (name, Object(pairs))))
    }
}

/// Pairs, no two of the same name, as members.
struct Object<'p, T>(&'p [(T, T)]);

impl<T: Serialize> Serialize for Object<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn line(time: i64, line: &str, metadata: &[(&str, &str)], parsed: &[(&str, &str)]) -> FoundLine {
        let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
        };
        FoundLine {
            time,
            line: line.into(),
            stream: Labels::from_pairs([("job", "shop"), ("pod", "a")]),
            metadata: owned(metadata),
            parsed: owned(parsed),
        }
    }

    fn told(encoding: Encoding) -> Value {
        let lines = [
            line(3, "one \"more\"", &[("user", "7"), ("id", "x")], &[("level", "error")]),
            line(2, "two", &[("user", "8")], &[]),
            line(1, "three", &[("id", "x"), ("user", "7")], &[("level", "error")]),
        ];
        serde_json::to_value(Streams::of(&lines, encoding)).unwrap()
    }

    #[test]
    fn lines_of_the_same_labels_are_a_stream() {
        let first = json!({"id": "x", "job": "shop", "level": "error", "pod": "a", "user": "7"});
        let second = json!({"job": "shop", "pod": "a", "user": "8"});
        let expected = json!([
            {"stream": first, "values": [["3", "one \"more\""], ["1", "three"]]},
            {"stream": second, "values": [["2", "two"]]},
        ]);
        assert_eq!(told(Encoding::Merged), expected);
    }

    #[test]
    fn other_labels_are_told_with_the_line_to_whoever_asks() {
        let more = json!({"structuredMetadata": {"id": "x", "user": "7"}, "parsed": {"level": "error"}});
        let values = json!([
            ["3", "one \"more\"", more],
            ["2", "two", {"structuredMetadata": {"user": "8"}}],
            ["1", "three", more],
        ]);
        assert_eq!(told(Encoding::Categorized), json!([{"stream": {"job": "shop", "pod": "a"}, "values": values}]));
    }

    #[test]
    fn paths_of_old_have_labels_as_text() {
        let entries = json!([
            {"ts": "1970-01-01T00:00:00.000000003Z", "line": "one \"more\""},
            {"ts": "1970-01-01T00:00:00.000000001Z", "line": "three"},
        ]);
        let first = json!({"labels": r#"{id="x", job="shop", level="error", pod="a", user="7"}"#, "entries": entries});
        assert_eq!(told(Encoding::Legacy)[0], first);
    }
}
