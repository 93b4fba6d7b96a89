//! What templates write and say, compared with Go's own: the lists in `tests/cases` hold what Go's `text/template` does, those of
//! functions with the standard library below them.
//!
//! A case is a template on a line, then indented the data as JSON, and what comes out: `= text` or `! error`. What has line ends or
//! spaces at its edges is a JSON string. In front of the data, `zero` or `error` is the option `missingkey`.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value as Json;
use trefoil_template::{Element, Fields, Map, MissingKey, Shape, Template, Text, Time, Value, functions};

/// 2023-11-14T22:13:20.123456789Z
const NOW: i64 = 1_700_000_000_123_456_789;

struct Case {
    template: String,
    missing: MissingKey,
    data: Json,
    expected: Result<String, String>,
}

fn plain(text: &str) -> String {
    if text.starts_with('"') { serde_json::from_str(text).unwrap_or_else(|_| text.to_owned()) } else { text.to_owned() }
}

fn cases(name: &str) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(name);
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with("# "));
    let mut cases = Vec::new();
    while let Some(template) = lines.next() {
        let data = lines.next().unwrap().trim_start();
        let (missing, data) = match data.split_once(' ') {
            Some(("zero", data)) => (MissingKey::Zero, data),
            Some(("error", data)) => (MissingKey::Error, data),
            _ => (MissingKey::Invalid, data),
        };
        let outcome = lines.next().unwrap().trim_start();
        let expected = match outcome.split_at(1) {
            ("=", text) => Ok(plain(text.strip_prefix(' ').unwrap_or(text))),
            ("!", text) => Err(plain(text.strip_prefix(' ').unwrap_or(text))),
            _ => panic!("{template}: {outcome}"),
        };
        let data = serde_json::from_str(data).unwrap_or_else(|error| panic!("{template}: {data}: {error}"));
        cases.push(Case { template: plain(template), missing, data, expected });
    }
    cases
}

/// Unlike JSON's own, with integers.
fn value(json: &Json) -> Value<'static> {
    match json {
        Json::Number(number) => match number.as_i64() {
            Some(integer) => Value::Int(integer),
            None => Value::Float(number.as_f64().unwrap()),
        },
        Json::Array(items) => Value::list(items.iter().map(value).collect()),
        Json::Object(members) => Value::map(entries(members)),
        other => other.clone().into(),
    }
}

fn entries(members: &serde_json::Map<String, Json>) -> BTreeMap<Text<'static>, Value<'static>> {
    members.iter().map(|(name, member)| (Text::from(name.clone()), value(member))).collect()
}

/// A map of nothing but texts is one of texts.
fn shape(members: &serde_json::Map<String, Json>) -> Shape {
    if !members.is_empty() && members.values().all(Json::is_string) { Shape::Texts } else { Shape::Values }
}

/// The data of a line.
struct Line<'a>(&'a serde_json::Map<String, Json>);

impl Fields for Line<'_> {
    fn shape(&self) -> Shape {
        shape(self.0)
    }

    fn get(&self, name: &str) -> Option<Value<'_>> {
        self.0.get(name).map(value)
    }

    fn entries(&self) -> Vec<(Text<'_>, Value<'_>)> {
        self.0.iter().map(|(name, member)| (Text::from(&**name), value(member))).collect()
    }

    fn given(&self, function: &str) -> Option<Value<'_>> {
        match function {
            "__line__" => Some("the line".into()),
            "__timestamp__" => Some(Time::from_nanoseconds(NOW).into()),
            _ => None,
        }
    }
}

fn executed(case: &Case, data: Value<'_>) -> Result<String, String> {
    let template = Template::parse("t", &case.template, functions::loki()).map_err(|error| error.to_string())?;
    let template = template.with_missing_key(case.missing);
    let mut output = String::new();
    template.execute(data, NOW, &mut output).map_err(|error| error.to_string())?;
    Ok(output)
}

fn check(name: &str, least: usize) {
    let cases = cases(name);
    assert!(cases.len() >= least, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let mut outcomes = Vec::new();
        match &case.data {
            Json::Object(members) => {
                outcomes.push(executed(case, (&Line(members)).into()));
                // Functions that ask the data for more than its fields need the line.
                if !case.template.contains("__") {
                    let of = if shape(members) == Shape::Texts { Element::Text } else { Element::Any };
                    outcomes.push(executed(case, Value::Map(Map { of, entries: entries(members).into() })));
                }
            }
            other => outcomes.push(executed(case, value(other))),
        }
        for outcome in outcomes {
            if outcome != case.expected {
                wrong.push(format!("{}\n  expected {:?}\n  found    {outcome:?}", case.template, case.expected));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn the_language_is_that_of_go() {
    check("language.txt", 200);
}

#[test]
fn what_is_wrong_is_said_as_go_does() {
    check("errors.txt", 100);
}

#[test]
fn printf_writes_as_go_does() {
    check("printf.txt", 150);
}

#[test]
fn functions_do_what_those_of_loki_do() {
    check("functions.txt", 200);
}
