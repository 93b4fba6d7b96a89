//! `absent_over_time`: 1 where a range vector has nothing.

use crate::ast::{Expr, VectorSelector};
use crate::labels::{Labels, LabelsBuilder, METRIC_NAME};
use crate::matcher::MatchOp;
use crate::points::Points;
use crate::value::StepSeries;

/// Rows with a value wherever there is none in the rows given; no row where there is always one.
pub(crate) fn absent(expr: &Expr, rows: &[StepSeries], steps: usize) -> Vec<StepSeries> {
    let mut points = Points::dense(vec![1.0; steps]);
    for row in rows {
        for (step, _) in row.points.iter() {
            points.clear(step);
        }
    }
    match points.is_empty() {
        true => Vec::new(),
        false => vec![StepSeries { labels: labels_of_absent(expr), drop_name: false, points }],
    }
}

/// The labels that whatever is absent would surely have had: those that a selector asks to be equal to something, once.
pub(crate) fn labels_of_absent(expr: &Expr) -> Labels {
    let selector: &VectorSelector = match expr.unwrapped() {
        Expr::Vector(selector) => selector,
        Expr::Matrix(matrix) => &matrix.selector,
        _ => return Labels::default(),
    };
    let mut labels = LabelsBuilder::default();
    let mut set: Vec<&str> = Vec::new();
    for matcher in selector.matchers.iter().filter(|matcher| matcher.name != METRIC_NAME) {
        if matcher.op == MatchOp::Equal && !set.contains(&matcher.name.as_str()) {
            labels.set(matcher.name.as_str(), matcher.value.as_str());
            set.push(&matcher.name);
        } else {
            labels.remove(&matcher.name);
        }
    }
    labels.build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parser::{ParserOptions, parse};

    #[test]
    fn what_is_absent_has_the_labels_it_was_asked_for() {
        for (query, expected) in [
            (r#"x{job="a", b!="1", c=~"d"}"#, r#"{job="a"}"#),
            (r#"(x{job="a", job="b", e="f"}[5m])"#, r#"{e="f"}"#),
            (r#"sum(x{job="a"})"#, "{}"),
        ] {
            let expr = parse(query, ParserOptions::ALL).unwrap();
            assert_eq!(labels_of_absent(&expr).to_string(), expected, "{query}");
        }
    }

    #[test]
    fn absence_is_where_no_row_has_a_value() {
        let row = |steps: &[usize]| {
            let mut points = Points::empty(3);
            steps.iter().for_each(|step| points.set_float(*step, 0.0));
            StepSeries { labels: Labels::default(), drop_name: false, points }
        };
        let expr = parse("x", ParserOptions::ALL).unwrap();
        let steps = |rows: &[StepSeries]| {
            let absent = absent(&expr, rows, 3);
            absent.iter().flat_map(|row| row.points.iter().map(|(step, _)| step)).collect::<Vec<_>>()
        };
        assert_eq!(steps(&[]), [0, 1, 2]);
        assert_eq!(steps(&[row(&[0]), row(&[2])]), [1]);
        assert_eq!(steps(&[row(&[0, 1]), row(&[2])]), []);
    }
}
