//! Queries as text. What is written here is read as the same query; keys of answers (`by(span.foo)`, `avg(duration)`) are made of it.

use std::fmt::{Display, Formatter, Result};

use trefoil_go::quote::quote;

use crate::ast::{
    Aggregate, ArithmeticOp, Attribute, CompareOp, Expr, Field, Hint, Intrinsic, Metrics, MetricsFunction, Outcome,
    Pipeline, Query, Relation, Scalar, Scope, SecondStage, Spanset, SpansetOp, Stage,
};
use crate::lexer::is_attribute_character;

/// In backquotes, if it can stand in them.
pub(crate) fn quoted(text: &str) -> String {
    if text.contains(['`', '\r']) { quote(text) } else { format!("`{text}`") }
}

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}", self.expr)?;
        if self.hints.is_empty() {
            return Ok(());
        }
        write!(f, " with({})", Joined(&self.hints, ", "))
    }
}

impl Display for Hint {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Expr::Search(pipeline) => pipeline.fmt(f),
            Expr::Metrics(metrics) => metrics.fmt(f),
        }
    }
}

impl Display for Pipeline {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        Joined(&self.0, " | ").fmt(f)
    }
}

impl Display for Stage {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Stage::Spanset(spanset) => spanset.fmt(f),
            Stage::ScalarFilter { op, left, right } => write!(f, "{left} {op} {right}"),
            Stage::By(field) => write!(f, "by({field})"),
            Stage::Coalesce => f.write_str("coalesce()"),
            Stage::Select(attributes) => write!(f, "select({})", Joined(attributes, ", ")),
        }
    }
}

impl Display for Spanset {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Spanset::Filter(field) => write!(f, "{{ {field} }}"),
            Spanset::Pipeline(pipeline) => write!(f, "({pipeline})"),
            Spanset::Operation { op, left, right } => {
                operand(f, left)?;
                write!(f, " {op} ")?;
                operand(f, right)
            }
        }
    }
}

/// In parentheses where operators meet.
fn operand(f: &mut Formatter<'_>, spanset: &Spanset) -> Result {
    match spanset {
        Spanset::Operation { .. } => write!(f, "({spanset})"),
        _ => spanset.fmt(f),
    }
}

impl Display for SpansetOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let (relation, result) = match self {
            SpansetOp::And => return f.write_str("&&"),
            SpansetOp::Or => return f.write_str("||"),
            SpansetOp::Structure { relation, result } => (relation, result),
        };
        f.write_str(match result {
            Outcome::Related => "",
            Outcome::Unrelated => "!",
            Outcome::Both => "&",
        })?;
        f.write_str(match relation {
            Relation::Child => ">",
            Relation::Parent => "<",
            Relation::Descendant => ">>",
            Relation::Ancestor => "<<",
            Relation::Sibling => "~",
        })
    }
}

impl Display for Scalar {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Scalar::Constant(value) => value.fmt(f),
            Scalar::Aggregate { function, of: None } => write!(f, "{function}()"),
            Scalar::Aggregate { function, of: Some(field) } => write!(f, "{function}({field})"),
            Scalar::Operation { op, left, right } => write!(f, "({left} {op} {right})"),
        }
    }
}

impl Display for Aggregate {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Aggregate::Count => "count",
            Aggregate::Max => "max",
            Aggregate::Min => "min",
            Aggregate::Avg => "avg",
            Aggregate::Sum => "sum",
        })
    }
}

impl Display for Field {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Field::Value(value) => value.fmt(f),
            Field::Attribute(attribute) => attribute.fmt(f),
            Field::Not(of) => write!(f, "!{}", Wrapped(of)),
            Field::Negative(of) => write!(f, "-{}", Wrapped(of)),
            Field::Exists(of) => write!(f, "{} != nil", Wrapped(of)),
            Field::IsNil(of) => write!(f, "{} = nil", Wrapped(of)),
            Field::And(list) => chain(f, list, " && "),
            Field::Or(list) => chain(f, list, " || "),
            Field::Compare { op, left, right } => write!(f, "{} {op} {}", Wrapped(left), Wrapped(right)),
            Field::Arithmetic { op, left, right } => write!(f, "{} {op} {}", Wrapped(left), Wrapped(right)),
        }
    }
}

fn chain(f: &mut Formatter<'_>, list: &[Field], between: &str) -> Result {
    for (place, field) in list.iter().enumerate() {
        f.write_str(if place == 0 { "" } else { between })?;
        Wrapped(field).fmt(f)?;
    }
    Ok(())
}

/// In parentheses, unless it is a value or an attribute.
struct Wrapped<'f>(&'f Field);

impl Display for Wrapped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self.0 {
            Field::Value(_) | Field::Attribute(_) => self.0.fmt(f),
            of => write!(f, "({of})"),
        }
    }
}

impl Display for CompareOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            CompareOp::Equal => "=",
            CompareOp::NotEqual => "!=",
            CompareOp::Less => "<",
            CompareOp::LessEqual => "<=",
            CompareOp::Greater => ">",
            CompareOp::GreaterEqual => ">=",
            CompareOp::Regex => "=~",
            CompareOp::NotRegex => "!~",
        })
    }
}

impl Display for ArithmeticOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            ArithmeticOp::Add => "+",
            ArithmeticOp::Sub => "-",
            ArithmeticOp::Mul => "*",
            ArithmeticOp::Div => "/",
            ArithmeticOp::Mod => "%",
            ArithmeticOp::Pow => "^",
        })
    }
}

impl Display for Attribute {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let (scope, name) = match self {
            Attribute::Intrinsic(intrinsic) => return f.write_str(intrinsic.text()),
            Attribute::OfParent { scope: None, name } if name.is_empty() => return f.write_str("parent"),
            Attribute::OfParent { scope, name } => {
                // The point behind it is that of the name.
                f.write_str(if scope.is_some() { "parent." } else { "parent" })?;
                (scope, name)
            }
            Attribute::Named { scope, name } => (scope, name),
        };
        write!(f, "{}.", scope.map_or("", Scope::name))?;
        match name.is_empty() || name.chars().any(|c| c == '"' || !is_attribute_character(c)) {
            true => write!(f, "\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")),
            false => f.write_str(name),
        }
    }
}

impl Intrinsic {
    pub const ALL: [Intrinsic; 21] = [
        Intrinsic::Duration,
        Intrinsic::Name,
        Intrinsic::Status,
        Intrinsic::StatusMessage,
        Intrinsic::Kind,
        Intrinsic::ChildCount,
        Intrinsic::SpanId,
        Intrinsic::ParentId,
        Intrinsic::TraceId,
        Intrinsic::TraceDuration,
        Intrinsic::RootName,
        Intrinsic::RootService,
        Intrinsic::NestedSetLeft,
        Intrinsic::NestedSetRight,
        Intrinsic::NestedSetParent,
        Intrinsic::EventName,
        Intrinsic::EventTimeSinceStart,
        Intrinsic::LinkTraceId,
        Intrinsic::LinkSpanId,
        Intrinsic::InstrumentationName,
        Intrinsic::InstrumentationVersion,
    ];

    /// As answers and labels name it.
    pub fn text(self) -> &'static str {
        match self {
            Intrinsic::Duration => "duration",
            Intrinsic::Name => "name",
            Intrinsic::Status => "status",
            Intrinsic::StatusMessage => "statusMessage",
            Intrinsic::Kind => "kind",
            Intrinsic::ChildCount => "span:childCount",
            Intrinsic::SpanId => "span:id",
            Intrinsic::ParentId => "span:parentID",
            Intrinsic::TraceId => "trace:id",
            Intrinsic::TraceDuration => "traceDuration",
            Intrinsic::RootName => "rootName",
            Intrinsic::RootService => "rootServiceName",
            Intrinsic::NestedSetLeft => "nestedSetLeft",
            Intrinsic::NestedSetRight => "nestedSetRight",
            Intrinsic::NestedSetParent => "nestedSetParent",
            Intrinsic::EventName => "event:name",
            Intrinsic::EventTimeSinceStart => "event:timeSinceStart",
            Intrinsic::LinkTraceId => "link:traceID",
            Intrinsic::LinkSpanId => "link:spanID",
            Intrinsic::InstrumentationName => "instrumentation:name",
            Intrinsic::InstrumentationVersion => "instrumentation:version",
        }
    }
}

impl Display for Metrics {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Metrics::Query { spans, function, by } if by.is_empty() => write!(f, "{spans} | {function}"),
            Metrics::Query { spans, function, by } => write!(f, "{spans} | {function} by({})", Joined(by, ", ")),
            Metrics::Then { of, stage } => match &**of {
                Metrics::Operation { .. } | Metrics::WithScalar { .. } => write!(f, "({of}){stage}"),
                _ => write!(f, "{of}{stage}"),
            },
            Metrics::Operation { op, left, right } => write!(f, "({left}) {op} ({right})"),
            Metrics::WithScalar { op, metrics, scalar, is_left: true } => write!(f, "{scalar:?} {op} ({metrics})"),
            Metrics::WithScalar { op, metrics, scalar, is_left: false } => write!(f, "({metrics}) {op} {scalar:?}"),
        }
    }
}

impl Display for MetricsFunction {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            MetricsFunction::QuantileOverTime { of, quantiles } => {
                let quantiles: Vec<String> = quantiles.iter().map(|quantile| format!("{quantile:?}")).collect();
                write!(f, "quantile_over_time({of}, {})", quantiles.join(", "))
            }
            MetricsFunction::Compare { selection, top, window: None } => write!(f, "compare({{ {selection} }}, {top})"),
            MetricsFunction::Compare { selection, top, window: Some((start, end)) } => {
                write!(f, "compare({{ {selection} }}, {top}, {start}, {end})")
            }
            MetricsFunction::Rate | MetricsFunction::CountOverTime => write!(f, "{}()", self.name()),
            MetricsFunction::MinOverTime(of)
            | MetricsFunction::MaxOverTime(of)
            | MetricsFunction::AvgOverTime(of)
            | MetricsFunction::SumOverTime(of)
            | MetricsFunction::HistogramOverTime(of) => write!(f, "{}({of})", self.name()),
        }
    }
}

impl MetricsFunction {
    pub fn name(&self) -> &'static str {
        match self {
            MetricsFunction::Rate => "rate",
            MetricsFunction::CountOverTime => "count_over_time",
            MetricsFunction::MinOverTime(_) => "min_over_time",
            MetricsFunction::MaxOverTime(_) => "max_over_time",
            MetricsFunction::AvgOverTime(_) => "avg_over_time",
            MetricsFunction::SumOverTime(_) => "sum_over_time",
            MetricsFunction::HistogramOverTime(_) => "histogram_over_time",
            MetricsFunction::QuantileOverTime { .. } => "quantile_over_time",
            MetricsFunction::Compare { .. } => "compare",
        }
    }
}

impl Display for SecondStage {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            SecondStage::TopK(count) => write!(f, " | topk({count})"),
            SecondStage::BottomK(count) => write!(f, " | bottomk({count})"),
            SecondStage::Filter { op, value } => write!(f, " {op} {value}"),
        }
    }
}

struct Joined<'l, T>(&'l [T], &'static str);

impl<T: Display> Display for Joined<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for (place, item) in self.0.iter().enumerate() {
            f.write_str(if place == 0 { "" } else { self.1 })?;
            item.fmt(f)?;
        }
        Ok(())
    }
}
