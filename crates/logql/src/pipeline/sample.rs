//! Values of samples out of labels: `| unwrap …`.

use std::borrow::Cow;

use super::filters::{LabelTest, bytes, nanoseconds, number};
use super::{Entry, Known, Labels, Runner};
use crate::ast::{Conversion, Unwrap};
use crate::error::ParseError;

const SAMPLE_EXTRACTION: &str = "SampleExtractionErr";

/// `unwrap`, made ready.
#[derive(Debug, Clone)]
pub struct Unwrapping {
    label: String,
    conversion: Option<Conversion>,
    filters: Vec<LabelTest>,
}

impl Unwrapping {
    /// Fails with the filter that makes no sense.
    pub fn new(unwrap: &Unwrap) -> Result<Unwrapping, ParseError> {
        let filters = unwrap.filters.iter();
        let filters =
            filters.map(|filter| LabelTest::new(filter).map_err(|message| ParseError::of_stage(filter, &message)));
        let filters = filters.collect::<Result<_, _>>()?;
        Ok(Unwrapping { label: unwrap.label.clone(), conversion: unwrap.conversion, filters })
    }

    /// The label that has the values. Series do not have it, unless they are grouped by it.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// All labels that it looks at, for [`super::Wants`].
    pub fn labels(&self) -> Vec<&str> {
        let mut labels = vec![self.label.as_str()];
        self.filters.iter().for_each(|filter| filter.labels(&mut |label| labels.push(label)));
        labels
    }

    /// Whether what the value is makes no difference to the labels of a line, as long as it [is one](Unwrapping::number).
    pub(crate) fn ignores_value(&self) -> bool {
        let mut is_named = false;
        self.filters.iter().for_each(|filter| filter.labels(&mut |label| is_named |= label == self.label));
        !is_named
    }

    /// The value that a text is. `None`: it is none.
    pub fn number(&self, text: &str) -> Option<f64> {
        self.converted(text).ok()
    }

    fn converted(&self, text: &str) -> Result<f64, String> {
        match self.conversion {
            None => number(text),
            Some(Conversion::Bytes) => bytes(text).map(|bytes| bytes as f64),
            Some(Conversion::Duration | Conversion::DurationSeconds) => {
                nanoseconds(text).map(|nanos| nanos as f64 / 1e9)
            }
        }
    }

    /// `None`: there is no value. Of one that is no number it is 0, and an error.
    fn value(&self, labels: &mut Labels<'_>) -> Option<f64> {
        let text = labels.value(&self.label).filter(|text| !text.is_empty())?;
        let value = self.converted(text).unwrap_or_else(|details| {
            labels.fail(SAMPLE_EXTRACTION, Cow::Owned(details));
            0.0
        });
        self.filters.iter().all(|filter| filter.holds(labels)).then_some(value)
    }
}

impl Runner<'_> {
    /// What `take` makes of the value and the labels. `None`: the line does not pass, or has no value.
    pub fn run_unwrapped<T>(
        &mut self,
        unwrapping: &Unwrapping,
        entry: &Entry<'_>,
        take: impl FnOnce(f64, &Labels<'_>) -> T,
    ) -> Option<T> {
        self.run_mut(entry, |_, labels| unwrapping.value(labels).map(|value| take(value, labels)))
    }

    /// The same for a line whose fields are known.
    pub fn run_known_unwrapped<T>(
        &mut self,
        unwrapping: &Unwrapping,
        entry: &Entry<'_>,
        known: Known<'_>,
        take: impl FnOnce(f64, &Labels<'_>) -> T,
    ) -> Option<T> {
        self.run_known_mut(entry, known, |labels| unwrapping.value(labels).map(|value| take(value, labels)))
    }
}
