use proptest::prelude::*;

use super::*;
use crate::stanza::expr::{Condition, Program, Template};

const ENTRY: &str = r#"{
    "body": {"msg": "GET /a 200", "n": 5, "f": 2.5, "flag": true, "list": [1, "two"], "nothing": null, "in": {"a.b": "deep"}, "text": "abc"},
    "attributes": {"stream": "stderr", "log.file.name": "app.log", "code": "404"},
    "resource": {"host": "h1"}
}"#;

#[test]
fn expressions_give_values() {
    let cases = [
        ("body.n", "5"),
        ("$.n", "5"),
        ("$body.n == 5", "true"),
        ("body['n']", "5"),
        ("body.in[\"a.b\"]", "deep"),
        ("body.missing", "null"),
        ("body.missing?.deeper", "null"),
        ("body.list[0]", "1"),
        ("body.list[-1]", "two"),
        ("attributes[\"log.file.name\"]", "app.log"),
        ("resource.host", "h1"),
        ("\"a\\tb\\u00e4\"", "a\tbä"),
        ("'it\\'s'", "it's"),
        ("`raw\\n`", "raw\\n"),
        ("1_000", "1000"),
        ("0x1F", "31"),
        ("0b101", "5"),
        ("1.5e3", "1500.0"),
        (".5", "0.5"),
        ("nil", "null"),
        // Comparison.
        ("body.n == 5.0", "true"),
        ("body.n != 5", "false"),
        ("body.n == \"5\"", "false"),
        ("body.missing == nil", "true"),
        ("body.nothing == nil", "true"),
        ("body.msg != nil", "true"),
        ("body.list == [1, 'two']", "true"),
        ("body.n < 6 and body.n >= 5", "true"),
        ("body.f > 2 && body.f <= 2.5", "true"),
        ("\"a\" < \"b\"", "true"),
        // Texts.
        ("body.msg matches \"^GET .* 2\\\\d\\\\d$\"", "true"),
        ("body.msg matches '^POST'", "false"),
        ("body.msg not matches '^POST'", "true"),
        ("not (body.msg matches '^POST')", "true"),
        ("!(body.msg contains \"200\")", "false"),
        ("body.msg matches attributes.stream", "false"),
        ("body.missing matches 'x'", "false"),
        ("body.msg contains '/a'", "true"),
        ("body.msg not contains '/a'", "false"),
        ("body.msg startsWith 'GET'", "true"),
        ("body.msg endsWith '200'", "true"),
        ("body.missing startsWith 'GET'", "false"),
        ("body.text + '-' + attributes.stream", "abc-stderr"),
        // In.
        ("attributes.stream in ['stdout', 'stderr']", "true"),
        ("body.n in [1, 5]", "true"),
        ("body.n not in [1, 5]", "false"),
        ("'msg' in body", "true"),
        ("\"x\" in attributes", "false"),
        ("\"x\" in body.missing", "false"),
        // What binds how.
        ("false and false or true", "true"),
        ("true or false and false", "true"),
        ("false || true && true", "true"),
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("2 ** 3 ** 2", "512.0"),
        ("-2 + 5", "3"),
        ("10 - 2 - 3", "5"),
        ("7 % 4", "3"),
        ("7 / 2", "3.5"),
        ("1 + 2 == 3", "true"),
        ("not false and true", "true"),
        ("body.missing ?? 'default'", "default"),
        ("body.text ?? 'default'", "abc"),
        ("body.missing ?? 2 + 1", "3"),
        ("body.n > 3 ? 'many' : 'few'", "many"),
        ("body.n > 9 ? 'a' : body.n > 3 ? 'b' : 'c'", "b"),
        // Functions, lists and maps.
        ("len(body.msg)", "10"),
        ("len(body.list) + len(body.in)", "3"),
        ("lower('ABC') + upper('def')", "abcDEF"),
        ("trim('  a ')", "a"),
        ("trim('xxaxx', 'x')", "a"),
        ("trimPrefix('a.b', 'a.')", "b"),
        ("trimSuffix('app.log', '.log')", "app"),
        ("hasPrefix(body.msg, 'GET') && hasSuffix(body.msg, '0')", "true"),
        ("indexOf(body.msg, '/')", "4"),
        ("replace('a-b-c', '-', '+')", "a+b+c"),
        ("split('a,b', ',')[1]", "b"),
        ("join(['a', 1], '/')", "a/1"),
        ("repeat('ab', 3)", "ababab"),
        ("int(attributes.code) >= 400", "true"),
        ("int(2.9)", "2"),
        ("float('1.5')", "1.5"),
        ("string(body.n) + '!'", "5!"),
        ("type(body.n)", "int"),
        ("type(body) == 'map'", "true"),
        ("abs(-3)", "3"),
        ("max(1, 2.5)", "2.5"),
        ("min(3, 2)", "2"),
        ("env('NO_SUCH_VARIABLE_HERE')", ""),
        ("toJSON({a: 1, 'b': [true]})", "{\"a\":1,\"b\":[true]}"),
        ("fromJSON('{\"a\": {\"b\": 1}}').a.b", "1.0"),
        ("[1, 2,][1]", "2"),
        ("{a: {b: 'c'}}.a.b", "c"),
    ];
    let entry = entry(ENTRY);
    for (text, expected) in cases {
        let value = Program::parse(text).and_then(|program| program.evaluate(&entry));
        assert_eq!(value.map(|value| value.to_string()), Ok(expected.to_owned()), "{text}");
    }
}

#[test]
fn values_that_do_not_fit_are_errors() {
    let cases = [
        ("body.missing.deeper", "nil has no member `deeper`"),
        ("body.text.deeper", "a string has no member `deeper`"),
        ("body.list[7]", "there is no item 7 in a list of 2"),
        ("body.n > 'a'", "`>` does not compare an integer with a string"),
        ("body.missing > 1", "does not compare nil"),
        ("body.n matches 'x'", "`matches` takes a string, not an integer"),
        ("body.n contains 'x'", "`contains` takes strings"),
        ("body.n and true", "`and` takes true or false, not an integer"),
        ("not body.text", "`not` takes true or false, not a string"),
        ("body.text ? 1 : 2", "`?` takes true or false"),
        ("body.text - 1", "`-` does not take a string"),
        ("1 % 0", "there is no remainder by 0"),
        ("1.5 % 1", "`%` takes whole numbers"),
        ("-body.text", "`-` takes a number"),
        ("int('x')", "`int` does not take the text \"x\""),
        ("len(5)", "`len` does not take an integer"),
        ("lower(5)", "`lower` takes a string, not an integer"),
        ("repeat('a', 99999999)", "longer than"),
        ("'a' in 5", "does not look for a string in an integer"),
        ("max('a')", "a number is needed"),
    ];
    let entry = entry(ENTRY);
    for (text, expected) in cases {
        let error = Program::parse(text).unwrap().evaluate(&entry).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let error = Condition::parse("body.n").unwrap().0.holds(&entry).unwrap_err();
    assert_eq!(error, "the condition is an integer, neither true nor false");
}

#[test]
fn what_is_not_known_is_named_at_once() {
    let cases = [
        ("", "it ends where a value is expected"),
        ("body.", "expected a name behind the dot, found the end"),
        ("boddy.x == 1", "`boddy` is not known"),
        ("level == 'x'", "`level` is not known; an entry has body, attributes and resource"),
        ("timestamp > 1", "`timestamp` is not supported"),
        ("any(body, true)", "the function `any` is not supported"),
        ("lenn(body)", "did you mean `len`?"),
        ("len()", "`len` takes 1 arguments, not 0"),
        ("trim(1, 2, 3)", "`trim` takes 1 to 2 arguments, not 3"),
        ("body.x.trim()", "the method `trim` is not supported"),
        ("body matches '('", "`(` is no pattern"),
        ("body matches 5", "`matches` takes a pattern, not an integer"),
        ("body == 'x", "a quote is not closed"),
        ("body == '\\d'", "`\\d` is no escape in a string; write \\\\d"),
        ("body == '\\xzz'", "`zz` is no character in hexadecimal"),
        ("(body == 1", "expected `)`, found the end"),
        ("body == 1)", "`)` at character 10 comes unexpectedly"),
        ("body = 1", "`=` means nothing here"),
        ("body[1:2]", "parts of lists"),
        ("1..3", "comes unexpectedly"),
        ("body | len()", "comes unexpectedly"),
        ("body ?: 1", "`?:` is not supported"),
        ("{1: 2, true", "expected"),
        ("0xzz", "`0xzz` is no number"),
        ("99999999999999999999", "is no number"),
        ("body.a == 1 and", "it ends where a value is expected"),
    ];
    for (text, expected) in cases {
        let error = Program::parse(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
    for (text, kind) in
        [("'x'", "a string"), ("1 + 1", "the result of"), ("len(body)", "a number"), ("attributes", "a map")]
    {
        let error = Condition::parse(text).unwrap_err();
        assert!(error.contains(kind), "{text}: {error}");
    }
    let deep = format!("{}1{}", "(".repeat(200), ")".repeat(200));
    assert!(Program::parse(&deep).unwrap_err().contains("nested deeper"));
    let long = vec!["true"; 600].join(" or ");
    assert!(Program::parse(&long).unwrap_err().contains("more than 1000 parts"));
}

#[test]
fn templates_are_filled_in() {
    let cases = [
        ("plain", "plain"),
        ("EXPR(body.text)", "abc"),
        ("x-EXPR(body.text)-EXPR(attributes.stream)", "x-abc-stderr"),
        ("EXPR(lower('A') + (body.text))!", "aabc!"),
        ("EXPR(open", "EXPR(open"),
        ("", ""),
    ];
    let entry = entry(ENTRY);
    for (text, expected) in cases {
        assert_eq!(Template::parse(text).unwrap().text(&entry).as_deref(), Ok(expected), "{text}");
    }
    assert!(Template::parse("EXPR(body.n)x").unwrap().text(&entry).is_err());
    assert_eq!(Template::parse("EXPR(body.n)").unwrap().value(&entry), Ok(Value::Int(5)));
    assert!(Template::parse("EXPR(nobody)").is_err());
}

proptest! {
    #[test]
    fn no_text_breaks_the_parser(text in "[a-z$.'\"0-9()\\[\\]{}?:,+*/%!=<>&| -]{0,60}") {
        if let Ok(program) = Program::parse(&text) {
            let _ = program.evaluate(&entry(ENTRY));
        }
    }

    /// Sums come out as Rust has them.
    #[test]
    fn arithmetic_is_right(a in -1000i64..1000, b in -1000i64..1000, c in 1i64..1000) {
        let program = Program::parse(&format!("{a} + {b} * {c} - ({a} - {b}) % {c}")).unwrap();
        prop_assert_eq!(program.evaluate(&entry(ENTRY)), Ok(Value::Int(a + b * c - (a - b) % c)));
    }
}
