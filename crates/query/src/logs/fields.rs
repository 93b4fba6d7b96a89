//! Fields that lines have although nobody said so: found in some of the newest ones.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use trefoil_lines::logfmt::{self, Options};
use trefoil_lines::{Wanted, sanitised, units};
use trefoil_model::Tenants;

use super::lines::{FoundLine, LinesRequest};
use crate::{Engine, Limits, QueryError};

/// Values of a field that are told apart.
const MOST_VALUES: usize = 1_000;
/// How deep objects are looked into.
const DEEPEST: usize = 32;

/// What the values of a field are, all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldType {
    String,
    Int,
    Float,
    Boolean,
    Duration,
    Bytes,
}

/// Which stage finds a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FieldParser {
    Json,
    Logfmt,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetectedField {
    /// As a stage calls it.
    pub label: String,
    pub field_type: FieldType,
    /// Different values, sorted; a thousand at most.
    pub values: BTreeSet<String>,
    /// None for structured metadata, which is there without any.
    pub parsers: BTreeSet<FieldParser>,
    /// The keys that lead to it in an object of JSON.
    pub json_path: Vec<String>,
}

#[derive(Default)]
struct Seen {
    values: BTreeSet<String>,
    parsers: BTreeSet<FieldParser>,
    json_path: Vec<String>,
}

impl Engine {
    /// The fields of lines that a request finds, by their labels; no more than `most`.
    pub async fn log_fields(
        &self,
        tenants: impl Into<Tenants>,
        request: &LinesRequest,
        most: usize,
        limits: Limits,
    ) -> Result<Vec<DetectedField>, QueryError> {
        let found = self.log_lines(tenants, request, limits).await?;
        Ok(fields(&found.lines, most))
    }
}

fn fields(lines: &[FoundLine], most: usize) -> Vec<DetectedField> {
    let mut seen = BTreeMap::new();
    for line in lines {
        for (name, value) in line.metadata.iter().chain(&line.parsed) {
            note(&mut seen, most, name, value, None, &[]);
        }
        of_line(&line.line, &mut seen, most);
    }
    seen.into_iter()
        .map(|(label, Seen { values, parsers, json_path })| {
            let field_type = type_of(&values);
            DetectedField { label, field_type, values, parsers, json_path }
        })
        .collect()
}

/// JSON if it is an object, else logfmt.
fn of_line(line: &str, seen: &mut BTreeMap<String, Seen>, most: usize) {
    match serde_json::from_str::<Value>(line) {
        Ok(Value::Object(members)) => {
            let mut path = Vec::new();
            for (key, value) in &members {
                of_json(key, value, &mut path, seen, most);
            }
        }
        _ => {
            // What is malformed is left out.
            let _ = logfmt::fields(line, Options::default(), Wanted::All, |name, value| {
                note(seen, most, name, &value, Some(FieldParser::Logfmt), &[]);
            });
        }
    }
}

fn of_json(key: &str, value: &Value, path: &mut Vec<String>, seen: &mut BTreeMap<String, Seen>, most: usize) {
    path.push(key.to_owned());
    match value {
        Value::Object(members) if path.len() < DEEPEST => {
            members.iter().for_each(|(key, value)| of_json(key, value, path, seen, most));
        }
        Value::Object(_) | Value::Array(_) | Value::Null => {}
        value => {
            let name = path.iter().map(|key| sanitised(key)).collect::<Vec<_>>().join("_");
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            note(seen, most, &name, &text, Some(FieldParser::Json), path);
        }
    }
    path.pop();
}

fn note(
    seen: &mut BTreeMap<String, Seen>,
    most: usize,
    name: &str,
    value: &str,
    parser: Option<FieldParser>,
    path: &[String],
) {
    if name.is_empty() || (!seen.contains_key(name) && seen.len() >= most) {
        return;
    }
    let field = seen.entry(name.to_owned()).or_default();
    if field.values.len() < MOST_VALUES {
        field.values.insert(value.to_owned());
    }
    field.parsers.extend(parser);
    if field.json_path.is_empty() {
        field.json_path = path.to_vec();
    }
}

fn type_of(values: &BTreeSet<String>) -> FieldType {
    let all = |is: fn(&str) -> bool| !values.is_empty() && values.iter().all(|value| is(value));
    match () {
        () if all(|value| value.parse::<i64>().is_ok()) => FieldType::Int,
        () if all(|value| value.parse::<f64>().is_ok()) => FieldType::Float,
        () if all(|value| matches!(value, "true" | "false")) => FieldType::Boolean,
        () if all(|value| units::duration(value).is_some()) => FieldType::Duration,
        () if all(|value| units::bytes(value).is_some()) => FieldType::Bytes,
        () => FieldType::String,
    }
}

#[cfg(test)]
mod tests {
    use trefoil_promql::labels::Labels;

    use super::*;

    fn line(text: &str, metadata: &[(&str, &str)]) -> FoundLine {
        let metadata = metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        FoundLine { time: 0, line: text.to_owned(), stream: Labels::default(), metadata, parsed: Vec::new() }
    }

    fn told(lines: &[FoundLine], most: usize) -> Vec<String> {
        let tell = |field: DetectedField| {
            let (values, path) = (field.values.len(), field.json_path.join("."));
            format!("{} {:?} {values} {:?} {path}", field.label, field.field_type, field.parsers)
        };
        fields(lines, most).into_iter().map(tell).collect()
    }

    #[test]
    fn fields_have_types_and_ways_to_them() {
        let lines = [
            line(
                r#"{"level":"error","took":1.5,"n":1,"http":{"status.code":200},"list":[1],"none":null}"#,
                &[("trace", "a")],
            ),
            line(r#"{"level":"info","took":2,"n":2,"ok":true}"#, &[("trace", "b")]),
            line(r#"level=warn dur=5ms size="2 KB" n=x"#, &[]),
        ];
        assert_eq!(
            told(&lines, 100),
            [
                "dur Duration 1 {Logfmt} ",
                "http_status_code Int 1 {Json} http.status.code",
                "level String 3 {Json, Logfmt} level",
                "n String 3 {Json, Logfmt} n",
                "ok Boolean 1 {Json} ok",
                "size Bytes 1 {Logfmt} ",
                "took Float 2 {Json} took",
                "trace String 2 {} ",
            ]
        );
        assert_eq!(told(&lines, 2).len(), 2);
    }
}
