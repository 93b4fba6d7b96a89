//! Metrics with labels as values, and selectors by themselves.

use crate::parser::{parse_metric, parse_selector};

#[test]
fn metrics() {
    let cases = [
        ("", "{}"),
        ("{}", "{}"),
        ("foo", "{__name__=\"foo\"}"),
        ("job:foo{b=\"2\", a='1',}", "{__name__=\"job:foo\", a=\"1\", b=\"2\"}"),
        ("{\"my.metric\", \"a.b\"=\"c\"}", "{__name__=\"my.metric\", \"a.b\"=\"c\"}"),
        ("sum{by=\"x\"}", "{__name__=\"sum\", by=\"x\"}"),
        ("foo{a=\"\"}", "{__name__=\"foo\"}"),
    ];
    for (text, labels) in cases {
        assert_eq!(parse_metric(text).unwrap().to_string(), labels, "{text}");
    }
    let errors = [
        ("foo{a}", "1:6: parse error: unexpected \"}\" in label set, expected \"=\""),
        ("foo{a=1}", "1:7: parse error: unexpected character inside braces: '1'"),
        ("foo{a=b}", "1:7: parse error: unexpected identifier \"b\" in label set, expected string"),
        ("foo{a!=\"b\"}", "1:6: parse error: unexpected <op:!=> in label set, expected \"=\""),
        ("foo{,}", "1:5: parse error: unexpected \",\" in label set, expected identifier or \"}\""),
        (
            "foo{a=\"b\" c=\"d\"}",
            "1:11: parse error: unexpected identifier \"c\" in label set, expected \",\" or \"}\"",
        ),
        ("foo bar", "1:5: parse error: unexpected identifier \"bar\""),
    ];
    for (text, error) in errors {
        assert_eq!(parse_metric(text).unwrap_err().to_string(), error, "{text}");
    }
}

#[test]
fn selectors() {
    let matchers = |text| parse_selector(text).map(|matchers| matchers.iter().map(ToString::to_string).collect());
    let written: Vec<String> = matchers("foo{b=~\"x.*\", a!=\"\"}").unwrap();
    assert_eq!(written, ["b=~\"x.*\"", "a!=\"\"", "__name__=\"foo\""]);
    assert_eq!(matchers("{}").unwrap(), Vec::<String>::new());
    for text in ["", "foo[5m]", "foo offset 5m", "1", "foo{", "sum(foo)"] {
        assert!(matchers(text).is_err(), "{text}");
    }
}
