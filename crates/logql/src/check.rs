//! What the grammar allows and makes no sense, in the words of Loki.

use std::collections::HashSet;

use crate::ast::{
    LabelFilter, LabelFormat, LineCondition, LineFilter, LineOp, LogQuery, Metric, Query, RangeAggregation, Stage,
    VectorAggregation, VectorOp,
};
use crate::error::ParseError;
use crate::matcher::Matcher;

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
    query.stages.iter().try_for_each(|of| stage(of).map_err(|message| of_stage(of, &message)))
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
    let filters = range.unwrap.iter().flat_map(|unwrap| &unwrap.filters);
    filters.into_iter().try_for_each(|filter| label_filter(filter).map_err(|message| of_stage(filter, &message)))
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

/// What is wrong with a stage.
fn stage(stage: &Stage) -> std::result::Result<(), String> {
    match stage {
        Stage::LineFilter(of) => line_filter(of),
        Stage::LabelFilter(of) => label_filter(of),
        Stage::LabelFormat(formats) => label_formats(formats),
        _ => Ok(()),
    }
}

fn line_filter(LineFilter { op, alternatives }: &LineFilter) -> std::result::Result<(), String> {
    let takes_addresses = matches!(op, LineOp::Contains | LineOp::NotContains);
    for alternative in alternatives {
        match alternative {
            LineCondition::Ip(_) if !takes_addresses => return Err("ip: invalid operation".to_owned()),
            _ => {}
        }
    }
    Ok(())
}

fn label_filter(_filter: &LabelFilter) -> std::result::Result<(), String> {
    Ok(())
}

/// It would be hard to say what comes first if a label were made twice.
fn label_formats(formats: &[LabelFormat]) -> std::result::Result<(), String> {
    let mut names = HashSet::new();
    for LabelFormat { label, .. } in formats {
        if label == "__error__" {
            return Err(format!("{label} cannot be formatted"));
        }
        if !names.insert(label) {
            return Err(format!("multiple label name '{label}' not allowed in a single format operation"));
        }
    }
    Ok(())
}

fn of_stage(stage: &impl ToString, message: &str) -> ParseError {
    ParseError::whole(format!("stage '{}' : {message}", stage.to_string()))
}

fn fail(message: impl Into<String>) -> Result {
    Err(ParseError::whole(message))
}
