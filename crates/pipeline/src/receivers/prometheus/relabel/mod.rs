//! Relabelling: rules that rewrite or drop labels of targets, of scraped series, and of series that are sent on.

mod labels;
mod rule;
mod template;
#[cfg(test)]
mod tests;

pub use labels::Labels;
pub use rule::{Action, RelabelConfig, Rule};

/// Applies the rules in order; `false` if one of them drops what has the labels.
#[must_use]
pub fn apply(rules: &[Rule], labels: &mut Labels) -> bool {
    rules.iter().all(|rule| rule.apply(labels))
}
