//! Lines like `<_> GET <_> 200`: of the line filters `|>` and `!>`.
//!
//! `<_>` stands for any text of at least one character, and the pattern for the whole line. Loki looks for each literal only where
//! it comes first and so misses lines that match at a later place (`<_>ab` and the line `abab`); here they match.

use memchr::memmem::Finder;
use thiserror::Error;

use crate::captures::{self, Part, UNNAMED};

/// A pattern of literals with gaps between them.
#[derive(Debug, Clone)]
pub struct LinePattern {
    /// What the line begins with; empty where it begins with a gap.
    prefix: String,
    /// Literals with gaps on both sides.
    inner: Vec<Finder<'static>>,
    /// What the line ends with; `None` where there is no gap at all. Empty where it ends with a gap.
    suffix: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LinePatternError {
    #[error("the pattern {pattern:?} of a line filter has a name, {name:?}: only <_> can stand in it")]
    Named { pattern: String, name: String },
    #[error("two captures of the pattern {0:?} have nothing between them")]
    Consecutive(String),
}

impl LinePattern {
    pub fn compile(text: &str) -> Result<LinePattern, LinePatternError> {
        let parts = captures::parts(text);
        let named = |part: &Part| match part {
            Part::Capture(name) if name != UNNAMED => Some(name.clone()),
            _ => None,
        };
        if let Some(name) = parts.iter().find_map(named) {
            return Err(LinePatternError::Named { pattern: text.to_owned(), name });
        }
        if captures::are_adjacent(&parts) {
            return Err(LinePatternError::Consecutive(text.to_owned()));
        }
        let mut pattern = LinePattern { prefix: String::new(), inner: Vec::new(), suffix: None };
        for part in parts {
            match (part, &mut pattern.suffix) {
                (Part::Literal(literal), None) => pattern.prefix = literal,
                (Part::Literal(literal), Some(suffix)) => *suffix = literal,
                (Part::Capture(_), suffix) => {
                    let literal = suffix.replace(String::new()).unwrap_or_default();
                    if !literal.is_empty() {
                        pattern.inner.push(Finder::new(&literal).into_owned());
                    }
                }
            }
        }
        Ok(pattern)
    }

    pub fn matches(&self, line: &str) -> bool {
        let Some(suffix) = &self.suffix else { return line == self.prefix };
        let Some(mut rest) = line.strip_prefix(self.prefix.as_str()) else { return false };
        for literal in &self.inner {
            // At least one character is the gap's.
            let start = rest.chars().next().map_or(0, char::len_utf8);
            let Some(behind) = rest.get(start..).filter(|_| start > 0) else { return false };
            let Some(found) = literal.find(behind.as_bytes()) else { return false };
            let Some(behind) = behind.get(found + literal.needle().len()..) else { return false };
            rest = behind;
        }
        rest.len() > suffix.len() && rest.ends_with(suffix.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::Regex;

    use super::*;

    #[test]
    fn gaps_stand_for_any_text() {
        for (pattern, line, expected) in [
            ("", "", true),
            ("", "a", false),
            ("a", "a", true),
            ("a", "ab", false),
            ("<_>", "a", true),
            ("<_>", "é", true),
            ("<_>", "", false),
            ("a<_>", "ab", true),
            ("a<_>", "a", false),
            ("a<_>", "ba", false),
            ("<_>a", "ba", true),
            ("<_>a", "a", false),
            ("<_>a", "baa", true),
            ("<_>ab", "abab", true),
            ("<_>b<_>", "abc", true),
            ("<_>b<_>", "bc", false),
            ("<_>b<_>", "bbc", true),
            ("<_> GET <_> 200", "10.0.0.1 GET /a 200", true),
            ("<_> GET <_> 200", "10.0.0.1 GET /a 500", false),
            ("a<_>a", "a", false),
            ("a<_>a", "aa", false),
            ("a<_>a", "aba", true),
            ("<_>é<_>ö", "xéyö", true),
            ("<x", "<x", true),
        ] {
            assert_eq!(LinePattern::compile(pattern).unwrap().matches(line), expected, "{pattern} {line}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_told_why() {
        for (pattern, expected) in [("<a> b", "has a name, \"a\""), ("a<_><_>", "nothing between")] {
            let error = LinePattern::compile(pattern).unwrap_err().to_string();
            assert!(error.contains(expected), "{pattern}: {error}");
        }
    }

    proptest! {
        #[test]
        fn it_is_what_a_regular_expression_says(
            literals in prop::collection::vec("[abé]{0,2}", 1..5),
            line in "[abé]{0,8}",
        ) {
            let inner_empty = literals.iter().skip(1).rev().skip(1).any(String::is_empty);
            prop_assume!(!inner_empty);
            let regex = Regex::new(&format!("(?s)^{}$", literals.join(".+"))).unwrap();
            let pattern = LinePattern::compile(&literals.join("<_>")).unwrap();
            prop_assert_eq!(pattern.matches(&line), regex.is_match(&line));
        }
    }
}
