//! `trace-summary-v0-native`: in which services something is different, and how much in sum.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::patch::{Patch, STATUS, Target};
use super::tree::{Identity, Tree, Warning};

const UNKNOWN: &str = "<unknown>";
const ERROR: &str = "error";
/// Nanoseconds by which the durations of a service's spans together must differ to be told …
const LEAST_DRIFT: i64 = 1_000_000;
/// … and which part of them.
const DRIFT_PARTS: i64 = 20;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary<'t> {
    version: &'static str,
    base: Side<'t>,
    compare: Side<'t>,
    signals: Signals,
    trust: Trust,
    stats: Stats,
    #[serde(skip_serializing_if = "<[Warning]>::is_empty")]
    warnings: &'t [Warning],
    changed_services: BTreeSet<&'t str>,
    services: Vec<Rollup<'t>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Side<'t> {
    trace_id: &'t str,
    #[serde(skip_serializing_if = "str::is_empty")]
    root_service: &'t str,
    #[serde(skip_serializing_if = "str::is_empty")]
    root_name: &'t str,
    span_count: usize,
    error_span_count: i64,
    /// From the first start to the last end.
    duration_ms: i64,
    sum_span_duration_ms: i64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Signals {
    trace_latency: &'static str,
    sum_span_duration: &'static str,
    errors: &'static str,
    span_count: &'static str,
    structure: &'static str,
}

/// Of all spans those that matched: of the larger trace, and of the smaller one.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Trust {
    matched_span_ratio: f64,
    structure_overlap: f64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Stats {
    trace_latency_delta_ms: i64,
    sum_span_duration_delta_ms: i64,
    span_count_delta: i64,
    error_span_delta: i64,
    matched_spans: usize,
    modified_spans: usize,
    added_spans: usize,
    removed_spans: usize,
    field_changes: usize,
    attribute_changes: usize,
}

#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Rollup<'t> {
    name: &'t str,
    sum_span_duration_delta_ms: i64,
    modified: u64,
    added: u64,
    removed: u64,
    new_errors: u64,
    resolved_errors: u64,
}

impl<'t> Summary<'t> {
    pub fn new(base: &'t Tree<'t>, compare: &'t Tree<'t>, patch: &'t Patch<'t>) -> Self {
        let (base_length, compare_length) = (length(base), length(compare));
        let (base_sum, compare_sum) = (sum(base), sum(compare));
        let structure = structure_changes(base, compare);
        let (a, b, matched) = (patch.stats.span_count_a, patch.stats.span_count_b, patch.stats.matched_spans);
        let (base_side, compare_side) = (side(base, base_length, base_sum), side(compare, compare_length, compare_sum));
        let stats = Stats {
            trace_latency_delta_ms: delta_millis(base_length, compare_length),
            sum_span_duration_delta_ms: (compare_sum - base_sum) / 1_000_000,
            span_count_delta: b as i64 - a as i64,
            error_span_delta: compare_side.error_span_count - base_side.error_span_count,
            matched_spans: matched,
            modified_spans: patch.stats.modified_spans,
            added_spans: patch.stats.added_spans,
            removed_spans: patch.stats.removed_spans,
            field_changes: patch.stats.field_changes,
            attribute_changes: patch.stats.attribute_changes,
        };
        let is_changed = stats.added_spans > 0 || stats.removed_spans > 0 || !structure.is_empty();
        let signals = Signals {
            trace_latency: signal(stats.trace_latency_delta_ms),
            sum_span_duration: signal(stats.sum_span_duration_delta_ms),
            errors: signal(stats.error_span_delta),
            span_count: signal(stats.span_count_delta),
            structure: if is_changed { "changed" } else { "unchanged" },
        };
        let (changed_services, services) = services(base, compare, patch, structure);
        Self {
            version: super::SUMMARY,
            base: base_side,
            compare: compare_side,
            signals,
            trust: Trust { matched_span_ratio: part(matched, a.max(b)), structure_overlap: part(matched, a.min(b)) },
            stats,
            warnings: &patch.warnings,
            changed_services,
            services,
        }
    }
}

fn side<'t>(tree: &'t Tree<'t>, length: u64, sum: i64) -> Side<'t> {
    let root = tree.nodes.first().map(|root| root.identity);
    Side {
        trace_id: &tree.trace_id,
        root_service: root.map_or("", |root| root.service),
        root_name: root.map_or("", |root| root.name),
        span_count: tree.count,
        error_span_count: tree.nodes.iter().filter(|node| node.status == ERROR).count() as i64,
        duration_ms: (length / 1_000_000) as i64,
        sum_span_duration_ms: sum / 1_000_000,
    }
}

/// Nanoseconds from the first start to the last end, of spans whose duration is known.
fn length(tree: &Tree<'_>) -> u64 {
    let known = || tree.nodes.iter().filter(|node| node.duration.is_some());
    let (start, end) = (known().map(|node| node.start).min(), known().map(|node| node.end).max());
    end.unwrap_or(0).saturating_sub(start.unwrap_or(0))
}

fn sum(tree: &Tree<'_>) -> i64 {
    tree.nodes.iter().fold(0, |sum, node| sum.saturating_add(node.duration.unwrap_or(0)))
}

fn delta_millis(base: u64, compare: u64) -> i64 {
    match compare.checked_sub(base) {
        Some(more) => (more / 1_000_000) as i64,
        None => -(((base - compare) / 1_000_000) as i64),
    }
}

fn signal(delta: i64) -> &'static str {
    match delta {
        1.. => "increased",
        0 => "unchanged",
        _ => "decreased",
    }
}

fn part(matched: usize, of: usize) -> f64 {
    if of == 0 { 0.0 } else { matched as f64 / of as f64 }
}

fn named(service: &str) -> &str {
    if service.is_empty() { UNKNOWN } else { service }
}

/// Services whose spans are others, or have other parents; order makes no difference.
fn structure_changes<'t>(base: &'t Tree<'t>, compare: &'t Tree<'t>) -> BTreeSet<&'t str> {
    let mut rows: HashMap<(Identity<'t>, Option<Identity<'t>>), i64> = HashMap::new();
    for (tree, one) in [(base, 1), (compare, -1)] {
        for node in &tree.nodes {
            *rows.entry((node.identity, node.parent_identity)).or_default() += one;
        }
    }
    rows.into_iter().filter(|(_, count)| *count != 0).map(|((identity, _), _)| named(identity.service)).collect()
}

fn services<'t>(
    base: &'t Tree<'t>,
    compare: &'t Tree<'t>,
    patch: &'t Patch<'t>,
    structure: BTreeSet<&'t str>,
) -> (BTreeSet<&'t str>, Vec<Rollup<'t>>) {
    let counts = counts(patch);
    let mut sums: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for node in &base.nodes {
        let sum = &mut sums.entry(named(node.identity.service)).or_default().0;
        *sum = sum.saturating_add(node.duration.unwrap_or(0));
    }
    for node in &compare.nodes {
        let sum = &mut sums.entry(named(node.identity.service)).or_default().1;
        *sum = sum.saturating_add(node.duration.unwrap_or(0));
    }
    let mut changed = structure;
    changed.extend(counts.keys());
    let mut rollups = Vec::new();
    for (service, (before, after)) in sums {
        let delta = after - before;
        let is_drift = delta.abs() >= LEAST_DRIFT
            && delta.abs() >= before.div_euclid(DRIFT_PARTS) + i64::from(before % DRIFT_PARTS != 0);
        if is_drift {
            changed.insert(service);
        }
        if is_drift || counts.contains_key(service) {
            let counted = counts.get(service).cloned().unwrap_or_default();
            rollups.push(Rollup { name: service, sum_span_duration_delta_ms: delta / 1_000_000, ..counted });
        }
    }
    rollups.sort_by(|a, b| {
        let delta = |rollup: &Rollup<'_>| rollup.sum_span_duration_delta_ms.abs();
        delta(b).cmp(&delta(a)).then(b.new_errors.cmp(&a.new_errors)).then(a.name.cmp(b.name))
    });
    (changed, rollups)
}

/// What happened to the spans of each service.
fn counts<'t>(patch: &'t Patch<'t>) -> BTreeMap<&'t str, Rollup<'t>> {
    let mut counts: BTreeMap<&str, Rollup<'t>> = BTreeMap::new();
    for modified in &patch.modified {
        let count = counts.entry(named(modified.span.service)).or_default();
        count.modified += 1;
        let mut statuses = modified.changes.iter().filter(|change| change.target == Target::Field { name: STATUS });
        if let Some(change) = statuses.next() {
            count.new_errors += u64::from(change.after == ERROR);
            count.resolved_errors += u64::from(change.before == ERROR);
        }
    }
    for added in &patch.added {
        let count = counts.entry(named(added.span.service)).or_default();
        count.added += 1;
        count.new_errors += u64::from(added.span.status == ERROR);
    }
    for removed in &patch.removed {
        let count = counts.entry(named(removed.span.service)).or_default();
        count.removed += 1;
        count.resolved_errors += u64::from(removed.span.status == ERROR);
    }
    counts
}
