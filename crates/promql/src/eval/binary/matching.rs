//! Which series of two vectors belong together.

use hashbrown::HashMap;

use super::changes_metric;
use crate::ast::{BinaryOp, Cardinality, VectorMatching};
use crate::eval::names::without_name;
use crate::labels::{Labels, METRIC_NAME};
use crate::value::StepSeries;

/// Which labels tell match groups apart.
pub(super) struct Signature<'m> {
    names: Vec<&'m str>,
    on: bool,
}

impl<'m> Signature<'m> {
    pub fn of(matching: &'m VectorMatching) -> Self {
        let mut names: Vec<&str> = matching.labels.iter().map(String::as_str).collect();
        if !matching.on {
            names.push(METRIC_NAME);
        }
        Self { names, on: matching.on }
    }

    /// Those of them that a series has.
    pub fn labels(&self, series: &Labels) -> Labels {
        match self.on {
            true => series.only(&self.names),
            false => series.without(&self.names),
        }
    }
}

/// The match group of each series: series of both sides belong together where it is the same.
pub(super) struct Signatures {
    /// The labels of each group.
    pub groups: Vec<Labels>,
    pub lhs: Vec<usize>,
    pub rhs: Vec<usize>,
}

impl Signatures {
    pub fn new(matching: &VectorMatching, lhs: &[StepSeries], rhs: &[StepSeries]) -> Self {
        let signature = Signature::of(matching);
        let mut places: HashMap<Labels, usize> = HashMap::with_capacity(lhs.len().max(rhs.len()));
        let mut groups = Vec::new();
        let mut of = |series: &StepSeries| {
            *places.entry(signature.labels(&series.labels)).or_insert_with_key(|labels| {
                groups.push(labels.clone());
                groups.len() - 1
            })
        };
        let lhs = lhs.iter().map(&mut of).collect();
        let rhs = rhs.iter().map(&mut of).collect();
        Self { groups, lhs, rhs }
    }
}

/// The labels of a result, by those of the operand on the "many" side and of that on the "one" side.
pub(super) fn result_labels(
    many: &Labels,
    one: &Labels,
    op: BinaryOp,
    matching: &VectorMatching,
    drops_name: bool,
) -> Labels {
    let mut labels = match drops_name || changes_metric(op) {
        true => without_name(many),
        false => many.clone(),
    };
    if matching.cardinality == Cardinality::OneToOne {
        let names: Vec<&str> = matching.labels.iter().map(String::as_str).collect();
        labels = match matching.on {
            true => labels.only(&names),
            false => labels.without(&names),
        };
    }
    if matching.include.is_empty() {
        return labels;
    }
    let mut builder = labels.builder();
    for name in &matching.include {
        match one.label(name) {
            Some(label) => builder.put(label.clone()),
            None => builder.remove(name),
        };
    }
    builder.build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::points::Points;

    fn matching(cardinality: Cardinality, on: bool, labels: &[&str], include: &[&str]) -> VectorMatching {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        VectorMatching {
            cardinality,
            labels: owned(labels),
            on,
            include: owned(include),
            fill_left: None,
            fill_right: None,
        }
    }

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::from_pairs(pairs.iter().copied())
    }

    #[test]
    fn groups_are_common_to_both_sides() {
        let row =
            |pairs: &[(&str, &str)]| StepSeries { labels: labels(pairs), drop_name: false, points: Points::empty(1) };
        let lhs =
            [row(&[("__name__", "l"), ("a", "1"), ("b", "1")]), row(&[("__name__", "l"), ("a", "1"), ("b", "2")])];
        let rhs = [row(&[("__name__", "r"), ("a", "1"), ("b", "2")])];
        for (on, names, expected, groups) in [
            (true, vec!["a"], (vec![0, 0], vec![0]), 1),
            (true, vec![], (vec![0, 0], vec![0]), 1),
            (true, vec!["__name__"], (vec![0, 0], vec![1]), 2),
            (false, vec![], (vec![0, 1], vec![1]), 2),
            (false, vec!["b"], (vec![0, 0], vec![0]), 1),
        ] {
            let signatures = Signatures::new(&matching(Cardinality::OneToOne, on, &names, &[]), &lhs, &rhs);
            assert_eq!((signatures.lhs, signatures.rhs), expected, "on {on} {names:?}");
            assert_eq!(signatures.groups.len(), groups);
        }
    }

    #[test]
    fn results_take_labels_of_the_many_side_and_included_ones_of_the_other() {
        use Cardinality::{ManyToOne, OneToOne};
        let many = labels(&[("__name__", "m"), ("__unit__", "s"), ("a", "1"), ("b", "2"), ("c", "3")]);
        let one = labels(&[("__name__", "o"), ("b", "x"), ("d", "y")]);
        for (cardinality, op, on, names, include, drops, expected) in [
            (OneToOne, BinaryOp::Add, false, vec!["b"], vec![], false, r#"{a="1", c="3"}"#),
            (OneToOne, BinaryOp::Add, true, vec!["b"], vec![], false, r#"{b="2"}"#),
            (OneToOne, BinaryOp::Gt, false, vec!["b", "c"], vec![], false, r#"{__name__="m", __unit__="s", a="1"}"#),
            (OneToOne, BinaryOp::Gt, true, vec!["a"], vec![], false, r#"{a="1"}"#),
            (ManyToOne, BinaryOp::Gt, true, vec!["a"], vec![], true, r#"{a="1", b="2", c="3"}"#),
            (ManyToOne, BinaryOp::Mul, true, vec!["a"], vec!["b", "c", "d"], false, r#"{a="1", b="x", d="y"}"#),
        ] {
            let matching = matching(cardinality, on, &names, &include);
            assert_eq!(result_labels(&many, &one, op, &matching, drops).to_string(), expected);
        }
    }
}
