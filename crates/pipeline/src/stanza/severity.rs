//! Severities: their names, and what of a log says which one it is.

use std::collections::HashMap;

use serde::Deserialize;

use super::entry::Entry;
use super::field::Field;
use super::value::{Map, Value};

/// Names of the severities 1 to 24 in groups of four: `trace`, `trace2`, …
const GROUPS: [&str; 6] = ["trace", "debug", "info", "warn", "error", "fatal"];
/// A range of the mapping that is longer is no list of status codes any more.
const LONGEST_RANGE: i64 = 100_000;

/// The block `severity` of a parser, and the operator `severity_parser`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeverityConfig {
    parse_from: Field,
    #[serde(default)]
    preset: Preset,
    #[serde(default)]
    mapping: Mapping,
    /// Whether the text becomes the severity's own name.
    #[serde(default)]
    overwrite_text: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Preset {
    #[default]
    Default,
    Otel,
    Aliases,
    None,
}

/// What stands for which severity, in lower case.
#[derive(Debug, Clone, Default)]
struct Mapping(HashMap<String, i32>);

impl<'de> Deserialize<'de> for Mapping {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = match Value::deserialize(deserializer)? {
            Value::Map(names) => names,
            Value::Null => Map::new(),
            other => return Err(serde::de::Error::custom(format!("expected a mapping, found {}", other.kind()))),
        };
        mapping(names).map(Mapping).map_err(serde::de::Error::custom)
    }
}

fn mapping(names: Map) -> Result<HashMap<String, i32>, String> {
    let mut result = HashMap::new();
    for (name, values) in names {
        let severity = number_of(&name.to_lowercase()).ok_or_else(|| {
            format!("`{name}` is no severity; known are {}, each also with 2, 3 or 4", GROUPS.join(", "))
        })?;
        let values = match values {
            Value::List(values) => values,
            value => vec![value],
        };
        for value in values {
            let texts = texts(&value).map_err(|reason| format!("{name}: {reason}"))?;
            result.extend(texts.into_iter().map(|text| (text, severity)));
        }
    }
    Ok(result)
}

/// All that a member of the mapping stands for.
fn texts(value: &Value) -> Result<Vec<String>, String> {
    match value {
        Value::Int(number) => Ok(vec![number.to_string()]),
        Value::String(text) => match text.as_str() {
            "2xx" => range(200, 299),
            "3xx" => range(300, 399),
            "4xx" => range(400, 499),
            "5xx" => range(500, 599),
            other => Ok(vec![other.to_lowercase()]),
        },
        Value::Map(map) => match (map.get("min"), map.get("max"), map.len()) {
            (Some(Value::Int(min)), Some(Value::Int(max)), 2) => range(*min.min(max), *min.max(max)),
            _ => Err("a range has the whole numbers `min` and `max`, and nothing else".to_owned()),
        },
        other => Err(format!("{} stands for no severity", other.kind())),
    }
}

fn range(min: i64, max: i64) -> Result<Vec<String>, String> {
    if max.saturating_sub(min) >= LONGEST_RANGE {
        return Err(format!("a range has at most {LONGEST_RANGE} numbers"));
    }
    Ok((min..=max).map(|number| number.to_string()).collect())
}

fn number_of(name: &str) -> Option<i32> {
    if let Ok(number @ 1..=24) = name.parse() {
        return Some(number);
    }
    let (group, step) = match name.as_bytes().last() {
        Some(b'2') => (&name[..name.len() - 1], 1),
        Some(b'3') => (&name[..name.len() - 1], 2),
        Some(b'4') => (&name[..name.len() - 1], 3),
        _ => (name, 0),
    };
    let place = GROUPS.iter().position(|known| *known == group)?;
    Some(place as i32 * 4 + 1 + step)
}

/// As OpenTelemetry writes it: `INFO`, `WARN2`; empty for 0.
pub fn name_of(severity: i32) -> String {
    let Ok(place @ 0..24) = usize::try_from(severity - 1) else { return String::new() };
    let group = GROUPS[place / 4].to_uppercase();
    match place % 4 {
        0 => group,
        step => format!("{group}{}", step + 1),
    }
}

impl SeverityConfig {
    /// Reads the severity; the error says why there is none.
    pub fn parse(&self, entry: &mut Entry) -> Result<(), String> {
        let value = self
            .parse_from
            .get(entry)
            .ok_or_else(|| format!("there is no {} to read a severity from", self.parse_from))?;
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Value::Int(number) => number.to_string(),
            Value::Double(number) if number.fract() == 0.0 && number.abs() < 1e15 => (*number as i64).to_string(),
            Value::Double(_) => return Err("a number is a severity only if it is a whole one".to_owned()),
            other => return Err(format!("{} is no severity", other.kind())),
        };
        let severity = self.find(&text.to_lowercase());
        entry.severity = severity;
        entry.severity_text = match self.overwrite_text && severity != 0 {
            true => name_of(severity),
            false => text,
        };
        Ok(())
    }

    /// 0 for what is not known.
    fn find(&self, text: &str) -> i32 {
        if let Some(severity) = self.mapping.0.get(text) {
            return *severity;
        }
        if self.preset == Preset::None {
            return 0;
        }
        if self.preset == Preset::Default {
            for (other, group) in [("warning", "warn"), ("err", "error")] {
                let step = text.strip_prefix(other).filter(|step| matches!(*step, "" | "2" | "3" | "4"));
                if let Some(step) = step {
                    return number_of(&format!("{group}{step}")).unwrap_or_default();
                }
            }
        }
        number_of(text).unwrap_or_default()
    }
}
