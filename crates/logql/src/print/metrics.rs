//! Queries for series as text, with no more parentheses than are needed.

use std::fmt::{Display, Formatter, Result};

use trefoil_go::number;

use super::{Joined, durations::Duration, quoted};
use crate::ast::{
    Binary, BinaryOp, Cardinality, Grouping, LabelReplace, LogRange, Matching, Metric, RangeAggregation,
    VectorAggregation,
};

impl Display for Metric {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Metric::Range(range) => range.fmt(f),
            Metric::Vector(aggregation) => aggregation.fmt(f),
            Metric::Binary(binary) => binary.fmt(f),
            Metric::LabelReplace(replace) => replace.fmt(f),
            Metric::Literal(value) => f.write_str(&literal(*value)),
            Metric::Constant(value) => write!(f, "vector({})", number::decimal(*value)),
        }
    }
}

/// There are no words for what is no number; it is written as what gives it.
fn literal(value: f64) -> String {
    match value {
        f64::INFINITY => "(1 / 0)".to_owned(),
        f64::NEG_INFINITY => "(-1 / 0)".to_owned(),
        _ if value.is_nan() => "(0 / 0)".to_owned(),
        _ => number::general(value),
    }
}

impl Display for RangeAggregation {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}(", self.op.name())?;
        if let Some(param) = self.param {
            write!(f, "{}, ", number::decimal(param))?;
        }
        write!(f, "{})", self.range)?;
        match &self.grouping {
            Some(grouping) => write!(f, " {grouping}"),
            None => Ok(()),
        }
    }
}

impl Display for LogRange {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        self.query.fmt(f)?;
        if let Some(unwrap) = &self.unwrap {
            write!(f, " {unwrap}")?;
        }
        let is_bare = self.query.stages.is_empty() && self.unwrap.is_none();
        f.write_str(if is_bare { "" } else { " " })?;
        Length(self).fmt(f)
    }
}

/// `[5m] offset 1h`.
pub(super) struct Length<'m>(pub &'m LogRange);

impl Display for Length<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "[{}]", Duration(self.0.range))?;
        match self.0.offset {
            0 => Ok(()),
            offset => write!(f, " offset {}", Duration(offset)),
        }
    }
}

impl Display for Grouping {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let keyword = match self {
            Grouping::By(_) => "by",
            Grouping::Without(_) => "without",
        };
        write!(f, "{keyword} ({})", Joined(self.labels(), ", "))
    }
}

impl Display for VectorAggregation {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}(", VectorHead(self))?;
        if let Some(param) = self.param {
            write!(f, "{param}, ")?;
        }
        write!(f, "{})", self.of)
    }
}

/// What stands in front of the parenthesis.
pub(super) struct VectorHead<'m>(pub &'m VectorAggregation);

impl Display for VectorHead<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(self.0.op.name())?;
        match &self.0.grouping {
            Some(grouping) => write!(f, " {grouping} "),
            None => Ok(()),
        }
    }
}

impl Display for LabelReplace {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "label_replace({}, {})", self.of, Joined(&self.texts(), ", "))
    }
}

impl LabelReplace {
    /// The arguments behind the first, quoted.
    pub(super) fn texts(&self) -> [String; 4] {
        [&self.destination, &self.replacement, &self.source, self.pattern.text()].map(quoted)
    }
}

impl Display for Binary {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let leg = |f: &mut Formatter<'_>, metric: &Metric, side| match self.wraps(metric, side) {
            true => write!(f, "({metric})"),
            false => metric.fmt(f),
        };
        leg(f, &self.left, Side::Left)?;
        write!(f, " {} ", Operator(self))?;
        leg(f, &self.right, Side::Right)
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Side {
    Left,
    Right,
}

impl Binary {
    /// Whether what stands on a side needs parentheses.
    pub(super) fn wraps(&self, metric: &Metric, side: Side) -> bool {
        let Metric::Binary(inner) = metric else { return false };
        let is_taken_first = match self.op {
            BinaryOp::Pow => Side::Right,
            _ => Side::Left,
        };
        let (outer, inner) = (self.op.precedence(), inner.op.precedence());
        inner < outer || (inner == outer && side != is_taken_first)
    }
}

/// `== bool on (a) group_left ()`.
pub(super) struct Operator<'m>(pub &'m Binary);

impl Display for Operator<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(self.0.op.symbol())?;
        f.write_str(if self.0.return_bool { " bool" } else { "" })?;
        match &self.0.matching {
            Some(matching) => write!(f, " {matching}"),
            None => Ok(()),
        }
    }
}

impl Display for Matching {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let keyword = if self.on { "on" } else { "ignoring" };
        write!(f, "{keyword} ({})", Joined(&self.labels, ", "))?;
        match &self.cardinality {
            Cardinality::OneToOne => Ok(()),
            Cardinality::ManyToOne(include) => write!(f, " group_left ({})", Joined(include, ", ")),
            Cardinality::OneToMany(include) => write!(f, " group_right ({})", Joined(include, ", ")),
        }
    }
}
