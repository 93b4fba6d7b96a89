//! Rows of `series` → an index of them.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Date32Type, UInt64Type};
use trefoil_promql::labels::{Labels, METRIC_NAME};
use trefoil_storage::catalog::FileId;

use super::{Days, IdHash, IndexedFamily, IndexedSeries, Known, Part};
use crate::metrics::error::PromqlError;
use crate::metrics::family::{Family, FamilyKey, MOST_DESCRIPTIONS};
use crate::metrics::labels::{self, Identity};
use crate::metrics::options::PrometheusView;
use crate::metrics::read::columns::{numbers, text, texts};
use crate::metrics::read::{FAMILY_COLUMNS, FamilyRows, IdentityRows, TARGET_INFO};

/// Metrics that one tenant may have to be asked about.
const MOST_FAMILIES: usize = 500_000;

/// A resource as it is stored.
type Resource = (Option<String>, Option<String>);

/// An index in the making.
pub struct Builder<'b> {
    view: &'b PrometheusView,
    /// What may have the labels of a series already …
    before: [&'b Part; 2],
    /// … and what has its days, so that they are not wanted again.
    beside: Option<&'b Part>,
    /// By key the place among `families`; `None`: Prometheus cannot see it.
    places: HashMap<FamilyKey, Option<usize>>,
    families: Vec<Growing>,
    known: HashMap<u64, Known, IdHash>,
    /// Of series that are of several metrics (which differ in what they say of themselves) the days in the others.
    others: HashMap<(u64, usize), Days>,
    texts: HashSet<Arc<str>>,
    resources: HashMap<Resource, Option<u32>>,
    targets: Vec<Labels>,
}

struct Growing {
    family: Family,
    descriptions: BTreeSet<String>,
    days: BTreeSet<i32>,
    series: Vec<IndexedSeries>,
    /// How many of the series are in order.
    sorted: usize,
    /// Those that have got days since.
    again: HashMap<u64, Days, IdHash>,
}

impl<'b> Builder<'b> {
    /// Goes on from `start`; takes labels that `before` has.
    pub fn new(view: &'b PrometheusView, start: Option<&Part>, before: [&'b Part; 2]) -> Self {
        let mut builder = Self {
            view,
            before,
            beside: None,
            places: HashMap::new(),
            families: Vec::new(),
            known: HashMap::default(),
            others: HashMap::new(),
            texts: HashSet::new(),
            resources: HashMap::new(),
            targets: Vec::new(),
        };
        let Some(start) = start else { return builder };
        builder.known = start.known.clone();
        builder.targets = start.targets.clone();
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
        let own = ["series_id", "day", "description"];
        FAMILY_COLUMNS.into_iter().chain(own).chain(IdentityRows::COLUMNS).collect()
    }

    pub fn add(&mut self, batch: &RecordBatch) -> Result<(), PromqlError> {
        let (ids, days) = (numbers::<UInt64Type>(batch, "series_id")?, numbers::<Date32Type>(batch, "day")?);
        let (keys, identities) = (FamilyRows::of(batch)?, IdentityRows::of(batch)?);
        let descriptions = texts(batch, "description")?;
        let mut last: Option<FamilyKey> = None;
        for row in 0..batch.num_rows() {
            if !last.as_ref().is_some_and(|key| keys.is(row, key)) {
                last = Some(keys.key(row));
            }
            let Some(key) = &last else { continue };
            let (id, day) = (ids.value(row), days.value(row));
            self.row(key, id, day, text(descriptions, row), &identities.identity(row))?;
        }
        Ok(())
    }

    fn row(
        &mut self,
        key: &FamilyKey,
        id: u64,
        day: i32,
        description: Option<&str>,
        identity: &Identity<'_>,
    ) -> Result<(), PromqlError> {
        let Some(place) = self.family(key)? else { return Ok(()) };
        let growing = &mut self.families[place];
        growing.days.insert(day);
        if let Some(description) = description
            && growing.descriptions.len() <= MOST_DESCRIPTIONS
            && !growing.descriptions.contains(description)
        {
            growing.descriptions.insert(description.to_owned());
        }
        if self.beside.is_some_and(|part| part.known.get(&id).is_some_and(|known| known.days.has(day))) {
            return Ok(());
        }
        let known = self.known.get_mut(&id);
        let is_of_another = known.as_ref().is_some_and(|known| known.family != place);
        let days = match known {
            Some(known) if known.family == place => Some(&mut known.days),
            Some(_) => self.others.get_mut(&(id, place)),
            None => None,
        };
        if let Some(days) = days {
            if !days.has(day) {
                days.add(day);
                growing.again.insert(id, days.clone());
            }
            return Ok(());
        }
        let is_literal = growing.family.is_literal();
        let is_named = growing.family.only_name().is_some();
        let labels = self.before.iter().find_map(|part| part.known.get(&id));
        // With the type among the labels they are of this metric alone.
        let are_shared = is_literal || !self.view.type_and_unit_labels;
        let is_same = |known: &&Known| (known.is_literal, known.is_named) == (is_literal, is_named) && are_shared;
        let labels = match labels.filter(is_same) {
            Some(known) => known.labels.clone(),
            None => {
                let labels = labels_of(self.view, &growing.family, identity)?;
                shared(&mut self.texts, &labels)
            }
        };
        let target = match is_literal {
            true => None,
            false => target(self.view, &mut self.resources, &mut self.targets, identity)?,
        };
        let days = Days(vec![day]);
        growing.series.push(IndexedSeries { id, labels: labels.clone(), days: days.clone(), target });
        match is_of_another {
            true => drop(self.others.insert((id, place), days)),
            false => drop(self.known.insert(id, Known { labels, days, family: place, is_literal, is_named })),
        }
        Ok(())
    }

    fn family(&mut self, key: &FamilyKey) -> Result<Option<usize>, PromqlError> {
        if let Some(place) = self.places.get(key) {
            return Ok(*place);
        }
        if self.places.len() >= MOST_FAMILIES {
            return Err(PromqlError::Execution(format!("there are more than {MOST_FAMILIES} metrics")));
        }
        let family = Family::new(key.clone(), Vec::new(), self.view);
        let place = family.is_some().then_some(self.families.len());
        self.families.extend(family.map(Growing::new));
        self.places.insert(key.clone(), place);
        Ok(place)
    }

    /// `read` = the files that all of it is from.
    pub fn finish(self, read: Vec<FileId>) -> Part {
        let places = self.places.into_iter().filter_map(|(key, place)| place.map(|place| (key, place)));
        Part {
            read,
            places: places.collect(),
            families: self.families.into_iter().map(Growing::finish).collect(),
            known: self.known,
            others: self.others,
            targets: self.targets,
            values: Default::default(),
        }
    }
}

impl Growing {
    fn new(family: Family) -> Self {
        Self {
            descriptions: family.descriptions.iter().cloned().collect(),
            family,
            days: BTreeSet::new(),
            series: Vec::new(),
            sorted: 0,
            again: HashMap::default(),
        }
    }

    fn of(known: &IndexedFamily) -> Self {
        let series = known.series.to_vec();
        Self { days: known.days.clone(), sorted: series.len(), series, ..Self::new(known.family.clone()) }
    }

    fn finish(mut self) -> IndexedFamily {
        if !self.again.is_empty() {
            for series in &mut self.series {
                if let Some(days) = self.again.remove(&series.id) {
                    series.days = days;
                }
            }
        }
        if self.sorted < self.series.len() {
            // Stable, so that what is in order already costs a comparison each.
            self.series.sort_by(|a, b| (&a.labels, a.id).cmp(&(&b.labels, b.id)));
        }
        self.series.shrink_to_fit();
        let descriptions = self.descriptions.into_iter().take(MOST_DESCRIPTIONS).collect();
        self.family.descriptions = descriptions;
        IndexedFamily { family: self.family, days: self.days, series: Arc::new(self.series) }
    }
}

fn labels_of(view: &PrometheusView, family: &Family, identity: &Identity<'_>) -> Result<Labels, PromqlError> {
    let labels = match family.is_literal() {
        true => labels::literal(identity)?,
        false => labels::of_series(view, family, identity)?,
    };
    Ok(match family.only_name() {
        Some(name) => {
            let mut named = labels.builder();
            named.set(METRIC_NAME, name);
            named.build()
        }
        None => labels,
    })
}

/// The same labels, their texts shared with those of other series.
fn shared(texts: &mut HashSet<Arc<str>>, labels: &Labels) -> Labels {
    let mut shared = |text: &Arc<str>| match texts.get(text) {
        Some(known) => known.clone(),
        None => {
            texts.insert(text.clone());
            text.clone()
        }
    };
    labels.with_texts(&mut shared)
}

fn target(
    view: &PrometheusView,
    resources: &mut HashMap<Resource, Option<u32>>,
    targets: &mut Vec<Labels>,
    identity: &Identity<'_>,
) -> Result<Option<u32>, PromqlError> {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let place = match resources.entry((owned(identity.service_name), owned(identity.resource_attributes))) {
        Entry::Occupied(known) => return Ok(*known.get()),
        Entry::Vacant(place) => place,
    };
    let Some(labels) = labels::of_target(view, identity)? else { return Ok(*place.insert(None)) };
    let mut named = labels.builder();
    named.set(METRIC_NAME, TARGET_INFO);
    let labels = named.build();
    let known = targets.iter().position(|target| *target == labels);
    let number = known.unwrap_or_else(|| {
        targets.push(labels);
        targets.len() - 1
    });
    Ok(*place.insert(u32::try_from(number).ok()))
}
