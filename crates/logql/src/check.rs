//! What the grammar allows and makes no sense, in the words of Loki.

use crate::ast::{LogQuery, Metric, Query, RangeAggregation, VectorAggregation, VectorOp};
use crate::error::ParseError;
use crate::matcher::Matcher;
use crate::pipeline::{Pipeline, Unwrapping, Wants};

type Result = std::result::Result<(), ParseError>;

const NOTHING_SELECTED: &str = "queries require at least one regexp or equality matcher that does not have an empty-compatible value. \
                                For instance, app=~\".*\" does not meet this requirement, but app=~\".+\" will";

pub fn query(query: &Query) -> Result {
    match query {
        Query::Log(query) => log(query),
        Query::Metric(of) => metric(of),
    }
}

fn log(query: &LogQuery) -> Result {
    if query.selector.iter().all(Matcher::matches_empty) {
        return fail(NOTHING_SELECTED);
    }
    Pipeline::new(&query.stages, &Wants::All).map(drop)
}

fn metric(of: &Metric) -> Result {
    match of {
        Metric::Range(aggregation) => range_aggregation(aggregation),
        Metric::Vector(aggregation) => vector_aggregation(aggregation),
        Metric::LabelReplace(replace) => metric(&replace.of),
        Metric::Binary(binary) => {
            metric(&binary.left)?;
            metric(&binary.right)
        }
        Metric::Literal(_) | Metric::Constant(_) => Ok(()),
    }
}

fn range_aggregation(aggregation: &RangeAggregation) -> Result {
    let RangeAggregation { op, range, grouping, .. } = aggregation;
    let name = op.name();
    if grouping.is_some() && !op.takes_grouping() {
        return fail(format!("grouping not allowed for {name} aggregation"));
    }
    match range.unwrap {
        Some(_) if !op.takes_values() => return fail(format!("invalid aggregation {name} with unwrap")),
        None if !op.takes_lines() => return fail(format!("invalid aggregation {name} without unwrap")),
        _ => {}
    }
    log(&range.query)?;
    range.unwrap.as_ref().map_or(Ok(()), |unwrap| Unwrapping::new(unwrap).map(drop))
}

fn vector_aggregation(aggregation: &VectorAggregation) -> Result {
    let grouping = &aggregation.grouping;
    match aggregation.op {
        VectorOp::Sort | VectorOp::SortDesc if grouping.as_ref().is_some_and(|of| !of.labels().is_empty()) => {
            fail("sort and sort_desc doesn't allow grouping by ")
        }
        VectorOp::ApproxTopk if grouping.is_some() => fail("grouping not allowed for approx_topk aggregation"),
        _ => metric(&aggregation.of),
    }
}

fn fail(message: impl Into<String>) -> Result {
    Err(ParseError::whole(message))
}
