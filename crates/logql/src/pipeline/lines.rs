//! Line filters, made ready.

use memchr::memmem::Finder;
use regex::Regex;
use trefoil_go::pattern;

use crate::ast::{LineCondition, LineFilter, LineOp};
use crate::filter::ip::IpRange;
use crate::filter::pattern::LinePattern;

#[derive(Debug, Clone)]
pub(super) struct LineTest {
    is_negation: bool,
    /// One of them has to be true.
    alternatives: Vec<Condition>,
}

#[derive(Debug, Clone)]
enum Condition {
    Contains(Box<Finder<'static>>),
    Regex(Regex),
    Pattern(LinePattern),
    Ip(IpRange),
}

impl LineTest {
    pub fn new(filter: &LineFilter) -> Result<LineTest, String> {
        let mut alternatives = Vec::new();
        let mut texts: Vec<&str> = Vec::new();
        for alternative in &filter.alternatives {
            match alternative {
                LineCondition::Text(text) if matches!(filter.op, LineOp::Contains | LineOp::NotContains) => {
                    texts.push(text);
                }
                other => alternatives.push(condition(filter.op, other)?),
            }
        }
        // As in Loki, nothing as one of several alternatives is none.
        if filter.alternatives.len() > 1 {
            texts.retain(|text| !text.is_empty());
        }
        alternatives.splice(0..0, contains(&texts));
        if alternatives.is_empty() {
            alternatives.push(literal(""));
        }
        Ok(LineTest { is_negation: filter.op.is_negation(), alternatives })
    }

    pub fn holds(&self, line: &str) -> bool {
        self.is_negation != self.alternatives.iter().any(|condition| condition.holds(line))
    }

    /// Cheap ones first.
    pub fn cost(&self) -> u8 {
        let cost = |condition: &Condition| match condition {
            Condition::Contains(_) => 0,
            Condition::Pattern(_) => 1,
            Condition::Ip(_) => 2,
            Condition::Regex(_) => 3,
        };
        self.alternatives.iter().map(cost).max().unwrap_or(0)
    }
}

impl Condition {
    fn holds(&self, line: &str) -> bool {
        match self {
            Condition::Contains(finder) => finder.find(line.as_bytes()).is_some(),
            Condition::Regex(regex) => regex.is_match(line),
            Condition::Pattern(pattern) => pattern.matches(line),
            Condition::Ip(range) => range.is_in(line),
        }
    }
}

/// Several texts are looked for at once, by the library that does so for alternatives of regular expressions.
fn contains(texts: &[&str]) -> Vec<Condition> {
    if let [_, _, ..] = texts {
        let any = texts.iter().map(|text| regex::escape(text)).collect::<Vec<_>>().join("|");
        if let Ok(regex) = pattern::search(&any) {
            return vec![Condition::Regex(regex)];
        }
    }
    texts.iter().map(|text| literal(text)).collect()
}

fn literal(text: &str) -> Condition {
    Condition::Contains(Box::new(Finder::new(text).into_owned()))
}

fn condition(op: LineOp, condition: &LineCondition) -> Result<Condition, String> {
    match condition {
        LineCondition::Regex(pattern) => Ok(Condition::Regex(pattern.regex().clone())),
        LineCondition::Text(text) => match LinePattern::compile(text) {
            Ok(pattern) => Ok(Condition::Pattern(pattern)),
            Err(error) => Err(error.to_string()),
        },
        LineCondition::Ip(_) if !matches!(op, LineOp::Contains | LineOp::NotContains) => {
            Err("ip: invalid operation".to_owned())
        }
        LineCondition::Ip(addresses) => match IpRange::parse(addresses) {
            Ok(range) => Ok(Condition::Ip(range)),
            Err(error) => Err(format!("ip: invalid pattern: {error}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ast::Stage;
    use crate::parse_log;

    #[test]
    fn lines_are_tested() {
        for (filter, matching, other) in [
            ("|= \"a\"", "bab", "bb"),
            ("|= \"\"", "", "-"),
            ("!= \"a\"", "b", "a"),
            ("|= \"a\" or \"é.\"", "é.", "é"),
            ("|= \"a\" or \"\"", "a", "b"),
            ("|= \"a|\" or \"(\"", "(", "a"),
            ("|= \"A\"", "A", "a"),
            ("|~ \"^a.c$\"", "abc", "abcd"),
            ("|~ \"(?i)A\" or \"x\"", "a", "b"),
            ("!~ \"a+\"", "b", "aa"),
            ("|> \"<_> b <_>\"", "a b c", "b c"),
            ("!> \"<_> b\"", "a b c", "a b"),
            ("|= ip(\"10.0.0.0/8\")", "from 10.1.2.3:80", "from 11.1.2.3"),
            ("!= ip(\"10.0.0.1\")", "10.0.0.2", "10.0.0.1"),
            ("|= \"x\" or ip(\"10.0.0.1\")", "10.0.0.1", "10.0.0.2"),
        ] {
            let query = parse_log(&format!("{{a=\"b\"}} {filter}")).unwrap();
            let [Stage::LineFilter(filter)] = &*query.stages else { panic!("{filter}") };
            let test = LineTest::new(filter).unwrap();
            assert!(test.holds(matching), "{filter}");
            // A dash where there is none that does not match.
            assert!(other == "-" || !test.holds(other), "{filter}");
        }
    }
}
