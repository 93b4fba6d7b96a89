//! Which series are aggregated together.

use hashbrown::HashMap;

use super::group_labels;
use crate::ast::Aggregate;
use crate::labels::Labels;
use crate::value::StepSeries;

/// Groups in the order of their first series.
pub(super) struct Groups {
    pub labels: Vec<Labels>,
    /// Of each group the places of its series, ascending.
    pub members: Vec<Vec<usize>>,
}

impl Groups {
    pub fn new(aggregate: &Aggregate, rows: &[StepSeries]) -> Self {
        let mut groups = Self { labels: Vec::new(), members: Vec::new() };
        if !aggregate.without && aggregate.grouping.is_empty() {
            if !rows.is_empty() {
                groups.labels.push(Labels::default());
                groups.members.push((0..rows.len()).collect());
            }
            return groups;
        }
        let mut places: HashMap<Labels, usize> = HashMap::new();
        for (index, row) in rows.iter().enumerate() {
            let place = *places.entry(group_labels(aggregate, &row.labels)).or_insert_with_key(|labels| {
                groups.labels.push(labels.clone());
                groups.members.push(Vec::new());
                groups.labels.len() - 1
            });
            groups.members[place].push(index);
        }
        groups
    }
}
