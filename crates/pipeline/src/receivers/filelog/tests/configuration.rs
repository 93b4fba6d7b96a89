use super::*;

#[test]
fn what_the_collectors_documentation_shows_loads() {
    let examples = [
        "include: [/var/log/myservice/*.json]\noperators:\n  - type: json_parser\n    timestamp:\n      parse_from: attributes.time\n      layout: '%Y-%m-%d %H:%M:%S'",
        "include: [/simple.log]\noperators:\n  - type: regex_parser\n    regex: '^(?P<time>\\d{4}-\\d{2}-\\d{2} \\d{2}:\\d{2}:\\d{2}) (?P<sev>[A-Z]*) (?P<msg>.*)$'\n    timestamp:\n      parse_from: attributes.time\n      layout: '%Y-%m-%d %H:%M:%S'\n    severity:\n      parse_from: attributes.sev",
        "include:\n- /var/log/example/multiline.log\nmultiline:\n  line_start_pattern: ^Exception",
        "include:\n- /var/log/example/compressed.log.gz\ncompression: gzip",
        // As the Helm chart of the Collector has it for pods.
        "include: [/var/log/pods/*/*/*.log]\nexclude: [/var/log/pods/otel_otel-collector*_*/otel-collector/*.log]\nstart_at: end\nretry_on_failure:\n  enabled: true\ninclude_file_path: true\ninclude_file_name: false\nstorage: file_storage\noperators:\n  - id: container-parser\n    type: container\n    max_log_size: 102400",
        // And before there was an operator for that.
        "include: [/var/log/pods/*/*/*.log]\ninclude_file_path: true\noperators:\n  - type: router\n    id: get-format\n    routes:\n      - output: parser-docker\n        expr: 'body matches \"^\\\\{\"'\n      - output: parser-containerd\n        expr: 'body matches \"^[^ Z]+Z\"'\n  - type: regex_parser\n    id: parser-containerd\n    regex: '^(?P<time>[^ ^Z]+Z) (?P<stream>stdout|stderr) (?P<logtag>[^ ]*) ?(?P<log>.*)$'\n    output: containerd-recombine\n    timestamp:\n      parse_from: attributes.time\n      layout: '%Y-%m-%dT%H:%M:%S.%LZ'\n  - type: recombine\n    id: containerd-recombine\n    output: extract_metadata_from_filepath\n    combine_field: attributes.log\n    source_identifier: attributes[\"log.file.path\"]\n    is_last_entry: \"attributes.logtag == 'F'\"\n    combine_with: ''\n    max_log_size: 102400\n  - type: json_parser\n    id: parser-docker\n    output: extract_metadata_from_filepath\n    timestamp:\n      parse_from: attributes.time\n      layout: '%Y-%m-%dT%H:%M:%S.%LZ'\n  - type: regex_parser\n    id: extract_metadata_from_filepath\n    regex: '^.*\\/(?P<namespace>[^_]+)_(?P<pod_name>[^_]+)_(?P<uid>[a-f0-9\\-]{36})\\/(?P<container_name>[^\\._]+)\\/(?P<restart_count>\\d+)\\.log$'\n    parse_from: attributes[\"log.file.path\"]\n  - type: move\n    from: attributes.stream\n    to: attributes[\"log.iostream\"]\n  - type: move\n    from: attributes.namespace\n    to: resource[\"k8s.namespace.name\"]\n  - type: move\n    from: attributes.log\n    to: body",
    ];
    for yaml in examples {
        config(yaml).unwrap_or_else(|error| panic!("{error}\nin\n{yaml}"));
    }
}

#[test]
fn everything_can_be_said() {
    let config = config(
        "
include: [/a/*.log]
exclude: [/a/b.log]
exclude_older_than: 24h
start_at: beginning
poll_interval: 1s
fingerprint_size: 2kb
max_log_size: 2MiB
max_concurrent_files: 10
encoding: utf-8
multiline: {line_end_pattern: x}
force_flush_period: 1s
preserve_leading_whitespaces: true
attributes: {a: b}
resource: {c: EXPR(body)}
storage: file_storage/x
delete_after_read: true
compression: auto
ordering_criteria: {regex: '(?P<n>.)', top_n: 3, sort_by: [{sort_type: numeric, regex_key: n}]}
retry_on_failure: {enabled: true, initial_interval: 2s, max_interval: 3s, max_elapsed_time: 0s}
operators: [{type: noop}]
tenant: shop
",
    )
    .unwrap();
    assert_eq!((config.reading.fingerprint_size, config.reading.splitter.limit), (2000, 2 << 20));
    assert_eq!(config.storage.unwrap().to_string(), "file_storage/x");
    assert_eq!(config.retry.max_elapsed_time, Duration::ZERO);
    assert!(config.retry.enabled && !config.reading.trim.leading && config.reading.trim.trailing);
}

#[test]
fn mistakes_are_named() {
    let cases = [
        ("{}", "include: at least one pattern"),
        ("include: ['/a/{b']", "include[0]: `/a/{b` is no pattern of paths"),
        ("{include: [a], exclude: ['']}", "exclude[0]: must not be empty"),
        ("{include: [a], start_at: now}", "start_at: unknown value `now`"),
        (
            "{include: [a], header: {}}",
            "f.yaml:1:16: header: this option of the Collector is not supported by Trefoil: what stands",
        ),
        ("{include: [a], acquire_fs_lock: true}", "files are read without locks"),
        ("{include: [a], inclde_file_path: true}", "did you mean `include_file_path`?"),
        ("{include: [a], poll_interval: 0s}", "poll_interval: must be positive"),
        ("{include: [a], poll_interval: 5}", "`5` has no unit"),
        ("{include: [a], fingerprint_size: 1}", "fingerprint_size: must lie between"),
        ("{include: [a], max_log_size: 1GiB}", "max_log_size: must lie between"),
        ("{include: [a], max_concurrent_files: 0}", "max_concurrent_files: must lie between"),
        ("{include: [a], encoding: utf-9}", "encoding: the encoding `utf-9` is not supported; did you mean `utf-8`?"),
        ("{include: [a], encoding: utf-16le, multiline: {line_end_pattern: x}}", "multiline: patterns are for bytes"),
        ("{include: [a], multiline: {line_start_pattern: x, line_end_pattern: y}}", "multiline: one of"),
        ("{include: [a], multiline: {line_start_pattern: '('}}", "multiline.line_start_pattern: `(` is no pattern"),
        ("{include: [a], multiline: {omit_pattern: true}}", "multiline: one of"),
        ("{include: [a], storage: a b}", "storage: "),
        ("{include: [a], delete_after_read: true}", "delete_after_read: needs `start_at: beginning`"),
        ("{include: [a], compression: zip}", "compression: unknown value `zip`"),
        ("{include: [a], attributes: {a: EXPR(nobody)}}", "attributes.a: the expression `nobody`"),
        ("{include: [a], operators: {}}", "operators: expected a list"),
        ("{include: [a], operators: [{type: container}]}", "include_file_path: the operator `container` needs it"),
        ("{include: [a], ordering_criteria: {regex: '(', top_n: 0}}", "ordering_criteria.regex: `(` is no pattern"),
        ("{include: [a], ordering_criteria: {top_n: 0}}", "ordering_criteria.top_n: must be positive"),
        (
            "{include: [a], ordering_criteria: {sort_by: [{sort_type: numeric}]}}",
            "sort_by[0].regex_key: `` is no group",
        ),
        (
            "{include: [a], ordering_criteria: {regex: '(?P<a>.)', sort_by: [{sort_type: size, regex_key: a}]}}",
            "sort_by[0].sort_type: unknown value `size`",
        ),
        (
            "{include: [a], ordering_criteria: {regex: '(?P<a>.)', sort_by: [{sort_type: timestamp, regex_key: a, layout: '%Q'}]}}",
            "sort_by[0].layout: `%Q`",
        ),
        (
            "{include: [a], retry_on_failure: {initial_interval: 0s}}",
            "retry_on_failure.initial_interval: must be positive",
        ),
        ("{include: [a], tenant: 'a/b'}", "tenant: "),
    ];
    for (yaml, expected) in cases {
        let error = config(yaml).map(drop).expect_err(yaml);
        assert!(error.contains(expected), "{yaml}: {error}");
    }
    let both = config("{include: [], operators: [{type: nop}]}").map(drop).unwrap_err();
    assert!(both.contains("operators[0].type"), "{both}");
}
