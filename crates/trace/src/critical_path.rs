//! The critical path: which stretches of which spans the whole waited for.
//!
//! As Jaeger's UI finds it: beginning with the end of a root, the child that finished last is what was waited for; when it begins, the
//! child of the same parent that had finished last before that, and so on; what lies between is the parent's own. Children are cut to
//! the time of their parent, and left out where they have none of it in common. Messages do not make their senders wait: a child of
//! kind producer or consumer is left out with all below it.
//! <https://github.com/jaegertracing/jaeger-ui/tree/main/packages/jaeger-ui/src/components/TracePage/CriticalPath>
//!
//! Two things differ: of a child that ends at the very instant at which the next begins Jaeger says that nobody waited for it, which
//! loses every other call of a service whose clock is coarse; and nothing here recurses.

use crate::{Kind, Trace};

/// A stretch of a span. Times are nanoseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section {
    /// The span's place in the trace.
    pub span: u32,
    pub start: i64,
    pub end: i64,
}

/// What a span without a parent (or without one in the trace) waited for, from its start to its end without a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    pub top: u32,
    pub sections: Vec<Section>,
}

impl Path {
    /// Adds the lengths of the sections to those of their spans.
    pub fn add_to(&self, lengths: &mut [i64]) {
        for section in &self.sections {
            let length = &mut lengths[section.span as usize];
            *length = length.saturating_add(section.end - section.start);
        }
    }
}

/// Of each of [`Trace::tops`]. All together have at most two sections for each span.
pub fn critical_paths(trace: &Trace) -> Vec<Path> {
    let cut = cut(trace);
    trace.tops().into_iter().map(|top| path(trace, &cut, top)).collect()
}

/// The times of spans, cut to those of their parents; `None` of what nobody waited for.
fn cut(trace: &Trace) -> Vec<Option<(i64, i64)>> {
    let mut cut = vec![None; trace.spans().len()];
    for place in trace.order() {
        let span = trace.span(*place);
        cut[*place as usize] = match trace.parent(*place) {
            None => Some((span.start, span.end())),
            Some(_) if matches!(span.kind, Kind::Producer | Kind::Consumer) => None,
            Some(parent) => cut[parent as usize].and_then(|(start, end)| {
                let is_outside = span.start >= end || (span.start < start && span.end() <= start);
                (!is_outside).then(|| (span.start.max(start), span.end().min(end)))
            }),
        };
    }
    cut
}

/// A span on the way back from its end.
struct Open {
    span: u32,
    start: i64,
    /// Before it everything has still to be looked at.
    until: i64,
    /// Children that may have been waited for, the one that ends last at the end.
    children: Vec<u32>,
}

fn path(trace: &Trace, cut: &[Option<(i64, i64)>], top: u32) -> Path {
    let open = |span: u32| {
        let (start, end) = cut[span as usize].unwrap_or_default();
        let mut children: Vec<u32> =
            trace.children(span).iter().copied().filter(|child| cut[*child as usize].is_some()).collect();
        // Of those that end together the first begins first: it is what takes longest.
        children.sort_by_key(|child| (cut[*child as usize].map(|(_, end)| end), std::cmp::Reverse(*child)));
        Open { span, start, until: end, children }
    };
    let mut sections = Vec::new();
    let mut section = |span: u32, start: i64, end: i64| {
        if start < end {
            sections.push(Section { span, start, end });
        }
    };
    let mut under_way = vec![open(top)];
    while let Some(current) = under_way.last_mut() {
        let Some(child) = current.children.pop() else {
            section(current.span, current.start, current.until);
            under_way.pop();
            continue;
        };
        let Some((start, end)) = cut[child as usize].filter(|(_, end)| *end <= current.until) else { continue };
        section(current.span, end, current.until);
        current.until = start;
        under_way.push(open(child));
    }
    sections.reverse();
    Path { top, sections }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Span;
    use crate::test_support::{any_spans, deep, span, trace};

    /// `id:start-end` of each section.
    fn shown(spans: Vec<Span>) -> Vec<String> {
        let trace = trace(spans);
        let paths = critical_paths(&trace);
        let of = |path: &Path| {
            let each = path.sections.iter().map(|s| format!("{}:{}-{}", trace.span(s.span).id, s.start, s.end));
            each.collect::<Vec<_>>().join(" ")
        };
        paths.iter().map(of).collect()
    }

    #[test]
    fn the_last_that_finishes_is_waited_for() {
        let of_kind = |kind, span| Span { kind, ..span };
        for (name, children, expected) in [
            ("alone", vec![], "1:0-100"),
            (
                "one after the other",
                vec![span(2, 1, 10, 20), span(3, 1, 50, 30)],
                "1:0-10 2:10-30 1:30-50 3:50-80 1:80-100",
            ),
            ("at once", vec![span(2, 1, 10, 60), span(3, 1, 20, 60)], "1:0-20 3:20-80 1:80-100"),
            ("without a gap", vec![span(2, 1, 10, 40), span(3, 1, 50, 50)], "1:0-10 2:10-50 3:50-100"),
            ("below", vec![span(2, 1, 10, 80), span(3, 2, 20, 30)], "1:0-10 2:10-20 3:20-50 2:50-90 1:90-100"),
            ("begins before", vec![span(2, 1, -50, 70)], "2:0-20 1:20-100"),
            ("ends later", vec![span(2, 1, 90, 70)], "1:0-90 2:90-100"),
            ("longer on both sides", vec![span(2, 1, -5, 500), span(3, 2, 50, 400)], "2:0-50 3:50-100"),
            ("outside", vec![span(2, 1, 100, 9), span(3, 1, -9, 9), span(4, 2, 101, 1)], "1:0-100"),
            ("of no length", vec![span(2, 1, 50, 0), span(3, 1, 50, 0), span(4, 1, 60, -3)], "1:0-50 1:50-60 1:60-100"),
            (
                "messages",
                vec![
                    of_kind(Kind::Producer, span(2, 1, 10, 5)),
                    of_kind(Kind::Consumer, span(3, 2, 12, 80)),
                    of_kind(Kind::Server, span(4, 3, 13, 70)),
                ],
                "1:0-100",
            ),
        ] {
            let spans = std::iter::once(span(1, 0, 0, 100)).chain(children).collect();
            assert_eq!(shown(spans), [expected], "{name}");
        }
    }

    #[test]
    fn every_top_has_a_path() {
        let spans = vec![span(1, 0, 0, 10), span(2, 9, 5, 10), span(3, 2, 6, 2), span(4, 5, 20, 5), span(5, 4, 21, 2)];
        assert_eq!(shown(spans), ["1:0-10", "2:5-6 3:6-8 2:8-15", "4:20-21 5:21-23 4:23-25"]);
        assert_eq!(shown(vec![]), [""; 0]);
        let thousand = (1..=1000).map(|id| span(id, 0, id as i64, 5)).collect();
        assert_eq!(shown(thousand).len(), 1000);
    }

    #[test]
    fn a_deep_trace_and_a_wide_one_take_linear_time() {
        let deep = deep(1_000_000);
        let [path] = critical_paths(&deep).try_into().unwrap();
        assert_eq!(path.sections.iter().map(|section| section.end - section.start).sum::<i64>(), deep.span(0).duration);
        let wide = (2..=1_000_000).map(|id| span(id, 1, id as i64, 1));
        let wide = trace(std::iter::once(span(1, 0, 0, 2_000_000)).chain(wide).collect());
        assert_eq!(critical_paths(&wide)[0].sections.len(), 999_999 + 2);
    }

    proptest! {
        #[test]
        fn a_path_has_no_gaps_and_is_as_long_as_its_top(spans in any_spans()) {
            let trace = trace(spans);
            let mut lengths = vec![0; trace.spans().len()];
            for path in critical_paths(&trace) {
                let top = trace.span(path.top);
                let mut at = top.start;
                for section in &path.sections {
                    prop_assert_eq!(section.start, at);
                    prop_assert!(section.end > at);
                    let span = trace.span(section.span);
                    prop_assert!(span.start <= section.start && section.end <= span.end());
                    at = section.end;
                }
                prop_assert_eq!(at, top.end());
                path.add_to(&mut lengths);
            }
            // Nobody is waited for longer than it took.
            for (span, length) in trace.spans().iter().zip(&lengths) {
                prop_assert!(*length <= span.duration.max(0));
            }
            let sections = critical_paths(&trace).iter().map(|path| path.sections.len()).sum::<usize>();
            prop_assert!(sections <= 2 * trace.spans().len());
        }

        #[test]
        fn at_each_instant_the_deepest_that_is_waited_for(spans in any_spans()) {
            let trace = trace(spans);
            let cut = cut(&trace);
            for path in critical_paths(&trace) {
                for section in path.sections {
                    // No child that ends with the section goes on beyond its end.
                    let ends_there = |child: &&u32| cut[**child as usize].is_some_and(|(start, end)| end == section.end && start < end);
                    prop_assert!(trace.children(section.span).iter().find(ends_there).is_none());
                }
            }
        }
    }
}
