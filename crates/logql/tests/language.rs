//! What is LogQL and what is not, by lists of queries.

#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::fs;
use std::path::Path;

use trefoil_logql::print::pretty;
use trefoil_logql::{parse, parse_log, parse_metric, parse_selector};

/// A query a line; `⏎` stands for a line end.
fn queries(name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/language").join(name);
    let text = fs::read_to_string(path).unwrap();
    let is_query =
        |line: &&str| !line.is_empty() && (!line.starts_with('#') || line.contains('⏎') && line.contains('{'));
    // The head of the list explains the sign.
    text.lines().skip(1).filter(is_query).map(|line| line.replace('⏎', "\n")).collect()
}

#[test]
fn what_is_accepted_is_written_as_it_was_meant() {
    let mut written = String::new();
    for text in queries("accepted.txt") {
        let query = parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let again = query.to_string();
        // What is no number is not equal to itself.
        assert_eq!(parse(&again).unwrap().to_string(), again, "{text}");
        if !again.contains("(0 / 0)") {
            assert_eq!(parse(&again).as_ref(), Ok(&query), "{text} is written as {again}");
            assert_eq!(parse(&pretty(&query)).as_ref(), Ok(&query), "{text} is formatted as {}", pretty(&query));
        }
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
    let selector = "{a=\"b\"}";
    let vector = "vector(1)";
    for (text, told) in [
        (format!("{}{selector}{}", "(".repeat(200), ")".repeat(200)), "nested more than 100 levels deep"),
        (format!("{}{vector}{}", "sum(".repeat(200), ")".repeat(200)), "nested more than 100 levels deep"),
        (format!("{vector}{}", format!(" ^ {vector}").repeat(200)), "nested more than 100 levels deep"),
        (format!("rate({}{selector}[1m]{})", "(".repeat(200), ")".repeat(200)), "nested more than 100 levels deep"),
        (format!("{selector} | {}a=1{}", "(".repeat(200), ")".repeat(200)), "nested more than 100 levels deep"),
        (format!("{vector}{}", format!(" + {vector}").repeat(600)), "more than 500 operators"),
        (format!("{selector}{}", " |= \"a\"".repeat(1_100)), "more than 1000 stages"),
        (format!("{selector}{}", " | a=1".repeat(1_100)), "more than 1000 stages"),
        (format!("rate({selector} | unwrap a{}[1m])", " | a=1".repeat(1_100)), "more than 1000 stages"),
        (format!("{selector} |= \"a\"{}", " or \"a\"".repeat(1_100)), "more than 1000 alternatives"),
        (format!("{selector} | a=1{}", " or a=1".repeat(1_100)), "more than 1000 conditions"),
        (format!("{selector} | drop a{}", ", a".repeat(1_100)), "more than 1000 members"),
        (format!("{selector}{}", " |~ \"a\"".repeat(300)), "more than 250 regular expressions"),
        (format!("{selector} |~ \"(a{{1000}}){{1000}}\""), "size limit"),
        (" ".repeat(200_000), "input size too long (200000 > 131072)"),
    ] {
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.contains(told), "{}: {error}", &text[..text.len().min(60)]);
    }
}

#[test]
fn long_lists_are_one_level() {
    let list = |between: &str| (0..900).map(|number| format!("a = {number}")).collect::<Vec<_>>().join(between);
    for between in [" or ", " and ", ", ", " "] {
        let query = parse(&format!("{{a=\"b\"}} | {}", list(between))).unwrap();
        assert_eq!(parse(&query.to_string()), Ok(query));
    }
}

#[test]
fn only_one_kind_of_query_may_be_asked_for() {
    let (log, metric, selector) = ("{a=\"b\"} |= \"c\"", "rate({a=\"b\"}[1m])", "{a=\"b\", c!=\"\"}");
    assert!(parse_log(log).is_ok() && parse_metric(metric).is_ok());
    assert_eq!(parse_log(metric).unwrap_err().to_string(), "only log selector is supported");
    assert_eq!(parse_metric(log).unwrap_err().to_string(), "only sample expression supported");
    assert_eq!(parse_selector(selector).unwrap().len(), 2);
    assert_eq!(parse_selector("{}").unwrap(), vec![]);
    for other in [log, metric] {
        assert_eq!(parse_selector(other).unwrap_err().to_string(), "only label matchers are supported");
    }
}
