//! `trace-patch-v0`: every span that was added, removed or changed.

use std::collections::{BTreeSet, HashMap, VecDeque};

use serde::Serialize;
use serde_json::Value;

use super::number::{attributes_differ, durations_differ};
use super::tree::{HIGH_CARDINALITY, Identity, Node, Tree, Warning};

#[derive(Debug, Serialize)]
pub(super) struct Patch<'t> {
    version: &'static str,
    base: Meta<'t>,
    compare: Meta<'t>,
    pub stats: Stats,
    pub modified: Vec<Modified<'t>>,
    pub added: Vec<Whole<'t>>,
    pub removed: Vec<Whole<'t>>,
    pub warnings: Vec<Warning>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Meta<'t> {
    trace_id: &'t str,
    span_count: usize,
}

/// `eventChanges` and `truncated` are there for programs that look for them: neither ever happens.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stats {
    pub span_count_a: usize,
    pub span_count_b: usize,
    pub matched_spans: usize,
    pub modified_spans: usize,
    pub added_spans: usize,
    pub removed_spans: usize,
    pub field_changes: usize,
    pub attribute_changes: usize,
    event_changes: usize,
    truncated: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Modified<'t> {
    pub span: Reference<'t>,
    pub changes: Vec<Change>,
}

#[derive(Debug, Serialize)]
pub(super) struct Reference<'t> {
    path: Vec<usize>,
    pub service: &'t str,
    name: &'t str,
    kind: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct Change {
    op: &'static str,
    pub target: Target,
    pub before: Value,
    pub after: Value,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Target {
    Field { name: &'static str },
    Attribute { scope: &'static str, key: String },
}

pub(super) const STATUS: &str = "status";
const DURATION: &str = "duration_nanos";

#[derive(Debug, Serialize)]
pub(super) struct Whole<'t> {
    target: Place,
    pub span: Snapshot<'t>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    path: Vec<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parent_path: Vec<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
}

#[derive(Debug, Serialize)]
pub(super) struct Snapshot<'t> {
    path: Vec<usize>,
    pub service: &'t str,
    name: &'t str,
    kind: &'static str,
    duration_nanos: i64,
    pub status: &'static str,
}

impl<'t> Patch<'t> {
    pub fn new(base: &'t Tree<'t>, compare: &'t Tree<'t>) -> Self {
        let matches = matches(base, compare);
        let mut is_matched = vec![false; base.nodes.len()];
        let (mut modified, mut added) = (Vec::new(), Vec::new());
        for (at, node) in compare.nodes.iter().enumerate() {
            let Some(partner) = matches[at] else {
                added.push(self::added(compare, at, node));
                continue;
            };
            is_matched[partner] = true;
            let changes = changes(&base.nodes[partner], node);
            if !changes.is_empty() {
                modified.push(Modified { span: reference(compare, at, node), changes });
            }
        }
        let missing = base.nodes.iter().enumerate().filter(|(at, _)| !is_matched[*at]);
        let removed: Vec<Whole<'t>> = missing.map(|(at, node)| self::removed(base, at, node)).collect();
        let count = |wanted: fn(&Target) -> bool| {
            modified.iter().flat_map(|span| &span.changes).filter(|change| wanted(&change.target)).count()
        };
        let stats = Stats {
            span_count_a: base.count,
            span_count_b: compare.count,
            matched_spans: is_matched.iter().filter(|matched| **matched).count(),
            modified_spans: modified.len(),
            added_spans: added.len(),
            removed_spans: removed.len(),
            field_changes: count(|target| matches!(target, Target::Field { .. })),
            attribute_changes: count(|target| matches!(target, Target::Attribute { .. })),
            ..Stats::default()
        };
        Self {
            version: super::PATCH,
            base: Meta { trace_id: &base.trace_id, span_count: base.count },
            compare: Meta { trace_id: &compare.trace_id, span_count: compare.count },
            stats,
            modified,
            added,
            removed,
            warnings: merged(base, compare),
        }
    }
}

/// For each node of `compare` that of `base` which it is.
fn matches(base: &Tree<'_>, compare: &Tree<'_>) -> Vec<Option<usize>> {
    let mut alike: HashMap<Identity<'_>, VecDeque<usize>> = HashMap::new();
    let mut with_parent: HashMap<(Identity<'_>, Identity<'_>), VecDeque<usize>> = HashMap::new();
    for (at, node) in base.nodes.iter().enumerate() {
        alike.entry(node.identity).or_default().push_back(at);
        if let Some(parent) = node.parent_identity {
            with_parent.entry((node.identity, parent)).or_default().push_back(at);
        }
    }
    let mut is_used = vec![false; base.nodes.len()];
    let first = |queue: Option<&mut VecDeque<usize>>, is_used: &mut Vec<bool>| {
        let queue = queue?;
        while let Some(at) = queue.pop_front() {
            if !std::mem::replace(&mut is_used[at], true) {
                return Some(at);
            }
        }
        None
    };
    let nodes = compare.nodes.iter();
    nodes
        .map(|node| {
            let by_parent = node.parent_identity.and_then(|parent| with_parent.get_mut(&(node.identity, parent)));
            first(by_parent, &mut is_used).or_else(|| first(alike.get_mut(&node.identity), &mut is_used))
        })
        .collect()
}

fn changes(before: &Node<'_>, after: &Node<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    if durations_differ(before.duration, after.duration) {
        let target = Target::Field { name: DURATION };
        changes.push(Change { op: "modify", target, before: before.duration.into(), after: after.duration.into() });
    }
    if before.status != after.status {
        let target = Target::Field { name: STATUS };
        changes.push(Change { op: "modify", target, before: before.status.into(), after: after.status.into() });
    }
    let (mut old, mut new) = (before.attributes(), after.attributes());
    let keys: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
    for key in keys {
        let (old, new) = (old.remove(key), new.remove(key));
        let op = match (&old, &new) {
            (None, _) => "add",
            (_, None) => "remove",
            (Some(old), Some(new)) if attributes_differ(key, old, new) => "modify",
            _ => continue,
        };
        let target = Target::Attribute { scope: "span", key: key.to_owned() };
        changes.push(Change { op, target, before: old.unwrap_or_default(), after: new.unwrap_or_default() });
    }
    changes
}

fn reference<'t>(tree: &Tree<'t>, at: usize, node: &Node<'t>) -> Reference<'t> {
    let Identity { service, name, kind } = node.identity;
    Reference { path: tree.path(at), service, name, kind }
}

fn added<'t>(tree: &Tree<'t>, at: usize, node: &Node<'t>) -> Whole<'t> {
    let mut parent_path = tree.path(at);
    let index = parent_path.pop();
    Whole { target: Place { r#type: "span", path: Vec::new(), parent_path, index }, span: snapshot(tree, at, node) }
}

fn removed<'t>(tree: &Tree<'t>, at: usize, node: &Node<'t>) -> Whole<'t> {
    let target = Place { r#type: "span", path: tree.path(at), parent_path: Vec::new(), index: None };
    Whole { target, span: snapshot(tree, at, node) }
}

fn snapshot<'t>(tree: &Tree<'t>, at: usize, node: &Node<'t>) -> Snapshot<'t> {
    let Identity { service, name, kind } = node.identity;
    let duration_nanos = node.duration.unwrap_or(0);
    Snapshot { path: tree.path(at), service, name, kind, duration_nanos, status: node.status }
}

/// Each once; names of spans are told for one side only.
fn merged(base: &Tree<'_>, compare: &Tree<'_>) -> Vec<Warning> {
    let mut warnings: Vec<Warning> = Vec::new();
    for warning in base.warnings.iter().chain(&compare.warnings) {
        let is_same = |other: &Warning| {
            other.code == warning.code && (warning.code == HIGH_CARDINALITY || other.message == warning.message)
        };
        if !warnings.iter().any(is_same) {
            warnings.push(warning.clone());
        }
    }
    warnings
}
