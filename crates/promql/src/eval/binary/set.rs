//! `and`, `or` and `unless`: which samples stay by who else has one at the same step.

use super::mask::Mask;
use super::matching::Signatures;
use crate::ast::VectorMatching;
use crate::value::StepSeries;

pub(super) fn and(matching: &VectorMatching, mut lhs: Vec<StepSeries>, rhs: &[StepSeries]) -> Vec<StepSeries> {
    let signatures = Signatures::new(matching, &lhs, rhs);
    let present = present_in_groups(signatures.groups.len(), &signatures.rhs, rhs);
    for (row, group) in lhs.iter_mut().zip(&signatures.lhs) {
        match &present[*group] {
            Some(present) => row.points.retain(present.words()),
            None => row.points.retain(Mask::none(row.points.len()).words()),
        }
    }
    without_empty(lhs)
}

pub(super) fn unless(matching: &VectorMatching, mut lhs: Vec<StepSeries>, rhs: &[StepSeries]) -> Vec<StepSeries> {
    let signatures = Signatures::new(matching, &lhs, rhs);
    let present = present_in_groups(signatures.groups.len(), &signatures.rhs, rhs);
    take_away(&mut lhs, &signatures.lhs, &present);
    without_empty(lhs)
}

pub(super) fn or(matching: &VectorMatching, mut lhs: Vec<StepSeries>, mut rhs: Vec<StepSeries>) -> Vec<StepSeries> {
    let signatures = Signatures::new(matching, &lhs, &rhs);
    let present = present_in_groups(signatures.groups.len(), &signatures.lhs, &lhs);
    take_away(&mut rhs, &signatures.rhs, &present);
    lhs.append(&mut rhs);
    without_empty(lhs)
}

/// Of each group the steps at which any of its rows has a value; `None` for a group without rows.
fn present_in_groups(count: usize, groups: &[usize], rows: &[StepSeries]) -> Vec<Option<Mask>> {
    let mut present: Vec<Option<Mask>> = vec![None; count];
    for (row, group) in rows.iter().zip(groups) {
        match &mut present[*group] {
            Some(mask) => mask.or(row.points.present()),
            none => *none = Some(Mask::all_of(&[row.points.present()])),
        }
    }
    present
}

fn take_away(rows: &mut [StepSeries], groups: &[usize], present: &[Option<Mask>]) {
    for (row, group) in rows.iter_mut().zip(groups) {
        if let Some(present) = &present[*group] {
            let mut kept = Mask::all_of(&[row.points.present()]);
            kept.and_not(present.words());
            row.points.retain(kept.words());
        }
    }
}

fn without_empty(mut rows: Vec<StepSeries>) -> Vec<StepSeries> {
    rows.retain(|row| !row.points.is_empty());
    rows
}
