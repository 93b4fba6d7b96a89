//! What is TraceQL and what is not, by lists of queries.

#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::fs;
use std::path::Path;

use trefoil_traceql::parse;

/// A query a line; some have line ends where the list says that a line goes on.
fn queries(name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/language").join(name);
    let text = fs::read_to_string(path).unwrap();
    let mut queries: Vec<String> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let open = queries.last().is_some_and(|last| last.ends_with("all of them") || last.ends_with("those that"));
        match queries.last_mut() {
            Some(last) if open => *last += &format!("\n{line}"),
            _ => queries.push(line.to_owned()),
        }
    }
    queries
}

#[test]
fn what_is_accepted_is_written_as_it_was_meant() {
    let mut written = String::new();
    for text in queries("accepted.txt") {
        let query = parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let again = query.to_string();
        assert_eq!(parse(&again).as_ref(), Ok(&query), "{text} is written as {again}");
        writeln!(written, "{text}\n    {again}").unwrap();
    }
    insta::assert_snapshot!(written);
}

#[test]
fn what_is_refused_is_told_why() {
    let mut told = String::new();
    for text in queries("refused.txt") {
        let error = parse(&text).expect_err(&text);
        writeln!(told, "{text}\n    {error}").unwrap();
    }
    insta::assert_snapshot!(told);
}

#[test]
fn depth_and_length_have_limits() {
    let nested = format!("{{ {}.a{} = 1 }}", "(".repeat(300), ")".repeat(300));
    let chained = format!("{{ .a{} = 1 }}", " + 1".repeat(300));
    let signs = format!("{{ {}1 = 1 }}", "-".repeat(100_000));
    let spansets = format!("{{}}{}", " > {}".repeat(300));
    let parentheses = format!("{}{{}}{}", "(".repeat(300), ")".repeat(300));
    let stages = format!("{{}} | rate(){}", " > 1".repeat(300));
    for text in [nested, chained, signs, spansets, parentheses] {
        assert!(parse(&text).unwrap_err().to_string().contains("more than 200 levels deep"), "{}", &text[..40]);
    }
    assert!(parse(&stages).unwrap_err().to_string().contains("more than 100 stages"));
    assert!(parse(&" ".repeat(200_000)).unwrap_err().to_string().contains("longer than"));
}

#[test]
fn a_long_list_of_alternatives_is_one_level() {
    let alternatives: Vec<String> = (0..5_000).map(|number| format!(".a = {number}")).collect();
    let query = parse(&format!("{{ {} }}", alternatives.join(" || "))).unwrap();
    assert_eq!(parse(&query.to_string()), Ok(query));
}

#[test]
fn attributes_are_read_alone() {
    for text in [".a", "span.http.route", "resource.\"a b\"", "name", "trace:rootName", "nestedSetParent"] {
        let attribute = trefoil_traceql::attribute(text).unwrap();
        assert_eq!(trefoil_traceql::attribute(&attribute.to_string()), Ok(attribute), "{text}");
    }
    for text in ["", "a", ".a .b", "{ .a }", "parent.a", ".a = 1"] {
        assert!(trefoil_traceql::attribute(text).is_err(), "{text}");
    }
}
