//! Lines of logfmt: `a=b c="d e"`.

use std::fmt::Write as _;

use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;

use super::value::to_text;

type Pairs = Vec<(String, String)>;

/// What a body says: its members; those of a text that is logfmt already; else all of it as `msg`.
pub(super) fn of_body(body: &AnyValue) -> Pairs {
    let mut pairs = Vec::new();
    match &body.value {
        None => {}
        Some(Value::StringValue(text)) => {
            pairs = parse(text).unwrap_or_else(|| vec![("msg".to_owned(), text.clone())]);
        }
        Some(Value::KvlistValue(_)) => flatten(&mut pairs, String::new(), body),
        Some(Value::ArrayValue(_)) => flatten(&mut pairs, "body".to_owned(), body),
        Some(_) => pairs.push(("msg".to_owned(), to_text(body))),
    }
    pairs
}

/// Adds a value; members and elements each by themselves, as `key_member` and `key_0`.
pub(super) fn flatten(pairs: &mut Pairs, key: String, value: &AnyValue) {
    // Without recursion: how deep values are nested is for senders to choose.
    let mut waiting = vec![(key, value)];
    while let Some((key, value)) = waiting.pop() {
        let prefix = if key.is_empty() { String::new() } else { format!("{key}_") };
        match &value.value {
            None => {}
            Some(Value::KvlistValue(members)) => {
                let members = members.values.iter().rev();
                let members =
                    members.filter_map(|member| Some((format!("{prefix}{}", member.key), member.value.as_ref()?)));
                waiting.extend(members);
            }
            Some(Value::ArrayValue(list)) => {
                let elements = list.values.iter().enumerate().rev();
                waiting.extend(elements.map(|(index, element)| (format!("{prefix}{index}"), element)));
            }
            Some(_) => pairs.push((key, to_text(value))),
        }
    }
}

/// The pairs of a line; `None` if it is not all pairs.
fn parse(line: &str) -> Option<Pairs> {
    let mut pairs = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (key, behind) = rest.split_once('=')?;
        if key.is_empty() || key.contains(|c: char| c <= ' ' || c == '"') {
            return None;
        }
        let value;
        (value, rest) = match behind.starts_with('"') {
            true => quoted(behind)?,
            false => {
                let end = behind.find(|c: char| c <= ' ').unwrap_or(behind.len());
                let (value, rest) = behind.split_at(end);
                if value.contains(['=', '"']) {
                    return None;
                }
                (value.to_owned(), rest)
            }
        };
        if !rest.is_empty() && !rest.starts_with(|c: char| c <= ' ') {
            return None;
        }
        pairs.push((key.to_owned(), value));
        rest = rest.trim_start_matches(|c: char| c <= ' ');
    }
    (!pairs.is_empty()).then_some(pairs)
}

/// A text in quotes, which is one of JSON, and what is behind it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let value = values.next()?.ok()?;
    Some((value, &text[values.byte_offset()..]))
}

pub(super) fn write(pairs: &Pairs) -> String {
    let mut line = String::new();
    for (key, value) in pairs {
        let key: String = key.chars().filter(|c| *c > ' ' && !matches!(c, '=' | '"' | '\u{fffd}')).collect();
        if key.is_empty() {
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        let needs_quotes = value.chars().any(|c| c <= ' ' || matches!(c, '=' | '"' | '\u{7f}' | '\u{fffd}'));
        let value = if needs_quotes { serde_json::Value::from(value.as_str()).to_string() } else { value.clone() };
        let written = write!(line, "{key}={value}");
        debug_assert!(written.is_ok(), "writing to a text does not fail");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_pairs_or_not() {
        let pairs = |list: &[(&str, &str)]| {
            Some(list.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<Pairs>())
        };
        assert_eq!(parse(r#" a=b  c="d \"e\"" f= "#), pairs(&[("a", "b"), ("c", "d \"e\""), ("f", "")]));
        for line in ["", "hello world", "a", "a=b c", "=b", r#"a="b"#, r#"a="b"c"#, "a=b=c", "a b=c", r#"a=b"c"#] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    #[test]
    fn what_has_spaces_is_quoted() {
        let pairs = [("a", "b"), ("c d", "e f"), ("", "x"), ("g", "h\n\"i\""), ("j", "")];
        let pairs = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
        assert_eq!(write(&pairs), r#"a=b cd="e f" g="h\n\"i\"" j="#);
    }
}
