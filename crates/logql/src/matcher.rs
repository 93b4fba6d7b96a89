//! Conditions on one label.

use std::fmt;

use crate::pattern::Pattern;

/// A label that is not there is the empty text.
#[derive(Debug, Clone, PartialEq)]
pub struct Matcher {
    pub name: String,
    pub condition: Condition,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    Equal(String),
    NotEqual(String),
    /// The pattern matches the whole value.
    Regex(Pattern),
    NotRegex(Pattern),
}

impl Matcher {
    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Matcher {
        Matcher { name: name.into(), condition: Condition::Equal(value.into()) }
    }

    pub fn matches(&self, value: &str) -> bool {
        match &self.condition {
            Condition::Equal(text) => value == text,
            Condition::NotEqual(text) => value != text,
            Condition::Regex(pattern) => pattern.regex().is_match(value),
            Condition::NotRegex(pattern) => !pattern.regex().is_match(value),
        }
    }

    /// Whether a stream without the label fulfils it.
    pub fn matches_empty(&self) -> bool {
        self.matches("")
    }
}

impl Condition {
    pub fn symbol(&self) -> &'static str {
        match self {
            Condition::Equal(_) => "=",
            Condition::NotEqual(_) => "!=",
            Condition::Regex(_) => "=~",
            Condition::NotRegex(_) => "!~",
        }
    }

    /// The value or pattern as it was written.
    pub fn text(&self) -> &str {
        match self {
            Condition::Equal(text) | Condition::NotEqual(text) => text,
            Condition::Regex(pattern) | Condition::NotRegex(pattern) => pattern.text(),
        }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.name, self.condition.symbol(), crate::print::quoted(self.condition.text()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_anchored_and_what_is_missing_is_empty() {
        let of = |pattern: &str| Pattern::whole(pattern).unwrap();
        let cases = [
            (Condition::Regex(of("x|y.z")), vec!["x", "y\nz"], vec!["xx", ""]),
            (Condition::NotRegex(of(".+")), vec![""], vec!["a"]),
            (Condition::Equal("a".into()), vec!["a"], vec!["", "A"]),
            (Condition::NotEqual(String::new()), vec!["a"], vec![""]),
        ];
        for (condition, matching, other) in cases {
            let matcher = Matcher { name: "a".into(), condition };
            assert!(matching.iter().all(|value| matcher.matches(value)), "{matcher}");
            assert!(!other.iter().any(|value| matcher.matches(value)), "{matcher}");
        }
    }
}
