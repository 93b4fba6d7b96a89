//! OpenMetrics' text, 0.0.1 and 1.0.0: one blank between tokens, times in seconds, exemplars, units, `# EOF`.

use std::borrow::Cow;

use super::created::Starts;
use super::error::ParseError;
use super::labels;
use super::number;
use super::scan::{Cursor, unescaped};
use super::{Created, Entry, Exemplar, Label, MetricType, Series, Source, Value};

pub struct OpenMetrics<'a> {
    cursor: Cursor<'a>,
    found: Found,
    /// The family that `# TYPE`, `# HELP` or `# UNIT` named last.
    family: Cow<'a, str>,
    kind: MetricType,
    /// Of `# HELP` and `# UNIT`.
    text: Cow<'a, str>,
    line: Line<'a>,
    /// `None` where `_created` is a series like others.
    starts: Option<Starts<'a>>,
    start: Option<i64>,
}

enum Found {
    Type,
    Help,
    Unit,
    Series,
}

/// One line of a series.
#[derive(Default)]
pub struct Line<'a> {
    pub name: Cow<'a, str>,
    pub labels: Vec<Label<'a>>,
    pub value: f64,
    pub timestamp: Option<i64>,
    pub exemplars: Vec<Exemplar<'a>>,
}

impl<'a> OpenMetrics<'a> {
    pub fn new(body: &'a [u8], created: Created) -> Self {
        Self {
            cursor: Cursor::new(body),
            found: Found::Series,
            family: Cow::Borrowed(""),
            kind: MetricType::Unknown,
            text: Cow::Borrowed(""),
            line: Line::default(),
            starts: (created == Created::AsStart).then(Starts::default),
            start: None,
        }
    }

    /// What stands after `# `; `false` for the end.
    fn metadata(&mut self) -> Result<bool, ParseError> {
        let cursor = &mut self.cursor;
        if cursor.eat_all(b"EOF") {
            cursor.eat(b'\n');
            return match cursor.peek() {
                None => Ok(false),
                Some(_) => Err(cursor.unexpected("unexpected data after # EOF")),
            };
        }
        let found = match () {
            () if cursor.eat_all(b"TYPE ") => Found::Type,
            () if cursor.eat_all(b"HELP ") => Found::Help,
            () if cursor.eat_all(b"UNIT ") => Found::Unit,
            () => return Err(cursor.unexpected("expected a valid start token")),
        };
        let family = match cursor.peek() {
            Some(b'"') => cursor.quoted("metric name")?,
            _ => Cow::Borrowed(cursor.name(true).ok_or_else(|| cursor.unexpected("expected metric name"))?),
        };
        if family != self.family {
            self.kind = MetricType::Unknown;
            self.family = family;
            if let Some(starts) = &mut self.starts {
                starts.forget();
            }
        }
        if !cursor.eat(b' ') && !cursor.is_at_line_end() {
            return Err(cursor.unexpected("expected a blank after the metric name"));
        }
        let start = cursor.position();
        let line = cursor.rest_of_line();
        let text = cursor.utf8(start, start + line.len())?;
        match found {
            Found::Type => {
                self.kind = kind(text).ok_or_else(|| cursor.wrong_since(start, "invalid metric type"))?;
            }
            Found::Unit if !is_unit_of(text, &self.family) => {
                let problem = format!("unit {text:?} not a suffix of metric {:?}", self.family);
                return Err(cursor.wrong_since(start, problem));
            }
            _ if text.contains('\\') => self.text = Cow::Owned(unescaped(text)),
            _ => self.text = Cow::Borrowed(text),
        }
        self.found = found;
        Ok(true)
    }

    /// Whether there is a line to give.
    fn series(&mut self) -> Result<bool, ParseError> {
        self.line.read(&mut self.cursor, self.kind)?;
        self.found = Found::Series;
        let Some(starts) = &mut self.starts else { return Ok(true) };
        if !matches!(self.kind, MetricType::Counter | MetricType::Histogram | MetricType::Summary) {
            self.start = None;
            return Ok(true);
        }
        if starts.is_created(&self.family, &self.line) {
            starts.remember(&self.line);
            return Ok(false);
        }
        self.start = starts.of(&self.family, self.kind, &self.line, &self.cursor);
        Ok(true)
    }
}

impl<'a> Line<'a> {
    /// Reads a whole line, newline included.
    pub fn read(&mut self, cursor: &mut Cursor<'a>, kind: MetricType) -> Result<(), ParseError> {
        let start = cursor.position();
        self.labels.clear();
        self.exemplars.clear();
        let mut name = cursor.name(true).map(Cow::Borrowed);
        if name.is_none() && cursor.peek() != Some(b'{') {
            return Err(cursor.unexpected("expected a valid start token"));
        }
        if cursor.eat(b'{') {
            labels::read(cursor, |_| (), &mut name, &mut self.labels)?;
        }
        self.name = name.ok_or_else(|| cursor.wrong_since(start, "metric name not set"))?;
        labels::normalize(kind, &mut self.labels);
        self.value = float(cursor, "expected value after metric")?;
        self.timestamp = None;
        if cursor.peek() == Some(b' ') && !cursor.clone().eat_all(b" # ") {
            self.timestamp = Some(time(cursor)?);
        }
        if cursor.eat_all(b" # ") {
            self.exemplars.push(exemplar(cursor)?);
        }
        match cursor.eat(b'\n') {
            true => Ok(()),
            false => Err(cursor.unexpected("expected a new line")),
        }
    }
}

impl Source for OpenMetrics<'_> {
    fn advance(&mut self) -> Result<bool, ParseError> {
        loop {
            if self.cursor.peek().is_none() {
                return Err(self.cursor.unexpected("data does not end with # EOF"));
            }
            if self.cursor.eat_all(b"# ") {
                return self.metadata();
            }
            if self.series()? {
                return Ok(true);
            }
        }
    }

    fn entry(&self) -> Entry<'_> {
        match self.found {
            Found::Type => Entry::Type { family: &self.family, kind: self.kind },
            Found::Help => Entry::Help { family: &self.family, text: &self.text },
            Found::Unit => Entry::Unit { family: &self.family, unit: &self.text },
            Found::Series => Entry::Series(Series {
                name: &self.line.name,
                labels: &self.line.labels,
                value: Value::Float(self.line.value),
                timestamp: self.line.timestamp,
                start: self.start,
                exemplars: &self.line.exemplars,
            }),
        }
    }
}

/// After `# `.
fn exemplar<'a>(cursor: &mut Cursor<'a>) -> Result<Exemplar<'a>, ParseError> {
    let start = cursor.position();
    if !cursor.eat(b'{') {
        return Err(cursor.unexpected("expected the labels of an exemplar"));
    }
    let (mut name, mut labels) = (None, Vec::new());
    labels::read(cursor, |_| (), &mut name, &mut labels)?;
    if name.is_some() {
        return Err(cursor.wrong_since(start, "expected equal after each label name of an exemplar"));
    }
    let value = float(cursor, "expected the value of an exemplar")?;
    let timestamp = if cursor.peek() == Some(b' ') { Some(time(cursor)?) } else { None };
    Ok(Exemplar { labels, value, timestamp })
}

/// A blank and a number.
fn float(cursor: &mut Cursor<'_>, expected: &'static str) -> Result<f64, ParseError> {
    if !cursor.eat(b' ') {
        return Err(cursor.unexpected(expected));
    }
    let start = cursor.position();
    cursor.until(|byte| matches!(byte, b' ' | b'\n'));
    number::float(cursor.utf8(start, cursor.position())?).ok_or_else(|| cursor.wrong_since(start, expected))
}

/// A blank and seconds, as milliseconds.
fn time(cursor: &mut Cursor<'_>) -> Result<i64, ParseError> {
    let start = cursor.position();
    let seconds = float(cursor, "expected a timestamp in seconds")?;
    number::milliseconds(seconds).ok_or_else(|| cursor.wrong_since(start, "invalid timestamp"))
}

fn is_unit_of(unit: &str, family: &str) -> bool {
    unit.is_empty() || family.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_'))
}

fn kind(word: &str) -> Option<MetricType> {
    Some(match word {
        "counter" => MetricType::Counter,
        "gauge" => MetricType::Gauge,
        "histogram" => MetricType::Histogram,
        "gaugehistogram" => MetricType::GaugeHistogram,
        "summary" => MetricType::Summary,
        "info" => MetricType::Info,
        "stateset" => MetricType::StateSet,
        "unknown" => MetricType::Unknown,
        _ => return None,
    })
}
