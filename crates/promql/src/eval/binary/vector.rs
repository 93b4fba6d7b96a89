//! Operators between two vectors, except the set operators.

use hashbrown::HashMap;

use super::combine::{Operand, Rule, combine};
use super::mask::Mask;
use super::matching::{Signatures, result_labels};
use super::notes::Notes;
use crate::ast::{Binary, Cardinality, VectorMatching};
use crate::error::EvalError;
use crate::eval::Evaluator;
use crate::labels::Labels;
use crate::points::Points;
use crate::value::StepSeries;

impl Evaluator<'_> {
    /// Pairs up the series of both sides and applies the operator to each pair.
    ///
    /// Each side may have several series of one match group, as long as those of the "one" side never have a value at the
    /// same step, and no two results of a step have the same labels.
    pub(super) fn matched(
        &self,
        binary: &Binary,
        matching: &VectorMatching,
        lhs: Vec<StepSeries>,
        rhs: Vec<StepSeries>,
    ) -> Result<Vec<StepSeries>, EvalError> {
        let len = self.steps.count();
        let signatures = Signatures::new(matching, &lhs, &rhs);
        let swapped = matching.cardinality == Cardinality::OneToMany;
        let (many, many_groups, one, one_groups) = match swapped {
            false => (lhs, &signatures.lhs, rhs, &signatures.rhs),
            true => (rhs, &signatures.rhs, lhs, &signatures.lhs),
        };
        let active = active_steps(matching, &many, &one, len);
        let mut conflicts = Conflicts::default();
        let partners = Partners::new(signatures.groups.len(), &one, one_groups, &active);
        partners.report(matching, &one, one_groups, &signatures.groups, &active, &mut conflicts);

        let mut pairs = Pairs::new(binary, matching, signatures.groups.len());
        pairs.drops_name = binary.return_bool && !self.options.delayed_name_removal;
        // Prometheus swaps the sides of `group_right` before it looks at what to fill in, so `fill_right` is always for the
        // "one" side and `fill_left` for the "many" side.
        let fill_one = matching.fill_right.map(|value| vec![value; len]);
        let fill_many = matching.fill_left.map(|value| vec![value; len]);
        // Each makes room for its results.
        for (row, group) in many.into_iter().zip(many_groups) {
            self.check_running()?;
            self.check_rows(pairs.results.len())?;
            let known = pairs.results.len();
            let left = Side { labels: &row.labels, values: Operand::of_points(&row.points) };
            for partner in partners.of(*group) {
                let partner = &one[*partner];
                let steps = Mask::all_of(&[row.points.present(), partner.points.present(), active.words()]);
                let right = Side { labels: &partner.labels, values: Operand::of_points(&partner.points) };
                pairs.add(*group, left, right, steps, &mut conflicts);
            }
            if let Some(fill) = &fill_one {
                let mut steps = Mask::all_of(&[row.points.present(), active.words()]);
                partners.take_away(*group, &mut steps);
                let right = Side { labels: &signatures.groups[*group], values: Operand::of_floats(fill) };
                pairs.add(*group, left, right, steps, &mut conflicts);
            }
            pairs.results[known..].iter().try_for_each(|row| self.hold_row(row))?;
        }
        if let Some(fill) = &fill_many {
            for (row, group) in one.iter().zip(one_groups) {
                self.check_rows(pairs.results.len())?;
                let known = pairs.results.len();
                let mut steps = Mask::all_of(&[row.points.present(), active.words()]);
                pairs.take_away_matched(*group, &mut steps);
                let left = Side { labels: &signatures.groups[*group], values: Operand::of_floats(fill) };
                let right = Side { labels: &row.labels, values: Operand::of_points(&row.points) };
                pairs.add(*group, left, right, steps, &mut conflicts);
                pairs.results[known..].iter().try_for_each(|row| self.hold_row(row))?;
            }
        }
        conflicts.into_result()?;
        pairs.notes.report(self, binary);
        self.joined(pairs.results)
    }
}

/// The steps at which anything can match: elsewhere even series that would be in each other's way do no harm.
fn active_steps(matching: &VectorMatching, many: &[StepSeries], one: &[StepSeries], len: usize) -> Mask {
    let (mut active, one) = (present(many, len), present(one, len));
    match matching.fill_left.is_some() || matching.fill_right.is_some() {
        true => active.or(one.words()),
        false => active.and(one.words()),
    }
    active
}

/// The steps at which any of the rows has a value.
pub(super) fn present(rows: &[StepSeries], len: usize) -> Mask {
    let mut mask = Mask::none(len);
    rows.iter().for_each(|row| mask.or(row.points.present()));
    mask
}

/// One operand of a pair.
#[derive(Clone, Copy)]
struct Side<'a> {
    labels: &'a Labels,
    values: Operand<'a>,
}

/// The series of the "one" side by match group.
pub(super) struct Partners {
    rows: Vec<Vec<usize>>,
    /// The steps at which any of the group has a value.
    present: Vec<Option<Mask>>,
    /// Rows that have a value where one before them in their group has one, and the first such step.
    meeting: Vec<(usize, usize)>,
}

impl Partners {
    pub fn new(count: usize, one: &[StepSeries], groups: &[usize], active: &Mask) -> Self {
        let mut partners = Self { rows: vec![Vec::new(); count], present: vec![None; count], meeting: Vec::new() };
        for (index, (row, group)) in one.iter().zip(groups).enumerate() {
            let steps = Mask::all_of(&[row.points.present(), active.words()]);
            match &mut partners.present[*group] {
                None => partners.present[*group] = Some(steps),
                Some(present) => {
                    partners.meeting.extend(present.first_common(steps.words()).map(|step| (index, step)));
                    present.or(steps.words());
                }
            }
            partners.rows[*group].push(index);
        }
        partners
    }

    pub fn of(&self, group: usize) -> &[usize] {
        &self.rows[group]
    }

    /// Leaves only the steps at which the group has no value.
    fn take_away(&self, group: usize, steps: &mut Mask) {
        if let Some(present) = &self.present[group] {
            steps.and_not(present.words());
        }
    }

    pub fn report(
        &self,
        matching: &VectorMatching,
        one: &[StepSeries],
        groups: &[usize],
        labels: &[Labels],
        active: &Mask,
        conflicts: &mut Conflicts,
    ) {
        let side = if matching.cardinality == Cardinality::OneToMany { "left" } else { "right" };
        for (index, step) in &self.meeting {
            let group = groups[*index];
            let earlier = self.rows[group].iter().find(|other| one[**other].points.has(*step) && active.has(*step));
            let mut met = [index, earlier.unwrap_or(index)].map(|row| one[*row].labels.to_string());
            met.sort();
            conflicts.add((*step, 0, *index), || {
                format!(
                    "found duplicate series for the match group {} on the {side} hand-side of the operation: [{}]\
                     ;many-to-many matching not allowed: matching labels must be unique on one side",
                    labels[group],
                    met.join(", ")
                )
            });
        }
    }
}

/// Series that meet where they must not. Prometheus goes step by step and stops at the first; so the earliest is told.
#[derive(Default)]
pub(super) struct Conflicts(Option<((usize, usize, usize), String)>);

impl Conflicts {
    /// `place`: the step, what is checked before what within a step, and the order within that.
    fn add(&mut self, place: (usize, usize, usize), message: impl FnOnce() -> String) {
        if self.0.as_ref().is_none_or(|(first, _)| place < *first) {
            self.0 = Some((place, message()));
        }
    }

    pub fn into_result(self) -> Result<(), EvalError> {
        self.0.map_or(Ok(()), |(_, message)| Err(EvalError::Execution(message)))
    }
}

/// What has been paired so far.
struct Pairs<'a> {
    matching: &'a VectorMatching,
    rule: Rule,
    /// The result of a comparison that says 1 and 0 loses the name at once.
    drops_name: bool,
    /// By match group the steps that have a result.
    matched: Vec<Option<Mask>>,
    /// Where one side may have many: the same by match group and the labels of the result.
    by_labels: HashMap<(usize, Labels), Mask>,
    results: Vec<StepSeries>,
    notes: Notes,
}

impl<'a> Pairs<'a> {
    fn new(binary: &Binary, matching: &'a VectorMatching, groups: usize) -> Self {
        Self {
            matching,
            rule: Rule { op: binary.op, return_bool: binary.return_bool, keeps_right: false },
            drops_name: false,
            matched: vec![None; groups],
            by_labels: HashMap::new(),
            results: Vec::new(),
            notes: Notes::default(),
        }
    }

    fn take_away_matched(&self, group: usize, steps: &mut Mask) {
        if let Some(matched) = &self.matched[group] {
            steps.and_not(matched.words());
        }
    }

    fn add(&mut self, group: usize, many: Side<'_>, one: Side<'_>, steps: Mask, conflicts: &mut Conflicts) {
        if steps.is_empty() {
            return;
        }
        let swapped = self.matching.cardinality == Cardinality::OneToMany;
        let (lhs, rhs) = if swapped { (one, many) } else { (many, one) };
        let combined = combine(self.rule, lhs.values, rhs.values, steps, &mut self.notes);
        let labels = result_labels(many.labels, one.labels, self.rule.op, self.matching, self.drops_name);
        let order = self.results.len();
        let taken = match self.matching.cardinality {
            Cardinality::OneToOne => self.matched[group].as_ref(),
            _ => self.by_labels.get(&(group, labels.clone())),
        };
        if let Some(step) = taken.and_then(|taken| taken.first_common(combined.matched.words())) {
            conflicts.add((step, 1, order), || self.conflict().to_owned());
        }
        if self.matching.cardinality != Cardinality::OneToOne {
            let entry = self.by_labels.entry((group, labels.clone()));
            entry.or_insert_with(|| Mask::none(combined.points.len())).or(combined.matched.words());
        }
        match &mut self.matched[group] {
            Some(matched) => matched.or(combined.matched.words()),
            none => *none = Some(combined.matched),
        }
        if !combined.points.is_empty() {
            self.push(labels, combined.points);
        }
    }

    fn push(&mut self, labels: Labels, points: Points) {
        self.results.push(StepSeries { labels, drop_name: self.rule.return_bool, points });
    }

    fn conflict(&self) -> &'static str {
        match self.matching.cardinality {
            Cardinality::OneToOne => {
                "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
            }
            _ => "multiple matches for labels: grouping labels must ensure unique matches",
        }
    }
}
