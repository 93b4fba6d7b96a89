//! Ids of traces and spans that log records do not have as such: they stand in attributes, or in the text of the body.
//!
//! Loggers put them there by many names (`trace_id=…` of OpenTelemetry for Python, `traceId` of Java's MDC, `@tr` of Serilog,
//! `traceparent`). [`TraceIds`] knows the names, and patterns for texts without any. docs/decisions/0042-ids-from-lines.md says what
//! is found where.

mod id;
mod scan;
#[cfg(test)]
mod tests;

use regex::bytes::{Regex, RegexBuilder};
use thiserror::Error;

pub use self::id::{span_id, trace_id};
use self::scan::{Key, Keys};

/// What a pattern takes when it is compiled, in bytes.
const PATTERN_BYTES: usize = 1 << 20;
/// Names, and patterns, of one kind.
pub const MOST_RULES: usize = 64;
/// Places of a text that a pattern is tried at.
const MOST_MATCHES: usize = 16;

/// Names of a trace's id, in texts and attributes, in any case of letters.
pub const TRACE_KEYS: [&str; 7] = ["trace_id", "traceid", "trace.id", "trace-id", "oteltraceid", "x-b3-traceid", "@tr"];
/// Names of a span's id.
pub const SPAN_KEYS: [&str; 7] = ["span_id", "spanid", "span.id", "span-id", "otelspanid", "x-b3-spanid", "@sp"];

/// What was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found {
    pub trace: Option<[u8; 16]>,
    pub span: Option<[u8; 8]>,
}

/// Where ids are looked for.
#[derive(Debug, Clone)]
pub struct TraceIds {
    keys: Keys,
    trace_patterns: Vec<Regex>,
    span_patterns: Vec<Regex>,
}

/// A rule that is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RuleError {
    #[error("there are {count} of them, more than {MOST_RULES}")]
    TooMany { count: usize },
    #[error("`{key}` is no name: letters, digits, `_`, `.`, `-`, `/` and `@`, 1 to 64 of them")]
    Key { key: String },
    #[error("`{pattern}` must have one group, which is the id; it has {groups}")]
    Groups { pattern: String, groups: usize },
    #[error("`{pattern}`: {reason}")]
    Pattern { pattern: String, reason: String },
}

/// The names and patterns of ids of one kind.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'r> {
    /// Names before values, in texts and of attributes, in any case of letters.
    pub keys: &'r [String],
    /// Regular expressions with one group, which is the id. They are tried where no name led to one.
    pub patterns: &'r [String],
}

impl TraceIds {
    pub fn new(trace: Rules<'_>, span: Rules<'_>) -> Result<Self, RuleError> {
        Ok(Self {
            keys: Keys::new(trace.keys, span.keys)?,
            trace_patterns: compiled(trace.patterns)?,
            span_patterns: compiled(span.patterns)?,
        })
    }

    /// The first ids that a text names.
    pub fn in_text(&self, text: &[u8]) -> Found {
        let mut found = self.keys.in_text(text);
        if found.trace.is_none() {
            found.trace = first(&self.trace_patterns, text, trace_id);
        }
        // Without its trace a span is hardly ever what a pattern meant.
        if found.span.is_none() && found.trace.is_some() {
            found.span = first(&self.span_patterns, text, span_id);
        }
        found
    }

    /// Adds to `found` what an attribute says that is named so; what is there stays.
    pub fn in_attribute(&self, key: &[u8], value: &[u8], found: &mut Found) {
        let Some(key) = self.keys.of_name(key) else { return };
        note(key, value, found);
    }
}

/// Adds what an attribute says whose label in LogQL is `trace_id` or `span_id`: it is always an id, whatever the rules are, so that
/// who asks for the label can be answered by the column.
pub fn in_labelled_attribute(key: &[u8], value: &[u8], found: &mut Found) {
    match key {
        [b't', b'r', b'a', b'c', b'e', between, b'i', b'd'] if !between.is_ascii_alphanumeric() => {
            note(Key::Trace, value, found);
        }
        [b's', b'p', b'a', b'n', between, b'i', b'd'] if !between.is_ascii_alphanumeric() => {
            note(Key::Span, value, found);
        }
        _ => {}
    }
}

fn note(key: Key, value: &[u8], found: &mut Found) {
    match key {
        Key::Trace => found.trace = found.trace.or_else(|| trace_id(value)),
        Key::Span => found.span = found.span.or_else(|| span_id(value)),
        Key::TraceParent => {
            let Some((trace, span)) = id::trace_parent(value) else { return };
            found.span = found.span.or_else(|| found.trace.is_none().then_some(span));
            found.trace = found.trace.or(Some(trace));
        }
    }
}

fn compiled(patterns: &[String]) -> Result<Vec<Regex>, RuleError> {
    if patterns.len() > MOST_RULES {
        return Err(RuleError::TooMany { count: patterns.len() });
    }
    patterns.iter().map(|pattern| compile(pattern)).collect()
}

fn compile(pattern: &str) -> Result<Regex, RuleError> {
    let wrong = |error: regex::Error| RuleError::Pattern {
        pattern: pattern.to_owned(),
        // The library shows where over several lines.
        reason: error.to_string().lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned(),
    };
    let limited = RegexBuilder::new(pattern).size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES).build();
    let regex = limited.map_err(wrong)?;
    match regex.captures_len() {
        2 => Ok(regex),
        groups => Err(RuleError::Groups { pattern: pattern.to_owned(), groups: groups - 1 }),
    }
}

/// The first id that a pattern leads to. The next place is looked for behind the group: what ended one match may begin another.
fn first<const N: usize>(patterns: &[Regex], text: &[u8], id: impl Fn(&[u8]) -> Option<[u8; N]>) -> Option<[u8; N]> {
    patterns.iter().find_map(|pattern| {
        let mut from = 0;
        for _ in 0..MOST_MATCHES {
            let captures = pattern.captures_at(text, from)?;
            let group = captures.get(1)?;
            if let Some(id) = id(group.as_bytes()) {
                return Some(id);
            }
            from = group.end().max(from + 1);
            if from > text.len() {
                return None;
            }
        }
        None
    })
}
