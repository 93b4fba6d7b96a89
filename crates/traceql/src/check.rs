//! What the grammar allows and makes no sense: operands of the wrong types, patterns that are none, parts that nothing evaluates.

use trefoil_go::pattern;

use crate::ast::Query;
use crate::ast::{
    Aggregate, ArithmeticOp, Attribute, CompareOp, Expr, Field, Metrics, MetricsFunction, Pipeline, Scalar, Scope,
    SecondStage, Spanset, Stage,
};
use crate::error::ParseError;
use crate::value::{Type, Value};

type Result = std::result::Result<(), ParseError>;

/// Values of an attribute that `compare()` may give.
const MAX_COMPARED: i64 = 1_000;
/// Stages behind a function of metrics.
const MAX_SECOND_STAGES: usize = 100;

pub fn query(query: &Query) -> Result {
    match &query.expr {
        Expr::Search(of) => pipeline(of),
        Expr::Metrics(of) => metrics(of, true),
    }
}

fn pipeline(Pipeline(stages): &Pipeline) -> Result {
    stages.iter().try_for_each(stage)
}

fn stage(stage: &Stage) -> Result {
    match stage {
        Stage::Spanset(of) => spanset(of),
        Stage::ScalarFilter { op, left, right } => {
            scalar(left)?;
            scalar(right)?;
            let text = || format!("{left} {op} {right}");
            operands(compare_takes(*op), left.of_type(), right.of_type(), text)
        }
        Stage::By(of) => {
            if !of.is_of_span() {
                return fail(format!("grouping field expressions must reference the span: by({of})"));
            }
            field(of)
        }
        Stage::Coalesce => Ok(()),
        Stage::Select(attributes) => attributes.iter().try_for_each(attribute),
    }
}

fn spanset(of: &Spanset) -> Result {
    match of {
        Spanset::Filter(of) => filter(of),
        Spanset::Pipeline(of) => pipeline(of),
        Spanset::Operation { left, right, .. } => {
            spanset(left)?;
            spanset(right)
        }
    }
}

fn filter(of: &Field) -> Result {
    field(of)?;
    match of.of_type() {
        Type::Any | Type::Bool => Ok(()),
        _ => fail(format!("span filter field expressions must resolve to a boolean: {{ {of} }}")),
    }
}

fn scalar(of: &Scalar) -> Result {
    match of {
        Scalar::Constant(_) => Ok(()),
        Scalar::Operation { op, left, right } => {
            scalar(left)?;
            scalar(right)?;
            operands(arithmetic_takes(*op), left.of_type(), right.of_type(), || of.to_string())
        }
        Scalar::Aggregate { function: Aggregate::Count, .. } | Scalar::Aggregate { of: None, .. } => Ok(()),
        Scalar::Aggregate { of: Some(each), .. } => {
            field(each)?;
            if !matches!(each.of_type(), Type::Any | Type::Int | Type::Float | Type::Duration) {
                return fail(format!("aggregate field expressions must resolve to a number type: {of}"));
            }
            if !each.is_of_span() {
                return fail(format!("aggregate field expressions must reference the span: {of}"));
            }
            Ok(())
        }
    }
}

pub fn field(of: &Field) -> Result {
    match of {
        Field::Value(Value::Nil) => fail("nil can be compared by = and != only"),
        Field::Value(_) => Ok(()),
        Field::Attribute(of) => attribute(of),
        Field::Exists(each) => field(each),
        Field::IsNil(each) => {
            field(each)?;
            match &**each {
                Field::Attribute(Attribute::Intrinsic(_)) => {
                    fail(format!("{each}=nil is not valid because intrinsics cannot be nil"))
                }
                Field::Attribute(Attribute::Named { scope: Some(Scope::Resource), name }) if name == "service.name" => {
                    fail(format!("{each}=nil is not valid because resource.service.name cannot be nil"))
                }
                _ => Ok(()),
            }
        }
        Field::Not(each) => unary(of, each, |found| found == Type::Bool),
        Field::Negative(each) => unary(of, each, Type::is_numeric),
        Field::And(list) | Field::Or(list) => {
            list.iter().try_for_each(field)?;
            match list.iter().any(|each| !matches!(each.of_type(), Type::Any | Type::Bool | Type::Bools)) {
                true => fail(format!("illegal operation for the given types: {of}")),
                false => Ok(()),
            }
        }
        Field::Arithmetic { op, left, right } => {
            field(left)?;
            field(right)?;
            operands(arithmetic_takes(*op), left.of_type(), right.of_type(), || of.to_string())
        }
        Field::Compare { op, left, right } => {
            field(left)?;
            field(right)?;
            operands(compare_takes(*op), left.of_type(), right.of_type(), || of.to_string())?;
            if !matches!(op, CompareOp::Regex | CompareOp::NotRegex) {
                return Ok(());
            }
            match &**right {
                Field::Value(Value::String(text)) => match pattern::compile(text) {
                    Ok(_) => Ok(()),
                    Err(_) => fail(format!("invalid regex: {right}")),
                },
                _ => fail(format!("invalid type for =~ or !~: {right}")),
            }
        }
    }
}

fn unary(whole: &Field, of: &Field, takes: impl Fn(Type) -> bool) -> Result {
    field(of)?;
    match of.of_type() {
        Type::Any => Ok(()),
        found if takes(found) => Ok(()),
        _ => fail(format!("illegal operation for the given type: {whole}")),
    }
}

fn operands(takes: fn(Type) -> bool, left: Type, right: Type, text: impl Fn() -> String) -> Result {
    if !left.matches(right) {
        return fail(format!("binary operations must operate on the same type: {}", text()));
    }
    let fits = |found: Type| found == Type::Any || takes(found.element().unwrap_or(found));
    match fits(left) && fits(right) {
        true => Ok(()),
        false => fail(format!("illegal operation for the given types: {}", text())),
    }
}

/// The types of operands (of arrays: of their elements) that a comparison takes.
pub fn compare_takes(op: CompareOp) -> fn(Type) -> bool {
    match op {
        CompareOp::Equal | CompareOp::NotEqual => |_| true,
        CompareOp::Regex | CompareOp::NotRegex => |found| found == Type::String,
        _ => |found| found.is_numeric() || found == Type::String,
    }
}

fn arithmetic_takes(_: ArithmeticOp) -> fn(Type) -> bool {
    Type::is_numeric
}

fn attribute(of: &Attribute) -> Result {
    match of {
        Attribute::OfParent { .. } => fail("parent not yet supported"),
        Attribute::Intrinsic(_) | Attribute::Named { .. } => Ok(()),
    }
}

/// `is_alone`: nothing is done with the series but to show them.
fn metrics(of: &Metrics, is_alone: bool) -> Result {
    match of {
        Metrics::Query { spans, function, by } => {
            pipeline(spans)?;
            by.iter().try_for_each(attribute)?;
            metrics_function(function, is_alone)
        }
        Metrics::Then { of, stage } => {
            second_stages(of)?;
            match stage {
                SecondStage::TopK(count) | SecondStage::BottomK(count) if *count <= 0 => {
                    fail("limit must be greater than 0")
                }
                _ => metrics(of, false),
            }
        }
        Metrics::Operation { left, right, .. } => {
            metrics(left, false)?;
            metrics(right, false)
        }
        Metrics::WithScalar { metrics: of, .. } => metrics(of, false),
    }
}

/// They lie within each other, and whoever evaluates them goes down with them.
fn second_stages(mut of: &Metrics) -> Result {
    let mut count = 1;
    while let Metrics::Then { of: next, .. } = of {
        (of, count) = (next, count + 1);
    }
    match count > MAX_SECOND_STAGES {
        true => fail(format!("more than {MAX_SECOND_STAGES} stages behind a function of metrics")),
        false => Ok(()),
    }
}

fn metrics_function(function: &MetricsFunction, is_alone: bool) -> Result {
    match function {
        MetricsFunction::Rate | MetricsFunction::CountOverTime => Ok(()),
        MetricsFunction::MinOverTime(of)
        | MetricsFunction::MaxOverTime(of)
        | MetricsFunction::AvgOverTime(of)
        | MetricsFunction::SumOverTime(of)
        | MetricsFunction::HistogramOverTime(of) => numeric(of),
        MetricsFunction::QuantileOverTime { of, quantiles } => {
            if let Some(wrong) = quantiles.iter().find(|quantile| !(0.0..=1.0).contains(*quantile)) {
                return fail(format!("quantile must be between 0 and 1: {wrong}"));
            }
            numeric(of)
        }
        MetricsFunction::Compare { selection, top, window } => {
            if !is_alone {
                return fail("`compare()` cannot be used with second stage functions");
            }
            if !(1..=MAX_COMPARED).contains(top) {
                return fail(format!("compare() top number of values must be between 1 and {MAX_COMPARED}"));
            }
            if window.is_some_and(|(start, end)| (start, end) != (0, 0) && (start <= 0 || end <= start)) {
                return fail("compare() timestamps must both be set and the end be later than the start");
            }
            filter(selection)
        }
    }
}

/// Whether there can be numbers in it: attributes have any type.
fn numeric(of: &Attribute) -> Result {
    attribute(of)?;
    match of.of_type() {
        Type::Any => Ok(()),
        found if found.is_numeric() => Ok(()),
        _ => fail(format!("{of} is not a number")),
    }
}

fn fail(message: impl Into<String>) -> Result {
    Err(ParseError::whole(message))
}

/// Kept here since printing an intrinsic has to be what parsing it takes.
#[cfg(test)]
mod tests {
    use crate::ast::{Attribute, Intrinsic};

    #[test]
    fn intrinsics_are_read_as_they_are_written() {
        for intrinsic in Intrinsic::ALL {
            let written = Attribute::Intrinsic(intrinsic).to_string();
            assert_eq!(crate::attribute(&written), Ok(Attribute::Intrinsic(intrinsic)));
        }
    }
}
