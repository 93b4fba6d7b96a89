//! Fields by a pattern of text and captures: `<ip> - <user> [<_>]`.

use memchr::memmem::Finder;
use thiserror::Error;

use crate::captures::{self, Part, UNNAMED};

#[derive(Debug, Clone)]
pub struct Pattern {
    /// What the line begins with.
    prefix: String,
    captures: Vec<Capture>,
}

#[derive(Debug, Clone)]
struct Capture {
    /// `None`: it is not handed over.
    name: Option<String>,
    /// What stands behind it; `None` at the end.
    literal: Option<Finder<'static>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PatternError {
    #[error("the pattern {0:?} captures nothing: at least one <name> is needed")]
    NoCapture(String),
    #[error("two captures of the pattern {0:?} have nothing between them")]
    Consecutive(String),
    #[error("the pattern {pattern:?} captures {name:?} twice")]
    Duplicate { pattern: String, name: String },
}

impl Pattern {
    pub fn compile(text: &str) -> Result<Pattern, PatternError> {
        let parts = captures::parts(text);
        let mut names: Vec<&str> = Vec::new();
        for part in &parts {
            match part {
                Part::Capture(name) if name == UNNAMED => {}
                Part::Capture(name) if names.contains(&name.as_str()) => {
                    return Err(PatternError::Duplicate { pattern: text.to_owned(), name: name.clone() });
                }
                Part::Capture(name) => names.push(name),
                Part::Literal(_) => {}
            }
        }
        if names.is_empty() {
            return Err(PatternError::NoCapture(text.to_owned()));
        }
        if captures::are_adjacent(&parts) {
            return Err(PatternError::Consecutive(text.to_owned()));
        }
        let mut pattern = Pattern { prefix: String::new(), captures: Vec::new() };
        for part in parts {
            match part {
                Part::Capture(name) => {
                    let name = (name != UNNAMED).then_some(name);
                    pattern.captures.push(Capture { name, literal: None });
                }
                Part::Literal(literal) => match pattern.captures.last_mut() {
                    None => pattern.prefix = literal,
                    Some(capture) => capture.literal = Some(Finder::new(&literal).into_owned()),
                },
            }
        }
        Ok(pattern)
    }

    /// The names of what is captured.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.captures.iter().filter_map(|capture| capture.name.as_deref())
    }

    /// Hands over what is captured of the line. Where the text behind a capture is not there, it is the rest of the line, and the
    /// last one; where the line does not begin as the pattern does, there is nothing.
    pub fn fields<'l>(&self, line: &'l str, mut take: impl FnMut(&str, &'l str)) {
        let Some(mut rest) = line.strip_prefix(self.prefix.as_str()).filter(|_| !line.is_empty()) else { return };
        for capture in &self.captures {
            let found = capture.literal.as_ref().and_then(|literal| {
                let start = literal.find(rest.as_bytes())?;
                Some((rest.get(..start)?, rest.get(start + literal.needle().len()..)?))
            });
            let value = found.map_or(rest, |(value, _)| value);
            if let Some(name) = &capture.name {
                take(name, value);
            }
            match found {
                Some((_, behind)) => rest = behind,
                None => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(pattern: &str, line: &str) -> String {
        let mut fields = Vec::new();
        Pattern::compile(pattern).unwrap().fields(line, |name, value| fields.push(format!("{name}={value}")));
        fields.join(",")
    }

    #[test]
    fn captures_are_fields() {
        for (pattern, line, expected) in [
            ("<a>", "x y", "a=x y"),
            ("<a> <b>", "x y z", "a=x,b=y z"),
            ("<a> <_> <b>", "x y z", "a=x,b=z"),
            ("[<a>] <b>;", "[x] y; z", "a=x,b=y"),
            ("[<a>]", "x", ""),
            ("<a> - <b> - <c>", "x - y", "a=x,b=y"),
            ("<a>=<b>", "=", "a=,b="),
            ("<a>", "", ""),
            ("a<b>", "a", "b="),
            ("<_>é<b>", "xéö", "b=ö"),
            (
                r#"<ip> - - [<_>] "<method> <path> <_>" <status> <size>"#,
                r#"10.0.0.1 - - [x y] "GET /a HTTP/1.1" 200 15 end"#,
                "ip=10.0.0.1,method=GET,path=/a,status=200,size=15 end",
            ),
        ] {
            assert_eq!(shown(pattern, line), expected, "{pattern} {line}");
        }
        assert_eq!(Pattern::compile("<a> <_> <b>").unwrap().names().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn what_is_no_pattern_is_told_why() {
        for (pattern, expected) in [
            ("", "captures nothing"),
            ("text", "captures nothing"),
            ("<_> text", "captures nothing"),
            ("<a><b>", "nothing between"),
            ("<_><b>", "nothing between"),
            ("<a> <a>", "captures \"a\" twice"),
        ] {
            let error = Pattern::compile(pattern).unwrap_err().to_string();
            assert!(error.contains(expected), "{pattern}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_stands_between_separators_is_captured(values in prop::collection::vec("[^,]{0,6}", 1..6)) {
            let names: Vec<String> = (0..values.len()).map(|index| format!("n{index}")).collect();
            let pattern = names.iter().map(|name| format!("<{name}>")).collect::<Vec<_>>().join(",");
            let line = values.join(",");
            let expected: Vec<String> =
                names.iter().zip(&values).map(|(name, value)| format!("{name}={value}")).collect();
            prop_assume!(!line.is_empty());
            prop_assert_eq!(shown(&pattern, &line), expected.join(","));
        }
    }
}
