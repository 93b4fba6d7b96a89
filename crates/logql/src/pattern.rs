//! Regular expressions of queries, compiled once they are read.

use regex::Regex;
use trefoil_go::pattern;

/// A regular expression in Go's syntax. Two are equal if their texts are.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

impl Pattern {
    /// Matches whole texts only; `.` matches line ends, too. Fails with what Go would say.
    pub fn whole(text: &str) -> Result<Pattern, String> {
        let regex = pattern::compile(text).map_err(|error| pattern::explain(&format!("^(?s:{text})$"), &error))?;
        Ok(Pattern { text: text.to_owned(), regex })
    }

    /// Matches anywhere in a text. Fails with what Go would say.
    pub fn anywhere(text: &str) -> Result<Pattern, String> {
        let regex = pattern::search(text).map_err(|error| pattern::explain(text, &error))?;
        Ok(Pattern { text: text.to_owned(), regex })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn regex(&self) -> &Regex {
        &self.regex
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
