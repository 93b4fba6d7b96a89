//! `info`: series with the labels of what they are about.
//!
//! An info series (`target_info`) says something of all series that have the same identifying labels. Those of its labels
//! that a series has not are added to it.

mod reference;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;

use super::arg;
use crate::ast::{Call, Expr, VectorSelector};
use crate::error::{EvalError, Position};
use crate::eval::{Evaluator, names};
use crate::labels::{Labels, METRIC_NAME};
use crate::matcher::{MatchOp, Matcher};
use crate::points::{PointRef, Points};
use crate::value::{StepSeries, Value};

/// The labels that say what a series is about. Fixed, as in Prometheus, so that nothing needs to know each info metric.
const IDENTIFYING: [&str; 2] = ["instance", "job"];
const TARGET_INFO: &str = "target_info";

impl Evaluator<'_> {
    pub(super) fn info_function(&self, call: &Call) -> Result<Value, EvalError> {
        let wanted = match call.args.len() {
            0 | 1 => Wanted::default(),
            _ => match arg(call, 1)? {
                Expr::Vector(selector) => Wanted::new(&selector.matchers),
                _ => return Err(super::wrong_type(call, 1, "a selector")),
            },
        };
        let names = wanted.metric_names()?;
        let base = self.vector_arg(call, 0)?;
        // Info series are not told about themselves.
        let is_info = |row: &StepSeries| names.iter().all(|matcher| matcher.matches(row.labels.metric_name()));
        let plain: Vec<bool> = base.iter().map(is_info).collect();
        let told = base.iter().zip(&plain).filter(|(_, plain)| !**plain).map(|(row, _)| row);
        let infos = Infos::new(self.info_series(call, &wanted, names, told)?);
        let conflict = infos.first_conflict(&base);
        let mut results = Vec::with_capacity(base.len());
        for (row, plain) in base.into_iter().zip(plain) {
            self.check_running()?;
            let known = results.len();
            match plain {
                true => results.push(row),
                false => self.tell(row, &infos, &wanted, conflict, &mut results)?,
            }
            results[known..].iter().try_for_each(|row| self.hold_row(row))?;
            self.check_rows(results.len())?;
        }
        if let Some(error) = infos.conflict_at(conflict) {
            return Err(error);
        }
        names::merge(results).map(Value::Vector)
    }

    /// The info series that are about any of the `told`. Their values are the times of their samples (milliseconds).
    fn info_series<'r>(
        &self,
        call: &Call,
        wanted: &Wanted,
        names: Vec<Matcher>,
        told: impl Iterator<Item = &'r StepSeries>,
    ) -> Result<Vec<StepSeries>, EvalError> {
        let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for row in told {
            for label in IDENTIFYING {
                let value = row.labels.get(label);
                if !value.is_empty() {
                    values.entry(label).or_default().insert(value);
                }
            }
        }
        if values.is_empty() {
            return Ok(Vec::new());
        }
        let mut matchers: Vec<Matcher> = Vec::new();
        for (label, values) in values {
            let pattern = values.into_iter().map(regex::escape).collect::<Vec<_>>().join("|");
            // A pattern of too many values is left out: series that are about nothing are passed over later.
            matchers.extend(Matcher::new(MatchOp::Regex, label, pattern));
        }
        matchers.extend(wanted.data.iter().cloned());
        matchers.extend(names);
        let (at, offset) = self.info_reference(arg(call, 0)?)?;
        let position = Position::default();
        let selector = VectorSelector { name: None, matchers, offset: Some(offset), at, extension: None, position };
        let has_histograms = Cell::new(false);
        let rows = self.instant_selector_with(&selector, |points, step, samples, index| {
            has_histograms.set(has_histograms.get() || samples.histogram(index).is_some());
            points.set_float(step, samples.times[index] as f64);
        })?;
        match has_histograms.get() {
            true => Err(EvalError::Execution("info metrics must have float samples".to_owned())),
            false => Ok(rows),
        }
    }

    /// Adds what the info series say to a row; where they change, it becomes several.
    fn tell(
        &self,
        row: StepSeries,
        infos: &Infos,
        wanted: &Wanted,
        conflict: Option<usize>,
        results: &mut Vec<StepSeries>,
    ) -> Result<(), EvalError> {
        let groups = infos.about(&row.labels);
        // By the info series that count at a step.
        let mut places: HashMap<Vec<usize>, Option<usize>> = HashMap::new();
        for (step, point) in row.points.iter() {
            if conflict.is_some_and(|conflict| step >= conflict) {
                break;
            }
            let chosen: Vec<usize> = groups.iter().filter_map(|group| infos.newest(group, step)).collect();
            let place = match places.get(&chosen) {
                Some(place) => *place,
                None => {
                    let place = wanted.labels(&row.labels, &infos.labels(&chosen))?.map(|labels| {
                        let points = Points::empty(row.points.len());
                        results.push(StepSeries { labels, drop_name: row.drop_name, points });
                        results.len() - 1
                    });
                    places.insert(chosen, place);
                    place
                }
            };
            if let Some(result) = place.and_then(|place| results.get_mut(place)) {
                result.points.set(step, point.to_owned());
            }
        }
        Ok(())
    }
}

/// What the second argument asks for.
#[derive(Default)]
struct Wanted {
    /// Which metrics.
    names: Vec<Matcher>,
    /// Which labels, and what they must be.
    data: Vec<Matcher>,
}

impl Wanted {
    fn new(matchers: &[Matcher]) -> Self {
        let (names, data) = matchers.iter().cloned().partition(|matcher| matcher.name == METRIC_NAME);
        Self { names, data }
    }

    /// The conditions on the name of an info metric, if only of what it must not be, among those that end in `_info`.
    fn metric_names(&self) -> Result<Vec<Matcher>, EvalError> {
        if self.names.is_empty() {
            return Ok(vec![Matcher::equal(METRIC_NAME, TARGET_INFO)]);
        }
        let mut names = self.names.clone();
        if !names.iter().any(|matcher| matches!(matcher.op, MatchOp::Equal | MatchOp::Regex)) {
            let any = Matcher::new(MatchOp::Regex, METRIC_NAME, ".+_info");
            names.insert(0, any.map_err(|error| EvalError::Execution(error.to_string()))?);
        }
        Ok(names)
    }

    /// A series' labels with those of the info series about it; `None` where it must not be without them.
    fn labels(&self, base: &Labels, infos: &[&Labels]) -> Result<Option<Labels>, EvalError> {
        if infos.is_empty() && self.data.iter().any(|matcher| !matcher.matches_empty()) {
            return Ok(None);
        }
        let mut added = Labels::default().builder();
        let mut seen: HashMap<&str, &str> = HashMap::new();
        for label in infos.iter().flat_map(|labels| labels.iter()) {
            let (name, value) = (label.name.as_ref(), label.value.as_ref());
            let is_wanted = self.data.is_empty() || self.data.iter().any(|matcher| matcher.name == name);
            if name == METRIC_NAME || !is_wanted || base.has(name) {
                continue;
            }
            if seen.insert(name, value).is_some_and(|other| other != value) {
                return Err(EvalError::Execution(format!("conflicting label: {name}")));
            }
            added.put(label.clone());
        }
        let mut labels = base.builder();
        for label in added.build().iter() {
            labels.put(label.clone());
        }
        Ok(Some(labels.build()))
    }
}

/// Info series by what they are about.
struct Infos {
    rows: Vec<StepSeries>,
    /// Of each metric, by identifying labels.
    groups: BTreeMap<String, HashMap<Labels, Vec<usize>>>,
}

impl Infos {
    fn new(rows: Vec<StepSeries>) -> Self {
        let mut groups: BTreeMap<String, HashMap<Labels, Vec<usize>>> = BTreeMap::new();
        for (index, row) in rows.iter().enumerate() {
            let metric = groups.entry(row.labels.metric_name().to_owned()).or_default();
            metric.entry(row.labels.only(&IDENTIFYING)).or_default().push(index);
        }
        Self { rows, groups }
    }

    /// Of each metric those about the series.
    fn about(&self, labels: &Labels) -> Vec<&[usize]> {
        let key = labels.only(&IDENTIFYING);
        self.groups.values().filter_map(|metric| metric.get(&key).map(Vec::as_slice)).collect()
    }

    fn labels(&self, chosen: &[usize]) -> Vec<&Labels> {
        chosen.iter().map(|index| &self.rows[*index].labels).collect()
    }

    fn time(&self, index: usize, step: usize) -> Option<f64> {
        self.rows[index].points.get(step).and_then(PointRef::float)
    }

    /// The one whose sample is the newest.
    fn newest(&self, group: &[usize], step: usize) -> Option<usize> {
        let timed = group.iter().filter_map(|index| Some((*index, self.time(*index, step)?)));
        timed.max_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(index, _)| index)
    }

    /// The first step at which two of one metric are as new and say something about the same, if anything is asked there.
    fn first_conflict(&self, base: &[StepSeries]) -> Option<usize> {
        let groups = self.groups.values().flat_map(|metric| metric.values()).filter(|group| group.len() > 1);
        let groups: Vec<_> = groups.collect();
        let len = self.rows.first().map_or(0, |row| row.points.len());
        let is_asked = |step: &usize| base.iter().any(|row| row.points.has(*step));
        (0..len).find(|step| groups.iter().any(|group| self.twins(group, *step).is_some()) && is_asked(step))
    }

    fn conflict_at(&self, step: Option<usize>) -> Option<EvalError> {
        let step = step?;
        let groups = self.groups.values().flat_map(|metric| metric.values());
        let (first, second) = groups.into_iter().find_map(|group| self.twins(group, step))?;
        let millis = self.time(first, step)?;
        let message = format!(
            "found duplicate series for info metric: existing {} @ {millis}, new {} @ {millis}",
            self.rows[first].labels, self.rows[second].labels
        );
        Some(EvalError::Execution(message))
    }

    /// Two that are as new as each other when the second one is looked at.
    fn twins(&self, group: &[usize], step: usize) -> Option<(usize, usize)> {
        let mut newest: Option<(usize, f64)> = None;
        for index in group {
            let Some(time) = self.time(*index, step) else { continue };
            match newest {
                Some((other, other_time)) if other_time == time => return Some((other, *index)),
                Some((_, other_time)) if other_time > time => {}
                _ => newest = Some((*index, time)),
            }
        }
        None
    }
}
