//! Parameters with which a trace by id is only a part of it: `q` and what goes with it (experimental in Tempo).

use std::collections::{HashMap, HashSet, VecDeque};

use opentelemetry_proto::tonic::trace::v1::{Span, TracesData};
use trefoil_traceql::ast::{Expr, Pipeline, Spanset, Stage};

/// What Tempo says of a trace that is not whole.
pub(super) const FILTERED: &str = "Trace filtered, only a subset of spans matching the filter is returned";

/// Which spans are wanted.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Narrowing {
    /// Of one spanset filter.
    pub filter: Pipeline,
    /// So many generations above and below those that match; `None`: all.
    ancestors: Option<usize>,
    descendants: Option<usize>,
}

type Id = [u8; 8];

impl Narrowing {
    /// `None`: the whole trace is wanted. What goes with `q` is not even looked at without it, as in Tempo.
    pub fn read(parameters: &[(String, String)]) -> Result<Option<Self>, String> {
        let get = |name: &str| {
            parameters
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.as_str())
                .filter(|value| !value.is_empty())
        };
        if let Some(flag) = get("span_pruning")
            && boolean("span_pruning", flag)?
        {
            return Err(
                "span_pruning has no effect here and is not taken: all spans are returned without it".to_owned()
            );
        }
        let Some(text) = get("q").map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
        let keeps = get("keep_hierarchy").map(|flag| boolean("keep_hierarchy", flag)).transpose()?.unwrap_or(false);
        let descendants = get("match_depth").map(|text| depth("match_depth", text)).transpose()?.unwrap_or(Some(0));
        let ancestors = match keeps {
            true => get("ancestor_depth").map(|text| depth("ancestor_depth", text)).transpose()?.unwrap_or(None),
            false => Some(0),
        };
        Ok(Some(Self { filter: filter(text)?, ancestors, descendants }))
    }

    /// Leaves what is wanted of a trace; whether that is less than all.
    pub fn narrow(&self, trace: &mut TracesData, matching: HashSet<Id>) -> bool {
        let (mut parents, mut children): (HashMap<Id, Vec<Id>>, HashMap<Id, Vec<Id>>) =
            (HashMap::new(), HashMap::new());
        for span in spans(trace) {
            if let (Some(id), Some(parent)) = (id(&span.span_id), id(&span.parent_span_id)) {
                parents.entry(id).or_default().push(parent);
                children.entry(parent).or_default().push(id);
            }
        }
        let mut kept = reached(&matching, &parents, self.ancestors);
        kept.extend(reached(&matching, &children, self.descendants));
        kept.extend(matching);
        let before = spans(trace).count();
        for resource in &mut trace.resource_spans {
            for scope in &mut resource.scope_spans {
                scope.spans.retain(|span| id(&span.span_id).is_some_and(|id| kept.contains(&id)));
            }
            resource.scope_spans.retain(|scope| !scope.spans.is_empty());
        }
        trace.resource_spans.retain(|resource| !resource.scope_spans.is_empty());
        spans(trace).count() < before
    }
}

/// One `{ … }`, and nothing behind it.
fn filter(text: &str) -> Result<Pipeline, String> {
    let query = trefoil_traceql::parse(text).map_err(|error| format!("invalid TraceQL filter: {error}"))?;
    match query.expr {
        Expr::Search(pipeline) if matches!(pipeline.0.as_slice(), [Stage::Spanset(Spanset::Filter(_))]) => Ok(pipeline),
        _ => Err("invalid TraceQL filter: it must be one spanset filter, such as { status = error }".to_owned()),
    }
}

fn boolean(name: &str, text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(format!("invalid value for {name}: {text:?} is neither true nor false")),
    }
}

/// -1 is without end.
fn depth(name: &str, text: &str) -> Result<Option<usize>, String> {
    match text.parse::<i64>() {
        Ok(-1) => Ok(None),
        Ok(depth) => usize::try_from(depth).map(Some).map_err(|_| format!("invalid value for {name}: must be >= -1")),
        Err(_) => Err(format!("invalid value for {name}: {text:?} is not a number")),
    }
}

fn spans(trace: &TracesData) -> impl Iterator<Item = &Span> {
    trace.resource_spans.iter().flat_map(|resource| &resource.scope_spans).flat_map(|scope| &scope.spans)
}

fn id(bytes: &[u8]) -> Option<Id> {
    bytes.try_into().ok().filter(|id| *id != [0; 8])
}

/// By the shortest way, within so many steps.
fn reached(from: &HashSet<Id>, next: &HashMap<Id, Vec<Id>>, steps: Option<usize>) -> HashSet<Id> {
    let mut found = HashSet::new();
    let mut queue: VecDeque<(Id, usize)> = from.iter().map(|id| (*id, 0)).collect();
    while let Some((id, taken)) = queue.pop_front() {
        if steps.is_some_and(|steps| taken >= steps) {
            continue;
        }
        for neighbour in next.get(&id).into_iter().flatten() {
            if found.insert(*neighbour) {
                queue.push_back((*neighbour, taken + 1));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};

    use super::*;

    /// 1 → 2 → 3 → 4, 1 → 5; 6 is alone.
    fn trace() -> TracesData {
        let span = |(id, parent): (u8, u8)| Span {
            span_id: vec![id; 8],
            parent_span_id: if parent == 0 { Vec::new() } else { vec![parent; 8] },
            ..Span::default()
        };
        let group = |spans: &[(u8, u8)]| ResourceSpans {
            scope_spans: vec![ScopeSpans { spans: spans.iter().copied().map(span).collect(), ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        };
        TracesData {
            resource_spans: vec![group(&[(1, 0), (2, 1), (5, 1)]), group(&[(3, 2), (4, 3)]), group(&[(6, 0)])],
        }
    }

    fn parameters(query: &str) -> Vec<(String, String)> {
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }

    fn narrowed(query: &str, matching: &[u8]) -> (Vec<u8>, bool) {
        let narrowing = Narrowing::read(&parameters(query)).unwrap().unwrap();
        let mut trace = trace();
        let is_less = narrowing.narrow(&mut trace, matching.iter().map(|id| [*id; 8]).collect());
        let mut left: Vec<u8> = spans(&trace).map(|span| span.span_id[0]).collect();
        left.sort_unstable();
        (left, is_less)
    }

    #[test]
    fn what_is_around_a_match_is_kept_as_far_as_it_is_wanted() {
        assert_eq!(narrowed("q={}", &[3]), (vec![3], true));
        assert_eq!(narrowed("q={}&keep_hierarchy=true", &[3]), (vec![1, 2, 3], true));
        assert_eq!(narrowed("q={}&keep_hierarchy=1&ancestor_depth=1", &[4]), (vec![3, 4], true));
        assert_eq!(narrowed("q={}&ancestor_depth=x", &[4]), (vec![4], true));
        assert_eq!(narrowed("q={}&match_depth=1", &[2]), (vec![2, 3], true));
        assert_eq!(narrowed("q={}&match_depth=-1", &[2]), (vec![2, 3, 4], true));
        assert_eq!(narrowed("q={}&match_depth=-1", &[1, 6]), (vec![1, 2, 3, 4, 5, 6], false));
        assert_eq!(narrowed("q={}&match_depth=-1&keep_hierarchy=t", &[]), (vec![], true));
    }

    #[test]
    fn wrong_parameters_are_named() {
        assert_eq!(Narrowing::read(&parameters("match_depth=x&keep_hierarchy=x&q=+")), Ok(None));
        for (query, expected) in [
            ("q={", "invalid TraceQL filter: "),
            ("q={}|count()>1", "it must be one spanset filter"),
            ("q={}>>{}", "it must be one spanset filter"),
            ("q={}|rate()", "it must be one spanset filter"),
            ("q={}&keep_hierarchy=x", "invalid value for keep_hierarchy"),
            ("q={}&match_depth=-2", "invalid value for match_depth: must be >= -1"),
            ("q={}&keep_hierarchy=true&ancestor_depth=x", "invalid value for ancestor_depth"),
            ("span_pruning=true", "span_pruning has no effect here"),
            ("span_pruning=x", "invalid value for span_pruning"),
        ] {
            let error = Narrowing::read(&parameters(query)).unwrap_err();
            assert!(error.contains(expected), "{query}: {error}");
        }
        assert_eq!(Narrowing::read(&parameters("span_pruning=false")), Ok(None));
    }
}
