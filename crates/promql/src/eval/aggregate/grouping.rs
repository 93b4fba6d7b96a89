//! Which series are aggregated together.

use std::sync::Arc;

use hashbrown::HashMap;

use super::group_labels;
use crate::ast::Aggregate;
use crate::eval::names::{names_metric, without_name};
use crate::labels::{Labels, METRIC_NAME};
use crate::value::StepSeries;

/// Groups in the order of their first series.
pub(super) struct Groups {
    pub labels: Vec<Labels>,
    /// Of each group the places of its series, ascending.
    pub members: Vec<Vec<usize>>,
}

impl Groups {
    pub fn new(aggregate: &Aggregate, rows: &[StepSeries]) -> Self {
        let mut grouping = Grouping::new(aggregate, false);
        let mut members: Vec<Vec<usize>> = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            let place = grouping.place(row);
            match members.get_mut(place) {
                Some(members) => members.push(index),
                None => members.push(vec![index]),
            }
        }
        Self { labels: grouping.labels, members }
    }
}

/// Finds the groups of series.
///
/// Label sets share their texts, and neighbours nearly all of them: a group is known by where its texts lie in memory, and its
/// labels are only made where that is new.
pub(super) struct Grouping<'a> {
    aggregate: &'a Aggregate,
    /// Series that are marked to lose their name have lost it.
    drops_names: bool,
    pub labels: Vec<Labels>,
    by_labels: HashMap<Labels, usize>,
    by_texts: HashMap<Box<[usize]>, usize>,
    /// The texts of the series looked at now.
    texts: Vec<usize>,
    last: Option<(Vec<usize>, usize)>,
    /// Where each label was found that is grouped by.
    found_at: Vec<usize>,
}

impl<'a> Grouping<'a> {
    pub fn new(aggregate: &'a Aggregate, drops_names: bool) -> Self {
        Self {
            aggregate,
            drops_names,
            labels: Vec::new(),
            by_labels: HashMap::new(),
            by_texts: HashMap::new(),
            texts: Vec::new(),
            last: None,
            found_at: vec![0; aggregate.grouping.len()],
        }
    }

    /// The group of a series, by its place among all groups. Only as long as no series before it was dropped, or
    /// [`Grouping::forget_texts`] was called since.
    pub fn place(&mut self, row: &StepSeries) -> usize {
        self.look(row);
        if let Some((_, place)) = self.last.as_ref().filter(|(texts, _)| *texts == self.texts) {
            return *place;
        }
        let place = match self.by_texts.get(self.texts.as_slice()) {
            Some(place) => *place,
            None => {
                let place = self.place_of(self.labels_of(row));
                self.by_texts.insert(self.texts.as_slice().into(), place);
                place
            }
        };
        match &mut self.last {
            Some((texts, last)) => {
                std::mem::swap(texts, &mut self.texts);
                *last = place;
            }
            none => *none = Some((self.texts.clone(), place)),
        }
        place
    }

    /// Other texts may lie where those of dropped series lay.
    pub fn forget_texts(&mut self) {
        self.by_texts.clear();
        self.last = None;
    }

    fn loses_name(&self, row: &StepSeries) -> bool {
        self.drops_names && row.drop_name
    }

    /// Notes where the texts lie that tell the series' group.
    fn look(&mut self, row: &StepSeries) {
        self.texts.clear();
        let loses_name = self.loses_name(row);
        let place = |text: &Arc<str>| Arc::as_ptr(text).cast::<u8>().addr();
        let grouping = &self.aggregate.grouping;
        if self.aggregate.without {
            let is_kept = |name: &str| {
                name != METRIC_NAME && !(loses_name && names_metric(name)) && !grouping.iter().any(|out| out == name)
            };
            for label in row.labels.iter().filter(|label| is_kept(&label.name)) {
                self.texts.extend([place(&label.name), place(&label.value)]);
            }
            return;
        }
        for (name, found_at) in grouping.iter().zip(&mut self.found_at) {
            let value = match loses_name && names_metric(name) {
                true => None,
                false => row.labels.value_near(name, found_at),
            };
            self.texts.push(value.map_or(0, place));
        }
    }

    fn labels_of(&self, row: &StepSeries) -> Labels {
        match self.loses_name(row) {
            true => group_labels(self.aggregate, &without_name(&row.labels)),
            false => group_labels(self.aggregate, &row.labels),
        }
    }

    fn place_of(&mut self, labels: Labels) -> usize {
        *self.by_labels.entry(labels).or_insert_with_key(|labels| {
            self.labels.push(labels.clone());
            self.labels.len() - 1
        })
    }
}
