//! What is done to a line and its labels.

use super::LabelFilter;
use crate::matcher::Matcher;
use crate::pattern::Pattern;

#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    LineFilter(LineFilter),
    /// Without extractions every member of the object becomes a label.
    Json(Vec<Extraction>),
    /// Without extractions every pair becomes a label.
    Logfmt {
        flags: LogfmtFlags,
        extractions: Vec<Extraction>,
    },
    /// Its named groups become labels.
    Regexp(String),
    /// `<name>` becomes a label.
    Pattern(String),
    Unpack,
    LabelFilter(LabelFilter),
    /// A template.
    LineFormat(String),
    LabelFormat(Vec<LabelFormat>),
    Decolorize,
    Drop(Vec<NamedLabel>),
    Keep(Vec<NamedLabel>),
}

/// Keeps the lines of which one alternative is true.
#[derive(Debug, Clone, PartialEq)]
pub struct LineFilter {
    pub op: LineOp,
    /// At least one; exactly one where the operator is a negation: `!= "a" or "b"` is `!= "a" != "b"`.
    pub alternatives: Vec<LineCondition>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineOp {
    Contains,
    NotContains,
    Regex,
    NotRegex,
    Pattern,
    NotPattern,
}

#[derive(Debug, Clone, PartialEq)]
pub enum LineCondition {
    /// Text or a pattern like `<_> GET <_>`.
    Text(String),
    Regex(Pattern),
    /// An address, a network or a range of addresses.
    Ip(String),
}

/// `label="expression"` behind `json` and `logfmt`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extraction {
    pub label: String,
    pub expression: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogfmtFlags {
    pub strict: bool,
    pub keep_empty: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelFormat {
    pub label: String,
    pub source: LabelSource,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelSource {
    /// The label that is renamed.
    Label(String),
    Template(String),
}

/// Of `drop` and `keep`: a label, or one whose value fulfils a condition.
#[derive(Debug, Clone, PartialEq)]
pub enum NamedLabel {
    Name(String),
    Matcher(Matcher),
}

impl LineOp {
    pub const ALL: [LineOp; 6] =
        [LineOp::Contains, LineOp::NotContains, LineOp::Regex, LineOp::NotRegex, LineOp::Pattern, LineOp::NotPattern];

    pub fn symbol(self) -> &'static str {
        match self {
            LineOp::Contains => "|=",
            LineOp::NotContains => "!=",
            LineOp::Regex => "|~",
            LineOp::NotRegex => "!~",
            LineOp::Pattern => "|>",
            LineOp::NotPattern => "!>",
        }
    }

    pub fn is_negation(self) -> bool {
        matches!(self, LineOp::NotContains | LineOp::NotRegex | LineOp::NotPattern)
    }
}

impl NamedLabel {
    pub fn name(&self) -> &str {
        match self {
            NamedLabel::Name(name) => name,
            NamedLabel::Matcher(matcher) => &matcher.name,
        }
    }
}
