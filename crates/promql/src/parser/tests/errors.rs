//! Texts that are no queries, and what is said of them.

use crate::parser::{ParserOptions, parse};

const STABLE: ParserOptions = ParserOptions {
    experimental_functions: false,
    extended_range_selectors: false,
    duration_expressions: false,
    fill_modifiers: false,
};

#[track_caller]
fn assert_refused(options: ParserOptions, cases: &[(&str, &str, &str)]) {
    for (query, place, message) in cases {
        match parse(query, options) {
            Ok(expr) => panic!("{query:?} is read as {expr}"),
            Err(error) => assert_eq!(error.to_string(), format!("{place}: parse error: {message}"), "{query:?}"),
        }
    }
}

#[track_caller]
fn assert_errors(cases: &[(&str, &str, &str)]) {
    assert_refused(ParserOptions::ALL, cases);
}

#[test]
fn characters() {
    assert_errors(&[
        ("", "unknown position", "no expression found in input"),
        (" # nothing\n", "1:1", "no expression found in input"),
        ("foo & bar", "1:5", "unexpected character: '&'"),
        ("foo\n  + \u{e9}", "2:5", "unexpected character: 'é'"),
        ("foo ! bar", "1:5", "unexpected character after '!': ' '"),
        ("foo !", "1:5", "unexpected character after '!': '\u{fffd}'"),
        ("foo =~ bar", "1:5", "unexpected character after '=': '~'"),
        ("1)", "1:3", "unexpected right parenthesis ')'"),
        ("(1", "1:3", "unclosed left parenthesis"),
        ("foo[5m", "1:7", "unclosed left bracket"),
        ("foo[", "1:5", "unexpected end of input in duration expression"),
        ("foo]", "1:4", "unexpected right bracket ']'"),
        ("foo[5m[", "1:7", "unexpected left bracket '['"),
        ("foo{", "1:5", "unexpected end of input inside braces"),
        ("foo{a{", "1:6", "unexpected left brace '{'"),
        ("foo}", "1:4", "unexpected character: '}'"),
        ("foo{a=1}", "1:7", "unexpected character inside braces: '1'"),
        ("foo{a!b}", "1:6", "unexpected character after '!' inside braces: 'b'"),
        ("1.2.3", "1:1", "bad number or duration syntax: \"1.2.\""),
        ("1__0", "1:1", "bad number or duration syntax: \"1__\""),
        ("0xg", "1:1", "bad number or duration syntax: \"0x\""),
        ("0x1.5", "1:1", "bad number or duration syntax: \"0x1.\""),
        ("1e", "1:1", "bad number or duration syntax: \"1e\""),
        ("5mx", "1:1", "bad number or duration syntax: \"5mx\""),
        ("0x", "1:1", "error parsing number: strconv.ParseFloat: parsing \"0x\": invalid syntax"),
        ("1e500", "1:1", "error parsing number: strconv.ParseFloat: parsing \"1e500\": value out of range"),
    ]);
}

#[test]
fn strings() {
    assert_errors(&[
        ("\"foo", "1:1", "unterminated quoted string"),
        ("'a\nb'", "1:1", "unterminated quoted string"),
        ("`foo", "1:1", "unterminated raw string"),
        ("\"\\q\"", "1:1", "unknown escape sequence U+0071 'q'"),
        ("\"\\'\"", "1:1", "unknown escape sequence U+0027 '''"),
        ("\"\\x4g\"", "1:1", "illegal character U+0067 'g' in escape sequence"),
        ("\"\\u12\n\"", "1:1", "illegal character U+000A in escape sequence"),
        ("\"\\40", "1:1", "escape sequence not terminated"),
        ("\"\\777\"", "1:1", "escape sequence is an invalid Unicode code point"),
        ("\"\\ud800\"", "1:1", "escape sequence is an invalid Unicode code point"),
        ("\"\\Uffffffff\"", "1:1", "escape sequence is an invalid Unicode code point"),
        ("'\u{fffd}'", "1:1", "invalid UTF-8 rune"),
    ]);
}

#[test]
fn what_does_not_follow() {
    assert_errors(&[
        ("1 +", "1:4", "unexpected end of input"),
        ("* foo", "1:1", "unexpected <op:*>"),
        ("foo bar", "1:5", "unexpected identifier \"bar\""),
        ("foo 5m", "1:5", "unexpected duration \"5m\""),
        ("foo \"quite a long string\"", "1:5", "unexpected string \"\\\"quite a l\"..."),
        ("foo a:b", "1:5", "unexpected metric identifier \"a:b\""),
        ("foo bool 1", "1:5", "unexpected <bool>"),
        ("foo = bar", "1:5", "unexpected \"=\""),
        ("foo sum", "1:5", "unexpected <aggr:sum>"),
        ("foo start", "1:5", "unexpected \"start\""),
        ("foo + group_left(a) bar", "1:7", "unexpected <group_left>"),
        ("foo + on(a) group_left", "1:23", "unexpected end of input in grouping opts, expected \"(\""),
        ("foo + on(a) bool bar", "1:13", "unexpected <bool>"),
        ("foo + fill(x) bar", "1:12", "unexpected identifier \"x\""),
        ("offset(1)", "1:7", "unexpected \"(\""),
        ("on", "1:1", "unexpected <on>"),
        ("()", "1:2", "unexpected \")\""),
        ("rate(foo bar)", "1:10", "unexpected identifier \"bar\""),
        ("rate(,)", "1:6", "unexpected \",\""),
        ("abs(foo,)", "1:8", "trailing commas not allowed in function call args"),
        ("sum(foo bar)", "1:9", "unexpected identifier \"bar\" in aggregation"),
        ("sum(abs((foo bar)))", "1:14", "unexpected identifier \"bar\" in aggregation"),
        ("sum(foo) bar", "1:10", "unexpected identifier \"bar\""),
        ("sum foo", "1:5", "unexpected identifier \"foo\""),
        ("sum by (a)", "1:11", "unexpected end of input in aggregation"),
        ("sum by a (foo)", "1:8", "unexpected identifier \"a\" in grouping opts, expected \"(\""),
        ("sum by (==) (foo)", "1:9", "unexpected <op:==> in grouping opts, expected label"),
        ("sum by (a b) (foo)", "1:11", "unexpected identifier \"b\" in grouping opts, expected \",\" or \")\""),
        ("sum by (a,,) (foo)", "1:11", "unexpected \",\" in grouping opts, expected label"),
        ("sum by (without) (foo)", "1:9", "unexpected <without> in grouping opts, expected label"),
        ("sum by (\"\") (foo)", "1:9", "invalid label name for grouping: \"\""),
        ("sum(foo) by (a) by (b)", "1:17", "unexpected <by>"),
        ("foo * on a bar", "1:10", "unexpected identifier \"a\" in grouping opts, expected \"(\""),
    ]);
}

#[test]
fn labels() {
    assert_errors(&[
        ("foo{a}", "1:6", "unexpected \"}\" in label matching, expected label matching operator"),
        ("foo{a=b}", "1:7", "unexpected identifier \"b\" in label matching, expected string"),
        ("foo{\"a\"=}", "1:9", "unexpected \"}\" in label matching, expected string"),
        ("foo{,}", "1:5", "unexpected \",\" in label matching, expected identifier or \"}\""),
        ("foo{a=\"b\" c=\"d\"}", "1:11", "unexpected identifier \"c\" in label matching, expected \",\" or \"}\""),
        ("foo{a==\"b\"}", "1:7", "unexpected \"=\" in label matching, expected string"),
        ("sum(foo{a})", "1:10", "unexpected \"}\" in label matching, expected label matching operator"),
        ("foo{a=~\"(\"}", "1:5", "error parsing regexp: missing closing ): `^(?s:()$`"),
        ("{}", "1:1", "vector selector must contain at least one non-empty matcher"),
        ("1 + {a=\"\", b=~\".*\", c!=\"x\"}", "1:5", "vector selector must contain at least one non-empty matcher"),
        ("foo{__name__=\"bar\"}", "1:1", "metric name must not be set twice: \"foo\" or \"bar\""),
        ("foo{\"bar\"}", "1:1", "metric name must not be set twice: \"foo\" or \"bar\""),
    ]);
}

#[test]
fn ranges_and_modifiers() {
    let duration = "expected number, duration, step(), or range()";
    let places = "must be preceded by an instant vector selector or range vector selector or a subquery";
    let unexpected = |what: &str, place: &str| format!("unexpected {what} in {place}, {duration}");
    let in_range = unexpected("\"]\"", "subquery or range selector");
    let in_offset = unexpected("end of input", "offset");
    let offset_name = unexpected("identifier \"bar\"", "offset");
    let (offset, at) = (format!("offset modifier {places}"), format!("@ modifier {places}"));
    assert_errors(&[
        ("foo[]", "1:5", &in_range),
        ("foo[5m + ]", "1:10", &in_range),
        ("foo[(5m]", "1:8", &in_range),
        ("foo[5m 1m]", "1:8", "unexpected duration \"1m\" in subquery or range, expected \":\" or \"]\""),
        ("foo[5m:1m 1m]", "1:11", "unexpected duration \"1m\" in subquery selector, expected \"]\""),
        (
            "foo[5m:*]",
            "1:8",
            "unexpected <op:*> in subquery selector, expected number, duration, step(), range(), or \"]\"",
        ),
        ("foo[:5m]", "1:6", "unexpected colon before duration in duration expression"),
        ("foo[range():5m]", "1:13", "unexpected colon before duration in duration expression"),
        ("foo[5m::]", "1:8", "unexpected colon ':'"),
        ("foo[x]", "1:5", "unexpected character in duration expression: 'x'"),
        ("foo[5m x]", "1:8", "unexpected character: 'x', expected ':'"),
        ("foo[\"5m\"]", "1:5", "unexpected character in duration expression: '\"'"),
        ("foo[#]", "1:5", "unexpected character in duration expression: '#'"),
        ("foo[0]", "1:5", "duration must be greater than 0"),
        ("foo[-5m]", "1:5", "duration must be greater than 0"),
        ("foo[5m:0s]", "1:8", "duration must be greater than 0"),
        ("foo[1e10]", "1:5", "duration out of range"),
        ("foo[5m1h]", "1:5", "not a valid duration string: \"5m1h\""),
        ("foo[1hs]", "1:5", "unknown unit \"hs\" in duration \"1hs\""),
        ("foo[5m/0]", "1:7", "division by zero"),
        ("foo[5m%0s]", "1:7", "modulo by zero"),
        ("foo[step]", "1:9", &in_range),
        ("1[5m]", "1:2", "ranges only allowed for vector selectors"),
        ("(foo)[5m]", "1:6", "ranges only allowed for vector selectors"),
        ("foo[5m][5m]", "1:8", "ranges only allowed for vector selectors"),
        ("foo offset 5m[5m]", "1:14", "no offset modifiers allowed before range"),
        ("foo @ 5[5m]", "1:8", "no @ modifiers allowed before range"),
        ("foo offset", "1:11", &in_offset),
        ("foo offset bar", "1:12", &offset_name),
        ("foo offset inf", "1:12", "duration out of range"),
        ("foo offset 5m offset 5m", "1:1", "offset may not be set multiple times"),
        ("1 offset 5m", "1:1", &offset),
        ("rate(foo[5m]) offset 5m", "1:1", &offset),
        ("rate(foo[5m]) @ 5", "1:1", &at),
        ("foo @", "1:6", "unexpected end of input in @, expected timestamp"),
        ("foo @ bar", "1:7", "unexpected identifier \"bar\" in @, expected timestamp"),
        ("foo @ start", "1:12", "unexpected end of input in @, expected timestamp"),
        ("foo @ 1 @ 2", "1:1", "@ <timestamp> may not be set multiple times"),
        ("foo @ inf", "1:1", "timestamp out of bounds for @ modifier: +Inf"),
        ("foo @ nan", "1:1", "timestamp out of bounds for @ modifier: NaN"),
        ("foo @ 1e19", "1:1", "timestamp out of bounds for @ modifier: 10000000000000000000.000000"),
        ("foo anchored smoothed", "1:1", "anchored and smoothed modifiers cannot be used together"),
        ("foo[5m:] anchored", "1:1", "anchored modifier is not supported for subqueries"),
        ("1 smoothed", "1:1", "smoothed modifier not implemented"),
    ]);
}

#[test]
fn types() {
    let binary = "binary expression must contain only scalar and instant vector types";
    let unary = "unary expression only allowed on expressions of type scalar or instant vector";
    let (of_string, of_matrix) = (format!("{unary}, got \"string\""), format!("{unary}, got \"range vector\""));
    assert_errors(&[
        ("-\"x\"", "1:1", &of_string),
        ("-foo[5m]", "1:1", &of_matrix),
        ("foo + \"x\"", "1:7", binary),
        ("foo[5m] + 1", "1:1", binary),
        ("1 == 1", "1:3", "comparisons between scalars must use BOOL modifier"),
        ("foo  + bool bar", "1:6", "bool modifier can only be used on comparison operators"),
        ("foo == on(a) 1", "1:1", "vector matching only allowed between instant vectors"),
        ("foo == fill(1) 1", "1:1", "filling in missing series only allowed between instant vectors"),
        ("foo or 1", "1:1", "set operator \"or\" not allowed in binary scalar expression"),
        ("foo and on(a) group_left bar", "1:1", "no grouping allowed for \"and\" operation"),
        ("foo or fill(1) bar", "1:1", "filling in missing series not allowed for set operators"),
        ("foo + on(a) group_left(a) bar", "1:5", "label \"a\" must not occur in ON and GROUP clause at once"),
        ("1[5m:]", "1:1", "subquery is only allowed on instant vector, got scalar instead"),
        ("foo[5m][5m:]", "1:1", "subquery is only allowed on instant vector, got matrix instead"),
        ("sum(1)", "1:5", "expected type instant vector in aggregation expression, got scalar"),
        ("topk(foo, foo)", "1:6", "expected type scalar in aggregation parameter, got instant vector"),
        ("count_values(1, foo)", "1:14", "expected type string in aggregation parameter, got scalar"),
        ("sum()", "1:1", "no arguments for aggregate expression provided"),
        ("topk(foo)", "1:1", "wrong number of arguments for aggregate expression provided, expected 2, got 1"),
        ("sum(1, foo)", "1:1", "wrong number of arguments for aggregate expression provided, expected 1, got 2"),
    ]);
}

#[test]
fn calls() {
    assert_errors(&[
        ("1 + nothing(foo)", "1:5", "unknown function with name \"nothing\""),
        ("RATE(foo[5m])", "1:1", "unknown function with name \"RATE\""),
        ("STEP()", "1:1", "unknown function with name \"STEP\""),
        ("rate()", "1:1", "expected 1 argument(s) in call to \"rate\", got 0"),
        ("time(1)", "1:1", "expected 0 argument(s) in call to \"time\", got 1"),
        ("hour(foo, foo)", "1:1", "expected at most 1 argument(s) in call to \"hour\", got 2"),
        ("round()", "1:1", "expected at least 1 argument(s) in call to \"round\", got 0"),
        ("label_join(foo, \"a\")", "1:1", "expected at least 3 argument(s) in call to \"label_join\", got 2"),
        ("rate(foo)", "1:6", "expected type range vector in call to function \"rate\", got instant vector"),
        (
            "label_join(foo, \"a\", \"b\", \"c\", 1)",
            "1:32",
            "expected type string in call to function \"label_join\", got scalar",
        ),
        ("vector(rate(foo))", "1:13", "expected type range vector in call to function \"rate\", got instant vector"),
        ("info(foo, bar)", "1:11", "expected label selectors only, got vector selector instead"),
        ("info(foo, ({a=\"b\"}))", "1:11", "expected label selectors only"),
        ("info(foo, 1)", "1:1", "expected type instant vector in call to function \"info\", got scalar"),
    ]);
}

#[test]
fn what_is_not_enabled() {
    assert_refused(
        STABLE,
        &[
            ("1 + info(foo)", "1:5", "function \"info\" is not enabled"),
            ("max_of(1, 2)", "1:1", "function \"max_of\" is not enabled"),
            (
                "limitk(1, foo)",
                "1:1",
                "limitk() is experimental and must be enabled with --enable-feature=promql-experimental-functions",
            ),
            ("foo anchored", "1:1", "anchored modifier is experimental and not enabled"),
            ("foo[5m] smoothed", "1:1", "smoothed modifier is experimental and not enabled"),
            ("foo + fill(1) bar", "1:1", "binop fill modifiers are experimental and not enabled"),
            ("foo[1m + 2m]", "1:5", "experimental duration expression is not enabled"),
            ("foo[step()]", "1:5", "experimental duration expression is not enabled"),
            ("foo offset (5m)", "1:13", "experimental duration expression is not enabled"),
        ],
    );
    assert!(parse("foo[-(-5m)]", STABLE).is_err());
    assert!(parse("rate(foo[5m] offset -5m)", STABLE).is_ok());
}
