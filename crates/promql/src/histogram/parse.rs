//! Reading the notation of Prometheus' tests for histograms.

use thiserror::Error;

use super::{CounterResetHint, FloatHistogram, Span};

/// A text is no histogram.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message} (byte {offset})")]
pub struct NotationError {
    /// Bytes from the start of the text.
    pub offset: usize,
    pub message: String,
}

/// What a text began with.
#[derive(Debug, Clone, PartialEq)]
pub struct ParsedHistogram {
    pub histogram: FloatHistogram,
    /// Bytes up to and with `}}`.
    pub length: usize,
    /// The text says `counter_reset_hint`, be it unknown: a test that expects this histogram expects the hint, too.
    pub has_counter_reset_hint: bool,
}

/// The keys, once each.
const KEYS: [&str; 11] = [
    "schema",
    "sum",
    "count",
    "z_bucket",
    "z_bucket_w",
    "custom_values",
    "buckets",
    "offset",
    "n_buckets",
    "n_offset",
    "counter_reset_hint",
];

struct Scanner<'a> {
    text: &'a str,
    offset: usize,
}

impl<'a> Scanner<'a> {
    fn error<T>(&self, message: impl Into<String>) -> Result<T, NotationError> {
        Err(NotationError { offset: self.offset, message: message.into() })
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.offset..).unwrap_or_default()
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.offset += token.len();
        }
        found
    }

    fn expect(&mut self, token: &str) -> Result<(), NotationError> {
        if self.eat(token) { Ok(()) } else { self.error(format!("expected {token:?} in histogram")) }
    }

    fn skip_spaces(&mut self) {
        let rest = self.rest();
        self.offset += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    fn take(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let word = rest.find(|c| !belongs(c)).and_then(|end| rest.get(..end)).unwrap_or(rest);
        self.offset += word.len();
        word
    }

    fn number(&mut self) -> Result<f64, NotationError> {
        let start = self.offset;
        let word = self.take(|c| c.is_ascii_alphanumeric() || ['+', '-', '.', '_'].contains(&c));
        let unsigned = word.trim_start_matches(['+', '-']);
        let hexadecimal = unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X"));
        let value = match hexadecimal {
            Some(digits) => i64::from_str_radix(digits, 16).ok().map(|value| value as f64),
            None => unsigned.parse::<f64>().ok(),
        };
        match value {
            Some(value) if word.len() - unsigned.len() <= 1 => Ok(if word.starts_with('-') { -value } else { value }),
            _ => {
                self.offset = start;
                self.error(format!("error parsing number: {word:?}"))
            }
        }
    }

    fn integer(&mut self) -> Result<i32, NotationError> {
        let start = self.offset;
        let word = self.take(|c| c.is_ascii_digit() || c == '-');
        match word.parse() {
            Ok(value) => Ok(value),
            Err(_) => {
                self.offset = start;
                self.error(format!("error parsing integer: {word:?}"))
            }
        }
    }

    fn numbers(&mut self) -> Result<Vec<f64>, NotationError> {
        self.expect("[")?;
        let mut numbers = Vec::new();
        loop {
            self.skip_spaces();
            if self.eat("]") {
                return Ok(numbers);
            }
            numbers.push(self.number()?);
        }
    }

    fn hint(&mut self) -> Result<CounterResetHint, NotationError> {
        let start = self.offset;
        match self.take(|c| c.is_ascii_alphabetic() || c == '_').to_ascii_lowercase().as_str() {
            "unknown" => Ok(CounterResetHint::Unknown),
            "reset" => Ok(CounterResetHint::CounterReset),
            "not_reset" => Ok(CounterResetHint::NotCounterReset),
            "gauge" => Ok(CounterResetHint::Gauge),
            other => {
                self.offset = start;
                self.error(format!("error parsing counter_reset_hint: unknown value {other:?}"))
            }
        }
    }

    /// One of the keys, in any case, and the colon.
    fn key(&mut self, seen: &mut Vec<&'static str>) -> Result<&'static str, NotationError> {
        let start = self.offset;
        let word = self.take(|c| c.is_ascii_alphabetic() || c == '_');
        let Some(key) = KEYS.into_iter().find(|key| key.eq_ignore_ascii_case(word)) else {
            self.offset = start;
            return self.error(format!("bad histogram descriptor found: {word:?}"));
        };
        if seen.contains(&key) {
            self.offset = start;
            return self.error(format!("duplicate key \"{key}\" in histogram"));
        }
        if !self.eat(":") {
            return self.error("missing `:` for histogram descriptor");
        }
        seen.push(key);
        Ok(key)
    }
}

fn spans(offset: i32, counts: &[f64]) -> Vec<Span> {
    if counts.is_empty() { Vec::new() } else { vec![Span { offset, length: counts.len() as u32 }] }
}

impl FloatHistogram {
    /// Reads a histogram at the start of a text:
    ///
    /// ```text
    /// {{schema:1 sum:-0.3 count:3.1 z_bucket:7.1 z_bucket_w:0.05 buckets:[5.1 10 7] offset:-3 n_buckets:[4.1 5]
    ///   n_offset:-5 counter_reset_hint:gauge}}
    /// {{schema:-53 sum:1 count:5 custom_values:[5 10] buckets:[1 4]}}
    /// ```
    ///
    /// All is optional, in any order. Nothing says that the numbers fit together; see [`FloatHistogram::validate`].
    pub fn parse(text: &str) -> Result<ParsedHistogram, NotationError> {
        let mut scanner = Scanner { text, offset: 0 };
        let mut histogram = Self::default();
        let mut seen = Vec::new();
        let (mut offset, mut negative_offset) = (0, 0);
        scanner.expect("{{")?;
        loop {
            scanner.skip_spaces();
            if scanner.eat("}}") {
                break;
            }
            match scanner.key(&mut seen)? {
                "schema" => histogram.schema = scanner.integer()?,
                "sum" => histogram.sum = scanner.number()?,
                "count" => histogram.count = scanner.number()?,
                "z_bucket" => histogram.zero_count = scanner.number()?,
                "z_bucket_w" => histogram.zero_threshold = scanner.number()?,
                "custom_values" => histogram.custom_values = scanner.numbers()?,
                "buckets" => histogram.positive_buckets = scanner.numbers()?,
                "offset" => offset = scanner.integer()?,
                "n_buckets" => histogram.negative_buckets = scanner.numbers()?,
                "n_offset" => negative_offset = scanner.integer()?,
                _ => histogram.counter_reset_hint = scanner.hint()?,
            }
        }
        histogram.positive_spans = spans(offset, &histogram.positive_buckets);
        histogram.negative_spans = spans(negative_offset, &histogram.negative_buckets);
        let has_counter_reset_hint = seen.contains(&"counter_reset_hint");
        Ok(ParsedHistogram { histogram, length: scanner.offset, has_counter_reset_hint })
    }
}

#[cfg(test)]
mod tests {
    use super::super::CUSTOM_BUCKETS_SCHEMA;
    use super::*;

    #[test]
    fn all_keys_are_read() {
        let text = "{{schema:1 sum:-0.3 count:3.1 z_bucket:7.1 z_bucket_w:0.05 buckets:[5.1 10 7] offset:-3 \
                    n_buckets:[4.1 5] n_offset:-5 counter_reset_hint:gauge}}x20 {{}}";
        let parsed = FloatHistogram::parse(text).unwrap();
        assert_eq!((&text[parsed.length..], parsed.has_counter_reset_hint), ("x20 {{}}", true));
        let expected = FloatHistogram {
            counter_reset_hint: CounterResetHint::Gauge,
            schema: 1,
            zero_threshold: 0.05,
            zero_count: 7.1,
            count: 3.1,
            sum: -0.3,
            positive_spans: vec![Span { offset: -3, length: 3 }],
            negative_spans: vec![Span { offset: -5, length: 2 }],
            positive_buckets: vec![5.1, 10.0, 7.0],
            negative_buckets: vec![4.1, 5.0],
            custom_values: Vec::new(),
        };
        assert_eq!(parsed.histogram, expected);
        let custom =
            FloatHistogram::parse("{{ schema:-53 custom_values:[-5 0x10 1e3 ] buckets:[+1 Inf nan] }}").unwrap();
        assert_eq!(custom.histogram.custom_values, [-5.0, 16.0, 1000.0]);
        assert_eq!((custom.histogram.schema, custom.has_counter_reset_hint), (CUSTOM_BUCKETS_SCHEMA, false));
        assert_eq!(custom.histogram.positive_buckets[1], f64::INFINITY);
        assert!(custom.histogram.positive_buckets[2].is_nan());
        assert!(FloatHistogram::parse("{{counter_reset_hint:unknown}}").unwrap().has_counter_reset_hint);
    }

    #[test]
    fn what_is_no_histogram_is_told_with_its_place() {
        for (text, offset, message) in [
            ("", 0, "expected \"{{\" in histogram"),
            ("{{", 2, "bad histogram descriptor found: \"\""),
            ("{{sum:1", 7, "bad histogram descriptor found: \"\""),
            ("{{sum 1}}", 5, "missing `:` for histogram descriptor"),
            ("{{sum:1 sum:2}}", 8, "duplicate key \"sum\" in histogram"),
            ("{{foo:1}}", 2, "bad histogram descriptor found: \"foo\""),
            ("{{sum:--1}}", 6, "error parsing number: \"--1\""),
            ("{{sum:}}", 6, "error parsing number: \"\""),
            ("{{schema:1.5}}", 10, "bad histogram descriptor found: \"\""),
            ("{{offset:99999999999}}", 9, "error parsing integer: \"99999999999\""),
            ("{{buckets:1}}", 10, "expected \"[\" in histogram"),
            ("{{buckets:[1}}", 12, "error parsing number: \"\""),
            ("{{buckets:[1 é]}}", 13, "error parsing number: \"\""),
            ("{{counter_reset_hint:maybe}}", 21, "error parsing counter_reset_hint: unknown value \"maybe\""),
        ] {
            let expected = NotationError { offset, message: message.to_owned() };
            assert_eq!(FloatHistogram::parse(text), Err(expected), "{text}");
        }
    }
}
