//! The words of PromQL.

use trefoil_go::quote::quote;

use crate::ast::{AggregateOp, BinaryOp};
use crate::error::Position;

/// A token and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'q> {
    pub kind: Kind,
    pub start: usize,
    /// As written.
    pub text: &'q str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    End,
    Identifier,
    /// With a colon, so never a label.
    MetricIdentifier,
    String,
    Number,
    Duration,
    LeftParen,
    RightParen,
    LeftBrace,
    RightBrace,
    LeftBracket,
    RightBracket,
    Comma,
    Colon,
    Equal,
    EqualRegex,
    NotEqualRegex,
    At,
    Op(BinaryOp),
    Aggregate(AggregateOp),
    Keyword(Keyword),
    TimeWord(TimeWord),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyword {
    Anchored,
    Bool,
    By,
    Fill,
    FillLeft,
    FillRight,
    GroupLeft,
    GroupRight,
    Ignoring,
    Offset,
    On,
    Smoothed,
    Without,
}

/// Functions that have a meaning of their own behind `@` or in durations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeWord {
    Start,
    End,
    Step,
    Range,
    MaxOf,
    MinOf,
}

/// Words that are no plain identifiers, in lower case.
const WORDS: [(&str, Kind); 25] = [
    ("anchored", Kind::Keyword(Keyword::Anchored)),
    ("and", Kind::Op(BinaryOp::And)),
    ("atan2", Kind::Op(BinaryOp::Atan2)),
    ("bool", Kind::Keyword(Keyword::Bool)),
    ("by", Kind::Keyword(Keyword::By)),
    ("end", Kind::TimeWord(TimeWord::End)),
    ("fill", Kind::Keyword(Keyword::Fill)),
    ("fill_left", Kind::Keyword(Keyword::FillLeft)),
    ("fill_right", Kind::Keyword(Keyword::FillRight)),
    ("group_left", Kind::Keyword(Keyword::GroupLeft)),
    ("group_right", Kind::Keyword(Keyword::GroupRight)),
    ("ignoring", Kind::Keyword(Keyword::Ignoring)),
    ("inf", Kind::Number),
    ("max_of", Kind::TimeWord(TimeWord::MaxOf)),
    ("min_of", Kind::TimeWord(TimeWord::MinOf)),
    ("nan", Kind::Number),
    ("offset", Kind::Keyword(Keyword::Offset)),
    ("on", Kind::Keyword(Keyword::On)),
    ("or", Kind::Op(BinaryOp::Or)),
    ("range", Kind::TimeWord(TimeWord::Range)),
    ("smoothed", Kind::Keyword(Keyword::Smoothed)),
    ("start", Kind::TimeWord(TimeWord::Start)),
    ("step", Kind::TimeWord(TimeWord::Step)),
    ("unless", Kind::Op(BinaryOp::Unless)),
    ("without", Kind::Keyword(Keyword::Without)),
];

/// What a word is that is no plain identifier, in whatever case it is written.
pub(super) fn word(text: &str) -> Option<Kind> {
    let lower = text.to_ascii_lowercase();
    if let Ok(index) = WORDS.binary_search_by(|(word, _)| word.cmp(&lower.as_str())) {
        return WORDS.get(index).map(|(_, kind)| *kind);
    }
    AggregateOp::ALL.iter().find(|(name, _)| *name == lower).map(|(_, op)| Kind::Aggregate(*op))
}

/// `step`, `range`, `min_of` or `max_of`: the words that durations know.
pub(super) fn duration_word(text: &str) -> Option<Kind> {
    let kind = word(text)?;
    let is_known = matches!(kind, Kind::TimeWord(TimeWord::Step | TimeWord::Range | TimeWord::MaxOf | TimeWord::MinOf));
    is_known.then_some(kind)
}

impl Token<'_> {
    pub fn end(&self) -> usize {
        self.start + self.text.len()
    }

    pub fn position(&self) -> Position {
        Position { start: self.start, end: self.end() }
    }

    /// How errors name it.
    pub fn describe(&self) -> String {
        let text = self.text;
        match self.kind {
            Kind::End => "end of input".to_owned(),
            Kind::Identifier => format!("identifier {}", quote(text)),
            Kind::MetricIdentifier => format!("metric identifier {}", quote(text)),
            Kind::String => format!("string {}", shortened(text)),
            Kind::Number => format!("number {}", shortened(text)),
            Kind::Duration => format!("duration {}", shortened(text)),
            Kind::Keyword(_) => format!("<{text}>"),
            Kind::Aggregate(_) => format!("<aggr:{text}>"),
            Kind::Op(_) | Kind::At | Kind::EqualRegex | Kind::NotEqualRegex => format!("<op:{text}>"),
            _ => shortened(text),
        }
    }
}

/// Ten characters of it.
fn shortened(text: &str) -> String {
    if text.len() <= 10 {
        return quote(text);
    }
    let beginning: String = text.chars().take(10).collect();
    format!("{}...", quote(&beginning))
}

impl Kind {
    /// Whether a metric may have this name without quotes.
    pub fn is_metric_name(self) -> bool {
        match self {
            Kind::Identifier | Kind::MetricIdentifier | Kind::Aggregate(_) | Kind::TimeWord(_) => true,
            Kind::Op(op) => op.is_set(),
            Kind::Keyword(keyword) => {
                use Keyword::*;
                !matches!(keyword, Bool | GroupLeft | GroupRight | Ignoring | On)
            }
            _ => false,
        }
    }

    /// Whether a label may have this name without quotes where labels are listed (`by`, `on`, …).
    pub fn is_label_name(self) -> bool {
        match self {
            Kind::Identifier | Kind::MetricIdentifier | Kind::Aggregate(_) | Kind::TimeWord(_) => true,
            Kind::Op(op) => op.is_set() || op == BinaryOp::Atan2,
            Kind::Keyword(keyword) => keyword != Keyword::Without,
            _ => false,
        }
    }

    /// Whether an expression can begin with it.
    pub fn starts_expression(self) -> bool {
        match self {
            Kind::String | Kind::Number | Kind::Duration | Kind::LeftParen | Kind::LeftBrace => true,
            Kind::Op(BinaryOp::Add | BinaryOp::Sub) => true,
            kind => kind.is_metric_name(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_sorted() {
        assert!(WORDS.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(word("OffSet"), Some(Kind::Keyword(Keyword::Offset)));
        assert_eq!(word("count_values"), Some(Kind::Aggregate(AggregateOp::CountValues)));
        assert_eq!((word("rate"), duration_word("start")), (None, None));
    }
}
