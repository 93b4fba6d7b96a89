//! `json_parser`.

use serde::Deserialize;

use crate::stanza::value::{Map, Value, object};

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Json {
    /// Whether whole numbers stay what they are; else every number is a double, as in the Collector.
    parse_ints: bool,
}

impl Json {
    pub fn read(&self, text: &str) -> Result<Map, String> {
        let map = object(text)?;
        match self.parse_ints {
            true => Ok(map),
            false => Ok(map.into_iter().map(|(key, value)| (key, Value::with_doubles(value))).collect()),
        }
    }
}
