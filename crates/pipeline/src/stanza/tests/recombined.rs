use super::*;

fn bodies(yaml: &str, bodies: &[&str]) -> String {
    let json: Vec<String> = bodies.iter().map(|body| format!("{{\"body\": \"{body}\"}}")).collect();
    run(yaml, &json.iter().map(String::as_str).collect::<Vec<_>>()).replace("body=", "")
}

#[test]
fn entries_are_joined() {
    let cases = [
        (
            "is_first_entry: 'body matches \"^\\\\S\"', combine_field: body",
            &["a", " b", " c", "d", " e"][..],
            "\"a\\n b\\n c\"\n\"d\\n e\"",
        ),
        (
            "is_last_entry: 'body endsWith \".\"', combine_field: body, combine_with: ' '",
            &["a", "b.", "c."],
            "\"a b.\"\n\"c.\"",
        ),
        // What comes before the first one is something of its own.
        (
            "is_first_entry: 'body startsWith \"-\"', combine_field: body, combine_with: ''",
            &["x", "-a", "b"],
            "\"x\"\n\"-ab\"",
        ),
        (
            "is_last_entry: 'false', combine_field: body, max_batch_size: 2, combine_with: ','",
            &["a", "b", "c"],
            "\"a,b\"\n\"c\"",
        ),
        (
            "is_first_entry: 'body == \"f\"', combine_field: body, max_unmatched_batch_size: 1, combine_with: ','",
            &["a", "b", "f", "c", "d"],
            "\"a\"\n\"b\"\n\"f,c,d\"",
        ),
        (
            "is_last_entry: 'false', combine_field: body, max_log_size: 3, combine_with: ''",
            &["ab", "cd", "ef"],
            "\"abcd\"\n\"ef\"",
        ),
    ];
    for (options, given, expected) in cases {
        assert_eq!(bodies(&format!("- {{type: recombine, {options}}}"), given), expected, "{options}");
    }
}

#[test]
fn sources_are_kept_apart_and_the_rest_is_of_one_entry() {
    let json = [
        r#"{"body": "a1", "attributes": {"file.path": "a", "n": 1}}"#,
        r#"{"body": "b1", "attributes": {"file.path": "b", "n": 2}}"#,
        r#"{"body": "a2.", "attributes": {"file.path": "a", "n": 3}}"#,
        r#"{"body": "b2.", "attributes": {"file.path": "b", "n": 4}}"#,
    ];
    let yaml = "- {type: recombine, is_last_entry: 'body endsWith \".\"', combine_field: body, combine_with: '+'OTHER}";
    let oldest = run(&yaml.replace("OTHER", ""), &json);
    assert_eq!(
        oldest,
        "body=\"a1+a2.\" attributes={\"file.path\":\"a\",\"n\":1}\nbody=\"b1+b2.\" attributes={\"file.path\":\"b\",\"n\":2}"
    );
    let newest = run(&yaml.replace("OTHER", ", overwrite_with: newest"), &json);
    assert!(newest.starts_with("body=\"a1+a2.\" attributes={\"file.path\":\"a\",\"n\":3}"), "{newest}");
    let other = run(&yaml.replace("OTHER", ", source_identifier: attributes.n"), &json);
    // Numbers tell nothing apart, as in the Collector: all are of one source.
    assert!(other.starts_with("body=\"a1+b1+a2.\""), "{other}");
    let few = run(&yaml.replace("OTHER", ", max_sources: 1"), &json);
    assert_eq!(few.lines().count(), 4, "{few}");
}

#[test]
fn what_cannot_be_joined_goes_on() {
    let yaml = "- {type: recombine, is_last_entry: 'true', combine_field: body.x}";
    assert_eq!(run(yaml, &[r#"{"body": {"y": 1}}"#]), "body={\"y\":1}");
    let yaml = "- {type: recombine, is_last_entry: 'body.x.y == 1', combine_field: body, on_error: drop}";
    assert_eq!(run(yaml, &[r#"{"body": "a"}"#]), "");
}

#[test]
fn what_waits_too_long_goes_on() {
    let yaml = "- {type: recombine, is_last_entry: 'false', combine_field: body, force_flush_period: 2s}\n- {type: add, field: attributes.a, value: b}";
    let mut chain = chain(yaml).unwrap();
    let mut out = Vec::new();
    chain.process(entry(r#"{"body": "a"}"#), &mut out);
    chain.process(entry(r#"{"body": "b"}"#), &mut out);
    assert_eq!(chain.held(), 2);
    chain.flush(2_999_999_999, &mut out);
    assert!(out.is_empty());
    chain.flush(3_000_000_000, &mut out);
    // It passes what comes behind.
    assert_eq!(out.iter().map(written).collect::<String>(), "body=\"a\\nb\" attributes={\"a\":\"b\"}");
    assert_eq!(chain.held(), 0);
}

#[test]
fn what_is_held_is_not_done() {
    let open = std::sync::Arc::new(Open::default());
    let mut chain = chain("- {type: recombine, is_last_entry: 'body == \"z\"', combine_field: body}").unwrap();
    let mut out = Vec::new();
    for (number, body) in ["a", "z", "b"].into_iter().enumerate() {
        let mut entry = Entry::new(body.into(), 1);
        entry.receipts.push(Receipt::new(open.clone(), number as u64));
        chain.process(entry, &mut out);
    }
    out.into_iter().for_each(Entry::settle);
    drop(chain);
    assert_eq!(*open.0.lock(), [0, 1]);
}
