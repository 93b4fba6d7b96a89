//! Conditions on the labels of a line.

use crate::matcher::Matcher;

#[derive(Debug, Clone, PartialEq)]
pub enum LabelFilter {
    Text(Matcher),
    Number {
        label: String,
        op: CompareOp,
        value: f64,
    },
    /// Nanoseconds.
    Duration {
        label: String,
        op: CompareOp,
        value: i64,
    },
    Bytes {
        label: String,
        op: CompareOp,
        value: u64,
    },
    /// An address, a network or a range of addresses; the operator is `Equal` or `NotEqual`.
    Ip {
        label: String,
        op: CompareOp,
        addresses: String,
    },
    /// Two or more, none of them an `All`. Chains are one list, however long they are.
    All(Vec<LabelFilter>),
    /// Two or more, none of them an `Any`.
    Any(Vec<LabelFilter>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompareOp {
    Equal,
    NotEqual,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
}

impl CompareOp {
    pub fn symbol(self) -> &'static str {
        match self {
            CompareOp::Equal => "=",
            CompareOp::NotEqual => "!=",
            CompareOp::Greater => ">",
            CompareOp::GreaterEqual => ">=",
            CompareOp::Less => "<",
            CompareOp::LessEqual => "<=",
        }
    }

    pub fn holds<T: PartialOrd>(self, left: T, right: T) -> bool {
        match self {
            CompareOp::Equal => left == right,
            CompareOp::NotEqual => left != right,
            CompareOp::Greater => left > right,
            CompareOp::GreaterEqual => left >= right,
            CompareOp::Less => left < right,
            CompareOp::LessEqual => left <= right,
        }
    }
}

impl LabelFilter {
    /// Those of which all have to be true, as one.
    pub fn all(filters: Vec<LabelFilter>) -> LabelFilter {
        combined(filters, LabelFilter::All, |filter| match filter {
            LabelFilter::All(inner) => Ok(inner),
            other => Err(other),
        })
    }

    /// Those of which one has to be true, as one.
    pub fn any(filters: Vec<LabelFilter>) -> LabelFilter {
        combined(filters, LabelFilter::Any, |filter| match filter {
            LabelFilter::Any(inner) => Ok(inner),
            other => Err(other),
        })
    }
}

fn combined(
    filters: Vec<LabelFilter>,
    many: fn(Vec<LabelFilter>) -> LabelFilter,
    inner: fn(LabelFilter) -> Result<Vec<LabelFilter>, LabelFilter>,
) -> LabelFilter {
    let mut list = Vec::with_capacity(filters.len());
    for filter in filters {
        match inner(filter) {
            Ok(filters) => list.extend(filters),
            Err(filter) => list.push(filter),
        }
    }
    match list.len() {
        1 => list.swap_remove(0),
        _ => many(list),
    }
}
