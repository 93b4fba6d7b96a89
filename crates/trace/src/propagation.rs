//! Where the context of traces gets lost.
//!
//! A service that does not hand on `traceparent` makes the next one begin a trace of its own; one whose spans do not arrive leaves
//! spans behind that name a parent nobody knows. Both are holes. A hole is counted for the pair of services between which it is:
//!
//! - [`Reason::NewTrace`]: a span of kind server or consumer without a parent (and without links), while a call of another trace to that
//!   service was under way that nobody seems to have answered. Who is called says the caller's span, by the attributes in
//!   [`TARGETS`]; a call that names nobody is no evidence, so a service that is called by such only is never suspected. Of messages it
//!   is the destination that has to be the same, and sending has to have begun before.
//! - [`Reason::MissingParent`]: a span whose parent is not in its trace. Of a span of kind server or consumer the caller is looked
//!   for among the unanswered calls of the trace to that service (a proxy in between may send no spans), and [`UNKNOWN`] where there is none;
//!   any other span has its parent in its own service, which is then both caller and called.
//!
//! A root that nobody is known to have called is a beginning, not a hole.

use std::collections::HashMap;
use std::ops::Range;

use crate::{Kind, Name, Trace};

/// A caller that nothing tells of.
pub const UNKNOWN: &str = "unknown";

/// Attributes of a calling span that say whom it calls, in this order, see [`target`].
pub const TARGETS: [&str; 6] = ["peer.service", "server.address", "net.peer.name", "http.host", "url.full", "http.url"];

/// Attributes that say where a message goes or comes from.
pub const QUEUES: [&str; 3] = ["messaging.destination.name", "messaging.destination", "messaging.kafka.topic"];

/// By how much clocks may disagree (nanoseconds) about whether a call was under way.
pub const TOLERANCE: i64 = 100_000_000;

/// Unanswered calls that are looked at for one span.
pub const MOST_TRIED: usize = 64;

/// Spans that are kept as examples of a pair's holes.
const EXAMPLES: usize = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The called service began a trace of its own.
    NewTrace,
    /// A span's parent is not in the trace.
    MissingParent,
}

impl Reason {
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::NewTrace => "new_trace",
            Reason::MissingParent => "missing_parent",
        }
    }
}

/// The service that a value of one of [`TARGETS`] means. `peer.service` is one itself; of addresses it is the host, without scheme, port and
/// path, and within a cluster (`orders`, `orders.shop`, `orders.shop.svc.cluster.local`, `orders.internal`) its first part.
pub fn target<'t>(attribute: &str, value: &'t str) -> &'t str {
    if attribute == TARGETS[0] {
        return value;
    }
    let rest = value.split_once("://").map_or(value, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(address) => return address.split(']').next().unwrap_or_default(),
        // An IPv6 address without brackets has no port.
        None if host.matches(':').count() > 1 => return host,
        None => host.split(':').next().unwrap_or_default(),
    };
    let Some((first, domain)) = host.split_once('.') else { return host };
    let is_address = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let is_within = !domain.contains('.')
        || domain.split('.').any(|part| part == "svc")
        || ["local", "internal", "consul"].iter().any(|end| domain.rsplit('.').next() == Some(end));
    if is_within && !is_address { first } else { host }
}

/// Calls that were answered, and holes, between two services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    pub client: Name,
    pub server: Name,
    /// Calls whose context arrived.
    pub kept: u64,
    pub holes: Vec<(Reason, Holes)>,
}

/// Holes of one reason between two services. Times are starts of the called spans, nanoseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holes {
    pub count: u64,
    pub first: i64,
    pub last: i64,
    pub examples: Vec<Example>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Example {
    pub trace: u128,
    pub span: u64,
    /// The call that it may belong to.
    pub caller: Option<(u128, u64)>,
}

/// A call that nobody is known to have answered.
#[derive(Debug, Clone, Copy)]
struct Call {
    start: i64,
    /// It may be answered until then.
    until: i64,
    service: Name,
    trace: u128,
    span: u64,
}

/// What may belong to one of the calls.
#[derive(Debug, Clone, Copy)]
struct Entry {
    start: i64,
    service: Name,
    trace: u128,
    span: u64,
    reason: Reason,
}

/// Whom a call is to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum To {
    Service(Name),
    Queue(Name),
}

/// Traces of a window, one added after the other.
#[derive(Debug)]
pub struct Propagation {
    /// Called spans are looked at that start within, nanoseconds since the epoch.
    window: Range<i64>,
    /// How long a message may be on its way, nanoseconds.
    message_wait: i64,
    calls: HashMap<To, Vec<Call>>,
    entries: HashMap<To, Vec<Entry>>,
    pairs: HashMap<(Name, Name), (u64, HashMap<Reason, Holes>)>,
    unknown: Name,
}

impl Propagation {
    /// `unknown` is the name of [`UNKNOWN`].
    pub fn new(window: Range<i64>, message_wait: i64, unknown: Name) -> Propagation {
        Propagation {
            window,
            message_wait,
            calls: HashMap::new(),
            entries: HashMap::new(),
            pairs: HashMap::new(),
            unknown,
        }
    }

    pub fn add(&mut self, trace: &Trace) {
        let mut is_answered = vec![false; trace.spans().len()];
        for (place, span) in trace.spans().iter().enumerate() {
            let Some(parent) = trace.parent(place as u32) else { continue };
            let caller = trace.span(parent);
            if caller.service == span.service && !(caller.is_call() && span.is_entry()) {
                continue;
            }
            is_answered[parent as usize] = true;
            if self.window.contains(&span.start) {
                self.pairs.entry((caller.service, span.service)).or_default().0 += 1;
            }
        }
        let mut calls: HashMap<To, Vec<Call>> = HashMap::new();
        for (place, span) in trace.spans().iter().enumerate() {
            let to = if span.queue.is_none() { To::Service(span.target) } else { To::Queue(span.queue) };
            if span.is_call() && !is_answered[place] && to != To::Service(Name::NONE) && span.database.is_none() {
                let wait = if span.kind == Kind::Producer { self.message_wait } else { TOLERANCE };
                calls.entry(to).or_default().push(Call {
                    start: span.start,
                    until: span.end().saturating_add(wait),
                    service: span.service,
                    trace: span.trace,
                    span: span.id,
                });
            }
        }
        let mut orphans: HashMap<To, Vec<Entry>> = HashMap::new();
        let window = self.window.clone();
        for (place, span) in trace.spans().iter().enumerate().filter(|(_, span)| window.contains(&span.start)) {
            let reason = match trace.is_orphan(place as u32) {
                true => Reason::MissingParent,
                false if span.parent == 0 && span.is_entry() && !span.has_links => Reason::NewTrace,
                false => continue,
            };
            let to = match span.kind {
                Kind::Consumer if !span.queue.is_none() => To::Queue(span.queue),
                _ => To::Service(span.service),
            };
            let entry = Entry { start: span.start, service: span.service, trace: span.trace, span: span.id, reason };
            match reason {
                Reason::NewTrace => {
                    self.entries.entry(to).or_default().push(entry);
                }
                Reason::MissingParent if !span.is_entry() => self.hole(span.service, &entry, None),
                Reason::MissingParent => orphans.entry(to).or_default().push(entry),
            }
        }
        // Their trace was handed on: they were called from there.
        for (to, orphans) in orphans {
            let (found, left) = matched(orphans, calls.remove(&to).unwrap_or_default(), |_, _| true);
            for (orphan, call) in found {
                self.hole(call.map_or(self.unknown, |call| call.service), &orphan, call);
            }
            calls.insert(to, left);
        }
        for (to, calls) in calls {
            self.calls.entry(to).or_default().extend(calls);
        }
    }

    /// Pairs of services, those that lose most first.
    pub fn finish(mut self) -> Vec<Pair> {
        for (to, entries) in std::mem::take(&mut self.entries) {
            let calls = self.calls.remove(&to).unwrap_or_default();
            let (found, _) = matched(entries, calls, |entry, call| entry.trace != call.trace);
            for (entry, call) in found {
                if let Some(call) = call {
                    self.hole(call.service, &entry, Some(call));
                }
            }
        }
        let pair = |((client, server), (kept, holes)): ((Name, Name), (u64, HashMap<Reason, Holes>))| {
            let mut holes: Vec<(Reason, Holes)> = holes.into_iter().collect();
            holes.sort_unstable_by_key(|(reason, _)| *reason);
            Pair { client, server, kept, holes }
        };
        let mut pairs: Vec<Pair> = self.pairs.into_iter().map(pair).collect();
        let lost = |pair: &Pair| pair.holes.iter().map(|(_, holes)| holes.count).sum::<u64>();
        pairs.sort_by_key(|pair| (std::cmp::Reverse(lost(pair)), pair.client, pair.server));
        pairs
    }

    fn hole(&mut self, client: Name, entry: &Entry, call: Option<Call>) {
        let (_, holes) = self.pairs.entry((client, entry.service)).or_default();
        let empty = Holes { count: 0, first: entry.start, last: entry.start, examples: Vec::new() };
        let holes = holes.entry(entry.reason).or_insert(empty);
        holes.count += 1;
        holes.first = holes.first.min(entry.start);
        holes.last = holes.last.max(entry.start);
        if holes.examples.len() < EXAMPLES {
            let caller = call.map(|call| (call.trace, call.span));
            holes.examples.push(Example { trace: entry.trace, span: entry.span, caller });
        }
    }
}

/// Each entry with the call under way that began last, each call once; and the calls that are left. In time linear but for sorting.
fn matched(
    mut entries: Vec<Entry>,
    mut calls: Vec<Call>,
    may_be: impl Fn(&Entry, &Call) -> bool,
) -> (Vec<(Entry, Option<Call>)>, Vec<Call>) {
    entries.sort_by_key(|entry| (entry.start, entry.trace, entry.span));
    calls.sort_by_key(|call| (call.start, call.trace, call.span));
    let mut is_used = vec![false; calls.len()];
    let (mut next, mut under_way) = (0, Vec::new());
    let mut found = Vec::with_capacity(entries.len());
    for entry in entries {
        while calls.get(next).is_some_and(|call| call.start.saturating_sub(TOLERANCE) <= entry.start) {
            under_way.push(next);
            next += 1;
        }
        let is_over = |place: &mut usize| calls[*place].until < entry.start;
        // What is over will not be under way again.
        while under_way.pop_if(is_over).is_some() {}
        let is_it = |place: &usize| calls[*place].until >= entry.start && may_be(&entry, &calls[*place]);
        let call = under_way.iter().rev().take(MOST_TRIED).position(is_it).map(|back| {
            let place = under_way.remove(under_way.len() - 1 - back);
            is_used[place] = true;
            calls[place]
        });
        found.push((entry, call));
    }
    let mut is_used = is_used.into_iter();
    calls.retain(|_| is_used.next() == Some(false));
    (found, calls)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::test_support::span;
    use crate::{Names, Span};

    const MS: i64 = 1_000_000;

    struct Bench {
        names: Names,
        propagation: Propagation,
    }

    impl Bench {
        fn new() -> Bench {
            let mut names = Names::default();
            let unknown = names.add(UNKNOWN);
            Bench { propagation: Propagation::new(0..1_000_000 * MS, 60_000 * MS, unknown), names }
        }

        /// Times in milliseconds; `to`: the target of a call, the destination of a message.
        fn span(&mut self, service: &str, ids: (u128, u64, u64), kind: Kind, at: (i64, i64), to: &str) -> Span {
            let to = self.names.add(to);
            let is_message = matches!(kind, Kind::Producer | Kind::Consumer);
            Span {
                trace: ids.0,
                service: self.names.add(service),
                kind,
                target: if is_message { Name::NONE } else { to },
                queue: if is_message { to } else { Name::NONE },
                ..span(ids.1, ids.2, at.0 * MS, at.1 * MS)
            }
        }

        fn add(&mut self, spans: Vec<Span>) {
            self.propagation.add(&Trace::new(spans));
        }

        fn shown(self) -> Vec<String> {
            let Bench { names, propagation } = self;
            let pair = |pair: Pair| {
                let holes = pair.holes.iter().map(|(reason, holes)| {
                    let (first, last) = (holes.first / MS, holes.last / MS);
                    let callers = holes.examples.iter().filter_map(|example| example.caller).count();
                    format!(" {} ×{} {first}..{last} {callers} calls", reason.as_str(), holes.count)
                });
                let [client, server] = [pair.client, pair.server].map(|name| names.text(name));
                format!("{client}→{server} kept {}{}", pair.kept, holes.collect::<String>())
            };
            propagation.finish().into_iter().map(pair).collect()
        }
    }

    #[test]
    fn a_service_that_does_not_hand_on_the_context_is_named() {
        let mut bench = Bench::new();
        for number in 0..3 {
            let at = 1000 * number;
            let (one, other) = (number as u128 + 1, number as u128 + 100);
            let spans = vec![
                bench.span("gateway", (one, 1, 0), Kind::Server, (at, 100), ""),
                bench.span("gateway", (one, 2, 1), Kind::Client, (at + 1, 90), "orders"),
                bench.span("orders", (one, 3, 2), Kind::Server, (at + 2, 80), ""),
                bench.span("orders", (one, 4, 3), Kind::Client, (at + 10, 50), "payments"),
            ];
            bench.add(spans);
            let lost = bench.span("payments", (other, 1, 0), Kind::Server, (at + 12, 40), "");
            bench.add(vec![lost]);
        }
        // Somebody pays without an order.
        let root = bench.span("payments", (900, 1, 0), Kind::Server, (700, 40), "");
        bench.add(vec![root]);
        let expected = ["orders→payments kept 0 new_trace ×3 12..2012 3 calls", "gateway→orders kept 3"];
        assert_eq!(bench.shown(), expected);
    }

    #[test]
    fn calls_are_evidence_once_and_only_of_whom_they_name() {
        let mut bench = Bench::new();
        let calls = [
            bench.span("a", (1, 1, 0), Kind::Client, (0, 100), "b"),
            bench.span("a", (2, 1, 0), Kind::Client, (50, 100), ""),
            bench.span("a", (3, 1, 0), Kind::Client, (50, 100), "c"),
        ];
        calls.into_iter().for_each(|call| bench.add(vec![call]));
        for (trace, at) in [(11, 10), (12, 60), (13, 90), (14, 500)] {
            let root = bench.span("b", (trace, 1, 0), Kind::Server, (at, 10), "");
            bench.add(vec![root]);
        }
        assert_eq!(bench.shown(), ["a→b kept 0 new_trace ×1 10..10 1 calls"]);
    }

    #[test]
    fn links_and_answers_are_no_holes() {
        let mut bench = Bench::new();
        let sent = bench.span("a", (1, 1, 0), Kind::Producer, (0, 2), "orders.placed");
        bench.add(vec![sent]);
        let linked = bench.span("mail", (2, 1, 0), Kind::Consumer, (500, 9), "orders.placed");
        bench.add(vec![Span { has_links: true, ..linked }]);
        assert_eq!(bench.shown(), [""; 0]);
        let mut bench = Bench::new();
        let sent = bench.span("a", (1, 1, 0), Kind::Producer, (0, 2), "orders.placed");
        bench.add(vec![sent]);
        for (trace, at) in [(2, 500), (3, 600)] {
            let lost = bench.span("mail", (trace, 1, 0), Kind::Consumer, (at, 9), "orders.placed");
            bench.add(vec![lost]);
        }
        assert_eq!(bench.shown(), ["a→mail kept 0 new_trace ×1 500..500 1 calls"]);
    }

    #[test]
    fn spans_without_their_parents_are_named() {
        let mut bench = Bench::new();
        let spans = vec![
            bench.span("a", (1, 1, 0), Kind::Server, (0, 100), ""),
            bench.span("a", (1, 2, 1), Kind::Client, (10, 50), "b"),
            // By a proxy that sends no spans.
            bench.span("b", (1, 3, 77), Kind::Server, (12, 40), ""),
            bench.span("c", (1, 4, 78), Kind::Server, (12, 40), ""),
            bench.span("c", (1, 5, 79), Kind::Internal, (12, 40), ""),
            bench.span("c", (1, 6, 4), Kind::Internal, (12, 40), ""),
        ];
        bench.add(spans);
        assert_eq!(
            bench.shown(),
            [
                "unknown→c kept 0 missing_parent ×1 12..12 0 calls",
                "a→b kept 0 missing_parent ×1 12..12 1 calls",
                "c→c kept 0 missing_parent ×1 12..12 0 calls",
            ]
        );
    }

    #[test]
    fn only_what_starts_in_the_window_counts() {
        let mut bench = Bench::new();
        bench.propagation.window = 100 * MS..200 * MS;
        for (trace, at) in [(1, 90), (2, 150), (3, 210)] {
            let spans = vec![
                bench.span("a", (trace, 1, 0), Kind::Client, (at - 20, 200), "b"),
                bench.span("b", (trace, 2, 1), Kind::Server, (at, 10), ""),
                bench.span("b", (trace, 3, 99), Kind::Internal, (at, 10), ""),
            ];
            bench.add(spans);
        }
        assert_eq!(bench.shown(), ["b→b kept 0 missing_parent ×1 150..150 0 calls", "a→b kept 1"]);
    }

    #[test]
    fn a_hundred_thousand_lost_calls_are_matched_in_linear_time() {
        let mut bench = Bench::new();
        let (call, root) = (
            bench.span("a", (1, 1, 0), Kind::Client, (0, 50), "b"),
            bench.span("b", (1, 1, 0), Kind::Server, (0, 10), ""),
        );
        for number in 0..100_000 {
            // Many are never answered and stay under way for long.
            let long = Span { duration: i64::MAX / 2, start: 1, trace: number as u128 + 1, ..call };
            bench.add(vec![long]);
            bench.add(vec![Span { start: number as i64 * MS, trace: number as u128 + 1_000_000, ..call }]);
            bench.add(vec![Span { start: (number as i64 + 5) * MS, trace: number as u128 + 2_000_000, ..root }]);
        }
        assert_eq!(bench.shown(), ["a→b kept 0 new_trace ×100000 5..100004 5 calls"]);
    }

    #[test]
    fn addresses_name_services() {
        for (attribute, value, expected) in [
            ("peer.service", "orders.v2", "orders.v2"),
            ("server.address", "orders", "orders"),
            ("server.address", "orders.shop", "orders"),
            ("net.peer.name", "orders.shop.svc.cluster.local", "orders"),
            ("net.peer.name", "orders.internal", "orders"),
            ("http.host", "orders:8080", "orders"),
            ("http.url", "http://user:secret@orders:8080/api?x=//y", "orders"),
            ("url.full", "https://api.stripe.com/v1/charges", "api.stripe.com"),
            ("server.address", "10.0.0.1", "10.0.0.1"),
            ("server.address", "::1", "::1"),
            ("http.host", "[::1]:80", "::1"),
            ("http.url", "", ""),
            ("http.url", "://@:", ""),
        ] {
            assert_eq!(target(attribute, value), expected, "{value}");
        }
    }

    proptest! {
        #[test]
        fn matched_as_by_trying_all(
            entries in prop::collection::vec((0u128..4, 0i64..400), 0..20),
            calls in prop::collection::vec((0u128..4, 0i64..400, 0i64..300), 0..20),
        ) {
            let entry = |(place, (trace, start)): (usize, &(u128, i64))| Entry {
                start: start * MS,
                service: Name::NONE,
                trace: *trace,
                span: place as u64,
                reason: Reason::NewTrace,
            };
            let call = |(place, (trace, start, long)): (usize, &(u128, i64, i64))| Call {
                start: start * MS,
                until: (start + long) * MS + TOLERANCE,
                service: Name::NONE,
                trace: *trace,
                span: place as u64,
            };
            let entries: Vec<Entry> = entries.iter().enumerate().map(entry).collect();
            let calls: Vec<Call> = calls.iter().enumerate().map(call).collect();
            let (found, left) = matched(entries.clone(), calls.clone(), |entry, call| entry.trace != call.trace);
            let (mut entries, mut unused) = (entries, calls);
            entries.sort_by_key(|entry| (entry.start, entry.trace, entry.span));
            for (entry, (_, call)) in entries.iter().zip(&found) {
                let may_be = |call: &&Call| {
                    let is_under_way = call.start - TOLERANCE <= entry.start && entry.start <= call.until;
                    is_under_way && call.trace != entry.trace
                };
                let expected = unused.iter().filter(may_be).max_by_key(|call| (call.start, call.trace, call.span));
                let expected = expected.map(|call| call.span);
                prop_assert_eq!(call.map(|call| call.span), expected);
                unused.retain(|call| Some(call.span) != expected);
            }
            prop_assert_eq!((found.len(), left.len()), (entries.len(), unused.len()));
        }
    }
}
