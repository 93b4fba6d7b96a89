use super::*;

/// The operators, an entry, and what comes out.
const CASES: &[(&str, &str, &str)] = &[
    // json_parser
    (
        "- type: json_parser",
        r#"{"body": "{\"a\": 1, \"b\": [true, null]}"}"#,
        r#"body="{\"a\": 1, \"b\": [true, null]}" attributes={"a":1.0,"b":[true,null]}"#,
    ),
    (
        "- {type: json_parser, parse_ints: true}",
        r#"{"body": "{\"a\": 1, \"b\": 1.5}"}"#,
        r#"body="{\"a\": 1, \"b\": 1.5}" attributes={"a":1,"b":1.5}"#,
    ),
    ("- {type: json_parser, parse_to: body}", r#"{"body": "{\"a\": {\"b\": \"c\"}}"}"#, r#"body={"a":{"b":"c"}}"#),
    (
        "- {type: json_parser, parse_from: body.m, parse_to: body.p}",
        r#"{"body": {"m": "{\"a\": \"x\"}"}}"#,
        r#"body={"m":"{\"a\": \"x\"}","p":{"a":"x"}}"#,
    ),
    (
        "- {type: json_parser, parse_to: attributes}",
        r#"{"body": "{\"a\": \"x\"}", "attributes": {"k": "v"}}"#,
        r#"body="{\"a\": \"x\"}" attributes={"k":"v","a":"x"}"#,
    ),
    (
        "- {type: json_parser, parse_to: resource, body: resource.msg}",
        r#"{"body": "{\"msg\": \"x\"}"}"#,
        r#"body="x" resource={"msg":"x"}"#,
    ),
    ("- type: json_parser", r#"{"body": "no json"}"#, r#"body="no json""#),
    ("- type: json_parser", r#"{"body": "[1]"}"#, r#"body="[1]""#),
    ("- {type: json_parser, on_error: drop}", r#"{"body": "no json"}"#, ""),
    ("- {type: json_parser, on_error: drop_quiet}", r#"{"body": 5}"#, ""),
    ("- {type: json_parser, on_error: send_quiet}", r#"{"body": 5}"#, "body=5"),
    ("- {type: json_parser, parse_from: body.no, on_error: send}", r#"{"body": {"a": 1}}"#, r#"body={"a":1}"#),
    (r#"- {type: json_parser, if: 'body matches "^{"'}"#, r#"{"body": "plain"}"#, r#"body="plain""#),
    (r#"- {type: json_parser, if: 'body matches "^{"'}"#, r#"{"body": "{}"}"#, r#"body="{}""#),
    (r#"- {type: json_parser, if: 'body.x.y == 1', on_error: drop}"#, r#"{"body": "{\"a\":1}"}"#, ""),
    // regex_parser
    (
        r"- {type: regex_parser, regex: '^(?P<time>\S+) (?P<msg>.*)$'}",
        r#"{"body": "now hello there"}"#,
        r#"body="now hello there" attributes={"time":"now","msg":"hello there"}"#,
    ),
    (
        r"- {type: regex_parser, regex: '^(?<a>\d+)(?P<b>x)?'}",
        r#"{"body": "12"}"#,
        r#"body="12" attributes={"a":"12","b":""}"#,
    ),
    (r"- {type: regex_parser, regex: '(?P<a>\d+)'}", r#"{"body": "none"}"#, r#"body="none""#),
    (r"- {type: regex_parser, regex: '(?P<a>\d+)', on_error: drop}", r#"{"body": "none"}"#, ""),
    (r"- {type: regex_parser, regex: '(?P<a>x.y)', on_error: drop}", r#"{"body": "x\ny"}"#, ""),
    (
        r"- {type: regex_parser, regex: '(?s)(?P<a>x.y)'}",
        r#"{"body": "x\ny"}"#,
        r#"body="x\ny" attributes={"a":"x\ny"}"#,
    ),
    (
        r"- {type: regex_parser, regex: '^(?P<t>\d+) (?P<s>\w+)', timestamp: {parse_from: attributes.t, layout_type: epoch, layout: s}, severity: {parse_from: attributes.s}}",
        r#"{"body": "1700000000 WARN x"}"#,
        r#"body="1700000000 WARN x" attributes={"t":"1700000000","s":"WARN"} time=1700000000000000000 severity=13:WARN"#,
    ),
    // One embedded part that fails does not keep the others from what they do.
    (
        r"- {type: regex_parser, regex: '^(?P<t>\w+) (?P<s>\w+)', timestamp: {parse_from: attributes.t, layout: '%F'}, severity: {parse_from: attributes.s}}",
        r#"{"body": "never error"}"#,
        r#"body="never error" attributes={"t":"never","s":"error"} severity=17:error"#,
    ),
    // key_value_parser
    (
        "- type: key_value_parser",
        r#"{"body": "a=1 b=\"x y\" c='z'"}"#,
        r#"body="a=1 b=\"x y\" c='z'" attributes={"a":"1","b":"x y","c":"z"}"#,
    ),
    (
        "- {type: key_value_parser, delimiter: ':', pair_delimiter: '|'}",
        r#"{"body": "a: 1 | b: 2|"}"#,
        r#"body="a: 1 | b: 2|" attributes={"a":"1","b":"2"}"#,
    ),
    (
        "- {type: key_value_parser, pair_delimiter: '&&'}",
        r#"{"body": "a=1&&b=2=3"}"#,
        r#"body="a=1&&b=2=3" attributes={"a":"1","b":"2=3"}"#,
    ),
    ("- {type: key_value_parser, on_error: drop}", r#"{"body": "a=1 b"}"#, ""),
    ("- {type: key_value_parser, on_error: drop}", r#"{"body": "a=\"1"}"#, ""),
    ("- {type: key_value_parser, on_error: drop}", r#"{"body": ""}"#, ""),
    // csv_parser
    (
        "- {type: csv_parser, header: 'a,b,c'}",
        r#"{"body": "1,\"x,\"\"y\"\"\","}"#,
        r#"body="1,\"x,\"\"y\"\"\"," attributes={"a":"1","b":"x,\"y\"","c":""}"#,
    ),
    (
        "- {type: csv_parser, header: 'a;b', delimiter: ';'}",
        r#"{"body": "1;2"}"#,
        r#"body="1;2" attributes={"a":"1","b":"2"}"#,
    ),
    (
        "- {type: csv_parser, header: 'a|b', header_delimiter: '|'}",
        r#"{"body": "1,2"}"#,
        r#"body="1,2" attributes={"a":"1","b":"2"}"#,
    ),
    (
        "- {type: csv_parser, header_attribute: h}",
        r#"{"body": "1,2", "attributes": {"h": "x,y"}}"#,
        r#"body="1,2" attributes={"h":"x,y","x":"1","y":"2"}"#,
    ),
    (
        "- {type: csv_parser, header: 'a,b', ignore_quotes: true}",
        r#"{"body": "\"1,2\""}"#,
        r#"body="\"1,2\"" attributes={"a":"\"1","b":"2\""}"#,
    ),
    (
        "- {type: csv_parser, header: 'a,b', lazy_quotes: true}",
        r#"{"body": "x \"y\" z,\"2\" 3"}"#,
        r#"body="x \"y\" z,\"2\" 3" attributes={"a":"x \"y\" z","b":"2\" 3"}"#,
    ),
    ("- {type: csv_parser, header: 'a,b', on_error: drop}", r#"{"body": "1,2,3"}"#, ""),
    ("- {type: csv_parser, header: 'a,b', on_error: drop}", r#"{"body": "x \"y\",1"}"#, ""),
    // time_parser
    (
        "- {type: time_parser, parse_from: body, layout: '%Y-%m-%dT%H:%M:%SZ'}",
        r#"{"body": "2023-06-19T05:20:50Z"}"#,
        r#"body="2023-06-19T05:20:50Z" time=1687152050000000000"#,
    ),
    (
        "- {type: time_parser, parse_from: attributes.t, layout: '2006-01-02 15:04', layout_type: gotime, location: America/New_York}",
        r#"{"attributes": {"t": "2023-06-19 05:20"}}"#,
        r#"body=null attributes={"t":"2023-06-19 05:20"} time=1687166400000000000"#,
    ),
    ("- {type: time_parser, parse_from: body.no, layout: '%F', on_error: drop}", r#"{"body": "x"}"#, ""),
    // trace_parser and scope_name_parser
    (
        "- type: trace_parser",
        r#"{"body": {"trace_id": "480140f3d770a5ae32f0a22b6a812cff", "span_id": "92c3792d54ba94f3", "trace_flags": "01"}}"#,
        r#"body={"trace_id":"480140f3d770a5ae32f0a22b6a812cff","span_id":"92c3792d54ba94f3","trace_flags":"01"} trace=480140f3d770a5ae32f0a22b6a812cff span=92c3792d54ba94f3 flags=1"#,
    ),
    (
        "- {type: trace_parser, trace_id: {parse_from: attributes.t}}",
        r#"{"attributes": {"t": "00ff"}}"#,
        r#"body=null attributes={"t":"00ff"} trace=00ff"#,
    ),
    ("- {type: trace_parser, span_id: {parse_from: body}, on_error: drop}", r#"{"body": "xyz"}"#, ""),
    (
        "- {type: json_parser, trace: {trace_id: {parse_from: attributes.t}, span_id: {parse_from: attributes.s}}}",
        r#"{"body": "{\"t\":\"ab\",\"s\":\"cd\"}"}"#,
        r#"body="{\"t\":\"ab\",\"s\":\"cd\"}" attributes={"t":"ab","s":"cd"} trace=ab span=cd"#,
    ),
    (
        "- {type: scope_name_parser, parse_from: attributes.logger}",
        r#"{"attributes": {"logger": "com.x"}}"#,
        r#"body=null attributes={"logger":"com.x"} scope=com.x"#,
    ),
    // add
    ("- {type: add, field: attributes.a, value: x}", "{}", r#"body=null attributes={"a":"x"}"#),
    ("- {type: add, field: body.n, value: 5}", r#"{"body": {"a": 1}}"#, r#"body={"a":1,"n":5}"#),
    (
        "- {type: add, field: body.n.m, value: {a: [1, true]}}",
        r#"{"body": "text"}"#,
        r#"body={"n":{"m":{"a":[1,true]}}}"#,
    ),
    (
        "- {type: add, field: 'attributes[\"a.b\"]', value: 'EXPR(body.x + \"!\")'}",
        r#"{"body": {"x": "y"}}"#,
        r#"body={"x":"y"} attributes={"a.b":"y!"}"#,
    ),
    (
        "- {type: add, field: resource.n, value: EXPR(len(body))}",
        r#"{"body": "abc"}"#,
        r#"body="abc" resource={"n":3}"#,
    ),
    ("- {type: add, field: body, value: new}", r#"{"body": {"x": "y"}}"#, r#"body="new""#),
    ("- {type: add, field: attributes.a, value: EXPR(body.x.y), on_error: drop}", r#"{"body": "s"}"#, ""),
    // copy and move
    (
        "- {type: copy, from: body.a, to: attributes.b}",
        r#"{"body": {"a": {"x": 1}}}"#,
        r#"body={"a":{"x":1}} attributes={"b":{"x":1}}"#,
    ),
    ("- {type: copy, from: body, to: attributes.raw}", r#"{"body": "t"}"#, r#"body="t" attributes={"raw":"t"}"#),
    (
        "- {type: copy, from: attributes, to: body.all}",
        r#"{"attributes": {"k": "v"}}"#,
        r#"body={"all":{"k":"v"}} attributes={"k":"v"}"#,
    ),
    ("- {type: copy, from: body.no, to: body.x}", r#"{"body": {"a": 1}}"#, r#"body={"a":1}"#),
    ("- {type: move, from: body.a, to: body.b}", r#"{"body": {"a": 1, "c": 2}}"#, r#"body={"c":2,"b":1}"#),
    (
        "- {type: move, from: attributes.msg, to: body}",
        r#"{"body": "old", "attributes": {"msg": "new"}}"#,
        r#"body="new""#,
    ),
    (
        "- {type: move, from: body, to: attributes}",
        r#"{"body": {"a": 1}, "attributes": {"k": 2}}"#,
        r#"body=null attributes={"k":2,"a":1}"#,
    ),
    (
        "- {type: move, from: body.a, to: 'resource[\"x.y\"]'}",
        r#"{"body": {"a": "v"}}"#,
        r#"body={} resource={"x.y":"v"}"#,
    ),
    ("- {type: move, from: body.no, to: body.x, on_error: drop}", r#"{"body": {"a": 1}}"#, ""),
    ("- {type: move, from: body.a, to: attributes, on_error: send}", r#"{"body": {"a": 1}}"#, r#"body={"a":1}"#),
    // remove and retain
    ("- {type: remove, field: body.a}", r#"{"body": {"a": 1, "b": 2}}"#, r#"body={"b":2}"#),
    ("- {type: remove, field: body.a.b}", r#"{"body": {"a": {"b": 1}}}"#, r#"body={"a":{}}"#),
    ("- {type: remove, field: attributes}", r#"{"body": "x", "attributes": {"a": 1}}"#, r#"body="x""#),
    ("- {type: remove, field: resource}", r#"{"body": "x", "resource": {"a": 1}}"#, r#"body="x""#),
    ("- {type: remove, field: body}", r#"{"body": "x"}"#, "body=null"),
    ("- {type: remove, field: body.no, on_error: drop}", r#"{"body": {}}"#, ""),
    (
        "- {type: retain, fields: [body.a, body.c.d]}",
        r#"{"body": {"a": 1, "b": 2, "c": {"d": 3, "e": 4}}, "attributes": {"k": "v"}}"#,
        r#"body={"a":1,"c":{"d":3}} attributes={"k":"v"}"#,
    ),
    (
        "- {type: retain, fields: [attributes.k, resource.no]}",
        r#"{"body": "b", "attributes": {"k": 1, "l": 2}, "resource": {"r": 1}}"#,
        r#"body="b" attributes={"k":1}"#,
    ),
    (
        "- {type: retain, fields: [attributes]}",
        r#"{"body": "b", "attributes": {"k": 1}}"#,
        r#"body="b" attributes={"k":1}"#,
    ),
    // flatten, assign_keys, unquote, regex_replace, noop
    ("- {type: flatten, field: body.a}", r#"{"body": {"a": {"x": 1, "y": 2}, "b": 3}}"#, r#"body={"b":3,"x":1,"y":2}"#),
    (
        "- {type: flatten, field: attributes.a.b}",
        r#"{"attributes": {"a": {"b": {"c": 1}}}}"#,
        r#"body=null attributes={"a":{"c":1}}"#,
    ),
    ("- {type: flatten, field: body.a, on_error: drop}", r#"{"body": {"a": 1}}"#, ""),
    ("- {type: flatten, field: body.a}", r#"{"body": {"a": 1}}"#, r#"body={"a":1}"#),
    ("- {type: assign_keys, field: body.l, keys: [a, b]}", r#"{"body": {"l": [1, 2]}}"#, r#"body={"l":{"a":1,"b":2}}"#),
    ("- {type: assign_keys, field: body, keys: [a], on_error: drop}", r#"{"body": [1, 2]}"#, ""),
    ("- {type: unquote, field: body}", r#"{"body": "\"a\\tb\""}"#, r#"body="a\tb""#),
    ("- {type: unquote, field: body}", r#"{"body": "`a\\t`"}"#, r#"body="a\\t""#),
    ("- {type: unquote, field: body, on_error: drop}", r#"{"body": "plain"}"#, ""),
    ("- {type: unquote, field: body, on_error: drop}", r#"{"body": "\"a\" + \"b\""}"#, ""),
    (
        r"- {type: regex_replace, field: body, regex: '(\d+)-(\d+)', replace_with: '$2/$1'}",
        r#"{"body": "1-2 3-4"}"#,
        r#"body="2/1 4/3""#,
    ),
    (
        "- {type: regex_replace, field: body, regex_name: ansi_control_sequences}",
        r#"{"body": "\u001b[31mred\u001b[0m"}"#,
        r#"body="red""#,
    ),
    ("- type: noop", r#"{"body": "x"}"#, r#"body="x""#),
    // filter
    ("- {type: filter, expr: 'body contains \"debug\"'}", r#"{"body": "a debug line"}"#, ""),
    ("- {type: filter, expr: 'body contains \"debug\"'}", r#"{"body": "an info line"}"#, r#"body="an info line""#),
    ("- {type: filter, expr: 'true', drop_ratio: 0}", r#"{"body": "x"}"#, r#"body="x""#),
    ("- {type: filter, expr: 'body.x.y == 1'}", r#"{"body": "x"}"#, r#"body="x""#),
    ("- {type: filter, expr: 'body.x.y == 1', on_error: drop}", r#"{"body": "x"}"#, ""),
    // Several.
    (
        "- {type: json_parser, parse_to: body}\n- {type: move, from: body.msg, to: attributes.m}\n- {type: severity_parser, parse_from: body.level}",
        r#"{"body": "{\"level\": \"error\", \"msg\": \"m\"}"}"#,
        r#"body={"level":"error"} attributes={"m":"m"} severity=17:error"#,
    ),
    (
        "- {type: noop, output: end}\n- {type: add, field: attributes.skipped, value: x}\n- {type: noop, id: end}",
        r#"{"body": 1}"#,
        "body=1",
    ),
    (
        "- {type: noop, output: [a, b]}\n- {type: add, id: a, field: attributes.a, value: 1}\n- {type: add, id: b, field: attributes.b, value: 2}",
        r#"{"body": 1}"#,
        "body=1 attributes={\"a\":1,\"b\":2}\nbody=1 attributes={\"b\":2}",
    ),
    ("- {type: add, field: attributes.a, value: 1, if: 'body == 2'}", r#"{"body": 1}"#, "body=1"),
    (
        "- {type: add, field: attributes.a, value: 1}\n- {type: add, field: attributes.b, value: 2}",
        "{}",
        r#"body=null attributes={"a":1,"b":2}"#,
    ),
];

#[test]
fn each_does_what_the_collectors_does() {
    for (yaml, json, expected) in CASES {
        assert_eq!(run(yaml, &[json]), *expected, "{yaml}\n{json}");
    }
    assert!(CASES.len() >= 80, "{}", CASES.len());
}

const ROUTED: &str = "
- type: router
  routes:
    - {output: json, expr: 'body startsWith \"{\"'}
    - {output: [warned, json], expr: 'body contains \"both\"', attributes: {seen: 'EXPR(body)!'}}
    - {output: warned, expr: 'body.x.y == 1 or true', attributes: {never: x}}
    - {output: warned, expr: 'body contains \"warn\"'}
  default: DEFAULT
- {type: json_parser, id: json, output: end}
- {type: add, id: warned, field: attributes.w, value: true, output: end}
- {type: add, id: other, field: attributes.o, value: true}
- {type: noop, id: end}
";

#[test]
fn a_router_takes_the_first_route_that_fits() {
    let with_default = ROUTED.replace("DEFAULT", "other");
    let cases = [
        (r#"{"body": "{\"a\": \"1\"}"}"#, "body=\"{\\\"a\\\": \\\"1\\\"}\" attributes={\"a\":\"1\"}"),
        (r#"{"body": "a warning"}"#, "body=\"a warning\" attributes={\"w\":true}"),
        (
            r#"{"body": "both"}"#,
            "body=\"both\" attributes={\"seen\":\"both!\",\"w\":true}\nbody=\"both\" attributes={\"seen\":\"both!\"}",
        ),
        (r#"{"body": "else"}"#, "body=\"else\" attributes={\"o\":true}"),
    ];
    for (json, expected) in cases {
        assert_eq!(run(&with_default, &[json]), expected, "{json}");
    }
    let without = ROUTED.replace("  default: DEFAULT\n", "");
    assert_eq!(run(&without, &[r#"{"body": "else"}"#, r#"{"body": "warn"}"#]), "body=\"warn\" attributes={\"w\":true}");
}

#[test]
fn entries_stay_in_order() {
    let yaml = "
- {type: router, routes: [{output: [a, b], expr: 'true'}]}
- {type: add, id: a, field: attributes.a, value: 1, output: end}
- {type: add, id: b, field: attributes.b, value: 1, output: end}
- {type: noop, id: end}
";
    let bodies = run(yaml, &[r#"{"body": 1}"#, r#"{"body": 2}"#]);
    assert_eq!(
        bodies,
        "body=1 attributes={\"a\":1}\nbody=1 attributes={\"b\":1}\nbody=2 attributes={\"a\":1}\nbody=2 attributes={\"b\":1}"
    );
}

#[test]
fn messages_of_syslog_are_parsed_as_by_their_receiver() {
    let parsed = |options: &str, line: &str| {
        let mut out = Vec::new();
        chain(&format!("- {{type: syslog_parser, {options}}}"))
            .unwrap()
            .process(Entry::new(Value::from(line), 1_700_000_000_000_000_000), &mut out);
        out.remove(0)
    };
    let entry = parsed("protocol: rfc5424", "<165>1 2003-10-11T22:14:15.003Z h app 7 ID47 [a b=\"c\"] hello");
    assert_eq!(entry.timestamp, 1_065_910_455_003_000_000);
    assert_eq!((entry.severity, entry.severity_text.as_str()), (10, "notice"));
    let attribute = |entry: &Entry, key: &str| entry.attributes.as_map().unwrap().get(key).map(ToString::to_string);
    for (key, value) in
        [("appname", "app"), ("proc_id", "7"), ("message", "hello"), ("structured_data", r#"{"a":{"b":"c"}}"#)]
    {
        assert_eq!(attribute(&entry, key).as_deref(), Some(value), "{key}");
    }
    let entry =
        parsed("protocol: rfc3164, location: Europe/Berlin, parse_to: body", "<34>2023-10-11T22:14:15 h su: failed");
    assert_eq!(entry.timestamp, 1_697_055_255_000_000_000);
    assert_eq!(entry.body.as_map().unwrap().get("appname"), Some(&Value::from("su")));
    let counted = parsed("protocol: rfc5424, enable_octet_counting: true", "18 <13>1 - - - - - - x");
    assert_eq!(attribute(&counted, "message").as_deref(), Some("x"));
    for (options, line) in [
        ("protocol: rfc5424", "nonsense"),
        ("protocol: rfc5424, enable_octet_counting: true", "<13>1 - - - - - - x"),
        ("protocol: rfc5424, max_octets: 5", "<13>1 - - - - - - x"),
    ] {
        let entry = parsed(options, line);
        assert_eq!((entry.timestamp, entry.severity, attribute(&entry, "message")), (0, 0, None), "{options}: {line}");
    }
}
