//! Spans for tests.

use proptest::prelude::*;

use crate::{Kind, Name, Span, Trace};

/// Of trace 1 and no service; `parent` 0: none.
pub fn span(id: u64, parent: u64, start: i64, duration: i64) -> Span {
    Span {
        trace: 1,
        id,
        parent,
        start,
        duration,
        service: Name::NONE,
        name: Name::NONE,
        kind: Kind::Internal,
        is_error: false,
        has_links: false,
        clock: Name::NONE,
        peer: Name::NONE,
        target: Name::NONE,
        database: Name::NONE,
        queue: Name::NONE,
    }
}

pub fn trace(spans: Vec<Span>) -> Trace {
    Trace::new(spans)
}

/// Any spans: circles, missing parents, ids that come twice.
pub fn any_spans() -> impl Strategy<Value = Vec<Span>> {
    let kinds = prop_oneof![
        4 => Just(Kind::Internal), 2 => Just(Kind::Client), 2 => Just(Kind::Server),
        1 => Just(Kind::Producer), 1 => Just(Kind::Consumer)
    ];
    let one = (1u64..40, 0u64..44, 0i64..200, -3i64..120, kinds);
    let one = one.prop_map(|(id, parent, start, duration, kind)| Span { kind, ..span(id, parent, start, duration) });
    prop::collection::vec(one, 0..60)
}

/// Spans, each the child of the one before.
pub fn deep(count: u64) -> Trace {
    trace((1..=count).map(|id| span(id, id - 1, id as i64, 2 * (count - id) as i64 + 1)).collect())
}
