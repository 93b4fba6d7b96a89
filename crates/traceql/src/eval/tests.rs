use proptest::prelude::*;

use super::links::NestedSet;
use super::*;
use crate::ast::{Outcome, Relation};
use crate::parse;

fn id(number: u32) -> [u8; 8] {
    u64::from(number + 1).to_be_bytes()
}

fn links(parents: &[Option<u32>]) -> Links {
    let spans = parents.iter().enumerate().map(|(place, parent)| (id(place as u32), parent.map(id)));
    Links::new(&spans.collect::<Vec<_>>())
}

const RELATIONS: [Relation; 5] =
    [Relation::Child, Relation::Parent, Relation::Descendant, Relation::Ancestor, Relation::Sibling];

/// Whether `right` is so to `left`, by walking up from span to span.
fn is_so(links: &Links, relation: Relation, left: u32, right: u32) -> bool {
    let above = |span: u32| std::iter::successors(links.parent(span), |span| links.parent(*span));
    match relation {
        Relation::Child => links.parent(right) == Some(left),
        Relation::Parent => links.parent(left) == Some(right),
        Relation::Descendant => above(right).any(|span| span == left),
        Relation::Ancestor => above(left).any(|span| span == right),
        Relation::Sibling => left != right && links.family(left) == links.family(right),
    }
}

/// Every pair of spans.
fn naive(links: &Links, relation: Relation, outcome: Outcome, left: &[u32], right: &[u32]) -> Vec<u32> {
    let of_right = |right: &u32| left.iter().any(|left| is_so(links, relation, *left, *right));
    let of_left = |left: &u32| right.iter().any(|right| is_so(links, relation, *left, *right));
    let all = 0..links.len() as u32;
    match outcome {
        Outcome::Related => right.iter().copied().filter(of_right).collect(),
        Outcome::Unrelated => right.iter().copied().filter(|span| !of_right(span)).collect(),
        Outcome::Both => all
            .filter(|span| (left.contains(span) && of_left(span)) || (right.contains(span) && of_right(span)))
            .collect(),
    }
}

proptest! {
    /// Parents are any spans at all: missing ones, oneself, circles.
    #[test]
    fn structure_is_what_walking_from_span_to_span_finds(
        parents in prop::collection::vec(prop::option::weighted(0.9, 0u32..14), 1..12),
        left in any::<u16>(),
        right in any::<u16>(),
    ) {
        let links = links(&parents);
        let of = |bits: u16| (0..links.len() as u32).filter(|span| bits >> span & 1 == 1).collect::<Vec<_>>();
        for relation in RELATIONS {
            for outcome in [Outcome::Related, Outcome::Unrelated, Outcome::Both] {
                prop_assert_eq!(
                    structure::related(&links, relation, outcome, &of(left), &of(right)),
                    naive(&links, relation, outcome, &of(left), &of(right)),
                    "{:?} {:?}", relation, outcome
                );
            }
        }
    }

    #[test]
    fn nested_sets_hold_what_is_below(parents in prop::collection::vec(prop::option::weighted(0.9, 0u32..14), 1..12)) {
        let links = links(&parents);
        let sets = links.nested_sets();
        for (a, b) in (0..links.len() as u32).flat_map(|a| (0..links.len() as u32).map(move |b| (a, b))) {
            let (above, below) = (sets[a as usize], sets[b as usize]);
            if above.left == 0 || below.left == 0 {
                continue;
            }
            prop_assert_eq!(above.left < below.left && below.right < above.right, is_so(&links, Relation::Descendant, a, b));
            prop_assert_eq!(below.parent == above.left, is_so(&links, Relation::Child, a, b));
        }
    }
}

#[test]
fn circles_missing_parents_and_repeated_ids_are_no_trouble() {
    // Two in a circle, one below them; one whose parent is itself; one whose parent is missing.
    let links = links(&[Some(1), Some(0), Some(1), Some(3), Some(99), None]);
    assert_eq!((0..6).map(|span| links.parent(span)).collect::<Vec<_>>(), [None, Some(0), Some(1), None, None, None]);
    assert_eq!(links.order(), [3, 4, 5, 0, 1, 2]);
    let none = NestedSet { left: 0, right: 0, parent: 0 };
    let root = NestedSet { left: 1, right: 2, parent: -1 };
    assert_eq!(links.nested_sets(), [none, none, none, none, none, root]);

    let twice = Links::new(&[(id(0), None), (id(1), Some(id(0))), (id(1), Some(id(0))), (id(2), Some(id(1)))]);
    assert_eq!(twice.parent(3), Some(1));
    assert_eq!(twice.child_counts(), [2, 1, 0, 0]);
}

#[test]
fn a_trace_of_a_million_spans_is_walked_at_once() {
    let deep: Vec<Option<u32>> = (0..1_000_000).map(|span: u32| span.checked_sub(1)).collect();
    let links = links(&deep);
    let below = structure::related(&links, Relation::Descendant, Outcome::Related, &[10], &[9, 999_999]);
    assert_eq!(below, [999_999]);
    assert_eq!(links.nested_sets()[0], NestedSet { left: 1, right: 2_000_000, parent: -1 });
}

/// The spansets of a chain of spans 0 > 1 > 2 … whose only attribute has these values.
fn found(query: &str, values: &[Value]) -> Result<Vec<Spanset>, EvalError> {
    let parents: Vec<Option<u32>> = (0..values.len() as u32).map(|span| span.checked_sub(1)).collect();
    let crate::ast::Expr::Search(pipeline) = parse(query).unwrap().expr else { panic!("{query}") };
    let program = Program::new(&pipeline);
    let columns = program.attributes().iter().map(|_| values.to_vec()).collect();
    program.evaluate(&Trace { links: links(&parents), columns })
}

fn spans(query: &str, values: &[Value]) -> Vec<u32> {
    found(query, values).unwrap().into_iter().flat_map(|spanset| spanset.spans).collect()
}

fn ints(list: &[i64]) -> Value {
    Value::Ints(list.into())
}

fn strings(list: &[&str]) -> Value {
    Value::Strings(list.iter().map(|text| (*text).into()).collect())
}

#[test]
fn what_cannot_be_compared_matches_nothing() {
    let values = [Value::Nil, Value::Int(2), Value::string("two"), Value::Bool(true), Value::Float(2.0)];
    for (query, expected) in [
        ("{ .a = 2 }", &[1, 4][..]),
        ("{ .a != 2 }", &[]),
        ("{ .a != 3 }", &[1, 4]),
        ("{ .a >= 2 }", &[1, 4]),
        ("{ .a = \"two\" }", &[2]),
        ("{ .a != \"one\" }", &[2]),
        ("{ .a > \"on\" }", &[2]),
        ("{ .a =~ \"t.*\" }", &[2]),
        ("{ .a =~ \"t\" }", &[]),
        ("{ .a !~ \"x\" }", &[2]),
        ("{ .a }", &[3]),
        ("{ !.a }", &[]),
        ("{ !(.a = 2) }", &[0, 2, 3]),
        ("{ .a = nil }", &[0]),
        ("{ .a != nil }", &[1, 2, 3, 4]),
        ("{ .a + 1 = 3 }", &[1, 4]),
        ("{ .a / 0 = 1 }", &[]),
        ("{ .a = 2s }", &[]),
        ("{ .a = error }", &[]),
        ("{ .a || .a = 2 }", &[1, 3, 4]),
    ] {
        assert_eq!(spans(query, &values), expected, "{query}");
    }
}

#[test]
fn arrays_match_by_any_element_and_differ_by_all() {
    let values = [ints(&[1, 2]), ints(&[]), strings(&["x", "yy"]), strings(&["z"]), Value::Int(1)];
    for (query, expected) in [
        ("{ .a = 1 }", &[0, 4][..]),
        ("{ .a != 1 }", &[1]),
        ("{ .a != 3 }", &[0, 1, 4]),
        ("{ .a > 1 }", &[0]),
        ("{ 1 < .a }", &[0]),
        ("{ .a = \"yy\" }", &[2]),
        ("{ .a != \"yy\" }", &[3]),
        ("{ .a =~ \"y+\" }", &[2]),
        ("{ .a !~ \"y+\" }", &[3]),
    ] {
        assert_eq!(spans(query, &values), expected, "{query}");
    }
}

#[test]
fn whole_numbers_are_exact_and_stay_whole() {
    let values = [Value::Int(i64::MAX), Value::Int(i64::MAX - 1), Value::Int(7), Value::Int(-7), Value::Duration(7)];
    for (query, expected) in [
        ("{ .a = maxInt }", &[0][..]),
        ("{ .a < maxInt }", &[1, 2, 3, 4]),
        ("{ .a / 2 = 3 }", &[2]),
        ("{ .a % 2 = -1 }", &[3]),
        ("{ .a ^ 2 = 49 }", &[2, 3, 4]),
        ("{ .a ^ 0.5 > 2 }", &[0, 1, 2, 4]),
        ("{ .a = 7 }", &[2, 4]),
        ("{ .a = 7ns }", &[2, 4]),
        ("{ -.a = 7 }", &[3]),
    ] {
        assert_eq!(spans(query, &values), expected, "{query}");
    }
}

#[test]
fn pipelines_count_group_and_join() {
    let values = [1, 2, 2, 3].map(Value::Int);
    for (query, expected) in [
        ("{ .a = 2 } | count() = 2", &[&[1, 2][..]][..]),
        ("{ .a = 2 } | count() > 2", &[]),
        ("{ } | by(.a)", &[&[0], &[1, 2], &[3]]),
        ("{ } | by(.a % 2) | count() > 1", &[&[0, 3], &[1, 2]]),
        ("{ } | by(.a) | count() > 1", &[&[1, 2]]),
        ("{ } | by(.a) | coalesce()", &[&[0, 1, 2, 3]]),
        ("{ } | by(.a) | { .a > 1 } | coalesce()", &[&[1, 2, 3]]),
        ("{ } | avg(.a) = 2", &[&[0, 1, 2, 3]]),
        ("{ } | max(.a) - min(.a) = 2", &[&[0, 1, 2, 3]]),
        ("{ } | sum(.a) = 8 | { .a = 3 }", &[&[3]]),
        ("{ } | sum(.a) > 4 * 2", &[]),
        ("{ .a = 1 } > { .a = 2 }", &[&[1]]),
        ("{ .a = 1 } >> { .a = 2 }", &[&[1, 2]]),
        ("{ .a = 1 } &>> { .a = 3 }", &[&[0, 3]]),
        ("{ .a = 9 } !>> { .a = 3 }", &[&[3]]),
        ("{ .a = 9 } && { .a = 3 }", &[]),
        ("{ .a = 9 } || { .a = 3 }", &[&[3]]),
        ("({ .a = 2 } | count() > 1) >> ({ .a = 3 } | count() = 1)", &[&[3]]),
        ("({ } | by(.a)) && { .a = 1 }", &[&[0, 1, 2, 3]]),
        ("({ } | by(.a) | coalesce()) > { .a = 3 }", &[&[3]]),
    ] {
        let spans: Vec<Vec<u32>> = found(query, &values).unwrap().into_iter().map(|spanset| spanset.spans).collect();
        assert_eq!(spans, expected, "{query}");
    }
    assert_eq!(found("({ } | by(.a)) > { .a = 3 }", &values), Err(EvalError::SeveralSpansets));
}

#[test]
fn spansets_say_what_was_grouped_and_computed() {
    let values = [1, 2, 2].map(Value::Int);
    let told = |query: &str| -> Vec<Vec<(String, String)>> {
        let told = |(name, value): (String, Value)| (name, value.to_string());
        let spansets = found(query, &values).unwrap().into_iter();
        spansets.map(|spanset| spanset.attributes.into_iter().map(told).collect()).collect()
    };
    let named = |list: &[(&str, &str)]| -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    assert_eq!(
        told("{ } | by(.a) | count() > 0"),
        [named(&[("by(.a)", "1"), ("count()", "1")]), named(&[("by(.a)", "2"), ("count()", "2")])]
    );
    assert_eq!(told("{ } | avg(.a + 1) > 2"), [named(&[("avg(.a + 1)", "2.6666666666666665")])]);
}

#[test]
fn averages_of_durations_are_durations() {
    let values = [1, 2, 2].map(Value::Duration);
    assert_eq!(found("{ } | avg(duration) = 1ns", &values).unwrap()[0].attributes[0].1, Value::Duration(1));
    assert_eq!(found("{ } | sum(duration) = 5ns", &values).unwrap()[0].attributes[0].1, Value::Duration(5));
    assert!(found("{ } | avg(duration) > 0", &[Value::Nil, Value::string("x")]).unwrap().is_empty());
}
