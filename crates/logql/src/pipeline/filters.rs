//! Label filters, made ready.

use std::borrow::Cow;

use trefoil_go::quote::quote;
use trefoil_go::{duration, float};
use trefoil_lines::units;

use super::labels::Labels;
use crate::ast::{CompareOp, LabelFilter};
use crate::filter::ip::IpRange;
use crate::matcher::Matcher;

const LABEL_FILTER: &str = "LabelFilterErr";

#[derive(Debug, Clone)]
pub(super) enum LabelTest {
    Text(Matcher),
    Number { label: String, op: CompareOp, value: f64 },
    Duration { label: String, op: CompareOp, value: i64 },
    Bytes { label: String, op: CompareOp, value: u64 },
    Ip { label: String, is_negation: bool, range: IpRange },
    All(Vec<LabelTest>),
    Any(Vec<LabelTest>),
}

impl LabelTest {
    pub fn new(filter: &LabelFilter) -> Result<LabelTest, String> {
        let each = |list: &[LabelFilter]| list.iter().map(LabelTest::new).collect::<Result<Vec<_>, _>>();
        Ok(match filter {
            LabelFilter::Text(matcher) => LabelTest::Text(matcher.clone()),
            LabelFilter::Number { label, op, value } => {
                LabelTest::Number { label: label.clone(), op: *op, value: *value }
            }
            LabelFilter::Duration { label, op, value } => {
                LabelTest::Duration { label: label.clone(), op: *op, value: *value }
            }
            LabelFilter::Bytes { label, op, value } => {
                LabelTest::Bytes { label: label.clone(), op: *op, value: *value }
            }
            LabelFilter::Ip { label, op, addresses } => {
                let range = IpRange::parse(addresses).map_err(|error| format!("ip: invalid pattern: {error}"))?;
                LabelTest::Ip { label: label.clone(), is_negation: *op == CompareOp::NotEqual, range }
            }
            LabelFilter::All(list) => LabelTest::All(each(list)?),
            LabelFilter::Any(list) => LabelTest::Any(each(list)?),
        })
    }

    /// Calls `visit` with every label that it asks for.
    pub fn labels<'t>(&'t self, visit: &mut impl FnMut(&'t str)) {
        match self {
            LabelTest::Text(matcher) => visit(&matcher.name),
            LabelTest::Number { label, .. }
            | LabelTest::Duration { label, .. }
            | LabelTest::Bytes { label, .. }
            | LabelTest::Ip { label, .. } => visit(label),
            LabelTest::All(list) | LabelTest::Any(list) => list.iter().for_each(|test| test.labels(visit)),
        }
    }

    /// Whether the line passes. One that has a label of which no number can be made passes with an error; one that has not the
    /// label at all does not.
    pub fn holds(&self, labels: &mut Labels<'_>) -> bool {
        match self {
            LabelTest::Text(matcher) => matcher.matches(labels.get(&matcher.name).unwrap_or_default()),
            LabelTest::Number { label, op, value } => compared(labels, label, *op, *value, number),
            LabelTest::Duration { label, op, value } => compared(labels, label, *op, *value, nanoseconds),
            LabelTest::Bytes { label, op, value } => compared(labels, label, *op, *value, bytes),
            // Only texts can filter lines out that have errors.
            LabelTest::Ip { .. } if labels.error().is_some() => true,
            LabelTest::Ip { label, is_negation, range } => {
                labels.value(label).is_some_and(|value| range.is_in(value) != *is_negation)
            }
            // Also those behind one that is false: a line that passes by another way has all its errors.
            LabelTest::All(list) => list.iter().filter(|test| !test.holds(labels)).count() == 0,
            LabelTest::Any(list) => list.iter().any(|test| test.holds(labels)),
        }
    }
}

fn compared<T: PartialOrd>(
    labels: &mut Labels<'_>,
    label: &str,
    op: CompareOp,
    with: T,
    read: fn(&str) -> Result<T, String>,
) -> bool {
    let Some(value) = labels.value(label) else { return false };
    match read(value) {
        Ok(value) => op.holds(value, with),
        Err(details) => {
            labels.fail_first(LABEL_FILTER, Cow::Owned(details));
            true
        }
    }
}

/// In the words of Go's error.
pub(super) fn number(text: &str) -> Result<f64, String> {
    float::parse(text).map_err(|reason| format!("strconv.ParseFloat: parsing {}: {reason}", quote(text)))
}

/// Go's units alone: values of labels have no days.
pub(super) fn nanoseconds(text: &str) -> Result<i64, String> {
    duration::parse_strict(text)
}

pub(super) fn bytes(text: &str) -> Result<u64, String> {
    units::bytes(text).ok_or_else(|| format!("not a number of bytes: {}", quote(text)))
}
