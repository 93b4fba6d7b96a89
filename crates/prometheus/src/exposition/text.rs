//! The text format, 0.0.4 and 1.0.0 (which only adds names in quotes).

use std::borrow::Cow;

use super::error::ParseError;
use super::labels;
use super::number;
use super::scan::{Cursor, unescaped};
use super::{Entry, Label, MetricType, Series, Source, Value};

pub struct Text<'a> {
    cursor: Cursor<'a>,
    found: Found,
    /// Of a series or a family.
    name: Cow<'a, str>,
    /// Of the last `# TYPE`.
    kind: MetricType,
    help: Cow<'a, str>,
    labels: Vec<Label<'a>>,
    value: f64,
    timestamp: Option<i64>,
}

enum Found {
    Type,
    Help,
    Series,
}

impl<'a> Text<'a> {
    pub fn new(body: &'a [u8]) -> Self {
        Self {
            cursor: Cursor::new(body),
            found: Found::Series,
            name: Cow::Borrowed(""),
            kind: MetricType::Unknown,
            help: Cow::Borrowed(""),
            labels: Vec::new(),
            value: 0.0,
            timestamp: None,
        }
    }

    /// What stands after `#`; whether it is metadata and no comment.
    fn metadata(&mut self) -> Result<bool, ParseError> {
        let cursor = &mut self.cursor;
        cursor.skip_blanks();
        let word = cursor.until(|byte| matches!(byte, b' ' | b'\t' | b'\n'));
        cursor.skip_blanks();
        // Clients in the wild write `# HELP` and nothing else.
        if !matches!(word, b"HELP" | b"TYPE") || cursor.is_at_line_end() {
            cursor.rest_of_line();
            return Ok(false);
        }
        self.name = match cursor.peek() {
            Some(b'"') => cursor.quoted("metric name")?,
            _ => Cow::Borrowed(cursor.name(true).ok_or_else(|| cursor.unexpected("expected metric name"))?),
        };
        cursor.skip_blanks();
        let start = cursor.position();
        let line = cursor.rest_of_line();
        let text = cursor.utf8(start, start + line.len())?;
        if word == b"HELP" {
            self.help = if text.contains('\\') { Cow::Owned(unescaped(text)) } else { Cow::Borrowed(text) };
            self.found = Found::Help;
            return Ok(true);
        }
        let wrong = || cursor.wrong_since(start, "invalid metric type");
        self.kind = kind(text.trim_end_matches([' ', '\t'])).ok_or_else(wrong)?;
        self.found = Found::Type;
        Ok(true)
    }

    fn series(&mut self) -> Result<(), ParseError> {
        let cursor = &mut self.cursor;
        let start = cursor.position();
        let mut name = cursor.name(true).map(Cow::Borrowed);
        if name.is_none() && cursor.peek() != Some(b'{') {
            return Err(cursor.unexpected("expected a valid start token"));
        }
        self.labels.clear();
        cursor.skip_blanks();
        if cursor.eat(b'{') {
            labels::read(cursor, |cursor| cursor.skip_blanks(), &mut name, &mut self.labels)?;
            cursor.skip_blanks();
        }
        self.name = name.ok_or_else(|| cursor.wrong_since(start, "metric name not set"))?;
        labels::normalize(self.kind, &mut self.labels);

        let at = cursor.position();
        cursor.until(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'{'));
        let value = number::float(cursor.utf8(at, cursor.position())?);
        self.value = value.ok_or_else(|| cursor.wrong_since(at, "expected value after metric"))?;
        cursor.skip_blanks();
        self.timestamp = None;
        if !cursor.is_at_line_end() {
            let at = cursor.position();
            cursor.until(|byte| matches!(byte, b' ' | b'\t' | b'\n'));
            let timestamp = cursor.utf8(at, cursor.position())?.parse();
            self.timestamp = Some(timestamp.map_err(|_| cursor.wrong_since(at, "expected timestamp or new record"))?);
            cursor.skip_blanks();
        }
        if !cursor.is_at_line_end() {
            return Err(cursor.unexpected("expected next entry after timestamp"));
        }
        self.found = Found::Series;
        Ok(())
    }
}

impl Source for Text<'_> {
    fn advance(&mut self) -> Result<bool, ParseError> {
        loop {
            match self.cursor.peek() {
                None => return Ok(false),
                Some(b'\n' | b' ' | b'\t') => self.cursor.bump(),
                Some(b'#') => {
                    self.cursor.bump();
                    if self.metadata()? {
                        return Ok(true);
                    }
                }
                Some(_) => {
                    self.series()?;
                    return Ok(true);
                }
            }
        }
    }

    fn entry(&self) -> Entry<'_> {
        match self.found {
            Found::Type => Entry::Type { family: &self.name, kind: self.kind },
            Found::Help => Entry::Help { family: &self.name, text: &self.help },
            Found::Series => Entry::Series(Series {
                name: &self.name,
                labels: &self.labels,
                value: Value::Float(self.value),
                timestamp: self.timestamp,
                start: None,
                exemplars: &[],
            }),
        }
    }
}

fn kind(word: &str) -> Option<MetricType> {
    Some(match word {
        "counter" => MetricType::Counter,
        "gauge" => MetricType::Gauge,
        "histogram" => MetricType::Histogram,
        "gaugehistogram" | "gauge_histogram" => MetricType::GaugeHistogram,
        "summary" => MetricType::Summary,
        "untyped" | "unknown" => MetricType::Unknown,
        _ => return None,
    })
}
