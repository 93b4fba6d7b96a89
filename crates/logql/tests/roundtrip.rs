//! Whatever query there may be, what is written of it is read as the same.

#![allow(clippy::unwrap_used)]

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use trefoil_logql::ast::*;
use trefoil_logql::matcher::{Condition, Matcher};
use trefoil_logql::parse;
use trefoil_logql::pattern::Pattern;
use trefoil_logql::print::pretty;

/// Among them names that are functions elsewhere.
fn label() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z_][a-z0-9_]{0,6}", select(vec!["rate", "ip", "bytes", "größe"]).prop_map(str::to_owned)]
        .prop_filter("a keyword", |name| parse(&format!("{{{name}=\"x\"}}")).is_ok())
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c\"`\\\\\n\t\u{1}é📚#{}]{0,6}", any::<String>()]
}

fn expression() -> impl Strategy<Value = String> {
    select(vec!["a", "a|b.*", "\\d+", "[\"`]", "(?i)x{2,3}"]).prop_map(str::to_owned)
}

fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![
        text().prop_map(Condition::Equal),
        text().prop_map(Condition::NotEqual),
        expression().prop_map(|text| Condition::Regex(Pattern::whole(&text).unwrap())),
        expression().prop_map(|text| Condition::NotRegex(Pattern::whole(&text).unwrap())),
    ]
}

fn matcher() -> impl Strategy<Value = Matcher> {
    (label(), condition()).prop_map(|(name, condition)| Matcher { name, condition })
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>().prop_filter("a number", |number| number.is_finite()),
        (-1000_i32..1000).prop_map(f64::from)
    ]
}

/// Without fractions of nanoseconds, which get lost in numbers with a point.
fn duration() -> impl Strategy<Value = i64> {
    (-1_000_000_000_i64..1_000_000_000).prop_map(|millis| millis * 1_000_000)
}

fn addresses() -> impl Strategy<Value = String> {
    select(vec!["10.0.0.1", "10.0.0.0/8", "::1-::9"]).prop_map(str::to_owned)
}

fn label_filter() -> impl Strategy<Value = LabelFilter> {
    let op = || {
        use CompareOp::*;
        select(vec![Equal, NotEqual, Greater, GreaterEqual, Less, LessEqual])
    };
    let one = prop_oneof![
        matcher().prop_map(LabelFilter::Text),
        (label(), op(), number()).prop_map(|(label, op, value)| LabelFilter::Number { label, op, value }),
        (label(), op(), duration()).prop_map(|(label, op, value)| LabelFilter::Duration { label, op, value }),
        // Sizes go through floats.
        (label(), op(), 0..1_u64 << 53).prop_map(|(label, op, value)| LabelFilter::Bytes { label, op, value }),
        (label(), select(vec![CompareOp::Equal, CompareOp::NotEqual]), addresses())
            .prop_map(|(label, op, addresses)| LabelFilter::Ip { label, op, addresses }),
    ];
    one.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![vec(inner.clone(), 2..4).prop_map(LabelFilter::all), vec(inner, 2..4).prop_map(LabelFilter::any),]
    })
}

fn line_filter() -> impl Strategy<Value = LineFilter> {
    let regexes = |op: LineOp, range| {
        vec(expression().prop_map(|text| LineCondition::Regex(Pattern::anywhere(&text).unwrap())), range)
            .prop_map(move |alternatives| LineFilter { op, alternatives })
    };
    let texts = |op: LineOp, range| {
        let one = prop_oneof![text().prop_map(LineCondition::Text), addresses().prop_map(LineCondition::Ip)];
        vec(one, range).prop_map(move |alternatives| LineFilter { op, alternatives })
    };
    let gaps = |op: LineOp, range| {
        vec("[a-c]{1,2}<_>[\"`]".prop_map(LineCondition::Text), range)
            .prop_map(move |alternatives| LineFilter { op, alternatives })
    };
    prop_oneof![
        texts(LineOp::Contains, 1..4),
        texts(LineOp::NotContains, 1..2),
        regexes(LineOp::Regex, 1..4),
        regexes(LineOp::NotRegex, 1..2),
        gaps(LineOp::Pattern, 1..4),
        gaps(LineOp::NotPattern, 1..2),
    ]
}

fn extractions() -> impl Strategy<Value = Vec<Extraction>> {
    let expression = select(vec!["a", "b_c", "größe"]).prop_map(str::to_owned);
    vec((label(), expression).prop_map(|(label, expression)| Extraction { label, expression }), 0..3)
}

fn stage() -> impl Strategy<Value = Stage> {
    let named = || vec(prop_oneof![label().prop_map(NamedLabel::Name), matcher().prop_map(NamedLabel::Matcher)], 1..4);
    let template =
        || select(vec!["", "{{.a}}", "{{ .b | upper }} \"`\n\\", "{{ if .c }}`{{ end }}"]).prop_map(str::to_owned);
    let source = prop_oneof![label().prop_map(LabelSource::Label), template().prop_map(LabelSource::Template)];
    let formats = vec((label(), source), 1..3).prop_map(|formats| {
        let mut formats: Vec<_> = formats.into_iter().map(|(label, source)| LabelFormat { label, source }).collect();
        formats.dedup_by(|one, other| one.label == other.label);
        Stage::LabelFormat(formats)
    });
    let flags = (any::<bool>(), any::<bool>()).prop_map(|(strict, keep_empty)| LogfmtFlags { strict, keep_empty });
    prop_oneof![
        line_filter().prop_map(Stage::LineFilter),
        label_filter().prop_map(Stage::LabelFilter),
        extractions().prop_map(Stage::Json),
        (flags, extractions()).prop_map(|(flags, extractions)| Stage::Logfmt { flags, extractions }),
        select(vec!["(?P<a>\\d+) \"(?P<b>.*)", "(?P<c>`)"]).prop_map(|text| Stage::Regexp(text.to_owned())),
        select(vec!["<a> <b>", "\"<c>\" `<_>\\"]).prop_map(|text| Stage::Pattern(text.to_owned())),
        Just(Stage::Unpack),
        Just(Stage::Decolorize),
        template().prop_map(Stage::LineFormat),
        formats,
        named().prop_map(Stage::Drop),
        named().prop_map(Stage::Keep),
    ]
}

fn log_query() -> impl Strategy<Value = LogQuery> {
    (vec(matcher(), 0..3), vec(stage(), 0..5)).prop_map(|(mut selector, stages)| {
        selector.push(Matcher::equal("app", "orders"));
        LogQuery { selector, stages: possible(stages) }
    })
}

/// `drop a !~ "x"` is about the label: a line filter of these can never stand behind the name of a label.
fn possible(stages: Vec<Stage>) -> Vec<Stage> {
    let mut possible: Vec<Stage> = Vec::new();
    for stage in stages {
        let follows_name = matches!(possible.last(), Some(Stage::Drop(labels) | Stage::Keep(labels))
            if matches!(labels.last(), Some(NamedLabel::Name(_))));
        let is_negation = matches!(&stage, Stage::LineFilter(filter)
            if matches!(filter.op, LineOp::NotContains | LineOp::NotRegex));
        if !(follows_name && is_negation) {
            possible.push(stage);
        }
    }
    possible
}

fn grouping() -> impl Strategy<Value = Grouping> {
    prop_oneof![vec(label(), 0..3).prop_map(Grouping::By), vec(label(), 0..3).prop_map(Grouping::Without)]
}

fn range_aggregation() -> impl Strategy<Value = Metric> {
    let unwrap = (label(), option::of(select(Conversion::ALL.to_vec())), vec(label_filter(), 0..2))
        .prop_map(|(label, conversion, filters)| Unwrap { label, conversion, filters });
    let op = select(RangeOp::ALL.to_vec());
    (op, log_query(), unwrap, any::<bool>(), 0_i64..1 << 40, duration(), option::of(grouping()), 0.0..2.0).prop_map(
        |(op, query, unwrap, unwraps, millis, offset, grouping, quantile)| {
            let unwraps = op.takes_values() && (unwraps || !op.takes_lines());
            let range =
                LogRange { query, unwrap: unwraps.then_some(unwrap), range: millis % 1_000_000 * 1_000_000, offset };
            let param = (op == RangeOp::QuantileOverTime).then_some(quantile);
            Metric::Range(RangeAggregation { op, param, range, grouping: grouping.filter(|_| op.takes_grouping()) })
        },
    )
}

fn metric() -> impl Strategy<Value = Metric> {
    let leaf = prop_oneof![
        3 => range_aggregation(),
        1 => number().prop_map(Metric::Literal),
        1 => number().prop_map(|number| Metric::Constant(number.abs())),
    ];
    leaf.prop_recursive(4, 12, 2, |inner| {
        let vector = (select(VectorOp::ALL.to_vec()), 1_usize..100, inner.clone(), option::of(grouping())).prop_map(
            |(op, count, of, grouping)| {
                let takes_grouping = !matches!(op, VectorOp::Sort | VectorOp::SortDesc | VectorOp::ApproxTopk);
                Metric::Vector(VectorAggregation {
                    op,
                    param: op.has_param().then_some(count),
                    of: Box::new(of),
                    grouping: grouping.filter(|_| takes_grouping),
                })
            },
        );
        let cardinality = prop_oneof![
            Just(Cardinality::OneToOne),
            vec(label(), 0..3).prop_map(Cardinality::ManyToOne),
            vec(label(), 0..3).prop_map(Cardinality::OneToMany),
        ];
        let matching = (any::<bool>(), vec(label(), 0..3), cardinality)
            .prop_map(|(on, labels, cardinality)| Matching { on, labels, cardinality });
        let op = {
            use BinaryOp::*;
            select(vec![
                Or,
                And,
                Unless,
                Equal,
                NotEqual,
                Greater,
                GreaterEqual,
                Less,
                LessEqual,
                Add,
                Sub,
                Mul,
                Div,
                Mod,
                Pow,
            ])
        };
        let binary = (op, inner.clone(), inner.clone(), any::<bool>(), option::of(matching)).prop_map(
            |(op, left, right, return_bool, matching)| {
                // Numbers are calculated when they are read, and are in no sets.
                let vector = |metric| match metric {
                    Metric::Literal(number) => Metric::Constant(f64::abs(number)),
                    other => other,
                };
                let (left, right) = if op.is_set() { (vector(left), vector(right)) } else { (left, vector(right)) };
                Metric::Binary(Box::new(Binary { op, left, right, return_bool, matching }))
            },
        );
        let replace = (inner, text(), text(), text(), expression()).prop_map(
            |(of, destination, replacement, source, pattern)| {
                let pattern = Pattern::whole(&pattern).unwrap();
                Metric::LabelReplace(LabelReplace { of: Box::new(of), destination, replacement, source, pattern })
            },
        );
        prop_oneof![vector, binary, replace]
    })
}

proptest! {
    #[test]
    fn queries_for_lines_are_read_as_they_were_written(query in log_query()) {
        let query = Query::Log(query);
        let written = query.to_string();
        prop_assert!(!written.contains('\n') , "{}", written);
        prop_assert_eq!(&parse(&written).unwrap(), &query, "{}", written);
        prop_assert_eq!(parse(&pretty(&query)).unwrap(), query, "{}", written);
    }

    #[test]
    fn queries_for_series_are_read_as_they_were_written(metric in metric()) {
        let query = Query::Metric(metric);
        let written = query.to_string();
        prop_assert_eq!(&parse(&written).unwrap(), &query, "{}", written);
        prop_assert_eq!(parse(&pretty(&query)).unwrap(), query, "{}", written);
    }

    #[test]
    fn any_text_is_survived(text in "([{}()\\[\\]|=!~<>,.\"`#/*+^-]|sum|by|rate|json|unwrap|or|ip|5m|1e3|0x| |\n|é){0,40}") {
        if let Ok(query) = parse(&text) {
            let written = query.to_string();
            prop_assert_eq!(parse(&written).unwrap().to_string(), written);
        }
    }
}
