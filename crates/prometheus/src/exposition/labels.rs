//! `{a="b","c.d"="e"}`, in both text formats.

use std::borrow::Cow;

use super::error::ParseError;
use super::number;
use super::scan::Cursor;
use super::{Label, MetricType};

pub const METRIC_NAME: &str = "__name__";
pub const BUCKET: &str = "le";
pub const QUANTILE: &str = "quantile";

/// What may stand between the tokens.
pub type Skip = fn(&mut Cursor<'_>);

/// Reads what follows `{`, through `}`. A name in quotes without a value is the metric's and gets into `name`.
pub fn read<'a>(
    cursor: &mut Cursor<'a>,
    skip: Skip,
    name: &mut Option<Cow<'a, str>>,
    labels: &mut Vec<Label<'a>>,
) -> Result<(), ParseError> {
    loop {
        skip(cursor);
        if cursor.eat(b'}') {
            return Ok(());
        }
        let start = cursor.position();
        let is_quoted = cursor.peek() == Some(b'"');
        let key = match is_quoted {
            true => cursor.quoted("label name")?,
            false => Cow::Borrowed(cursor.name(false).ok_or_else(|| cursor.unexpected("expected label name"))?),
        };
        skip(cursor);
        match cursor.peek() {
            Some(b'=') => {
                if key == METRIC_NAME {
                    return Err(cursor.wrong_since(start, "label name \"__name__\" is reserved"));
                }
                cursor.bump();
                skip(cursor);
                labels.push(Label { name: key, value: cursor.quoted("label value")? });
                skip(cursor);
            }
            Some(b',' | b'}') if is_quoted => {
                if name.is_some() {
                    return Err(cursor.wrong_since(start, "metric name already set"));
                }
                *name = Some(key);
            }
            _ => return Err(cursor.unexpected("expected equal")),
        }
        if !cursor.eat(b',') && cursor.peek() != Some(b'}') {
            return Err(cursor.unexpected("expected comma or brace close"));
        }
    }
}

/// Gives `le` of histograms and `quantile` of summaries their one form.
pub fn normalize(kind: MetricType, labels: &mut [Label<'_>]) {
    let key = match kind {
        MetricType::Histogram => BUCKET,
        MetricType::Summary => QUANTILE,
        _ => return,
    };
    for label in labels.iter_mut().filter(|label| label.name == key) {
        label.value = number::normalized(std::mem::take(&mut label.value));
    }
}

/// Whether two series are of one metric: their labels are the same but for `le` and `quantile`.
pub fn are_of_one_metric(a: &[Label<'_>], b: &[Label<'_>]) -> bool {
    identifying(a).eq(identifying(b))
}

/// The labels without `le` and `quantile`.
pub fn identifying<'s, 'p>(labels: &'s [Label<'p>]) -> impl Iterator<Item = &'s Label<'p>> {
    labels.iter().filter(|label| label.name != BUCKET && label.name != QUANTILE)
}
