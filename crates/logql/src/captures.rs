//! Patterns of literal text and captures, `<method> <_> status=<status>`: of the parser `pattern` and of the line filters `|>`
//! and `!>`.

use std::fmt;

/// A part of a pattern. No literal is empty or has another literal beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Literal(String),
    /// A name; `_` for what nobody wants to know.
    Capture(String),
}

/// The capture without a name.
pub const UNNAMED: &str = "_";

/// `<name>` is a capture where the name is one of a label; every other bracket is literal.
pub fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let (mut literal, mut rest) = (0, 0);
    while let Some(open) = text[rest..].find('<').map(|found| rest + found) {
        let behind = &text[open + 1..];
        let length = behind.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        rest = open + 1;
        if !is_name(&behind[..length]) || behind.as_bytes().get(length) != Some(&b'>') {
            continue;
        }
        if literal < open {
            parts.push(Part::Literal(text[literal..open].to_owned()));
        }
        parts.push(Part::Capture(behind[..length].to_owned()));
        rest = open + length + 2;
        literal = rest;
    }
    if literal < text.len() {
        parts.push(Part::Literal(text[literal..].to_owned()));
    }
    parts
}

fn is_name(text: &str) -> bool {
    text.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
}

/// Whether two captures stand side by side, so that nobody knows where one ends.
pub(crate) fn are_adjacent(parts: &[Part]) -> bool {
    parts.windows(2).any(|pair| matches!(pair, [Part::Capture(_), Part::Capture(_)]))
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Literal(text) => f.write_str(text),
            Part::Capture(name) => write!(f, "<{name}>"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn brackets_with_names_are_captures() {
        let literal = |text: &str| Part::Literal(text.to_owned());
        let capture = |name: &str| Part::Capture(name.to_owned());
        for (text, expected) in [
            ("", vec![]),
            ("a", vec![literal("a")]),
            ("<a>", vec![capture("a")]),
            (
                "<a> <_> [<b1>]",
                vec![capture("a"), literal(" "), capture("_"), literal(" ["), capture("b1"), literal("]")],
            ),
            ("<a><b>", vec![capture("a"), capture("b")]),
            ("<1> < a> <a-b> <> <a", vec![literal("<1> < a> <a-b> <> <a")]),
            ("<<a>>", vec![literal("<"), capture("a"), literal(">")]),
            ("<é><a>é", vec![literal("<é>"), capture("a"), literal("é")]),
        ] {
            assert_eq!(parts(text), expected, "{text}");
        }
        assert!(are_adjacent(&parts("x<a><_>")) && !are_adjacent(&parts("<a> <_>")));
    }

    proptest! {
        #[test]
        fn parts_are_the_whole(text in "[<>_a1 é]{0,20}") {
            let parts = parts(&text);
            prop_assert_eq!(parts.iter().map(Part::to_string).collect::<String>(), text);
        }
    }
}
