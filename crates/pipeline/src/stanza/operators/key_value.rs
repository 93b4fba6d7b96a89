//! `key_value_parser`: `name=value other="a b"`.

use serde::Deserialize;

use crate::config::ConfigError;
use crate::stanza::config::Options;
use crate::stanza::value::{Map, Value};

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeyValue {
    delimiter: String,
    pair_delimiter: String,
}

impl Default for KeyValue {
    fn default() -> Self {
        Self { delimiter: "=".to_owned(), pair_delimiter: " ".to_owned() }
    }
}

impl KeyValue {
    pub fn parse(self, options: &Options<'_>) -> Result<Self, ConfigError> {
        for (option, value) in [("delimiter", &self.delimiter), ("pair_delimiter", &self.pair_delimiter)] {
            if value.is_empty() {
                return Err(options.invalid(option, "must not be empty"));
            }
        }
        if self.delimiter == self.pair_delimiter {
            return Err(options.invalid("pair_delimiter", "must be another one than `delimiter`"));
        }
        Ok(self)
    }

    pub fn read(&self, text: &str) -> Result<Map, String> {
        if text.is_empty() {
            return Err("there is nothing to parse".to_owned());
        }
        let mut map = Map::new();
        for pair in pairs(text, &self.pair_delimiter)? {
            let (key, value) = pair
                .split_once(&self.delimiter)
                .ok_or_else(|| format!("`{pair}` has no `{}` between a name and a value", self.delimiter))?;
            map.insert(plain(key).to_owned(), Value::from(plain(value)));
        }
        Ok(map)
    }
}

/// Without spaces and quotes around it.
fn plain(text: &str) -> &str {
    text.trim().trim_matches(['"', '\''])
}

/// Cut at the delimiter, but not inside of quotes.
fn pairs<'a>(text: &'a str, delimiter: &str) -> Result<Vec<&'a str>, String> {
    let mut pairs = Vec::new();
    let (mut begin, mut at, mut quote) = (0, 0, None);
    while let Some(character) = text[at..].chars().next() {
        match quote {
            Some(open) if character == open => quote = None,
            Some(_) => {}
            None if text[at..].starts_with(delimiter) => {
                pairs.push(&text[begin..at]);
                at += delimiter.len();
                begin = at;
                continue;
            }
            None if matches!(character, '"' | '\'') => quote = Some(character),
            None => {}
        }
        at += character.len_utf8();
    }
    if quote.is_some() {
        return Err("a quote is not closed".to_owned());
    }
    pairs.push(&text[begin..]);
    pairs.retain(|pair| !pair.trim().is_empty());
    Ok(pairs)
}
