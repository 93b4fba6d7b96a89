//! What holds for all queries.

use proptest::prelude::*;

use crate::parser::{ParserOptions, format_duration, parse, parse_duration, parse_metric, parse_selector};
use crate::print::pretty;

fn label() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec!["a", "b_1", "job", "by", "sum", "offset"]).prop_map(str::to_owned),
        prop::sample::select(vec!["\"x.y\"", "'é'", "`a b`"]).prop_map(str::to_owned),
    ]
}

fn labels() -> impl Strategy<Value = String> {
    prop::collection::vec(label(), 0..3).prop_map(|labels| format!("({})", labels.join(",")))
}

fn string() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec!["\"\"", "'x|y'", "`a.*`", "\"\\n\\x41\\u00e9\"", "\"\\xff\"", "'\\''"])
            .prop_map(str::to_owned),
        "[a-z\\\\]{0,4}".prop_map(|text| format!("`{text}`")),
    ]
}

fn selector() -> impl Strategy<Value = String> {
    let op = prop::sample::select(vec!["=", "!="]);
    let matcher = (label(), op, string()).prop_map(|(label, op, value)| format!("{label}{op}{value}"));
    let name = prop::sample::select(vec!["foo", "a:b", "rate", "fill", "{\"x y\"", "{__name__=~'f.*'"]);
    (name, prop::collection::vec(matcher, 0..3)).prop_map(|(name, matchers)| {
        let matchers = matchers.join(", ");
        match (name.starts_with('{'), matchers.is_empty()) {
            (true, true) => format!("{name}}}"),
            (true, false) => format!("{name},{matchers}}}"),
            (false, _) => format!("{name}{{{matchers}}}"),
        }
    })
}

fn duration() -> impl Strategy<Value = String> {
    let literal = prop::sample::select(vec!["5m", "1h30m", "90", "0.5", "1e3", "12w", "7ms", "step()", "range()"]);
    literal.prop_map(str::to_owned).prop_recursive(3, 8, 2, |inner| {
        let op = prop::sample::select(vec!["+", "-", "*", "/", "%", "^"]);
        prop_oneof![
            (inner.clone(), op, inner.clone()).prop_map(|(a, op, b)| format!("{a}{op}{b}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("min_of({a}, {b})")),
            inner.clone().prop_map(|a| format!("-{a}")),
            inner.prop_map(|a| format!("( {a} )")),
        ]
    })
}

/// `@` comes first, as it does in print: an offset in parentheses that is moved to the end goes on over operators behind it,
/// for Prometheus as well.
fn modifiers() -> impl Strategy<Value = String> {
    let at = prop::sample::select(vec!["", "@ 1.5", "@ -3", "@ start()", "@end()"]);
    let offset = prop_oneof![
        Just(String::new()),
        Just("offset -5m".to_owned()),
        duration().prop_map(|duration| format!("offset ({duration})")),
        duration().prop_map(|duration| format!("offset -({duration})")),
    ];
    (at, offset).prop_map(|(at, offset)| format!(" {at} {offset}"))
}

/// Queries of instant vectors.
fn vector() -> impl Strategy<Value = String> {
    let extension = prop::sample::select(vec!["", " anchored", " smoothed"]);
    let leaf = prop_oneof![
        (selector(), extension.clone(), modifiers())
            .prop_map(|(selector, extension, modifiers)| { format!("{selector}{extension}{modifiers}") }),
        (selector(), duration(), extension, modifiers()).prop_map(|(selector, duration, extension, modifiers)| {
            format!("rate({selector}[{duration}]{extension}{modifiers})")
        }),
        prop::sample::select(vec!["1", "-1", "5m", "0x1f", "1_0.5e-3", "Inf", "NaN"])
            .prop_map(|number| format!("vector({number})")),
    ];
    leaf.prop_recursive(4, 24, 2, |inner| {
        let op = prop::sample::select(vec![
            "+", "-", "*", "/", "%", "^", "atan2", "==", "> bool", "<=", "</", ">/", "and", "or", "unless",
        ]);
        let group = prop::sample::select(vec!["", " group_left", " group_right(z)", " fill(-1)", " fill_left(1e30)"]);
        let arithmetic = prop::sample::select(vec!["+", "*", "^", "< bool"]);
        prop_oneof![
            (inner.clone(), op, inner.clone()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
            (inner.clone(), arithmetic, labels(), group, inner.clone())
                .prop_map(|(a, op, labels, group, b)| format!("{a} {op} on{labels}{group} {b}")),
            (inner.clone(), labels()).prop_map(|(a, labels)| format!("sum by{labels}({a})")),
            (inner.clone(), labels()).prop_map(|(a, labels)| format!("topk(3, {a}) without {labels}")),
            (inner.clone(), string()).prop_map(|(a, value)| format!("count_values({value}, {a})")),
            (inner.clone(), duration(), modifiers())
                .prop_map(|(a, range, modifiers)| format!("max_over_time(({a})[{range}:]{modifiers})")),
            inner.clone().prop_map(|a| format!("-{a}")),
            inner.clone().prop_map(|a| format!("({a})")),
            inner.prop_map(|a| format!("{a} # comment\n * 2")),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_printed_parses_to_the_same(query in vector()) {
        // Some durations are not positive.
        if let Ok(expr) = parse(&query, ParserOptions::ALL) {
            let printed = expr.to_string();
            let again = parse(&printed, ParserOptions::ALL);
            prop_assert!(again.is_ok(), "{} of {}: {:?}", printed, query, again);
            prop_assert_eq!(&again.unwrap().to_string(), &printed);
            let lines = parse(&pretty(&expr), ParserOptions::ALL);
            prop_assert_eq!(lines.unwrap().to_string(), printed);
        }
    }

    #[test]
    fn nothing_panics(text in "\\PC{0,40}|[-+*/%^=!<>~()\\[\\]{}\"'`\\\\,:@#.\\sa-f0-9xusmhd_]{0,60}") {
        for parsed in [parse(&text, ParserOptions::ALL).map(drop), parse_metric(&text).map(drop), parse_selector(&text).map(drop)] {
            if let Err(error) = parsed {
                prop_assert!(error.position.start <= error.position.end && error.position.end <= text.len());
            }
        }
        let _ = parse_duration(&text);
    }

    #[test]
    fn queries_that_are_cut_or_changed_do_not_panic(query in vector(), at in any::<prop::sample::Index>(), new in any::<char>()) {
        let mut characters: Vec<char> = query.chars().collect();
        let at = at.index(characters.len());
        let cut: String = characters[..at].iter().collect();
        let _ = parse(&cut, ParserOptions::ALL);
        characters[at] = new;
        let changed: String = characters.iter().collect();
        if let Err(error) = parse(&changed, ParserOptions::ALL) {
            prop_assert!(changed.is_char_boundary(error.position.start));
        }
    }

    #[test]
    fn durations_are_read_as_they_are_written(millis in 0..9_000_000_000_000_i64) {
        prop_assert_eq!(parse_duration(&format_duration(millis)), Ok(millis));
    }
}
