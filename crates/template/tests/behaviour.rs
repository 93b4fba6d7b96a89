//! Limits, data with parts, functions of one's own, and what a template says of itself.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use proptest::prelude::*;
use trefoil_template::functions::{self, Functions, Kind};
use trefoil_template::{Fields, Labels, Limits, List, MissingKey, Shape, Template, Text, Time, Value};

fn written(template: &Template, data: Value<'_>) -> Result<String, String> {
    let mut output = String::new();
    template.execute(data, 0, &mut output).map_err(|error| error.to_string())?;
    Ok(output)
}

fn executed(text: &str, data: Value<'_>) -> Result<String, String> {
    let template = Template::parse("t", text, functions::loki()).map_err(|error| error.to_string())?;
    written(&template, data)
}

#[test]
fn what_grows_has_limits() {
    let steps = "takes more than 1000000 steps";
    let long = "longer than 1048576 bytes";
    let deep = "nested more than 100 levels deep";
    let nested = format!("{}x{}", "{{if true}}".repeat(101), "{{end}}".repeat(101));
    let chained = format!("{{{{if false}}}}{}{{{{end}}}}", "{{else if false}}".repeat(101));
    let parentheses = format!("{{{{{}1{}}}}}", "(".repeat(101), ")".repeat(101));
    let declared = format!("{{{{range 60}}}}{}{{{{end}}}}", r#"{{$x := repeat 1000000 "x"}}"#.repeat(2));
    let cases = [
        ("{{range 1000000000}}{{end}}", steps),
        ("{{range 1000}}{{range 1000}}{{.}}{{end}}{{end}}", steps),
        (
            r#"{{range 1000}}{{len (regexReplaceAll "a" (printf "%d" .) "b")}}{{count (printf "x%d" .) "y"}}{{end}}"#,
            steps,
        ),
        (r#"{{range 1000}}{{$x := repeat 100000 "x"}}{{end}}"#, steps),
        (&*declared, steps),
        (r#"{{repeat 2000000 "x"}}"#, long),
        (r#"{{repeat 9223372036854775807 "xyz"}}"#, long),
        (r#"{{range 3}}{{repeat 400000 "x"}}{{end}}"#, "the output is longer than 1048576 bytes"),
        (r#"{{indent 1000 (repeat 2000 "\n")}}"#, long),
        (r#"{{replace "x" (repeat 2000 "y") (repeat 2000 "x")}}"#, long),
        (r#"{{regexReplaceAll "x" (repeat 2000 "x") (repeat 2000 "y")}}"#, long),
        (r#"{{alignLeft 99999999 "x"}}"#, long),
        (r#"{{alignRight 99999999 "x"}}"#, long),
        (r#"{{printf "%9999999d" 1}}"#, long),
        (r#"{{printf "%.9999999d" 1}}"#, long),
        (r#"{{printf "%9999999s" "x"}}"#, long),
        (r#"{{printf "%.9999999f" 1.5}}"#, long),
        (r#"{{printf "%.9999999e" 1.5}}"#, long),
        (r#"{{printf "%09999999.2f" -1.5}}"#, long),
        (r#"{{printf "%9999999v" 1.5}}"#, long),
        (r#"{{printf "%#.9999999g" 1.5}}"#, long),
        (r#"{{printf "%9999999U" 1}}"#, long),
        (r#"{{printf "%.9999999U" 1}}"#, long),
        (r#"{{printf "%9999999q" "x"}}"#, long),
        (r#"{{printf "%9999999t" true}}"#, long),
        (r#"{{printf "%*d%-*d" 1000000 1 1000000 1}}"#, long),
        (r#"{{printf "%x" (repeat 1000000 "x")}}"#, long),
        (r#"{{define "r"}}{{template "r"}}{{end}}{{template "r"}}"#, "exceeded maximum template depth (50)"),
        (&*nested, deep),
        (&*chained, deep),
        (&*parentheses, deep),
        (r#"{{count "(a{500}){500}" "x"}}"#, "error parsing regexp"),
    ];
    for (text, expected) in cases {
        let error = executed(text, Value::Nil).unwrap_err();
        assert!(error.contains(expected), "{}: {error}", &text[..text.len().min(80)]);
        assert!(error.starts_with("template: t:1:"), "{error}");
    }
    let error = Template::parse("t", &"x".repeat((1 << 20) + 1), functions::loki()).unwrap_err();
    assert_eq!(error.to_string(), "template: t:1: the template is longer than 1048576 bytes");
}

#[test]
fn limits_are_those_that_are_asked_for() {
    let limits = Limits { steps: 10, output: 5, depth: 2 };
    let text = r#"{{define "a"}}{{if .}}{{template "b" .}}{{end}}{{end}}{{define "b"}}x{{end}}{{template "a" .}}"#;
    let template = Template::parse("t", text, functions::loki()).unwrap();
    assert_eq!(written(&template, Value::Int(1)), Ok("x".to_owned()));
    let shallow = Template::parse("t", text, functions::loki()).unwrap().with_limits(Limits { depth: 1, ..limits });
    assert!(written(&shallow, Value::Int(1)).unwrap_err().ends_with("exceeded maximum template depth (1)"));
    let long = Template::parse("t", "{{.}}{{.}}", functions::loki()).unwrap().with_limits(limits);
    assert_eq!(written(&long, "ab".into()), Ok("abab".to_owned()));
    assert!(written(&long, "abc".into()).unwrap_err().ends_with("at <.>: the output is longer than 5 bytes"));
}

/// To find each match of this one, all that is behind the last one is looked at.
#[test]
fn patterns_that_take_long_have_a_limit() {
    let text = r#"{{$x := repeat 100000 "A"}}{{count ".*[^A-Z]|[A-Z]" $x}}"#;
    let template = Template::parse("t", text, functions::loki()).unwrap();
    let template = template.with_limits(Limits { steps: 40_000, ..Limits::default() });
    assert!(written(&template, Value::Nil).unwrap_err().ends_with("takes more than 40000 steps"));
    let text = r#"{{$x := repeat 3000 "some word "}}{{regexReplaceAll "\\s+" $x "" | len}} {{count "o" $x}}"#;
    assert_eq!(executed(text, Value::Nil), Ok("24000 6000".to_owned()));
}

/// As deep as everything may stand in each other at once, which has to fit the stack of a thread.
#[test]
fn the_deepest_fits_the_stack() {
    let inner = format!("{}{{{{template \"r\" .}}}}{}", "{{if (((.)))}}".repeat(90), "{{end}}".repeat(90));
    let text = format!("{{{{define \"r\"}}}}{inner}{{{{end}}}}{{{{template \"r\" .}}}}");
    let error = executed(&text, Value::Int(1)).unwrap_err();
    assert!(error.contains("nested more than 400 levels deep"), "{error}");
    let json = format!("{}{}", "[".repeat(120), "]".repeat(120));
    let data = [("j", &*json)];
    let labels = Labels(data.to_vec());
    let text = "{{$x := fromJson .j}}{{len (print $x)}} {{eq (print $x) .j}}";
    assert_eq!(executed(text, (&labels).into()), Ok("240 true".to_owned()));
}

#[test]
fn after_an_error_nothing_has_been_written() {
    let template = Template::parse("t", "{{.a}}{{index .a 9}}", functions::loki()).unwrap();
    let mut output = String::from("before");
    let labels = Labels(vec![("a", "x")]);
    let error = template.execute((&labels).into(), 0, &mut output).unwrap_err();
    assert_eq!(output, "before");
    assert_eq!(error.message(), "error calling index: index out of range: 9");
    template.execute_named("other", Value::Nil, 0, &mut output).unwrap_err();
    let labels = Labels(vec![("a", "0123456789")]);
    template.execute((&labels).into(), 0, &mut output).unwrap();
    assert_eq!(output, "before012345678957");
}

#[test]
fn long_parts_of_templates_are_shortened_in_errors() {
    let text = format!("{{{{index \"{}\" 999}}}}", "é".repeat(300));
    let error = executed(&text, Value::Nil).unwrap_err();
    assert!(error.contains("éé…>: error calling index: index out of range: 999"), "{error}");
    assert!(error.chars().count() < 350);
}

/// A structure with a method, and a map in it.
struct Alert {
    labels: Labels<'static>,
}

impl Fields for Alert {
    fn shape(&self) -> Shape {
        Shape::Structure("*template.Alert")
    }

    fn get(&self, name: &str) -> Option<Value<'_>> {
        match name {
            "Labels" => Some(Value::Fields(&self.labels)),
            "Status" => Some("firing".into()),
            "StartsAt" => Some(Time::new(1_700_000_000, 0).into()),
            "Names" => {
                let names: Vec<Value<'_>> = self.labels.0.iter().map(|(name, _)| (*name).into()).collect();
                Some(Value::List(List { of: trefoil_template::Element::Text, items: names.into() }))
            }
            _ => None,
        }
    }

    fn entries(&self) -> Vec<(Text<'_>, Value<'_>)> {
        let parts = ["Labels", "Status"].map(|name| (Text::from(name), self.get(name).unwrap_or_default()));
        parts.into_iter().collect()
    }

    fn method(&self, name: &str, arguments: &[Value<'_>]) -> Option<Result<Value<'_>, String>> {
        match (name, arguments) {
            ("Has", [Value::String(label)]) => Some(Ok(self.labels.get(label).is_some().into())),
            ("Has", _) => Some(Err("it takes a name".to_owned())),
            _ => None,
        }
    }
}

#[test]
fn structures_have_parts_and_methods() {
    let alert = Alert { labels: Labels(vec![("job", "api"), ("alertname", "Down")]) };
    for (text, expected) in [
        ("{{.Status}} {{.Labels.job}}", Ok("firing api")),
        ("{{.}}", Ok("{map[alertname:Down job:api] firing}")),
        (r#"{{printf "%+v" .}}"#, Ok("{Labels:map[alertname:Down job:api] Status:firing}")),
        ("{{if .}}yes{{end}}", Ok("yes")),
        (r#"{{.Has "job"}} {{"none" | .Has}}"#, Ok("true false")),
        (r#"{{if .Has "job"}}{{range $k, $v := .Labels}}{{$k}}={{$v}},{{end}}{{end}}"#, Ok("alertname=Down,job=api,")),
        ("{{range .Names}}{{. | upper}} {{end}}", Ok("JOB ALERTNAME ")),
        (r#"{{.StartsAt.Format "Jan 2, 2006 15:04 MST"}}"#, Ok("Nov 14, 2023 22:13 UTC")),
        ("{{with .Labels}}{{.none}}{{end}}", Ok("<no value>")),
        ("{{len .Labels}} {{index .Labels \"job\"}}", Ok("2 api")),
        (
            "{{.Nothing}}",
            Err("template: t:1:2: executing \"t\" at <.Nothing>: can't evaluate field Nothing in type *template.Alert"),
        ),
        ("{{.Has 1}}", Err("template: t:1:2: executing \"t\" at <.Has>: error calling Has: it takes a name")),
        (
            "{{.Status 1}}",
            Err(
                "template: t:1:2: executing \"t\" at <.Status>: Status has arguments but cannot be invoked as function",
            ),
        ),
        (
            "{{.Labels.job 1}}",
            Err("template: t:1:9: executing \"t\" at <.Labels.job>: job is not a method but has arguments"),
        ),
        (
            "{{len .}}",
            Err("template: t:1:2: executing \"t\" at <len .>: error calling len: len of type *template.Alert"),
        ),
        (
            "{{range .}}{{end}}",
            Err(
                "template: t:1:8: executing \"t\" at <.>: range can't iterate over {map[alertname:Down job:api] firing}",
            ),
        ),
        (
            "{{.StartsAt.Nothing}}",
            Err(
                "template: t:1:11: executing \"t\" at <.StartsAt.Nothing>: can't evaluate field Nothing in type time.Time",
            ),
        ),
    ] {
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(executed(text, (&alert).into()), expected, "{text}");
    }
}

#[test]
fn functions_of_ones_own_stand_beside_those_of_go() {
    let functions = Functions::new()
        .with("greet", &[Kind::String], |_, arguments| match arguments {
            [Value::String(name)] => Ok(format!("hello {}", &**name).into()),
            _ => Err("no name".to_owned()),
        })
        .with("wait", &[Kind::Duration, Kind::Bool], |_, arguments| Ok(arguments[0].clone()))
        .with_rest("sum", &[], Kind::Int, |_, arguments| {
            let numbers = arguments.iter().map(|value| if let Value::Int(number) = value { *number } else { 0 });
            Ok(Value::Int(numbers.sum()))
        })
        .with("len", &[Kind::Any], |_, _| Ok("shadowed".into()))
        .with("break", &[], |_, _| Ok("no keyword".into()))
        .with("clock", &[], |call, _| Ok(Value::Int(call.now)))
        .with("fail", &[], |_, _| Err("on purpose".to_owned()));
    for (text, expected) in [
        (r#"{{greet "you"}} {{"me" | greet | html}}"#, Ok("hello you hello me")),
        ("{{sum}} {{sum 1}} {{sum 1 2 3}}", Ok("0 1 6")),
        ("{{wait 1500000000 true}}", Ok("1.5s")),
        ("{{len 5}}", Ok("shadowed")),
        ("{{break}}", Ok("no keyword")),
        ("{{clock}}", Ok("7")),
        ("{{print (fail)}}", Err("template: t:1:9: executing \"t\" at <fail>: error calling fail: on purpose")),
        ("{{sum \"a\"}}", Err("template: t:1:6: executing \"t\" at <\"a\">: expected integer; found \"a\"")),
        ("{{wait 1 2}}", Err("template: t:1:9: executing \"t\" at <2>: expected bool; found 2")),
        ("{{upper 1}}", Err("template: t:1: function \"upper\" not defined")),
    ] {
        let executed = Template::parse("t", text, &functions).map_err(|error| error.to_string()).and_then(|template| {
            let mut output = String::new();
            template.execute(Value::Nil, 7, &mut output).map_err(|error| error.to_string()).map(|()| output)
        });
        assert_eq!(executed, expected.map(str::to_owned).map_err(str::to_owned), "{text}");
    }
}

#[test]
fn texts_add_templates_to_those_that_are_known() {
    let functions = Functions::new();
    let text = r#"{{define "title"}}default {{.}}{{end}}{{define "kept"}}kept{{end}}"#;
    let mut template = Template::parse("default", text, &functions).unwrap();
    template.add("mine", r#"{{define "title"}}mine {{.}}{{end}}{{define "kept"}} {{end}}"#).unwrap();
    template.add("all", r#"{{template "title" .}}, {{template "kept"}}, {{template "title" 2}}"#).unwrap();
    let mut output = String::new();
    template.execute_named("all", Value::Int(1), 0, &mut output).unwrap();
    assert_eq!(output, "mine 1, kept, mine 2");
    assert!(template.defines("title") && !template.defines("none"));
    let error = template.execute_named("none", Value::Nil, 0, &mut output).unwrap_err();
    assert_eq!(error.to_string(), "template: no template \"none\" associated with template \"default\"");
    let error = template.add("wrong", "a\n{{if}}").unwrap_err();
    assert_eq!(error.to_string(), "template: wrong:2: missing value for if");
    // Where it came from, not what was asked for.
    template.add("file.tmpl", "{{define \"broken\"}}\n {{index . 1}}{{end}}").unwrap();
    template.add("all", r#"{{template "broken" .}}"#).unwrap();
    let error = template.execute_named("all", Value::Int(1), 0, &mut output).unwrap_err();
    let expected = "template: file.tmpl:2:3: executing \"broken\" at <index . 1>: error calling index: \
                    can't index item of type int";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_template_says_what_it_asks_for() {
    for (text, expected) in [
        ("plain", Some(&[][..])),
        ("{{.a}} {{.b.c}}", Some(&["a", "b"])),
        ("{{if .a}}{{.b}}{{else if eq .c 1}}{{.d}}{{else}}{{.e}}{{end}}", Some(&["a", "b", "c", "d", "e"])),
        ("{{$.a}}{{$x := .b}}{{$x}}{{$x.c}}", Some(&["a", "b"])),
        ("{{range $i, $e := fromJson .a}}{{$e}}{{$.b}}{{end}}", Some(&["a", "b"])),
        ("{{(print .a (upper .b)).c | printf .d}}", Some(&["a", "b", "d"])),
        ("{{define \"x\"}}{{.q}}{{end}}{{template \"x\" .a}}", Some(&["a", "q"])),
        ("{{template \"x\" .}}{{define \"x\"}}{{end}}", None),
        ("{{.}}", None),
        ("{{range $k, $v := .}}{{end}}", None),
        ("{{with $}}{{end}}", None),
        ("{{index . \"a\"}}", None),
        ("{{__line__}}{{__timestamp__}}", Some(&[])),
    ] {
        let template = Template::parse("t", text, functions::loki()).unwrap();
        let expected: Option<BTreeSet<&str>> = expected.map(|names| names.iter().copied().collect());
        assert_eq!(template.fields(), expected, "{text}");
    }
    let text = "{{if (print (upper __line__)).x}}{{block \"x\" .a}}{{now}}{{end}}{{end}}";
    let template = Template::parse("t", text, functions::loki()).unwrap();
    let called = ["__line__", "upper", "now", "__timestamp__"].map(|function| template.calls(function));
    assert_eq!(called, [true, true, true, false]);
}

#[test]
fn a_missing_key_is_what_the_template_says() {
    let labels = Labels(vec![("a", "x")]);
    for (missing, expected) in [
        (MissingKey::Invalid, Ok("[<no value>]")),
        (MissingKey::Zero, Ok("[]")),
        (MissingKey::Error, Err("template: t:1:3: executing \"t\" at <.none>: map has no entry for key \"none\"")),
    ] {
        let template = Template::parse("t", "[{{.none}}]", functions::loki()).unwrap().with_missing_key(missing);
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(written(&template, (&labels).into()), expected);
    }
}

/// What Loki's functions do that Go does not say: characters in place of bytes, integers by length.
#[test]
fn functions_of_loki_alone() {
    for (text, expected) in [
        (r#"{{trunc 2 "äöü"}} {{trunc -2 "äöü"}} {{substr 1 2 "äöü"}} {{substr -1 2 "äöü"}}"#, Ok("äö öü ö äö")),
        (r#"{{unixToTime "19373"}}"#, Ok("2023-01-16 00:00:00 +0000 UTC")),
        (r#"{{unixToTime "1700000000" | date "2006-01-02"}}"#, Ok("2023-11-14")),
        (r#"{{unixToTime "1700000000123"}}"#, Ok("2023-11-14 22:13:20.123 +0000 UTC")),
        (r#"{{unixToTime "1700000000123456"}}"#, Ok("2023-11-14 22:13:20.123456 +0000 UTC")),
        (r#"{{unixToTime "1700000000123456789"}}"#, Ok("2023-11-14 22:13:20.123456789 +0000 UTC")),
        (r#"{{unixToTime "12"}}"#, Err("unable to parse time '12': it has neither 5, 10, 13, 16 nor 19 digits")),
        (r#"{{unixToTime "1234x"}}"#, Err("unable to parse time '1234x': it is no integer")),
        (r#"{{substr 5 9 "äöü"}}"#, Err("runtime error: slice bounds out of range [5:3]")),
        (r#"{{round 2.5 (add 0 1)}} {{alignLeft (mul 2 2) "x"}}|"#, Ok("2.5 x   |")),
        (r#"{{slice "äöü" 0 3}}"#, Ok("ä\u{fffd}")),
        (r#"{{"a\xffb"}}"#, Ok("a\u{fffd}b")),
        (r#"{{urldecode "%ff"}}"#, Ok("\u{fffd}")),
        (r#"{{b64dec "/w=="}}"#, Ok("\u{fffd}")),
        (r#"{{regexReplaceAll "(" "a" "b"}}"#, Err("error parsing regexp: unclosed group: `(`")),
        (
            r#"{{toDateInZone "2006-01-02 15:04" "America/Sao_Paulo" "2024-07-01 12:00"}}"#,
            Ok("2024-07-01 12:00:00 -0300 -03"),
        ),
        (r#"{{call 5}}"#, Err("non-function of type int")),
    ] {
        match (executed(text, Value::Nil), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{text}"),
            (Err(found), Err(expected)) => assert!(found.ends_with(expected), "{text}: {found}"),
            (found, expected) => panic!("{text}: {found:?}, not {expected:?}"),
        }
    }
}

#[test]
fn many_can_execute_one_template_at_once() {
    let text = r#"{{range $i, $w := fromJson .list}}{{regexReplaceAll "[a-c]+" $w "-"}}{{end}}{{.n}}"#;
    let template = Template::parse("t", text, functions::loki()).unwrap();
    std::thread::scope(|scope| {
        for number in 0..4 {
            let template = &template;
            scope.spawn(move || {
                let number = number.to_string();
                let labels = Labels(vec![("list", r#"["abc1","2b"]"#), ("n", &number)]);
                for _ in 0..50 {
                    assert_eq!(written(template, (&labels).into()), Ok(format!("-12-{number}")));
                }
            });
        }
    });
}

/// Pieces that are likely to mean something to the parser.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "{{",
            "}}",
            "{{-",
            "-}}",
            "/*",
            "*/",
            ".",
            "$",
            "$x",
            ".a",
            "|",
            ":=",
            "=",
            ",",
            "(",
            ")",
            "\"",
            "`",
            "'",
            "if",
            "else",
            "end",
            "range",
            "with",
            "define",
            "template",
            "block",
            "break",
            "continue",
            "nil",
            "true",
            "0x",
            "1_0",
            "1e5",
            "printf",
            "\"%*[2].3v\"",
            "index",
            "and",
            " ",
            "\n",
            "é",
            "\\",
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,6}",
        any::<String>(),
    ]
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(pieces in prop::collection::vec(piece(), 0..20)) {
        let text = pieces.concat();
        let labels = Labels(vec![("a", "x"), ("b", "12")]);
        if let Ok(template) = Template::parse("t", &text, functions::loki()) {
            let template = template.with_limits(Limits { steps: 2_000, output: 4_096, depth: 5 });
            let mut output = String::new();
            let executed = template.execute((&labels).into(), 0, &mut output);
            prop_assert!(executed.is_ok() || output.is_empty());
            prop_assert!(output.len() <= 4_096);
        }
    }

    #[test]
    fn no_action_makes_a_text_another(text in "([^{]|\\{[^{]){0,40}") {
        prop_assert_eq!(executed(&text, Value::Nil), Ok(text));
    }

    #[test]
    fn labels_come_out_as_they_are(value in any::<String>(), before in "[^{]{0,9}", after in "[^{]{0,9}") {
        let labels = Labels(vec![("a", &value)]);
        let text = format!("{before}{{{{.a}}}}{after}");
        prop_assert_eq!(executed(&text, (&labels).into()), Ok(format!("{before}{value}{after}")));
    }

    #[test]
    fn literals_are_what_they_say(text in any::<String>()) {
        let template = format!("{{{{{}}}}}", trefoil_go::quote::quote(&text));
        prop_assert_eq!(executed(&template, Value::Nil), Ok(text));
    }

    #[test]
    fn printf_never_panics(format in "(%[-+# 0]{0,3}([0-9]{0,3}|\\*)?(\\.([0-9]{0,3}|\\*))?(\\[[0-9]\\])?[a-zA-Z%é]|[ -~]){0,6}", number in any::<i64>(), float in any::<f64>(), text in any::<String>()) {
        let labels = Labels(vec![("f", &format), ("s", &text)]);
        let template = format!("{{{{printf .f {number} {float:e} .s true nil}}}}");
        let output = executed(&template, (&labels).into());
        prop_assert!(output.is_ok() || float.is_nan() || float.is_infinite(), "{output:?}");
    }
}
