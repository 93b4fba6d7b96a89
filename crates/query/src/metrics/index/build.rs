//! Rows of `series` → an index of them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Date32Type, TimestampNanosecondType, UInt64Type};
use trefoil_promql::labels::{Labels, METRIC_NAME};
use trefoil_storage::catalog::FileId;

use super::resources::Resources;
use super::texts::Texts;
use super::{Day, Days, IdHash, IndexedFamily, IndexedSeries, Part, Place};
use crate::metrics::error::PromqlError;
use crate::metrics::family::{Family, FamilyKey, MOST_DESCRIPTIONS};
use crate::metrics::labels::{self, Identity};
use crate::metrics::options::PrometheusView;
use crate::metrics::read::columns::{numbers, text, texts};
use crate::metrics::read::{FAMILY_COLUMNS, FamilyRows, IdentityRows, NANOS_PER_MILLI};

/// Metrics that one tenant may have to be asked about.
const MOST_FAMILIES: usize = 500_000;

/// An index in the making.
pub struct Builder<'b> {
    view: &'b PrometheusView,
    /// What may have the labels of a series already …
    before: Vec<&'b Part>,
    /// … and what has its days, so that they are not wanted again.
    beside: Option<&'b Part>,
    /// By key the place among `families`; `None`: Prometheus cannot see it.
    places: HashMap<FamilyKey, Option<u32>>,
    families: Vec<Growing>,
    known: HashMap<u64, Place, IdHash>,
    others: HashMap<u64, Vec<Place>, IdHash>,
    texts: Texts,
    /// Of labels that were known before.
    text_bytes: usize,
    resources: Resources,
}

struct Growing {
    family: Family,
    descriptions: BTreeSet<String>,
    days: BTreeSet<i32>,
    /// What the rows told last; the next ones mostly say the same.
    last_description: String,
    last_day: Option<i32>,
    /// In order, perhaps shared with the index of before …
    start: Arc<Vec<IndexedSeries>>,
    /// … with days that have come since, by place …
    again: HashMap<u32, Days, IdHash>,
    /// … and series that have, whose places follow.
    added: Vec<IndexedSeries>,
}

impl<'b> Builder<'b> {
    /// Goes on from `start`; takes labels that `before` has.
    pub fn new(view: &'b PrometheusView, start: Option<&Part>, before: [&'b Part; 2]) -> Self {
        let mut builder = Self {
            view,
            before: before.into_iter().filter(|part| !part.is_empty()).collect(),
            beside: None,
            places: HashMap::new(),
            families: Vec::new(),
            known: HashMap::default(),
            others: HashMap::default(),
            texts: Texts::default(),
            text_bytes: before.iter().map(|part| part.text_bytes).max().unwrap_or(0),
            resources: Resources::new(start.map_or_else(Vec::new, |start| start.targets.clone())),
        };
        let Some(start) = start else { return builder };
        builder.known = start.known.clone();
        builder.others = start.others.clone();
        builder.families = start.families.iter().map(Growing::of).collect();
        builder.places = start.places.iter().map(|(key, place)| (key.clone(), Some(*place))).collect();
        builder
    }

    /// Leaves out what `part` says as well.
    pub fn beside(self, part: &'b Part) -> Self {
        Self { beside: Some(part), ..self }
    }

    pub fn columns() -> Vec<&'static str> {
        let own = ["series_id", "day", "first_time_unix_nano", "description"];
        FAMILY_COLUMNS.into_iter().chain(own).chain(IdentityRows::COLUMNS).collect()
    }

    pub fn add(&mut self, batch: &RecordBatch) -> Result<(), PromqlError> {
        let (ids, days) = (numbers::<UInt64Type>(batch, "series_id")?, numbers::<Date32Type>(batch, "day")?);
        let firsts = numbers::<TimestampNanosecondType>(batch, "first_time_unix_nano")?;
        let (keys, identities) = (FamilyRows::of(batch)?, IdentityRows::of(batch)?);
        let descriptions = texts(batch, "description")?;
        self.known.reserve(batch.num_rows());
        let mut last: Option<(FamilyKey, Option<u32>)> = None;
        for row in 0..batch.num_rows() {
            let place = match &last {
                Some((key, place)) if keys.is(row, key) => *place,
                _ => {
                    let key = keys.key(row);
                    let place = self.family(&key)?;
                    last = Some((key, place));
                    place
                }
            };
            let Some(place) = place else { continue };
            let day = Day::new(days.value(row), firsts.value(row).div_euclid(NANOS_PER_MILLI));
            self.families[place as usize].tells(day.day, text(descriptions, row));
            self.row(place, ids.value(row), day, &identities.identity(row))?;
        }
        Ok(())
    }

    fn row(&mut self, family: u32, id: u64, day: Day, identity: &Identity<'_>) -> Result<(), PromqlError> {
        if self.beside.is_some_and(|part| part.all(id).any(|series| series.days.has(day.day))) {
            return Ok(());
        }
        let known = self.known.get(&id).copied();
        let growing = &mut self.families[family as usize];
        let place = match known {
            Some(place) if place.family == family => Some(place),
            Some(_) => self.others.get(&id).into_iter().flatten().find(|place| place.family == family).copied(),
            None => None,
        };
        if let Some(place) = place {
            growing.add_day(place.series, day);
            return Ok(());
        }
        let (labels, target) = self.identified(family, id, identity)?;
        let growing = &mut self.families[family as usize];
        let place = Place { family, series: growing.next_place() };
        growing.added.push(IndexedSeries { id, labels, days: Days::One(day), target });
        match known {
            Some(_) => self.others.entry(id).or_default().push(place),
            None => drop(self.known.insert(id, place)),
        }
        Ok(())
    }

    /// The labels of a series, and its resource among the targets.
    fn identified(
        &mut self,
        family: u32,
        id: u64,
        identity: &Identity<'_>,
    ) -> Result<(Labels, Option<u32>), PromqlError> {
        let family = &self.families[family as usize].family;
        let name = family.only_name();
        let (labels, target) = match self.known_labels(family, id) {
            Some(labels) if family.is_literal() => return Ok((labels, None)),
            Some(labels) => return Ok((labels, self.resources.of(self.view, identity)?.target)),
            None if family.is_literal() => {
                if let Some(labels) = self.texts.of_sorted(identity.attributes, name.as_deref()) {
                    return Ok((labels, None));
                }
                (labels::literal(identity)?, None)
            }
            None => {
                let resource = self.resources.of(self.view, identity)?;
                (labels::of_series(self.view, family, identity, &resource.attributes)?, resource.target)
            }
        };
        let labels = match name {
            Some(name) => {
                let mut named = labels.builder();
                named.set(METRIC_NAME, name);
                named.build()
            }
            None => labels,
        };
        Ok((self.texts.of(&labels), target))
    }

    /// As the index had them before, if the series is of the same kind in it.
    fn known_labels(&self, family: &Family, id: u64) -> Option<Labels> {
        // With the type among the labels they are of one metric alone.
        if !family.is_literal() && self.view.type_and_unit_labels {
            return None;
        }
        let kind = |of: &Family| (of.is_literal(), of.only_name());
        self.before.iter().find_map(|part| {
            let place = part.known.get(&id)?;
            let is_same = kind(&part.families.get(place.family as usize)?.family) == kind(family);
            is_same.then(|| part.at(*place).map(|series| series.labels.clone())).flatten()
        })
    }

    fn family(&mut self, key: &FamilyKey) -> Result<Option<u32>, PromqlError> {
        if let Some(place) = self.places.get(key) {
            return Ok(*place);
        }
        if self.places.len() >= MOST_FAMILIES {
            return Err(PromqlError::Execution(format!("there are more than {MOST_FAMILIES} metrics")));
        }
        let family = Family::new(key.clone(), Vec::new(), self.view);
        let next = u32::try_from(self.families.len()).ok();
        let place = next.filter(|_| family.is_some());
        self.families.extend(family.map(Growing::new));
        self.places.insert(key.clone(), place);
        Ok(place)
    }

    /// `read` = the files that all of it is from.
    pub fn finish(mut self, read: Vec<FileId>) -> Part {
        let places = self.places.into_iter().filter_map(|(key, place)| place.map(|place| (key, place)));
        let mut families = Vec::with_capacity(self.families.len());
        for (growing, number) in self.families.into_iter().zip(0..) {
            let has_moved = !growing.added.is_empty();
            let family = growing.finish();
            if has_moved {
                moved(&family.series, number, &mut self.known, &mut self.others);
            }
            families.push(family);
        }
        let part = Part {
            read,
            places: places.collect(),
            families,
            known: self.known,
            others: self.others,
            targets: self.resources.targets,
            ..Part::default()
        };
        part.measured(self.text_bytes + self.texts.bytes())
    }
}

/// Notes where the series of a family lie now.
fn moved(
    series: &[IndexedSeries],
    family: u32,
    known: &mut HashMap<u64, Place, IdHash>,
    others: &mut HashMap<u64, Vec<Place>, IdHash>,
) {
    for (series, number) in series.iter().zip(0..) {
        let main = known.get_mut(&series.id).filter(|place| place.family == family);
        let place = match main {
            Some(place) => Some(place),
            None => others.get_mut(&series.id).into_iter().flatten().find(|place| place.family == family),
        };
        if let Some(place) = place {
            place.series = number;
        }
    }
}

impl Growing {
    fn new(family: Family) -> Self {
        Self {
            descriptions: family.descriptions.iter().cloned().collect(),
            family,
            days: BTreeSet::new(),
            last_description: String::new(),
            last_day: None,
            start: Arc::default(),
            again: HashMap::default(),
            added: Vec::new(),
        }
    }

    fn of(known: &IndexedFamily) -> Self {
        Self { days: known.days.clone(), start: known.series.clone(), ..Self::new(known.family.clone()) }
    }

    /// Of the metric, whichever of its series.
    fn tells(&mut self, day: i32, description: Option<&str>) {
        if self.last_day != Some(day) {
            self.last_day = Some(day);
            self.days.insert(day);
        }
        if let Some(description) = description
            && self.last_description != description
        {
            description.clone_into(&mut self.last_description);
            if self.descriptions.len() <= MOST_DESCRIPTIONS && !self.descriptions.contains(description) {
                self.descriptions.insert(description.to_owned());
            }
        }
    }

    fn next_place(&self) -> u32 {
        u32::try_from(self.start.len() + self.added.len()).unwrap_or(u32::MAX)
    }

    fn add_day(&mut self, place: u32, day: Day) {
        let place_added = (place as usize).checked_sub(self.start.len());
        if let Some(series) = place_added.and_then(|place| self.added.get_mut(place)) {
            series.days.add(day);
            return;
        }
        let Some(series) = self.start.get(place as usize) else { return };
        let days = self.again.get(&place).unwrap_or(&series.days);
        let mut more = days.clone();
        if more.add(day) {
            self.again.insert(place, more);
        }
    }

    fn finish(mut self) -> IndexedFamily {
        self.family.descriptions = self.descriptions.into_iter().take(MOST_DESCRIPTIONS).collect();
        if self.again.is_empty() && self.added.is_empty() {
            return IndexedFamily { family: self.family, days: self.days, series: self.start };
        }
        let mut series = Arc::unwrap_or_clone(self.start);
        for (place, days) in self.again {
            if let Some(series) = series.get_mut(place as usize) {
                series.days = days;
            }
        }
        if !self.added.is_empty() {
            series.reserve_exact(self.added.len());
            series.append(&mut self.added);
            // Stable, so that what is in order already costs a comparison each.
            series.sort_by(|a, b| (&a.labels, a.id).cmp(&(&b.labels, b.id)));
        }
        series.shrink_to_fit();
        IndexedFamily { family: self.family, days: self.days, series: Arc::new(series) }
    }
}
