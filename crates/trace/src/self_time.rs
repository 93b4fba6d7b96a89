//! Self time: what of a span's time none of its children covers.

use std::collections::HashMap;

use crate::{Name, Span, Trace};

/// Of each span: its duration without the union of its children's times, as far as these lie within it.
pub fn self_times(trace: &Trace) -> Vec<i64> {
    (0..trace.spans().len() as u32).map(|place| self_time(trace, place)).collect()
}

fn self_time(trace: &Trace, place: u32) -> i64 {
    let span = trace.span(place);
    let (mut covered, mut until) = (0, span.start);
    // The earliest comes first, so what is covered only grows at its end.
    for child in trace.children(place) {
        let child = trace.span(*child);
        let (from, to) = (child.start.max(until), child.end().min(span.end()));
        if from < to {
            covered += to - from;
            until = to;
        }
    }
    span.end() - span.start - covered
}

/// Something of several spans together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    pub spans: u64,
    pub errors: u64,
    /// Nanoseconds.
    pub self_time: i64,
    /// Nanoseconds on critical paths.
    pub critical: i64,
}

/// Sums of what each span has (`critical`: see [`crate::critical_path::Path::add_to`]) by what `key` says of it, largest self time first.
pub fn shares<K: std::hash::Hash + Eq + Ord + Copy>(
    trace: &Trace,
    self_times: &[i64],
    critical: &[i64],
    key: impl Fn(&Span) -> K,
) -> Vec<(K, Share)> {
    let mut shares: HashMap<K, Share> = HashMap::new();
    for (place, span) in trace.spans().iter().enumerate() {
        let share = shares.entry(key(span)).or_default();
        share.spans += 1;
        share.errors += u64::from(span.is_error);
        share.self_time = share.self_time.saturating_add(self_times[place]);
        share.critical = share.critical.saturating_add(critical[place]);
    }
    let mut shares: Vec<(K, Share)> = shares.into_iter().collect();
    shares.sort_unstable_by_key(|(key, share)| (std::cmp::Reverse(share.self_time), *key));
    shares
}

/// An operation of a service, for [`shares`].
pub fn operation(span: &Span) -> (Name, Name) {
    (span.service, span.name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::test_support::{any_spans, deep, span, trace};

    fn of(spans: Vec<Span>) -> Vec<(u64, i64)> {
        let trace = trace(spans);
        let times = self_times(&trace);
        trace.spans().iter().map(|span| span.id).zip(times).collect()
    }

    #[test]
    fn children_cover_their_parents() {
        for (shown, children, expected) in [
            ("alone", vec![], 100),
            ("one", vec![(10, 20)], 80),
            ("at once", vec![(10, 20), (15, 20)], 75),
            ("one in the other", vec![(10, 50), (20, 5), (59, 11)], 40),
            ("begins before", vec![(-10, 20)], 90),
            ("ends later", vec![(90, 50)], 90),
            ("longer on both sides", vec![(-5, 500)], 0),
            ("outside", vec![(-20, 20), (100, 5), (200, 5)], 100),
            ("backwards", vec![(10, -5)], 100),
        ] {
            let children = children.into_iter().enumerate().map(|(n, (at, long))| span(n as u64 + 2, 1, at, long));
            let times = of(std::iter::once(span(1, 0, 0, 100)).chain(children).collect());
            assert_eq!(times.iter().find(|(id, _)| *id == 1), Some(&(1, expected)), "{shown}");
        }
    }

    #[test]
    fn a_deep_trace_and_a_wide_one_take_linear_time() {
        let deep = deep(1_000_000);
        assert_eq!(self_times(&deep).iter().sum::<i64>(), deep.span(0).duration);
        let wide = (2..=1_000_000).map(|id| span(id, 1, id as i64, 1));
        let wide = trace(std::iter::once(span(1, 0, 0, 2_000_000)).chain(wide).collect());
        assert_eq!(self_times(&wide)[0], 2_000_000 - 999_999);
    }

    #[test]
    fn sums_are_by_service() {
        let mut names = crate::Names::default();
        let [a, b] = ["a", "b"].map(|text| names.add(text));
        let of = |service, span| Span { service, ..span };
        let failed = Span { is_error: true, ..of(b, span(3, 1, 50, 40)) };
        let trace = trace(vec![of(a, span(1, 0, 0, 100)), of(b, span(2, 1, 10, 30)), failed]);
        let shares = shares(&trace, &self_times(&trace), &[100, 0, 7], |span| span.service);
        assert_eq!(
            shares,
            [
                (b, Share { spans: 2, errors: 1, self_time: 70, critical: 7 }),
                (a, Share { spans: 1, errors: 0, self_time: 30, critical: 100 }),
            ]
        );
    }

    proptest! {
        #[test]
        fn as_counted_nanosecond_by_nanosecond(spans in any_spans()) {
            let trace = trace(spans);
            for (place, time) in self_times(&trace).into_iter().enumerate() {
                let (place, span) = (place as u32, trace.span(place as u32));
                let is_covered = |at: &i64| {
                    let children = (0..trace.spans().len() as u32).filter(|child| trace.parent(*child) == Some(place));
                    children.map(|child| trace.span(child)).any(|child| child.start <= *at && *at < child.end())
                };
                prop_assert_eq!(time, (span.start..span.end()).filter(|at| !is_covered(at)).count() as i64);
            }
        }
    }
}
