//! How two traces differ, and two spans.
//!
//! Spans are the same when their parents are, they are of the same service and operation, and the first, second, third, … of these among
//! their siblings, by their starts. So a trace is compared from its tops downwards; what is below a span that only one of them has is
//! all added, or all removed.

use std::collections::{BTreeMap, HashMap, VecDeque};

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::{Span, TracesData};
use trefoil_traceql::eval::Links;

/// A span as the comparison sees it.
#[derive(Debug, Clone, Copy)]
pub struct Compared<'t> {
    pub service: &'t str,
    pub span: &'t Span,
}

/// A value of a span that is not the same in both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    pub key: String,
    /// `None`: it is not there.
    pub before: Option<String>,
    pub after: Option<String>,
}

/// What is different between two spans.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpanDiff {
    /// Nanoseconds, before and after; `None`: they are equal.
    pub duration: Option<(i64, i64)>,
    /// `unset`, `ok`, `error`, with the message.
    pub status: Option<(String, String)>,
    /// `kind`, `name` and `service`, where spans are compared that were not matched by them.
    pub fields: Vec<Changed>,
    /// By their keys.
    pub attributes: Vec<Changed>,
}

impl SpanDiff {
    pub fn is_empty(&self) -> bool {
        *self == SpanDiff::default()
    }
}

/// A difference between two traces.
#[derive(Debug, Clone)]
pub enum Difference<'t> {
    Added(Compared<'t>),
    Removed(Compared<'t>),
    Changed { before: Compared<'t>, after: Compared<'t>, diff: SpanDiff },
}

/// Differences, parents before their children.
#[derive(Debug, Clone, Default)]
pub struct TraceDiff<'t> {
    pub differences: Vec<Difference<'t>>,
    /// Spans that are in both and the same.
    pub unchanged: usize,
}

/// From `before` to `after`. Spans whose durations differ by less than `least_change` nanoseconds are as long.
pub fn diff_traces<'t>(before: &'t TracesData, after: &'t TracesData, least_change: i64) -> TraceDiff<'t> {
    let (before, after) = (Tree::new(before), Tree::new(after));
    let mut diff = TraceDiff::default();
    let mut pairs = VecDeque::from([(None, None)]);
    while let Some((parent_before, parent_after)) = pairs.pop_front() {
        let mut left = keyed(&before, parent_before);
        let mut gone = Vec::new();
        let right = keyed(&after, parent_after);
        let mut keys: Vec<(&Key<'_>, &Vec<u32>)> = right.iter().collect();
        keys.sort_unstable_by_key(|(_, places)| places.first().copied());
        for (key, places) in keys {
            let known = left.remove(key).unwrap_or_default();
            let both = known.len().min(places.len());
            for (b, a) in known.iter().zip(places) {
                pairs.push_back((Some(*b), Some(*a)));
                let (b, a) = (before.span(*b), after.span(*a));
                let changes = diff_spans(b, a, least_change);
                match changes.is_empty() {
                    true => diff.unchanged += 1,
                    false => diff.differences.push(Difference::Changed { before: b, after: a, diff: changes }),
                }
            }
            diff.differences.extend(after.below(&places[both..]).map(|place| Difference::Added(after.span(place))));
            gone.extend_from_slice(&known[both..]);
        }
        gone.extend(left.into_values().flatten());
        gone.sort_unstable();
        diff.differences.extend(before.below(&gone).map(|place| Difference::Removed(before.span(place))));
    }
    diff
}

/// From `before` to `after`, their ids, parents and starts apart.
pub fn diff_spans(before: Compared<'_>, after: Compared<'_>, least_change: i64) -> SpanDiff {
    let durations = [before, after].map(|compared| duration(compared.span));
    let is_as_long = durations[0] == durations[1] || (durations[0] - durations[1]).abs() < least_change;
    let statuses = [before, after].map(|compared| status(compared.span));
    let fields = [
        ("service", before.service.to_owned(), after.service.to_owned()),
        ("name", before.span.name.clone(), after.span.name.clone()),
        ("kind", kind(before.span).to_owned(), kind(after.span).to_owned()),
    ];
    let fields = fields.into_iter().filter(|(_, before, after)| before != after).map(|(key, before, after)| Changed {
        key: key.to_owned(),
        before: Some(before),
        after: Some(after),
    });
    SpanDiff {
        duration: (!is_as_long).then_some((durations[0], durations[1])),
        status: (statuses[0] != statuses[1]).then(|| {
            let [before, after] = statuses;
            (before, after)
        }),
        fields: fields.collect(),
        attributes: diff_attributes(&before.span.attributes, &after.span.attributes),
    }
}

fn diff_attributes(before: &[KeyValue], after: &[KeyValue]) -> Vec<Changed> {
    // Of equal keys the first counts.
    let by_key = |attributes: &[KeyValue]| -> BTreeMap<String, String> {
        let value = |attribute: &KeyValue| attribute.value.as_ref().map(shown).unwrap_or_default();
        attributes.iter().rev().map(|attribute| (attribute.key.clone(), value(attribute))).collect()
    };
    let (mut before, after) = (by_key(before), by_key(after));
    let mut changed = Vec::new();
    for (key, after) in after {
        let before = before.remove(&key);
        if before.as_ref() != Some(&after) {
            changed.push(Changed { key, before, after: Some(after) });
        }
    }
    let removed = before.into_iter().map(|(key, before)| Changed { key, before: Some(before), after: None });
    changed.extend(removed);
    changed.sort_by(|a, b| a.key.cmp(&b.key));
    changed
}

/// How deep values within values are shown.
const DEEPEST: usize = 16;

fn shown(value: &AnyValue) -> String {
    shown_at(value, 0)
}

fn shown_at(value: &AnyValue, depth: usize) -> String {
    if depth == DEEPEST {
        return "…".to_owned();
    }
    let pair = |attribute: &KeyValue| {
        let value = attribute.value.as_ref().map(|value| shown_at(value, depth + 1)).unwrap_or_default();
        format!("{}={value}", attribute.key)
    };
    match &value.value {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        Some(Value::BoolValue(value)) => value.to_string(),
        Some(Value::BytesValue(bytes)) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        Some(Value::ArrayValue(array)) => {
            let values: Vec<String> = array.values.iter().map(|value| shown_at(value, depth + 1)).collect();
            format!("[{}]", values.join(", "))
        }
        Some(Value::KvlistValue(list)) => {
            format!("{{{}}}", list.values.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
        _ => String::new(),
    }
}

pub fn duration(span: &Span) -> i64 {
    i64::try_from(span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano)).unwrap_or(i64::MAX)
}

fn status(span: &Span) -> String {
    let (code, message) = span.status.as_ref().map_or((0, ""), |status| (status.code, &status.message));
    let name = match code {
        1 => "ok",
        2 => "error",
        _ => "unset",
    };
    if message.is_empty() { name.to_owned() } else { format!("{name}: {message}") }
}

fn kind(span: &Span) -> &'static str {
    match span.kind {
        1 => "internal",
        2 => "server",
        3 => "client",
        4 => "producer",
        5 => "consumer",
        _ => "unspecified",
    }
}

/// Spans with their services, the earliest first, one for those that were sent twice.
struct Tree<'t> {
    spans: Vec<Compared<'t>>,
    children: Vec<Vec<u32>>,
    tops: Vec<u32>,
}

impl<'t> Tree<'t> {
    fn new(trace: &'t TracesData) -> Tree<'t> {
        let mut spans: Vec<Compared<'t>> = spans(trace).collect();
        spans.sort_by(|a, b| {
            let key = |compared: &Compared<'t>| (compared.span.start_time_unix_nano, compared.service);
            key(a).cmp(&key(b)).then_with(|| a.span.span_id.cmp(&b.span.span_id))
        });
        spans.dedup_by(|a, b| a.service == b.service && a.span == b.span);
        let id = |bytes: &[u8]| <[u8; 8]>::try_from(bytes).unwrap_or_default();
        let ids = spans.iter().map(|compared| {
            let parent = id(&compared.span.parent_span_id);
            (id(&compared.span.span_id), (parent != [0; 8]).then_some(parent))
        });
        let links = Links::new(&ids.collect::<Vec<_>>());
        let (mut children, mut tops) = (vec![Vec::new(); spans.len()], Vec::new());
        for place in 0..spans.len() as u32 {
            match links.parent(place) {
                Some(parent) => children[parent as usize].push(place),
                None => tops.push(place),
            }
        }
        Tree { spans, children, tops }
    }

    fn span(&self, place: u32) -> Compared<'t> {
        self.spans[place as usize]
    }

    /// Of a span, or the tops.
    fn children(&self, parent: Option<u32>) -> &[u32] {
        parent.map_or(&self.tops, |parent| &self.children[parent as usize])
    }

    /// These and all below them, parents before their children.
    fn below(&self, places: &[u32]) -> impl Iterator<Item = u32> {
        let mut found = places.to_vec();
        let mut next = 0;
        while let Some(place) = found.get(next) {
            found.extend_from_slice(&self.children[*place as usize]);
            next += 1;
        }
        found.into_iter()
    }
}

/// All spans with their services.
pub fn spans(trace: &TracesData) -> impl Iterator<Item = Compared<'_>> {
    trace.resource_spans.iter().flat_map(|group| {
        let resource = group.resource.as_ref().map_or(&[][..], |resource| &resource.attributes);
        let service = resource.iter().find(|attribute| attribute.key == "service.name");
        let service = match service.and_then(|attribute| attribute.value.as_ref()?.value.as_ref()) {
            Some(Value::StringValue(name)) => name.as_str(),
            _ => "",
        };
        group.scope_spans.iter().flat_map(|scope| &scope.spans).map(move |span| Compared { service, span })
    })
}

type Key<'t> = (&'t str, &'t str);

/// The children of a span (or the tops) by service and operation, in the order of their starts.
fn keyed<'t>(tree: &Tree<'t>, parent: Option<u32>) -> HashMap<Key<'t>, Vec<u32>> {
    let mut keyed: HashMap<Key<'t>, Vec<u32>> = HashMap::new();
    for place in tree.children(parent) {
        let Compared { service, span } = tree.span(*place);
        keyed.entry((service, span.name.as_str())).or_default().push(*place);
    }
    keyed
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Status};
    use proptest::prelude::*;

    use super::*;

    fn text(key: &str, value: &str) -> KeyValue {
        let value = Some(AnyValue { value: Some(Value::StringValue(value.into())) });
        KeyValue { key: key.into(), value, ..KeyValue::default() }
    }

    fn span(id: u64, parent: u64, name: &str, start: u64, duration: u64) -> Span {
        Span {
            trace_id: vec![1; 16],
            span_id: id.to_be_bytes().to_vec(),
            parent_span_id: if parent == 0 { vec![] } else { parent.to_be_bytes().to_vec() },
            name: name.into(),
            start_time_unix_nano: start,
            end_time_unix_nano: start + duration,
            ..Span::default()
        }
    }

    fn of(service: &str, spans: Vec<Span>) -> TracesData {
        let resource = Resource { attributes: vec![text("service.name", service)], ..Resource::default() };
        let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
        let group = ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() };
        TracesData { resource_spans: vec![group] }
    }

    fn shown(before: &TracesData, after: &TracesData) -> Vec<String> {
        let id = |compared: &Compared<'_>| u64::from_be_bytes(compared.span.span_id.clone().try_into().unwrap());
        let diff = diff_traces(before, after, 0);
        let mut lines: Vec<String> = diff
            .differences
            .iter()
            .map(|difference| match difference {
                Difference::Added(span) => format!("+{}", id(span)),
                Difference::Removed(span) => format!("-{}", id(span)),
                Difference::Changed { before, after, diff } => {
                    let SpanDiff { duration, status, attributes, .. } = diff;
                    let attributes = attributes.iter().map(|changed| {
                        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
                        format!(" {}:{}→{}", changed.key, value(&changed.before), value(&changed.after))
                    });
                    let duration = duration.map(|(before, after)| format!(" {before}→{after}")).unwrap_or_default();
                    let status =
                        status.as_ref().map(|(before, after)| format!(" {before}→{after}")).unwrap_or_default();
                    format!("{}~{}{duration}{status}{}", id(before), id(after), attributes.collect::<String>())
                }
            })
            .collect();
        lines.push(format!("{} the same", diff.unchanged));
        lines
    }

    #[test]
    fn spans_are_matched_by_place_and_compared() {
        let before = of(
            "a",
            vec![
                span(1, 0, "GET", 0, 100),
                span(2, 1, "read", 10, 10),
                span(3, 1, "read", 30, 10),
                span(4, 3, "below", 31, 5),
                Span { attributes: vec![text("x", "1"), text("y", "2")], ..span(5, 1, "write", 50, 10) },
            ],
        );
        let failed = Some(Status { code: 2, message: "full".into() });
        let after = of(
            "a",
            vec![
                span(11, 0, "GET", 1000, 120),
                span(12, 11, "read", 1005, 10),
                Span {
                    attributes: vec![text("y", "3"), text("z", "4")],
                    status: failed,
                    ..span(15, 11, "write", 1050, 10)
                },
                span(16, 15, "retry", 1051, 5),
                span(17, 16, "again", 1052, 5),
            ],
        );
        assert_eq!(
            shown(&before, &after),
            ["1~11 100→120", "5~15 unset→error: full x:1→- y:2→3 z:-→4", "-3", "-4", "+16", "+17", "1 the same"]
        );
        assert_eq!(diff_traces(&before, &after, 21).differences.len(), 5, "20 ns are as good as none");
        assert_eq!(shown(&before, &TracesData::default()).len(), 6);
        assert_eq!(shown(&TracesData::default(), &before).len(), 6);
    }

    #[test]
    fn another_service_is_another_span() {
        let spans = || vec![span(1, 0, "GET", 0, 100), span(2, 1, "read", 10, 10)];
        assert_eq!(shown(&of("a", spans()), &of("b", spans())), ["+1", "+2", "-1", "-2", "0 the same"]);
        let [before, after] = ["a", "b"].map(|service| of(service, spans()));
        let compared = [&before, &after].map(|trace| super::spans(trace).next().unwrap());
        let diff = diff_spans(compared[0], compared[1], 0);
        assert_eq!((diff.fields.len(), &*diff.fields[0].key, diff.is_empty()), (1, "service", false));
    }

    #[test]
    fn deep_and_broken_traces_are_compared() {
        let deep = of("a", (1..=100_000).map(|id| span(id, id - 1, "deep", id, 5)).collect());
        assert_eq!(shown(&deep, &deep), ["100000 the same"]);
        assert_eq!(shown(&deep, &of("a", vec![span(1, 0, "deep", 1, 5)])).len(), 100_000);
        let broken =
            of("a", vec![span(1, 2, "x", 0, 5), span(2, 1, "x", 1, 5), span(3, 3, "x", 2, 5), span(4, 9, "x", 3, 5)]);
        assert_eq!(shown(&broken, &broken), ["4 the same"]);
        let mut value = AnyValue { value: Some(Value::IntValue(1)) };
        for _ in 0..100 {
            let list = opentelemetry_proto::tonic::common::v1::ArrayValue { values: vec![value] };
            value = AnyValue { value: Some(Value::ArrayValue(list)) };
        }
        assert!(super::shown(&value).contains('…'));
    }

    proptest! {
        #[test]
        fn a_trace_is_like_itself_and_differences_turn_round(
            rows in prop::collection::vec((1u64..20, 0u64..22, 0u64..4, 0u64..50, 0u64..50), 0..30),
            others in prop::collection::vec((1u64..20, 0u64..22, 0u64..4, 0u64..50, 0u64..50), 0..30),
        ) {
            let trace = |rows: &[(u64, u64, u64, u64, u64)]| {
                let row = |(id, parent, name, start, long): &(u64, u64, u64, u64, u64)| span(*id, *parent, &format!("n{name}"), *start, *long);
                of("a", rows.iter().map(row).collect())
            };
            let (one, other) = (trace(&rows), trace(&others));
            prop_assert!(diff_traces(&one, &one, 0).differences.is_empty());
            let (there, back) = (diff_traces(&one, &other, 0), diff_traces(&other, &one, 0));
            let count = |diff: &TraceDiff<'_>| {
                let mut counts = [0; 3];
                for difference in &diff.differences {
                    counts[match difference { Difference::Added(_) => 0, Difference::Removed(_) => 1, Difference::Changed { .. } => 2 }] += 1;
                }
                counts
            };
            let ([added, removed, changed], [gained, lost, altered]) = (count(&there), count(&back));
            prop_assert_eq!((added, removed, changed, there.unchanged), (lost, gained, altered, back.unchanged));
            // Every span is somewhere.
            let spans = |trace| Tree::new(trace).spans.len();
            prop_assert_eq!(removed + changed + there.unchanged, spans(&one));
            prop_assert_eq!(added + changed + there.unchanged, spans(&other));
        }
    }
}
