//! Names and values in the text of a line, whatever its form: members of JSON, logfmt, `[trace_id=… span_id=…]`, `traceId: …`.
//!
//! Nothing is parsed. Each `=` and `:` is looked at: what stands behind it is mostly no id, which a look at its first digits tells;
//! only then the name in front is compared.

use memchr::memchr2_iter;

use super::{Found, MOST_RULES, RuleError, id, note};

const LONGEST_KEY: usize = 64;
/// Between a name and its value: quotes, what escapes them, and spaces.
const MOST_BETWEEN: usize = 4;
const TRACE_PARENT: &str = "traceparent";
/// Of W3C's header, without what a later version may add.
const TRACE_PARENT_BYTES: usize = 55;

/// What a name names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Trace,
    Span,
    TraceParent,
}

/// Names in small letters.
#[derive(Debug, Clone)]
pub(super) struct Keys(Vec<(Box<[u8]>, Key)>);

impl Keys {
    pub fn new(trace: &[String], span: &[String]) -> Result<Self, RuleError> {
        let mut keys = Vec::with_capacity(trace.len() + span.len() + 1);
        for (names, key) in [(trace, Key::Trace), (span, Key::Span)] {
            if names.len() > MOST_RULES {
                return Err(RuleError::TooMany { count: names.len() });
            }
            for name in names {
                if !(1..=LONGEST_KEY).contains(&name.len()) || !name.bytes().all(is_of_name) {
                    return Err(RuleError::Key { key: name.clone() });
                }
                keys.push((name.to_ascii_lowercase().into_bytes().into(), key));
            }
        }
        if !trace.is_empty() {
            keys.push((TRACE_PARENT.as_bytes().into(), Key::TraceParent));
        }
        Ok(Self(keys))
    }

    /// What a whole name names.
    pub fn of_name(&self, name: &[u8]) -> Option<Key> {
        self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, key)| *key)
    }

    pub fn in_text(&self, text: &[u8]) -> Found {
        let mut found = Found::default();
        for at in memchr2_iter(b'=', b':', text) {
            let Some(value) = value(&text[at + 1..]) else { continue };
            let Some(key) = self.of_name(name(&text[..at])) else { continue };
            note(key, value, &mut found);
            if found.trace.is_some() && found.span.is_some() {
                break;
            }
        }
        found
    }
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'/' | b'@')
}

fn is_between(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'\\' | b' ')
}

/// The name that a text ends with.
fn name(text: &[u8]) -> &[u8] {
    let between = text.iter().rev().take(MOST_BETWEEN).take_while(|byte| is_between(**byte)).count();
    let text = &text[..text.len() - between];
    let length = text.iter().rev().take(LONGEST_KEY + 1).take_while(|byte| is_of_name(**byte)).count();
    &text[text.len() - length..]
}

/// What a text begins with that may be an id, or the header with both.
fn value(text: &[u8]) -> Option<&[u8]> {
    let between = text.iter().take(MOST_BETWEEN).take_while(|byte| is_between(**byte)).count();
    let text = &text[between..];
    let digits = text.iter().take(33).take_while(|byte| byte.is_ascii_hexdigit()).count();
    let after = text.get(digits).copied();
    match (digits, after) {
        (16 | 32, after) if after.is_none_or(|byte| !is_of_name(byte) || byte == b'.') => Some(&text[..digits]),
        (2, Some(b'-')) => text.get(..TRACE_PARENT_BYTES).filter(|header| id::trace_parent(header).is_some()),
        _ => None,
    }
}
