//! A join whose results are handed on while its "many" side is read, for whoever adds them up: all of that side at once would be most
//! of what a query holds.

use std::ops::ControlFlow;

use hashbrown::HashMap;

use super::combine::{Operand, Rule, combine};
use super::mask::Mask;
use super::matching::{Signature, result_labels};
use super::no_operator;
use super::notes::Notes;
use super::vector::{Conflicts, Partners, present};
use crate::ast::{Binary, Cardinality, Expr, VectorMatching};
use crate::error::EvalError;
use crate::eval::Evaluator;
use crate::eval::names::without_name;
use crate::eval::stream::{Stream, Take};
use crate::labels::{Labels, METRIC_TYPE, METRIC_UNIT};
use crate::value::{StepSeries, Value};

/// An operator with `group_left` or `group_right`.
pub(in crate::eval) struct Join<'e> {
    binary: &'e Binary,
    matching: &'e VectorMatching,
    many: Box<Stream<'e>>,
    one: &'e Expr,
}

impl Evaluator<'_> {
    /// `None` where all series of the "many" side must be known before there is a value.
    pub(in crate::eval) fn join<'e>(&self, binary: &'e Binary) -> Option<Join<'e>> {
        let matching = binary.matching.as_ref()?;
        let (many, one) = match matching.cardinality {
            Cardinality::ManyToOne => (&binary.lhs, &binary.rhs),
            Cardinality::OneToMany => (&binary.rhs, &binary.lhs),
            Cardinality::OneToOne | Cardinality::ManyToMany => return None,
        };
        if matching.fill_left.is_some() || matching.fill_right.is_some() {
            return None;
        }
        let many = self.stream(many).filter(|many| self.is_of_one_metric(many))?;
        Some(Join { binary, matching, many: Box::new(many), one })
    }

    /// Hands on the results, as [`Evaluator::run_stream`] does; those of one row may have the same labels where its partners follow
    /// each other.
    pub(in crate::eval) fn run_join(
        &self,
        join: &Join<'_>,
        hand_on: &mut Take<'_>,
    ) -> Result<ControlFlow<()>, EvalError> {
        let Join { binary, matching, .. } = *join;
        let (before, bytes_before) = (self.shared.samples.get(), self.shared.memory.bytes());
        let Value::Vector(one) = self.eval(join.one)? else { return Err(no_operator(binary.op)) };
        let held = self.shared.samples.get().saturating_sub(before);
        let bytes_held = self.shared.memory.bytes().saturating_sub(bytes_before);

        let len = self.steps.count();
        let signature = Signature::of(matching);
        let mut groups: HashMap<Labels, usize> = HashMap::new();
        let mut group_labels = Vec::new();
        let mut group = |row: &StepSeries| {
            *groups.entry(signature.labels(&row.labels)).or_insert_with_key(|labels| {
                group_labels.push(labels.clone());
                group_labels.len() - 1
            })
        };
        let one_groups: Vec<usize> = one.iter().map(&mut group).collect();
        let mut active = present(&one, len);
        let partners = Partners::new(group_labels.len(), &one, &one_groups, &active);

        let pairing = Pairing::new(join, self);
        let (mut notes, mut seen) = (Notes::default(), Mask::none(len));
        let flow = self.run_stream(&join.many, &mut |rows| {
            let mut results = Vec::new();
            for mut row in rows {
                self.check_running()?;
                if row.drop_name && !self.options.delayed_name_removal {
                    row.labels = without_name(&row.labels);
                }
                if pairing.may_meet_others(&row.labels) {
                    return Ok(ControlFlow::Break(()));
                }
                seen.or(row.points.present());
                let partners = groups.get(&signature.labels(&row.labels)).map_or(&[][..], |group| partners.of(*group));
                for result in partners.iter().filter_map(|partner| pairing.of(&row, &one[*partner], &mut notes)) {
                    self.hold_row(&result)?;
                    results.push(result);
                }
            }
            let flow = hand_on(results)?;
            // Whoever took them does not know of the other side.
            self.hold(held)?;
            self.hold_bytes(bytes_held)?;
            Ok(flow)
        })?;
        if flow.is_break() {
            return Ok(flow);
        }
        // Only now is it known at which steps anything was asked.
        active.and(seen.words());
        let mut conflicts = Conflicts::default();
        let partners = Partners::new(group_labels.len(), &one, &one_groups, &active);
        partners.report(matching, &one, &one_groups, &group_labels, &active, &mut conflicts);
        conflicts.into_result()?;
        notes.report(self, binary);
        self.settle(self.shared.samples.get().saturating_sub(held), 0)?;
        self.settle_bytes(self.shared.memory.bytes().saturating_sub(bytes_held), 0)?;
        Ok(flow)
    }
}

/// What becomes of a row and its partner.
struct Pairing<'j> {
    join: &'j Join<'j>,
    rule: Rule,
    drops_name: bool,
}

impl<'j> Pairing<'j> {
    fn new(join: &'j Join<'j>, evaluator: &Evaluator<'_>) -> Self {
        let Binary { op, return_bool, .. } = *join.binary;
        let drops_name = return_bool && !evaluator.options.delayed_name_removal;
        Self { join, rule: Rule { op, return_bool, keeps_right: false }, drops_name }
    }

    /// Rows of one metric differ in their labels, and so do their results, unless a label is replaced or taken away.
    fn may_meet_others(&self, many: &Labels) -> bool {
        let include = self.join.matching.include.iter().map(String::as_str);
        include.chain([METRIC_TYPE, METRIC_UNIT]).any(|name| many.has(name))
    }

    fn of(&self, many: &StepSeries, one: &StepSeries, notes: &mut Notes) -> Option<StepSeries> {
        let Join { binary, matching, .. } = *self.join;
        let steps = Mask::all_of(&[many.points.present(), one.points.present()]);
        if steps.is_empty() {
            return None;
        }
        let (lhs, rhs) = match matching.cardinality {
            Cardinality::OneToMany => (one, many),
            _ => (many, one),
        };
        let (lhs, rhs) = (Operand::of_points(&lhs.points), Operand::of_points(&rhs.points));
        let points = combine(self.rule, lhs, rhs, steps, notes).points;
        if points.is_empty() {
            return None;
        }
        let labels = result_labels(&many.labels, &one.labels, binary.op, matching, self.drops_name);
        Some(StepSeries { labels, drop_name: binary.return_bool, points })
    }
}
