//! Whoever started a workflow, by CloudEvents' distributed tracing extension: `traceparent` and `tracestate`, which are W3C's.

use serde::{Deserialize, Serialize};

/// A span elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// Lower-case hexadecimal digits, as in `traceparent`.
    pub trace_id: String,
    pub span_id: String,
    /// `tracestate`
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub state: String,
}

impl Caller {
    /// Reads version 00 and what is like it in later ones (Trace Context, section 3.2).
    pub fn parse(traceparent: &str) -> Option<Caller> {
        let mut parts = traceparent.trim().split('-');
        let (version, trace_id, span_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_version = is_hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
        let is_id = |id: &str, digits| is_hex(id, digits) && id.bytes().any(|byte| byte != b'0');
        let is_valid = is_version && is_id(trace_id, 32) && is_id(span_id, 16) && is_hex(flags, 2);
        is_valid.then(|| Caller { trace_id: trace_id.to_owned(), span_id: span_id.to_owned(), state: String::new() })
    }
}

/// Bytes of hexadecimal digits; nothing where they are none.
pub fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks_exact(2);
    digits.map_while(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_a_traceparent_is_one() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b9c7c989f97918e1-01";
        let caller = Caller::parse(good).unwrap();
        assert_eq!(
            (hex::encode(bytes(&caller.trace_id)), caller.span_id.as_str()),
            (caller.trace_id.clone(), "b9c7c989f97918e1")
        );
        assert!(Caller::parse("cc-0af7651916cd43dd8448eb211c80319c-b9c7c989f97918e1-01-more").is_some());
        let bad = [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b9c7c989f97918e1",
            "00-0af7651916cd43dd8448eb211c80319c-b9c7c989f97918e1-01-more",
            "ff-0af7651916cd43dd8448eb211c80319c-b9c7c989f97918e1-01",
            "00-00000000000000000000000000000000-b9c7c989f97918e1-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b9c7c989f97918e1-01",
            "00-0af7651916cd43dd8448eb211c80319-b9c7c989f97918e1-01",
        ];
        for text in bad {
            assert_eq!(Caller::parse(text), None, "{text}");
        }
    }
}
