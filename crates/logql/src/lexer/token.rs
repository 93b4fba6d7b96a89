//! What a query is made of.

use std::fmt;

#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    pub kind: Kind,
    pub line: usize,
    pub column: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A symbol, a keyword, a flag or the name of a function.
    Fixed(&'static str),
    Identifier(String),
    Text(String),
    /// As it is written.
    Number(String),
    /// Nanoseconds.
    Duration(i64),
    Bytes(u64),
    /// Nanoseconds in brackets.
    Range(i64),
    End,
}

/// In the words of Loki's errors.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Fixed(text) => text,
            Kind::Identifier(_) => "IDENTIFIER",
            Kind::Text(_) => "STRING",
            Kind::Number(_) => "NUMBER",
            Kind::Duration(_) => "DURATION",
            Kind::Bytes(_) => "BYTES",
            Kind::Range(_) => "RANGE",
            Kind::End => "$end",
        })
    }
}

/// Longer ones first.
pub const SYMBOLS: [&str; 27] = [
    "==", "=~", "!=", "!~", "!>", "|=", "|~", "|>", ">=", "<=", "{", "}", "(", ")", "=", "<", ">", "+", "-", "*", "/",
    "%", "^", "|", ",", ".", "]",
];

pub const FLAGS: [&str; 2] = ["--strict", "--keep-empty"];

pub const KEYWORDS: [&str; 22] = [
    "by",
    "without",
    "bool",
    "offset",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "or",
    "and",
    "unless",
    "unwrap",
    "json",
    "regexp",
    "logfmt",
    "unpack",
    "pattern",
    "label_format",
    "line_format",
    "decolorize",
    "drop",
    "keep",
];

pub const FUNCTIONS: [&str; 33] = [
    "count_over_time",
    "rate",
    "rate_counter",
    "bytes_over_time",
    "bytes_rate",
    "avg_over_time",
    "sum_over_time",
    "min_over_time",
    "max_over_time",
    "stdvar_over_time",
    "stddev_over_time",
    "quantile_over_time",
    "first_over_time",
    "last_over_time",
    "absent_over_time",
    "sum",
    "avg",
    "count",
    "max",
    "min",
    "stddev",
    "stdvar",
    "bottomk",
    "topk",
    "sort",
    "sort_desc",
    "approx_topk",
    "label_replace",
    "vector",
    "bytes",
    "duration",
    "duration_seconds",
    "ip",
];

/// The same text out of a list.
pub fn fixed(list: &[&'static str], text: &str) -> Option<&'static str> {
    list.iter().copied().find(|fixed| *fixed == text)
}
