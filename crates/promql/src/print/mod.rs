//! Expressions to text, in Prometheus' canonical form: what errors show and what parses to the same expression.

mod pretty;

use std::fmt::{self, Display, Formatter};

use trefoil_go::number::{decimal, general};
use trefoil_go::quote::quote;

use crate::ast::{
    Aggregate, At, Binary, BinaryOp, Call, Cardinality, Duration, DurationExpr, Expr, Extension, MatrixSelector,
    NumberLiteral, Subquery, VectorMatching, VectorSelector,
};
use crate::labels::{METRIC_NAME, is_legacy_name};
use crate::matcher::{MatchOp, Matcher};
use crate::parser::format_duration;

pub use pretty::pretty;

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Expr::Number(number) => number.fmt(f),
            Expr::String(string) => f.write_str(&quote(&string.value)),
            Expr::Vector(selector) => selector.fmt(f),
            Expr::Matrix(matrix) => matrix.fmt(f),
            Expr::Subquery(subquery) => write!(f, "{}{}", subquery.expr, SubquerySuffix(subquery)),
            Expr::Call(call) => call.fmt(f),
            Expr::Aggregate(aggregate) => aggregate.fmt(f),
            Expr::Binary(binary) => write!(f, "{} {} {}", binary.lhs, Operator(binary), binary.rhs),
            Expr::Unary(unary) => write!(f, "{}{}", unary.op.symbol(), unary.expr),
            Expr::Paren(paren) => write!(f, "({})", paren.expr),
        }
    }
}

impl Display for NumberLiteral {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.is_duration {
            // Prometheus cuts where this rounds, and so prints 1s for 1001ms.
            return f.write_str(&format_duration((self.value * 1e9).round() as i64 / 1_000_000));
        }
        f.write_str(&decimal(self.value))
    }
}

impl Display for Matcher {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", LabelName(&self.name), self.op, quote(&self.value))
    }
}

impl Display for VectorSelector {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_series(self, f)?;
        write_at(self.at, f)?;
        write_extension(self.extension, f)?;
        write_offset(self.offset.as_ref(), f)
    }
}

impl Display for MatrixSelector {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write_series(&self.selector, f)?;
        write!(f, "[{}]", self.range)?;
        write_extension(self.selector.extension, f)?;
        write_at(self.selector.at, f)?;
        write_offset(self.selector.offset.as_ref(), f)
    }
}

fn write_series(selector: &VectorSelector, f: &mut Formatter<'_>) -> fmt::Result {
    let name = selector.name.as_deref().unwrap_or_default();
    let says_the_name = |matcher: &Matcher| {
        matcher.name == METRIC_NAME && matcher.op == MatchOp::Equal && matcher.value == name && !name.is_empty()
    };
    let matchers = selector.matchers.iter().filter(|matcher| !says_the_name(matcher));
    let mut matchers: Vec<String> = matchers.map(Matcher::to_string).collect();
    matchers.sort_unstable();
    f.write_str(name)?;
    // Prometheus writes nothing at all for `{}`, which would not parse again.
    if name.is_empty() || !matchers.is_empty() {
        write!(f, "{{{}}}", matchers.join(","))?;
    }
    Ok(())
}

fn write_at(at: Option<At>, f: &mut Formatter<'_>) -> fmt::Result {
    match at {
        None => Ok(()),
        Some(At::Time(millis)) => write!(f, " @ {:.3}", millis as f64 / 1000.0),
        Some(At::Start) => f.write_str(" @ start()"),
        Some(At::End) => f.write_str(" @ end()"),
    }
}

fn write_extension(extension: Option<Extension>, f: &mut Formatter<'_>) -> fmt::Result {
    match extension {
        None => Ok(()),
        Some(extension) => write!(f, " {}", extension.name()),
    }
}

fn write_offset(offset: Option<&Duration>, f: &mut Formatter<'_>) -> fmt::Result {
    match offset {
        None => Ok(()),
        Some(offset) => write!(f, " offset {offset}"),
    }
}

impl Extension {
    pub fn name(self) -> &'static str {
        match self {
            Extension::Anchored => "anchored",
            Extension::Smoothed => "smoothed",
        }
    }
}

impl Display for Duration {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Duration::Millis(millis) => f.write_str(&format_duration(*millis)),
            Duration::Computed(expr) => expr.fmt(f),
        }
    }
}

impl Display for DurationExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            DurationExpr::Number(number) => number.fmt(f),
            DurationExpr::Step(_) => f.write_str("step()"),
            DurationExpr::Range(_) => f.write_str("range()"),
            DurationExpr::Min(a, b) => write!(f, "min_of({a}, {b})"),
            DurationExpr::Max(a, b) => write!(f, "max_of({a}, {b})"),
            DurationExpr::Sign(BinaryOp::Sub, expr, _) => write!(f, "-{expr}"),
            DurationExpr::Sign(_, expr, _) => expr.fmt(f),
            DurationExpr::Binary(op, a, b, _) => write!(f, "{a} {} {b}", op.symbol()),
            DurationExpr::Paren(expr) => write!(f, "({expr})"),
        }
    }
}

/// What stands behind the expression of a subquery.
struct SubquerySuffix<'e>(&'e Subquery);

impl Display for SubquerySuffix<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Subquery { range, step, offset, at, .. } = self.0;
        write!(f, "[{range}:")?;
        if let Some(step) = step {
            step.fmt(f)?;
        }
        f.write_str("]")?;
        write_at(*at, f)?;
        write_offset(offset.as_ref(), f)
    }
}

impl Display for Call {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.function.name)?;
        write_list(&self.args, f)?;
        f.write_str(")")
    }
}

impl Display for Aggregate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", AggregateHead(self))?;
        if let Some(param) = &self.param {
            write!(f, "{param}, ")?;
        }
        write!(f, "{})", self.expr)
    }
}

/// The operator of an aggregation and its labels.
struct AggregateHead<'e>(&'e Aggregate);

impl Display for AggregateHead<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Aggregate { op, grouping, without, .. } = self.0;
        f.write_str(op.name())?;
        match without {
            true => write!(f, " without ({}) ", LabelNames(grouping)),
            false if grouping.is_empty() => Ok(()),
            false => write!(f, " by ({}) ", LabelNames(grouping)),
        }
    }
}

/// A binary operator and its modifiers.
struct Operator<'e>(&'e Binary);

impl Display for Operator<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.op.symbol())?;
        if self.0.return_bool {
            f.write_str(" bool")?;
        }
        match &self.0.matching {
            None => Ok(()),
            Some(matching) => matching.fmt(f),
        }
    }
}

impl Display for VectorMatching {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let group = match self.cardinality {
            Cardinality::ManyToOne => Some("group_left"),
            Cardinality::OneToMany => Some("group_right"),
            Cardinality::OneToOne | Cardinality::ManyToMany => None,
        };
        if self.on || !self.labels.is_empty() || group.is_some() {
            let kind = if self.on { "on" } else { "ignoring" };
            write!(f, " {kind} ({})", LabelNames(&self.labels))?;
        }
        if let Some(group) = group {
            write!(f, " {group} ({})", LabelNames(&self.include))?;
        }
        match (self.fill_left, self.fill_right) {
            (Some(left), Some(right)) if left == right => write!(f, " fill ({})", general(left)),
            (left, right) => {
                if let Some(left) = left {
                    write!(f, " fill_left ({})", general(left))?;
                }
                if let Some(right) = right {
                    write!(f, " fill_right ({})", general(right))?;
                }
                Ok(())
            }
        }
    }
}

struct LabelName<'e>(&'e str);

impl Display for LabelName<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match is_legacy_name(self.0) {
            true => f.write_str(self.0),
            false => f.write_str(&quote(self.0)),
        }
    }
}

struct LabelNames<'e>(&'e [String]);

impl Display for LabelNames<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{}", LabelName(name))?;
        }
        Ok(())
    }
}

fn write_list(exprs: &[Expr], f: &mut Formatter<'_>) -> fmt::Result {
    for (index, expr) in exprs.iter().enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        write!(f, "{comma}{expr}")?;
    }
    Ok(())
}
