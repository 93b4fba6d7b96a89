//! Fields by the named groups of a regular expression.

use regex::Regex;
use thiserror::Error;
use trefoil_go::pattern;
use trefoil_lines::sanitised;

#[derive(Debug, Clone)]
pub struct Regexp {
    regex: Regex,
    /// Places of groups, and their names.
    groups: Vec<(usize, String)>,
}

#[derive(Debug, Clone, PartialEq, Error)]
pub enum RegexpError {
    #[error("{0}")]
    Syntax(#[from] regex::Error),
    #[error("the regular expression {0:?} has no named group: at least one (?P<name>…) is needed")]
    NoGroup(String),
    #[error("the group {name:?} of the regular expression {regexp:?} has no name that a label can have")]
    Name { regexp: String, name: String },
}

impl Regexp {
    pub fn compile(text: &str) -> Result<Regexp, RegexpError> {
        let regex = pattern::search(text)?;
        let names = regex.capture_names().enumerate();
        let groups: Vec<(usize, String)> = names.filter_map(|(place, name)| Some((place, name?.to_owned()))).collect();
        if groups.is_empty() {
            return Err(RegexpError::NoGroup(text.to_owned()));
        }
        if let Some((_, name)) = groups.iter().find(|(_, name)| sanitised(name) != *name) {
            return Err(RegexpError::Name { regexp: text.to_owned(), name: name.clone() });
        }
        Ok(Regexp { regex, groups })
    }

    /// The names of the groups.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(|(_, name)| name.as_str())
    }

    /// Hands over the groups of the first match, the empty text for those that have no part in it.
    pub fn fields<'l>(&self, line: &'l str, mut take: impl FnMut(&str, &'l str)) {
        let Some(captures) = self.regex.captures(line) else { return };
        for (place, name) in &self.groups {
            take(name, captures.get(*place).map_or("", |group| group.as_str()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_groups_are_fields() {
        for (regexp, line, expected) in [
            (r"(?P<method>\w+) (?P<path>\S+)", "GET /a b", "method=GET,path=/a"),
            (r"(?<a>x)(y)?(?P<b>z)?", "--xy", "a=x,b="),
            (r"(?P<a>\d+)", "none", ""),
            (r"^(?P<a>.*)$", "", "a="),
            (r"(?P<a>.+)", "é\nb", "a=é"),
        ] {
            let mut fields = Vec::new();
            Regexp::compile(regexp).unwrap().fields(line, |name, value| fields.push(format!("{name}={value}")));
            assert_eq!(fields.join(","), expected, "{regexp}");
        }
        assert_eq!(Regexp::compile("(?P<a>.)(?P<b>.)").unwrap().names().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn what_cannot_be_compiled_is_told_why() {
        for (regexp, expected) in [
            ("(", "unclosed group"),
            ("a(b)", "has no named group"),
            ("(?P<a>.)(?P<a>.)", "duplicate"),
            ("(?P<a.b>.)", "has no name that a label can have"),
        ] {
            let error = Regexp::compile(regexp).unwrap_err().to_string();
            assert!(error.contains(expected), "{regexp}: {error}");
        }
    }
}
