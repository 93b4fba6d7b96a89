use super::*;

#[test]
fn mistakes_are_named_with_their_place() {
    let cases = [
        ("  - json_parser", "o.yaml:2:5: operators[0]: expected a mapping, found `json_parser`"),
        ("  - {id: x}", "o.yaml:2:5: operators[0]: the option `type` is missing"),
        (
            "  - type: jsonparser",
            "o.yaml:2:11: operators[0].type: unknown operator `jsonparser`; did you mean `json_parser`?",
        ),
        (
            "  - type: uri_parser",
            "the operator `uri_parser` of the Collector is not supported by Trefoil; supported are add, ",
        ),
        (
            "  - {type: json_parser, parse_form: body}",
            "operators[0].parse_form: unknown option; did you mean `parse_from`?",
        ),
        ("  - {type: json_parser, parse_from: msg}", "o.yaml:2:37: operators[0].parse_from: `msg` is not a field"),
        ("  - {type: json_parser, on_error: ignore}", "operators[0].on_error: unknown value `ignore`"),
        (
            "  - {type: json_parser, if: 'level == 1'}",
            "operators[0].if: the expression `level == 1`: `level` is not known",
        ),
        ("  - {type: json_parser, if: '1'}", "operators[0].if: the expression `1`: it is an integer"),
        ("  - {type: json_parser, parse_to: body, body: body.x}", "operators[0].body: it has no use"),
        (
            "  - {type: json_parser, timestamp: {layout: x}}",
            "operators[0].timestamp: the option `parse_from` is missing",
        ),
        (
            "  - {type: json_parser, timestamp: {parse_from: body, layout: '%Q'}}",
            "operators[0].timestamp.layout: `%Q` is no directive",
        ),
        (
            "  - {type: json_parser, severity: {parse_from: body, mapping: {loud: x}}}",
            "operators[0].severity.mapping: `loud` is no severity",
        ),
        (
            "  - {type: severity_parser, parse_from: body, mapping: {error: {min: 1}}}",
            "error: a range has the whole numbers",
        ),
        (
            "  - {type: severity_parser, parse_from: body, mapping: {error: {min: 1, max: 999999999}}}",
            "a range has at most",
        ),
        ("  - {type: severity_parser, parse_from: body, mapping: {error: true}}", "a boolean stands for no severity"),
        ("  - {type: severity_parser}", "operators[0]: the option `parse_from` is missing"),
        ("  - {type: regex_parser, regex: '('}", "operators[0].regex: `(` is no pattern"),
        ("  - {type: regex_parser, regex: 'a(b)'}", "operators[0].regex: the pattern has no group with a name"),
        (
            "  - {type: regex_parser, regex: '(?P<a>.)', cache: {size: 5}}",
            "operators[0].cache: this option of the Collector is not supported",
        ),
        ("  - {type: key_value_parser, delimiter: ' '}", "operators[0].pair_delimiter: must be another one"),
        ("  - {type: key_value_parser, delimiter: ''}", "operators[0].delimiter: must not be empty"),
        ("  - {type: csv_parser}", "operators[0].header: one of `header` and `header_attribute` is needed"),
        ("  - {type: csv_parser, header: 'a,b', delimiter: ab}", "operators[0].delimiter: must be one character"),
        ("  - {type: csv_parser, header: 'a b'}", "operators[0].header: there is no `,` in the header"),
        ("  - {type: csv_parser, header: 'a,b', lazy_quotes: true, ignore_quotes: true}", "exclude each other"),
        ("  - {type: add, field: attributes, value: 1}", "operators[0].field: `attributes` alone is no field"),
        ("  - {type: add, field: body.x}", "operators[0]: the option `value` is missing"),
        ("  - {type: add, field: body.x, value: EXPR(nobody)}", "operators[0].value: the expression `nobody`"),
        ("  - {type: move, from: body.x}", "operators[0]: the option `to` is missing"),
        ("  - {type: retain, fields: []}", "operators[0].fields: at least one field is needed"),
        ("  - {type: assign_keys, field: body, keys: []}", "operators[0].keys: at least one key"),
        ("  - {type: regex_replace, field: body}", "operators[0].regex: one of `regex` and `regex_name` is needed"),
        ("  - {type: noop, field: body}", "operators[0].field: unknown option"),
        ("  - {type: filter, expr: 'true', drop_ratio: 2}", "operators[0].drop_ratio: must lie between 0 and 1"),
        ("  - {type: filter}", "operators[0]: the option `expr` is missing"),
        ("  - {type: router, routes: []}", "operators[0].routes: at least one route"),
        (
            "  - {type: router, routes: [{output: x, expr: 'true'}]}",
            "operators[0].routes[0].output: there is no operator `x`",
        ),
        ("  - {type: router, routes: [{output: a, expr: '1 +'}]}", "operators[0].routes[0].expr: the expression `1 +`"),
        (
            "  - {type: router, output: x, routes: [{output: a, expr: 'true'}]}",
            "operators[0].output: a router has routes",
        ),
        (
            "  - {type: noop, output: nop}\n  - {type: noop, id: noop2}",
            "operators[0].output: there is no operator `nop`; did you mean `noop`?",
        ),
        ("  - {type: noop, output: noop}", "operators[0].output: an operator cannot be its own output"),
        ("  - {type: noop, id: a}\n  - {type: noop, id: a}", "operators[1].id: the id `a` is given to two operators"),
        ("  - {type: noop, id: a}\n  - {type: noop, output: a}", "entries would go round in a circle"),
        (
            "  - {type: recombine, combine_field: body}",
            "operators[0]: one of `is_first_entry` and `is_last_entry` is needed",
        ),
        ("  - {type: recombine, is_last_entry: 'true'}", "operators[0]: the option `combine_field` is missing"),
        (
            "  - {type: recombine, is_last_entry: 'true', combine_field: body, overwrite_with: last}",
            "operators[0].overwrite_with: unknown value `last`",
        ),
        (
            "  - {type: recombine, is_last_entry: 'true', combine_field: body, max_sources: 0}",
            "operators[0].max_sources: must lie",
        ),
        (
            "  - {type: recombine, is_last_entry: 'true', combine_field: body, force_flush_period: 0s}",
            "force_flush_period: must be positive",
        ),
        ("  - {type: container, format: podman}", "operators[0].format: unknown value `podman`"),
        ("  - {type: container, max_log_size: big}", "operators[0].max_log_size: `big` is not a size"),
        ("  - {type: trace_parser, trace: x}", "operators[0].trace: unknown option"),
    ];
    for (yaml, expected) in cases {
        let error = chain(yaml).map(drop).expect_err(yaml);
        assert!(error.contains(expected), "{yaml}: {error}");
    }
}

#[test]
fn an_entry_does_not_become_thousands() {
    let doubled = |times: usize| {
        let of = |number: usize| {
            let next = number + 1;
            format!(
                "  - {{type: noop, id: n{number}, output: [a{number}, b{number}]}}\n  - {{type: noop, id: a{number}, output: n{next}}}\n  - {{type: noop, id: b{number}}}\n"
            )
        };
        format!("{}  - {{type: noop, id: n{times}}}", (0..times).map(of).collect::<String>())
    };
    let made = chain(&doubled(9)).unwrap().copies();
    assert_eq!(made, 512);
    let error = chain(&doubled(60)).map(drop).unwrap_err();
    assert!(error.contains("more than 1000 copies would be made of an entry"), "{error}");
}

#[test]
fn all_mistakes_are_told_at_once() {
    let error = chain("  - {type: nop}\n  - {type: add, field: x, valu: 1}\n  - {type: filter, expr: '('}")
        .map(drop)
        .unwrap_err();
    let lines: Vec<&str> = error.lines().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(lines, ["o.yaml:2:12", "o.yaml:3:24", "o.yaml:3:27", "o.yaml:4:26"], "{error}");
}
