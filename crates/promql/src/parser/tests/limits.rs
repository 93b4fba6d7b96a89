//! Queries that are larger than any that is meant.

use crate::parser::{DEEPEST_NESTING, LONGEST_QUERY, MOST_OPERATORS, ParserOptions, parse};
use crate::print::pretty;

fn error(query: &str) -> String {
    parse(query, ParserOptions::ALL).unwrap_err().message
}

fn surrounded(left: &str, times: usize, middle: &str, right: &str) -> String {
    format!("{}{middle}{}", left.repeat(times), right.repeat(times))
}

/// On the stack that threads have by default, what is within the limits can be parsed, printed and dropped.
#[test]
fn within_the_limits() {
    let levels = DEEPEST_NESTING - 1;
    let queries = [
        surrounded("(", levels, "1", ")"),
        surrounded("abs(", levels, "foo", ")"),
        surrounded("sum by (a) (", levels, "foo", ")"),
        surrounded("-", levels, "foo", ""),
        surrounded("foo ^ ", levels, "foo", ""),
        surrounded("foo ^ -abs(", levels / 3, "foo", ")"),
        format!("foo[{}]", surrounded("-(", levels / 2, "1", ")")),
        surrounded("foo + ", MOST_OPERATORS, "foo", ""),
    ];
    let walk = move || {
        for query in queries {
            let expr = parse(&query, ParserOptions::ALL).unwrap();
            assert!(pretty(&expr).len() >= expr.to_string().len());
            parse(&expr.to_string(), ParserOptions::ALL).unwrap();
        }
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(walk).unwrap().join().unwrap();
}

#[test]
fn beyond_the_limits() {
    let nested = format!("query is nested more than {DEEPEST_NESTING} levels deep");
    let operators = format!("query has more than {MOST_OPERATORS} operators");
    let many = 50_000;
    for query in [
        surrounded("(", many, "1", ")"),
        surrounded("abs(", many, "foo", ")"),
        surrounded("-", many, "foo", ""),
        surrounded("foo ^ ", many, "foo", ""),
        format!("foo offset {}", surrounded("-", many, "1", "")),
        format!("foo[{}]", surrounded("(", many, "1", ")")),
        format!("foo[{}]", surrounded("1 ^ ", many, "1", "")),
    ] {
        assert_eq!(error(&query), nested);
    }
    for query in [
        surrounded("foo + ", MOST_OPERATORS + 1, "foo", ""),
        surrounded("", many, "foo", "[1m:]"),
        format!("foo[{}]", surrounded("1 + ", many, "1", "")),
    ] {
        assert_eq!(error(&query), operators);
    }
    let long = format!("foo{}", " ".repeat(LONGEST_QUERY));
    assert_eq!(error(&long), format!("query is longer than {LONGEST_QUERY} bytes"));
    assert!(parse(&long[..LONGEST_QUERY], ParserOptions::ALL).is_ok());
}
