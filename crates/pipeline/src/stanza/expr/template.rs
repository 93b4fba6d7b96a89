//! Text with expressions in it: `service-EXPR(attributes.name)`.

use serde::{Deserialize, Deserializer};

use super::Program;
use crate::stanza::entry::Entry;
use crate::stanza::value::{Value, from_text};

const BEGIN: &str = "EXPR(";

#[derive(Debug, Clone)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Program(Program),
}

impl Template {
    /// An expression ends at the last bracket before the next one, so that it can hold brackets itself.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(begin) = rest.find(BEGIN) {
            let inside = &rest[begin + BEGIN.len()..];
            let reach = inside.find(BEGIN).unwrap_or(inside.len());
            let Some(end) = inside[..reach].rfind(')') else { break };
            parts.push(Part::Text(rest[..begin].to_owned()));
            parts.push(Part::Program(Program::parse(&inside[..end])?));
            rest = &inside[end + 1..];
        }
        parts.push(Part::Text(rest.to_owned()));
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        Ok(Self(parts))
    }

    /// One expression alone gives its value, of any type; anything else is a text, and what is in it has to be one.
    pub fn value(&self, entry: &Entry) -> Result<Value, String> {
        if let [Part::Program(program)] = self.0.as_slice() {
            return program.evaluate(entry);
        }
        self.text(entry).map(Value::String)
    }

    pub fn text(&self, entry: &Entry) -> Result<String, String> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Program(program) => match program.evaluate(entry)? {
                    Value::String(value) => text.push_str(&value),
                    other => return Err(format!("EXPR gives {} where a string is needed", other.kind())),
                },
            }
        }
        Ok(text)
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer, Template::parse)
    }
}
