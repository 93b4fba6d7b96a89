//! `csv_parser`.

use serde::Deserialize;

use crate::config::ConfigError;
use crate::stanza::config::Options;
use crate::stanza::entry::Entry;
use crate::stanza::value::{Map, Value};

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Csv {
    header: String,
    /// An attribute that has the header instead.
    header_attribute: String,
    delimiter: String,
    header_delimiter: Option<String>,
    /// Whether a quote may stand inside of a field.
    lazy_quotes: bool,
    /// Whether quotes mean nothing.
    ignore_quotes: bool,
}

impl Default for Csv {
    fn default() -> Self {
        Self {
            header: String::new(),
            header_attribute: String::new(),
            delimiter: ",".to_owned(),
            header_delimiter: None,
            lazy_quotes: false,
            ignore_quotes: false,
        }
    }
}

impl Csv {
    pub fn parse(self, options: &Options<'_>) -> Result<Self, ConfigError> {
        if self.header.is_empty() == self.header_attribute.is_empty() {
            return Err(options.invalid("header", "one of `header` and `header_attribute` is needed, and only one"));
        }
        if self.lazy_quotes && self.ignore_quotes {
            return Err(options.invalid("ignore_quotes", "`lazy_quotes` and `ignore_quotes` exclude each other"));
        }
        let delimiters = [("delimiter", Some(&self.delimiter)), ("header_delimiter", self.header_delimiter.as_ref())];
        for (option, delimiter) in delimiters {
            if delimiter.is_some_and(|delimiter| delimiter.chars().count() != 1) {
                return Err(options.invalid(option, "must be one character"));
            }
        }
        if !self.header.is_empty() && !self.header.contains(self.header_delimiter()) {
            let reason = format!("there is no `{}` in the header", self.header_delimiter());
            return Err(options.invalid("header", reason));
        }
        Ok(self)
    }

    fn header_delimiter(&self) -> &str {
        self.header_delimiter.as_deref().unwrap_or(&self.delimiter)
    }

    pub fn read(&self, text: &str, entry: &Entry) -> Result<Map, String> {
        let header = match self.header.as_str() {
            "" => entry.attributes.as_map().and_then(|attributes| attributes.get(&self.header_attribute)),
            _ => None,
        };
        let header = match (header, self.header.is_empty()) {
            (_, false) => self.header.as_str(),
            (Some(Value::String(header)), true) => header,
            _ => return Err(format!("there is no text attributes.{} with the header", self.header_attribute)),
        };
        let names: Vec<&str> = header.split(self.header_delimiter()).collect();
        let delimiter = self.delimiter.chars().next().unwrap_or(',');
        let fields = match self.ignore_quotes {
            true => text.split(delimiter).map(str::to_owned).collect(),
            false => fields(text, delimiter, self.lazy_quotes)?,
        };
        if fields.len() != names.len() {
            return Err(format!("there are {} fields where the header has {}", fields.len(), names.len()));
        }
        Ok(names.into_iter().map(str::to_owned).zip(fields.into_iter().map(Value::String)).collect())
    }
}

/// RFC 4180, one record; line ends may stand in quotes.
fn fields(text: &str, delimiter: char, lazy: bool) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let mut field = String::new();
        match rest.strip_prefix('"') {
            Some(quoted) => rest = quoted_field(quoted, delimiter, lazy, &mut field)?,
            None => {
                let end = rest.find(delimiter).unwrap_or(rest.len());
                if rest[..end].contains('"') && !lazy {
                    return Err("a quote stands inside of a field that is not quoted".to_owned());
                }
                field.push_str(&rest[..end]);
                rest = &rest[end..];
            }
        }
        fields.push(field);
        match rest.strip_prefix(delimiter) {
            Some(next) => rest = next,
            None => return Ok(fields),
        }
    }
}

/// Behind the opening quote; gives what follows the closing one.
fn quoted_field<'a>(text: &'a str, delimiter: char, lazy: bool, field: &mut String) -> Result<&'a str, String> {
    let mut rest = text;
    loop {
        let end = match rest.find('"') {
            Some(end) => end,
            None if lazy => {
                field.push_str(rest);
                return Ok("");
            }
            None => return Err("a quote is not closed".to_owned()),
        };
        field.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        if let Some(next) = rest.strip_prefix('"') {
            field.push('"');
            rest = next;
        } else if rest.is_empty() || rest.starts_with(delimiter) {
            return Ok(rest);
        } else if lazy {
            field.push('"');
        } else {
            return Err("something stands between a closing quote and the delimiter".to_owned());
        }
    }
}
