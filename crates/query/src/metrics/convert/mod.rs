//! The points of OTLP → the series of Prometheus.
//!
//! Points of delta temporality become running totals over what was read: rates of them are right, the totals themselves begin
//! at zero with every query.

mod builder;
mod native;
mod number;
mod slots;
mod totals;

use std::sync::Arc;

use trefoil_promql::labels::{Label, Labels, METRIC_NAME};
use trefoil_promql::matcher::Matcher;
use trefoil_promql::source::{RawSeries, Samples};

use self::builder::Builder;
use self::slots::Slots;
use self::totals::Totals;
use super::family::{Family, Part};
use super::read::{Distribution, Stored, StoredSeries};

pub use self::builder::merged;

/// The series of Prometheus that are in one of the store, only those that are wanted.
pub fn series(family: &Family, series: &StoredSeries, stored: Stored, matchers: &[Matcher]) -> Vec<RawSeries> {
    let named = |part: Part| name(&series.labels, family.part_name(part));
    let mut all = Vec::new();
    if series.parts.has(Part::Number) {
        all.push((named(Part::Number), number::samples(&stored.numbers, family.is_delta)));
    }
    if series.parts.has(Part::Native) {
        all.push((named(Part::Native), native::samples(&stored.distributions, family)));
    }
    if series.parts.has(Part::Count) {
        all.push((named(Part::Count), counts(&stored.distributions, family.is_delta)));
    }
    if series.parts.has(Part::Sum) {
        all.push((named(Part::Sum), sums(&stored.distributions, family.is_delta)));
    }
    for part in [Part::Buckets, Part::Quantiles].into_iter().filter(|part| series.parts.has(*part)) {
        let Some(label) = part.own_label() else { continue };
        let matchers = matchers.iter().filter(|matcher| matcher.name == label).collect();
        let mut slots = Slots::new(matchers);
        for point in &stored.distributions {
            slots.add(point, family.is_delta);
        }
        let name = Label::new(METRIC_NAME, family.part_name(part));
        all.extend(slots.finish().map(|(value, samples)| {
            let mut labels = series.labels.builder();
            labels.put(name.clone()).set(label, value);
            (labels.build(), samples)
        }));
    }
    let with_samples = all.into_iter().filter(|(_, samples)| !samples.is_empty());
    with_samples.map(|(labels, samples)| RawSeries { labels, samples }).collect()
}

/// Labels have a name already where there is only one.
pub fn name(labels: &Labels, name: Arc<str>) -> Labels {
    if labels.metric_name() == name.as_ref() {
        return labels.clone();
    }
    let mut builder = labels.builder();
    builder.set(METRIC_NAME, name);
    builder.build()
}

fn counts(points: &[Distribution], is_delta: bool) -> Samples {
    let (mut builder, mut totals) = (Builder::default(), Totals::new(is_delta));
    for point in points {
        let at = totals.at(point.at);
        match point.is_stale {
            true => builder.stale(at),
            false => builder.float(at, totals.add(0, point.count as f64)),
        }
    }
    builder.finish()
}

/// A point without a sum has no sample here.
fn sums(points: &[Distribution], is_delta: bool) -> Samples {
    let (mut builder, mut totals) = (Builder::default(), Totals::new(is_delta));
    for point in points {
        let at = totals.at(point.at);
        match point.sum {
            _ if point.is_stale => builder.stale(at),
            Some(sum) => builder.float(at, totals.add(0, sum)),
            None => {}
        }
    }
    builder.finish()
}
