//! Metadata of the first version.

use super::*;
use crate::receivers::prometheusremotewrite::families::{Family, MetricType};

fn told(name: &str, kind: i64, help: &str, unit: &str) -> Vec<u8> {
    bytes(3, [varint(1, kind), bytes(2, name), bytes(4, help), bytes(5, unit)].concat())
}

fn after(families: &Families, request: &[u8]) -> Translated {
    translate(Version::V1, request, &Surroundings { remembered: families, now: NOW, limit: 1 << 20 }).unwrap()
}

#[test]
fn series_are_described_by_their_family_in_the_same_request() {
    let translated = v1(&[
        series(&[labels("__name__=latency_bucket le=1"), sample(1.0, NOW_MS)]),
        told("latency", 3, "How long.", "seconds"),
    ]);
    let metrics = metrics(&translated);
    assert_eq!(metadata(&metrics[0]), pairs("prometheus.type=histogram"));
    assert_eq!((metrics[0].description.as_str(), metrics[0].unit.as_str()), ("How long.", "seconds"));
    assert_eq!((metrics.len(), translated.told.len()), (1, 1));
}

#[test]
fn families_told_alone_are_written_down_once_a_day_and_remembered() {
    let request = [told("up", 2, "Is it up?", ""), told("", 1, "", ""), told("up", 2, "Is it up?", "")].concat();
    let translated = after(&Families::new(), &request);
    let metrics = metrics(&translated);
    assert_eq!(metadata(&metrics[0]), pairs("prometheus.type=gauge prometheus.family=true"));
    assert_eq!((metrics[0].description.as_str(), metrics.len()), ("Is it up?", 1));
    let [point] = numbers(&metrics[0]) else { panic!("{metrics:?}") };
    assert_eq!((point.value, point.flags, point.time_unix_nano), (None, 0, NOW));

    let families: Families = translated.told.iter().map(|family| (family.name.clone(), family.clone())).collect();
    assert_eq!(families["up"].kind, MetricType::Gauge);
    let again = after(&families, &request);
    assert_eq!((again.points, again.told.len()), (0, 0));
    let yesterday =
        families.iter().map(|(name, family)| (name.clone(), Family { day: family.day - 1, ..family.clone() }));
    assert_eq!(after(&yesterday.collect(), &request).points, 1);
}

#[test]
fn later_series_are_described_by_what_is_remembered_but_for_the_unit() {
    let request = told("up", 2, "Is it up?", "bool");
    let families = attempt(Version::V1, &request).unwrap().told;
    let families = families.into_iter().map(|family| (family.name.clone(), family)).collect();
    let translated = after(&families, &series(&[labels("__name__=up"), sample(1.0, NOW_MS)]));
    let metrics = metrics(&translated);
    assert_eq!(metadata(&metrics[0]), pairs("prometheus.type=gauge"));
    assert_eq!((metrics[0].description.as_str(), metrics[0].unit.as_str()), ("Is it up?", ""));
}
