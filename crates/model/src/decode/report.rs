//! What is told to the sender about items that were left out or changed.

use std::fmt::{self, Display, Write};

/// How many different places are named; the rest is only counted.
const MAX_REASONS: usize = 3;

/// Where an item lies in the request: `resource_spans[0].scope_spans[1].spans[7]`.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub names: [&'static str; 3],
    pub indexes: [usize; 3],
}

impl Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c] = self.names;
        let [i, j, k] = self.indexes;
        write!(f, "{a}[{i}].{b}[{j}].{c}[{k}]")
    }
}

/// Collects rejections (items that are not stored) and warnings (items stored without a part of them).
#[derive(Debug, Default)]
pub struct Report {
    rejected: u64,
    warned: u64,
    reasons: Vec<String>,
    warnings: Vec<String>,
}

impl Report {
    /// `items` (usually 1) are not stored because of `reason`.
    #[cold]
    pub fn reject(&mut self, items: u64, place: impl Display, reason: impl Display) {
        self.rejected += items;
        if self.reasons.len() < MAX_REASONS {
            self.reasons.push(format!("{place}: {reason}"));
        }
    }

    /// The item is stored, but not all of it.
    #[cold]
    pub fn warn(&mut self, place: impl Display, warning: impl Display) {
        self.warned += 1;
        if self.warnings.len() < MAX_REASONS {
            self.warnings.push(format!("{place}: {warning}"));
        }
    }

    pub fn rejected(&self) -> u64 {
        self.rejected
    }

    /// The text for `partial_success.error_message`; `None` when all is well. `item` names the signal's items in the plural.
    pub fn message(&self, item: &str) -> Option<String> {
        let mut message = String::new();
        if self.rejected > 0 {
            let _ = write!(message, "{} {item} rejected: {}", self.rejected, self.reasons.join("; "));
            ellipsis(&mut message, self.reasons.len());
        }
        if self.warned > 0 {
            let separator = if message.is_empty() { "" } else { " | " };
            let _ = write!(message, "{separator}{} warnings: {}", self.warned, self.warnings.join("; "));
            ellipsis(&mut message, self.warnings.len());
        }
        (!message.is_empty()).then_some(message)
    }
}

fn ellipsis(message: &mut String, named: usize) {
    if named == MAX_REASONS {
        message.push_str("; …");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_first_places_and_counts_the_rest() {
        let mut report = Report::default();
        assert_eq!(report.message("spans"), None);
        let place = |k| Place { names: ["resource_spans", "scope_spans", "spans"], indexes: [0, 1, k] };
        report.reject(1, place(7), "trace_id is all zeros");
        assert_eq!(
            report.message("spans").unwrap(),
            "1 spans rejected: resource_spans[0].scope_spans[1].spans[7]: trace_id is all zeros"
        );
        for k in 0..1000 {
            report.reject(1, place(k), "span_id is all zeros");
        }
        report.warn(place(1), "one event dropped");
        let message = report.message("spans").unwrap();
        assert!(message.starts_with("1001 spans rejected: "), "{message}");
        assert!(
            message.ends_with(
                "spans[1]: span_id is all zeros; … | 1 warnings: \
             resource_spans[0].scope_spans[1].spans[1]: one event dropped"
            ),
            "{message}"
        );
    }
}
