//! Queries and the form they print in.

use crate::ast::{Cardinality, Expr};
use crate::error::Position;
use crate::parser::{ParserOptions, parse};

fn printed(query: &str) -> String {
    match parse(query, ParserOptions::ALL) {
        Ok(expr) => expr.to_string(),
        Err(error) => panic!("{query}: {error}"),
    }
}

#[track_caller]
fn assert_printed(cases: &[(&str, &str)]) {
    for (query, expected) in cases {
        assert_eq!(printed(query), *expected, "{query}");
        assert_eq!(printed(expected), *expected, "{query}, printed twice");
    }
}

#[test]
fn literals() {
    assert_printed(&[
        ("1", "1"),
        (".5", "0.5"),
        ("5.", "5"),
        ("1e3", "1000"),
        ("1E+21", "1000000000000000000000"),
        ("1e-7", "0.0000001"),
        ("0x1F", "31"),
        ("017", "15"),
        ("1_000_000", "1000000"),
        ("inf", "+Inf"),
        ("-INF", "-Inf"),
        ("nAn", "NaN"),
        ("+1", "1"),
        ("- - 1", "1"),
        ("-0", "-0"),
        ("1h30m", "1h30m"),
        ("90m", "1h30m"),
        ("-5m", "-5m"),
        ("12w", "12w"),
        ("7ms", "7ms"),
        ("1001ms", "1s1ms"),
        ("\"a\\tb\"", "\"a\\tb\""),
        ("'it\\'s \"x\"'", "\"it's \\\"x\\\"\""),
        ("`raw \\d\n`", "\"raw \\\\d\\n\""),
        ("\"\\u00e9\\xff\"", "\"é\\ufffd\""),
    ]);
}

#[test]
fn selectors() {
    assert_printed(&[
        ("foo", "foo"),
        ("job:foo:rate5m", "job:foo:rate5m"),
        ("foo{}", "foo"),
        ("foo{b=\"2\",a=~'x|y' , c!=`z`, d!~\"\",}", "foo{a=~\"x|y\",b=\"2\",c!=\"z\",d!~\"\"}"),
        ("{__name__=\"foo\"}", "{__name__=\"foo\"}"),
        ("{\"my.metric\", \"a.b\"=\"x\", c='y'}", "{\"a.b\"=\"x\",__name__=\"my.metric\",c=\"y\"}"),
        ("foo{\"a\"=\"1\"}", "foo{a=\"1\"}"),
        ("foo[5m]", "foo[5m]"),
        ("foo[300]", "foo[5m]"),
        ("foo [ 5m ] offset 1h", "foo[5m] offset 1h"),
        ("foo offset 1d @ 100", "foo @ 100.000 offset 1d"),
        ("foo offset -5m", "foo offset -5m"),
        ("foo offset 0", "foo"),
        ("foo @ -1.5", "foo @ -1.500"),
        ("foo @ 1m", "foo @ 60.000"),
        ("foo @ start ( )", "foo @ start()"),
        ("foo[1m] @ end() offset 30", "foo[1m] @ end() offset 30s"),
        ("foo anchored", "foo anchored"),
        ("foo[5m] smoothed offset 1m @ 3", "foo[5m] smoothed @ 3.000 offset 1m"),
        ("foo[5m:]", "foo[5m:]"),
        ("(foo + bar)[1h:5m] offset 1w @ end()", "(foo + bar)[1h:5m] @ end() offset 1w"),
    ]);
}

#[test]
fn words_that_are_names() {
    for name in [
        "and",
        "by",
        "offset",
        "without",
        "sum",
        "topk",
        "start",
        "end",
        "step",
        "range",
        "min_of",
        "anchored",
        "fill",
        "fill_left",
        "unless",
        "rate",
        "quantile",
        "infra",
        "nanometers",
    ] {
        assert_eq!(printed(name), name);
        assert_eq!(printed(&format!("{name}{{a=\"b\"}} + {name}")), format!("{name}{{a=\"b\"}} + {name}"));
        if name != "without" {
            let grouped = format!("count by ({name}) (x)");
            assert_eq!(printed(&grouped), grouped);
        }
    }
    assert_printed(&[
        ("fill + fill", "fill + fill"),
        ("foo + fill(1) fill_right", "foo + fill (1) fill_right"),
        (
            "sum by (bool, on, ignoring, group_left, atan2, inf:x) (x)",
            "sum by (bool, on, ignoring, group_left, atan2, \"inf:x\") (x)",
        ),
    ]);
}

#[test]
fn calls_and_aggregations() {
    assert_printed(&[
        ("rate( foo [5m])", "rate(foo[5m])"),
        ("time()", "time()"),
        ("start() + end() + step() + range()", "start() + end() + step() + range()"),
        ("max_of(1, min_of(2,3))", "max_of(1, min_of(2, 3))"),
        ("label_join(foo,'a','-','b','c')", "label_join(foo, \"a\", \"-\", \"b\", \"c\")"),
        ("round(foo) or hour()", "round(foo) or hour()"),
        ("info(foo, {a=\"b\"})", "info(foo, {a=\"b\"})"),
        ("info(foo, {})", "info(foo, {})"),
        ("info(foo, {__name__=~\".+_info\"})", "info(foo, {__name__=~\".+_info\"})"),
        ("SUM BY(a,) (foo)", "sum by (a) (foo)"),
        ("sum(foo) by (a, \"b.c\")", "sum by (a, \"b.c\") (foo)"),
        ("sum by () (foo)", "sum(foo)"),
        ("avg without() (foo)", "avg without () (foo)"),
        ("topk by(a)(3, foo)", "topk by (a) (3, foo)"),
        ("count_values(\"x\", foo)", "count_values(\"x\", foo)"),
        ("limit_ratio(-0.5, foo)", "limit_ratio(-0.5, foo)"),
    ]);
}

#[test]
fn operators() {
    assert_printed(&[
        ("1+2*3^4", "1 + 2 * 3 ^ 4"),
        ("foo==bool bar", "foo == bool bar"),
        ("foo</bar >/ baz", "foo </ bar >/ baz"),
        ("foo ATAN2 bar AND baz", "foo atan2 bar and baz"),
        ("foo * ON(a) GROUP_LEFT bar", "foo * on (a) group_left () bar"),
        ("foo * ignoring(a) group_right(b,c,) bar", "foo * ignoring (a) group_right (b, c) bar"),
        ("foo * ignoring() bar", "foo * bar"),
        ("foo * on() bar", "foo * on () bar"),
        ("foo * fill(0) bar", "foo * fill (0) bar"),
        ("foo * fill_left(-1) fill_right(1e7) bar", "foo * fill_left (-1) fill_right (1e+07) bar"),
        ("foo * fill_right(2) fill_left(2) bar", "foo * fill (2) bar"),
        ("foo > bool on(a) group_left(b) fill_right(NaN) bar", "foo > bool on (a) group_left (b) fill_right (NaN) bar"),
        ("-foo", "-foo"),
        ("+foo", "+foo"),
        ("-(1)", "-(1)"),
        ("# first\nfoo # second\n + bar # third", "foo + bar"),
    ]);
}

/// Which operators bind more tightly, shown by parentheses around all of them.
#[test]
fn precedence() {
    fn grouped(expr: &Expr) -> String {
        match expr {
            Expr::Binary(binary) => {
                format!("({} {} {})", grouped(&binary.lhs), binary.op.symbol(), grouped(&binary.rhs))
            }
            Expr::Unary(unary) => format!("({}{})", unary.op.symbol(), grouped(&unary.expr)),
            other => other.to_string(),
        }
    }
    let cases = [
        ("a + b + c", "((a + b) + c)"),
        ("a ^ b ^ c", "(a ^ (b ^ c))"),
        ("a or b and c unless d == e", "(a or ((b and c) unless (d == e)))"),
        ("a == b + c * d ^ e", "(a == (b + (c * (d ^ e))))"),
        ("a ^ b * c + d", "(((a ^ b) * c) + d)"),
        ("a * b atan2 c % d / e", "((((a * b) atan2 c) % d) / e)"),
        ("a </ b == c", "((a </ b) == c)"),
        ("-a ^ b", "(-(a ^ b))"),
        ("-a * b", "((-a) * b)"),
        ("a ^ -b ^ c * d", "((a ^ (-(b ^ c))) * d)"),
        ("-1 ^ 2", "(-(1 ^ 2))"),
        ("- -a", "(-(-a))"),
        ("-a offset 5m", "(-a offset 5m)"),
        ("a offset 5m + 1", "(a offset 5m + 1)"),
        ("a offset -5m ^ 2", "(a offset -5m ^ 2)"),
        ("a offset step() * 2", "(a offset step() * 2)"),
        ("a offset -(5m) * 2", "(a offset -(5m) * 2)"),
        ("a offset (5m) * 2", "a offset (5m) * 2"),
        ("a offset - -5m * 2", "a offset 5m * 2"),
        ("a offset max_of(1, 2) * 2", "(a offset max_of(1, 2) * 2)"),
    ];
    for (query, expected) in cases {
        let expr = parse(query, ParserOptions::ALL).unwrap();
        assert_eq!(grouped(&expr), expected, "{query}");
    }
}

#[test]
fn durations() {
    assert_printed(&[
        ("foo[1m+30s]", "foo[1m + 30s]"),
        ("foo[2*step()]", "foo[2 * step()]"),
        ("foo[-(step())+20s]", "foo[-(step()) + 20s]"),
        ("foo[((1m))]", "foo[(1m)]"),
        ("foo[((1m+2m))]", "foo[(1m + 2m)]"),
        ("foo[+(1m)]", "foo[(1m)]"),
        ("foo[-2^2*3%4/5]", "foo[-2 ^ 2 * 3 % 4 / 5]"),
        ("foo[MAX_OF(Step(), 5m)]", "foo[max_of(step(), 5m)]"),
        ("foo[1*range():min_of(step(), 1m - 5s)]", "foo[1 * range():min_of(step(), 1m - 5s)]"),
        ("foo offset (1h/2)", "foo offset (1h / 2)"),
        ("foo offset -range()", "foo offset -range()"),
        ("foo offset +step()", "foo offset step()"),
        ("foo offset -min_of(1,2)", "foo offset -min_of(1, 2)"),
        ("foo[5m] @ 1 offset (step())", "foo[5m] @ 1.000 offset (step())"),
    ]);
}

#[test]
fn places() {
    let cases = [
        (" foo ", (1, 4)),
        ("-1", (0, 2)),
        ("foo{a=\"b\"} offset 5m", (0, 20)),
        ("foo[5m] @ start()", (0, 17)),
        ("(foo) [5m:] offset -1m", (0, 22)),
        ("sum(foo) by (a) ", (0, 15)),
        (" sum(foo)  ", (1, 9)),
        ("a + -b", (0, 6)),
        ("rate(foo[5m] ) ", (0, 14)),
    ];
    for (query, (start, end)) in cases {
        let expr = parse(query, ParserOptions::ALL).unwrap();
        assert_eq!(expr.position(), Position { start, end }, "{query}");
    }
}

#[test]
fn matching_is_settled() {
    let matching = |query: &str| match parse(query, ParserOptions::ALL) {
        Ok(Expr::Binary(binary)) => binary.matching,
        other => panic!("{query}: {other:?}"),
    };
    assert_eq!(matching("foo + bar").map(|matching| matching.cardinality), Some(Cardinality::OneToOne));
    assert_eq!(matching("foo and bar").map(|matching| matching.cardinality), Some(Cardinality::ManyToMany));
    assert_eq!(
        matching("foo + on(a) group_right bar").map(|matching| matching.cardinality),
        Some(Cardinality::OneToMany)
    );
    assert_eq!(matching("foo + 1"), None);
}
