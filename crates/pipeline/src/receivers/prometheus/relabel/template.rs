//! `foo-$1-${name}`, as Go's `Regexp.Expand` reads it.

use regex::Captures;

/// A replacement with its references to groups found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Number(usize),
    Name(String),
}

impl Template {
    pub fn new(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(dollar) = rest.find('$') {
            plain.push_str(&rest[..dollar]);
            rest = &rest[dollar + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                plain.push('$');
                rest = after;
                continue;
            }
            let Some((name, after)) = reference(rest) else {
                plain.push('$');
                continue;
            };
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(number(name).map_or_else(|| Part::Name(name.to_owned()), Part::Number));
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Self(parts)
    }

    /// Groups that do not exist or took no part are empty.
    pub fn expand(&self, captures: &Captures<'_>) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Number(group) => text.push_str(captures.get(*group).map_or("", |found| found.as_str())),
                Part::Name(name) => text.push_str(captures.name(name).map_or("", |found| found.as_str())),
            }
        }
        text
    }
}

/// The name after a `$`, and what comes behind it; `None` if that is no reference.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (inside, braced) = match text.strip_prefix('{') {
        Some(inside) => (inside, true),
        None => (text, false),
    };
    let end = inside.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(inside.len());
    let (name, after) = inside.split_at(end);
    let after = if braced { after.strip_prefix('}')? } else { after };
    (!name.is_empty()).then_some((name, after))
}

/// Digits are the number of a group, but not with a zero in front.
fn number(name: &str) -> Option<usize> {
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    if is_number && name.len() < 9 { name.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands_as_go_does() {
        let regex = regex::Regex::new(r"(?P<first>\w+) (\w+)( \w+)?").unwrap();
        let captures = regex.captures("hello world").unwrap();
        let cases = [
            ("$1", "hello"),
            ("${1}", "hello"),
            ("$2-$1", "world-hello"),
            ("$first$2", "helloworld"),
            ("${first}x", "hellox"),
            // The longest name is taken: this is a group that does not exist.
            ("$1x", ""),
            ("${1}x", "hellox"),
            ("$0", "hello world"),
            ("$3|$9|$none", "||"),
            ("$$1", "$1"),
            ("$", "$"),
            ("a$-b", "a$-b"),
            ("${1", "${1"),
            ("${}", "${}"),
            ("${fi rst}", "${fi rst}"),
            ("$01", ""),
            ("plain", "plain"),
            ("", ""),
        ];
        for (template, expected) in cases {
            assert_eq!(Template::new(template).expand(&captures), expected, "{template:?}");
        }
    }
}
