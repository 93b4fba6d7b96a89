//! Spans that are written more than once: rows do not change, so what is known later of a span is a row of its own, a later version
//! of it. The version is a member of the span's trace state, `trefoil=v:7`; of the rows with the same ids that have one, the
//! highest is the span. Of equal ones it is that which ends last. Rows without a version have nothing to do with this: whoever
//! uses an id twice (as Zipkin's clients and servers do) keeps both.

use std::borrow::Cow;
use std::collections::HashMap;

use opentelemetry_proto::tonic::trace::v1::{Span, TracesData};

const KEY: &str = "trefoil=";
const VERSION: &str = "v:";
/// What is in a trace state that names a version, and hardly in any other.
pub const MARK: &str = "trefoil=v:";

/// A trace state with a version, in place of the one that it may have.
pub fn stamped(trace_state: &str, version: u64) -> String {
    match unstamped(trace_state).as_ref() {
        "" => format!("{KEY}{VERSION}{version}"),
        rest => format!("{KEY}{VERSION}{version},{rest}"),
    }
}

/// The version that a trace state names.
pub fn version(trace_state: &str) -> Option<u64> {
    let own = members(trace_state).find_map(|member| member.strip_prefix(KEY))?;
    own.strip_prefix(VERSION)?.parse().ok()
}

/// A trace state without its version.
pub fn unstamped(trace_state: &str) -> Cow<'_, str> {
    if version(trace_state).is_none() {
        return Cow::Borrowed(trace_state);
    }
    let others: Vec<&str> = members(trace_state).filter(|member| !member.starts_with(KEY)).collect();
    Cow::Owned(others.join(","))
}

/// Leaves the last version of each span, without saying that it is one.
pub fn keep_last(traces: &mut TracesData) {
    let mut last: HashMap<(Vec<u8>, Vec<u8>), (u64, u64)> = HashMap::new();
    for span in spans(traces) {
        if let Some(version) = version(&span.trace_state) {
            let newest = last.entry(ids(span)).or_default();
            *newest = (*newest).max((version, span.end_time_unix_nano));
        }
    }
    if last.is_empty() {
        return;
    }
    let mut is_last = |span: &mut Span| {
        let Some(version) = version(&span.trace_state) else { return true };
        // It is taken out, so that what was written twice is there once.
        if last.get(&ids(span)) != Some(&(version, span.end_time_unix_nano)) {
            return false;
        }
        last.remove(&ids(span));
        span.trace_state = unstamped(&span.trace_state).into_owned();
        true
    };
    for resource in &mut traces.resource_spans {
        for scope in &mut resource.scope_spans {
            scope.spans.retain_mut(&mut is_last);
        }
        resource.scope_spans.retain(|scope| !scope.spans.is_empty());
    }
    traces.resource_spans.retain(|resource| !resource.scope_spans.is_empty());
}

fn members(trace_state: &str) -> impl Iterator<Item = &str> {
    trace_state.split(',').map(str::trim).filter(|member| !member.is_empty())
}

fn spans(traces: &TracesData) -> impl Iterator<Item = &Span> {
    let scopes = traces.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
    scopes.flat_map(|scope| &scope.spans)
}

fn ids(span: &Span) -> (Vec<u8>, Vec<u8>) {
    (span.trace_id.clone(), span.span_id.clone())
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};

    use super::*;

    #[test]
    fn the_version_is_one_member_of_the_trace_state() {
        assert_eq!(stamped("", 3), "trefoil=v:3");
        assert_eq!(stamped("rojo=1, trefoil=v:2,congo=2", 3), "trefoil=v:3,rojo=1,congo=2");
        assert_eq!(version("rojo=1, trefoil=v:7"), Some(7));
        assert_eq!(unstamped("trefoil=v:3,rojo=1").as_ref(), "rojo=1");
        for other in ["", "rojo=1", "trefoil=x", "trefoil=v:", "trefoil=v:-1", "xtrefoil=v:1"] {
            assert_eq!((version(other), unstamped(other).as_ref()), (None, other));
        }
    }

    #[test]
    fn the_last_version_is_left_and_others_are_not_touched() {
        let span = |id: u8, end: u64, trace_state: &str| Span {
            trace_id: vec![1; 16],
            span_id: vec![id; 8],
            end_time_unix_nano: end,
            trace_state: trace_state.to_owned(),
            ..Span::default()
        };
        let scope = |spans: Vec<Span>| ResourceSpans {
            scope_spans: vec![ScopeSpans { spans, ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        };
        let mut traces = TracesData {
            resource_spans: vec![
                scope(vec![span(1, 5, "trefoil=v:1"), span(2, 9, ""), span(2, 8, "a=b")]),
                scope(vec![span(1, 3, "trefoil=v:1")]),
                scope(vec![span(1, 4, "trefoil=v:2,a=b"), span(1, 4, "trefoil=v:2,a=b"), span(1, 3, "trefoil=v:2")]),
            ],
        };
        keep_last(&mut traces);
        let expected = vec![scope(vec![span(2, 9, ""), span(2, 8, "a=b")]), scope(vec![span(1, 4, "a=b")])];
        assert_eq!(traces.resource_spans, expected);
    }
}
