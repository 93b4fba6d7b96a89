//! Clocks that disagree: spans that do not lie within their parents, though they are of another host.
//!
//! As Jaeger's query service does it: a child of another clock that does not fit into its parent is moved to its middle (a request
//! and its answer take equally long on their way); one that lasts longer than its parent, only so far that it does not begin before it.
//! What is below it on the same clock moves with it. A move of more than the most is not made, and told instead.
//! <https://github.com/jaegertracing/jaeger/blob/main/cmd/jaeger/internal/extension/jaegerquery/internal/adjuster/clockskew.go>

use std::collections::HashSet;
use std::fmt;

use trefoil_go::duration::written;
use trefoil_traceql::eval::Links;

use crate::{Span, Trace};

/// What has to be known of a span. Times are nanoseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timed {
    pub id: [u8; 8],
    /// `None`: it says that it has none.
    pub parent: Option<[u8; 8]>,
    pub start: i64,
    pub end: i64,
    /// Equal for spans of the same clock; `None`: nobody knows.
    pub clock: Option<u32>,
}

/// What was found out about a span's times. Its text is a warning to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is to be moved by so many nanoseconds, never 0.
    Moved(i64),
    /// It would have to be moved by more than the most.
    TooFar { by: i64, most: i64 },
    /// It would have to be moved, and nothing may be.
    Off { by: i64 },
    /// Its parent is not there to compare with.
    NoParent([u8; 8]),
    /// An earlier span has its id, too.
    SameId,
}

impl Verdict {
    /// By how much the span is to be moved.
    pub fn delta(self) -> i64 {
        match self {
            Verdict::Moved(by) => by,
            _ => 0,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Moved(by) => write!(f, "clock skew: all times of this span were moved by {}", written(*by)),
            Verdict::TooFar { by, most } => {
                let (by, most) = (written(*by), written(*most));
                write!(f, "clock skew: not moved by {by}, which is more than the {most} that it may be")
            }
            Verdict::Off { by } => {
                write!(f, "clock skew: not moved by {}, since correction is switched off", written(*by))
            }
            Verdict::NoParent(id) => {
                let id = u64::from_be_bytes(*id);
                write!(f, "clock skew: not looked for, since the parent {id:016x} is not in the trace")
            }
            Verdict::SameId => write!(f, "clock skew: not looked for, since another span has the same id"),
        }
    }
}

/// A verdict for each span; `None`: there is nothing to say. `most` nanoseconds is how far spans may be moved, 0: not at all.
pub fn judge(spans: &[Timed], most: i64) -> Vec<Option<Verdict>> {
    let links = Links::new(&spans.iter().map(|span| (span.id, span.parent)).collect::<Vec<_>>());
    let mut ids = HashSet::with_capacity(spans.len());
    let is_first: Vec<bool> = spans.iter().map(|span| ids.insert(span.id)).collect();
    let mut verdicts = vec![None; spans.len()];
    // By how much each span's clock is wrong, whether or not that was corrected.
    let mut skews = vec![0; spans.len()];
    for place in links.order().iter().map(|place| *place as usize) {
        let span = &spans[place];
        verdicts[place] = match (links.parent(place as u32), span.parent) {
            _ if !is_first[place] => Some(Verdict::SameId),
            (None, Some(id)) if !ids.contains(&id) => Some(Verdict::NoParent(id)),
            (None, _) => None,
            (Some(parent), _) => {
                let parent = parent as usize;
                let is_same_clock = span.clock.is_some() && span.clock == spans[parent].clock;
                skews[place] = match is_same_clock {
                    true => skews[parent],
                    false => skew(span, &spans[parent], verdicts[parent].map_or(0, Verdict::delta)),
                };
                verdict(skews[place], most)
            }
        };
    }
    verdicts
}

fn verdict(by: i64, most: i64) -> Option<Verdict> {
    match by {
        0 => None,
        by if most == 0 => Some(Verdict::Off { by }),
        by if by.unsigned_abs() > most.unsigned_abs() => Some(Verdict::TooFar { by, most }),
        by => Some(Verdict::Moved(by)),
    }
}

/// By how much `child` has to be moved to fit into `parent`, which is itself moved by `moved`.
fn skew(child: &Timed, parent: &Timed, moved: i64) -> i64 {
    let (start, end) = (parent.start.saturating_add(moved), parent.end.saturating_add(moved));
    let (longest, length) = (end.saturating_sub(start), child.end.saturating_sub(child.start));
    if length > longest {
        return start.saturating_sub(child.start).max(0);
    }
    if child.start >= start && child.end <= end {
        return 0;
    }
    start.saturating_add((longest - length) / 2).saturating_sub(child.start)
}

/// A trace whose spans are where they belong, and what was found out about each of its spans.
pub fn corrected(trace: Trace, most: i64) -> (Trace, Vec<Option<Verdict>>) {
    let parent = |span: &Span| (span.parent != 0).then(|| span.parent.to_be_bytes());
    let clock = |span: &Span| (!span.clock.is_none()).then_some(span.clock.number());
    let timed = |span: &Span| Timed {
        id: span.id.to_be_bytes(),
        parent: parent(span),
        start: span.start,
        end: span.end(),
        clock: clock(span),
    };
    let verdicts = judge(&trace.spans().iter().map(timed).collect::<Vec<_>>(), most);
    if verdicts.iter().all(|verdict| verdict.map_or(0, Verdict::delta) == 0) {
        return (trace, verdicts);
    }
    let mut moved: Vec<(Span, Option<Verdict>)> = trace
        .spans()
        .iter()
        .zip(verdicts)
        .map(|(span, verdict)| {
            let start = span.start.saturating_add(verdict.map_or(0, Verdict::delta));
            (Span { start, ..*span }, verdict)
        })
        .collect();
    // As the trace will have them.
    moved.sort_by_key(|(span, _)| span.order());
    moved.dedup_by(|(a, _), (b, _)| a == b);
    let (spans, verdicts) = moved.into_iter().unzip();
    (Trace::new(spans), verdicts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::test_support::{any_spans, deep, span, trace};

    const MS: i64 = 1_000_000;

    /// `(id, parent, start, duration, clock)` in milliseconds; parent 0 and clock 0: none.
    type Row = (u8, u8, i64, i64, u32);

    fn judged(rows: &[Row], most: i64) -> Vec<Option<Verdict>> {
        let timed = |(id, parent, start, duration, clock): &Row| Timed {
            id: [*id; 8],
            parent: (*parent != 0).then_some([*parent; 8]),
            start: start * MS,
            end: (start + duration) * MS,
            clock: (*clock != 0).then_some(*clock),
        };
        judge(&rows.iter().map(timed).collect::<Vec<_>>(), most * MS)
    }

    #[test]
    fn as_jaeger_judges() {
        let root = (1, 0, 10, 100, 1);
        let moved = |by: i64| Some(Verdict::Moved(by * MS));
        for (name, below, expected) in [
            ("on the same host", vec![(2, 1, 0, 50, 1)], vec![None]),
            ("fits", vec![(2, 1, 20, 50, 2)], vec![None]),
            ("just fits", vec![(2, 1, 10, 100, 2)], vec![None]),
            ("longer", vec![(2, 1, 20, 150, 2)], vec![None]),
            ("longer and too early", vec![(2, 1, 0, 150, 2)], vec![moved(10)]),
            ("too early", vec![(2, 1, 0, 50, 2)], vec![moved(35)]),
            ("too late", vec![(2, 1, 80, 50, 2)], vec![moved(-45)]),
            ("of nobody knows which clock", vec![(2, 1, 0, 50, 0), (3, 2, 0, 60, 0)], vec![moved(35), moved(35)]),
            ("moves what is below it", vec![(2, 1, 50, 70, 2), (3, 2, 60, 20, 2)], vec![moved(-25), moved(-25)]),
            (
                "and what is on other hosts",
                vec![(2, 1, 200, 50, 2), (3, 2, 210, 20, 3)],
                vec![moved(-165), moved(-160)],
            ),
            ("a missing parent", vec![(2, 9, 0, 50, 2)], vec![Some(Verdict::NoParent([9; 8]))]),
            ("twice", vec![(1, 0, 10, 100, 1)], vec![Some(Verdict::SameId)]),
            ("circles", vec![(2, 3, 0, 50, 2), (3, 2, 0, 20, 3)], vec![None, None]),
            ("its own parent", vec![(2, 2, 0, 50, 2)], vec![None]),
        ] {
            let rows: Vec<Row> = std::iter::once(root).chain(below).collect();
            let verdicts = judged(&rows, 1000);
            assert_eq!((verdicts[0], &verdicts[1..]), (None, &expected[..]), "{name}");
        }
    }

    #[test]
    fn nothing_moves_too_far() {
        let rows = [(1, 0, 10, 100, 1), (2, 1, 0, 50, 2), (3, 2, 5, 20, 2), (4, 3, 5, 20, 4)];
        let far = Some(Verdict::TooFar { by: 35 * MS, most: 34 * MS });
        assert_eq!(judged(&rows, 34), [None, far, far, None]);
        let off = Some(Verdict::Off { by: 35 * MS });
        assert_eq!(judged(&rows, 0), [None, off, off, None]);
        // What is called by the one that was moved is compared with where that is now.
        let moved = |by: i64| Some(Verdict::Moved(by * MS));
        assert_eq!(judged(&rows, 35), [None, moved(35), moved(35), moved(35)]);
        for (verdict, text) in [
            (far, "not moved by 35ms, which is more than the 34ms"),
            (off, "not moved by 35ms, since correction is switched off"),
            (moved(-35), "moved by -35ms"),
            (Some(Verdict::NoParent([0, 0, 0, 0, 0, 0, 0, 99])), "0000000000000063"),
        ] {
            assert!(verdict.unwrap().to_string().contains(text), "{verdict:?}");
        }
    }

    #[test]
    fn a_trace_is_moved_as_a_whole() {
        let mut names = crate::Names::default();
        let [a, b] = ["a", "b"].map(|text| names.add(text));
        let on = |clock, span| Span { clock, ..span };
        let rows = vec![on(a, span(1, 0, 100, 100)), on(b, span(2, 1, 0, 50)), on(b, span(3, 2, 10, 20))];
        let (trace, told) = corrected(trace(rows.clone()), 1000);
        assert_eq!(told, [None, Some(Verdict::Moved(125)), Some(Verdict::Moved(125))]);
        let starts: Vec<(u64, i64)> = trace.spans().iter().map(|span| (span.id, span.start)).collect();
        assert_eq!(starts, [(1, 100), (2, 125), (3, 135)]);
        let (left, told) = corrected(Trace::new(rows), 0);
        assert_eq!((left.span(0).start, told[0]), (0, Some(Verdict::Off { by: 125 })));
    }

    #[test]
    fn a_deep_trace_takes_linear_time() {
        let (trace, told) = corrected(deep(200_000), i64::MAX);
        assert_eq!((trace.spans().len(), told.iter().flatten().count()), (200_000, 0));
    }

    proptest! {
        /// Nothing that is corrected has anything left to correct.
        #[test]
        fn once_is_enough(spans in any_spans()) {
            // Ids that come twice are looked at once.
            let mut ids = HashSet::new();
            let spans: Vec<Span> = spans.into_iter().filter(|span| ids.insert(span.id)).collect();
            let (trace, _) = corrected(Trace::new(spans), i64::MAX);
            // Where circles are cut depends on times.
            let in_circle = |span: &Span| span.parent != 0 && ids.contains(&span.parent);
            prop_assume!(trace.tops().iter().all(|top| !in_circle(trace.span(*top))));
            let (again, told) = corrected(trace.clone(), i64::MAX);
            prop_assert_eq!(again.spans(), trace.spans());
            prop_assert!(told.iter().flatten().all(|verdict| verdict.delta() == 0), "{:?}", told);
            prop_assert_eq!(told.len(), trace.spans().len());
        }
    }
}
