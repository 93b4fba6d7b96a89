//! What both text formats have: names, and labels in braces.

use crate::exposition::labels::{BUCKET, QUANTILE};
use crate::names::{Escaping, is_classic};
use trefoil_promql::labels::is_legacy_name;

/// The label that a series has beside those of its metric, its value as the format writes it.
pub enum Own {
    Bucket(String),
    Quantile(String),
}

/// `name`, or `"my.name"`.
pub fn name(body: &mut Vec<u8>, name: &str) {
    match is_classic(name) {
        true => body.extend_from_slice(name.as_bytes()),
        false => quoted(body, name),
    }
}

/// `name{a="b"}`, or `{"my.name",a="b"}`. The name is escaped already, if it has to be.
pub fn series(body: &mut Vec<u8>, escaping: Escaping, name: &str, labels: &[(String, String)], own: Option<&Own>) {
    let is_outside = is_classic(name);
    if is_outside {
        body.extend_from_slice(name.as_bytes());
        if labels.is_empty() && own.is_none() {
            return;
        }
    }
    body.push(b'{');
    let mut is_first = is_outside;
    if !is_outside {
        quoted(body, name);
    }
    let own = own.map(|own| match own {
        Own::Bucket(bound) => (BUCKET, bound.as_str()),
        Own::Quantile(quantile) => (QUANTILE, quantile.as_str()),
    });
    let labels = labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    for (key, value) in labels.chain(own) {
        if !std::mem::take(&mut is_first) {
            body.push(b',');
        }
        label(body, escaping, key, value);
    }
    body.push(b'}');
}

pub fn label(body: &mut Vec<u8>, escaping: Escaping, key: &str, value: &str) {
    let key = escaping.escape(key);
    match is_legacy_name(&key) {
        true => body.extend_from_slice(key.as_bytes()),
        false => quoted(body, &key),
    }
    body.push(b'=');
    quoted(body, value);
}

fn quoted(body: &mut Vec<u8>, text: &str) {
    body.push(b'"');
    escaped(body, text, true);
    body.push(b'"');
}

/// On one line.
pub fn escaped(body: &mut Vec<u8>, text: &str, are_quotes_escaped: bool) {
    for byte in text.bytes() {
        match byte {
            b'\\' => body.extend_from_slice(b"\\\\"),
            b'\n' => body.extend_from_slice(b"\\n"),
            b'"' if are_quotes_escaped => body.extend_from_slice(b"\\\""),
            byte => body.push(byte),
        }
    }
}
