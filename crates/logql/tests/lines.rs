//! Queries for lines, from their text to their answer, by lists of cases (`cases/README.md`).

#![allow(clippy::unwrap_used)]

#[path = "cases/mod.rs"]
mod cases;
mod language_alone;

use cases::{run, run_folder};
use language_alone::Alone;

#[test]
fn queries_answer_what_the_cases_say() {
    let (cases, wrong) = run_folder("lines", Alone::default);
    assert!(wrong.is_empty(), "{} of {cases} cases are wrong:\n\n{}", wrong.len(), wrong.join("\n\n"));
    assert!(cases >= 240, "there are only {cases} cases");
}

#[test]
fn what_is_wrong_is_seen() {
    let loaded = "load\n  {a=\"b\"} 0s x=1\n  {a=\"b\"} 1s meta{t=\"u\"} y\n\n";
    for (case, is_right) in [
        ("lines {a=\"b\"}", false),
        ("lines {a=\"b\"}\n  0s", false),
        ("lines {a=\"b\"}\n  1s\n  0s", false),
        ("lines {a=\"b\"}\n  0s\n  1s = z", false),
        ("lines {a=\"b\"} | logfmt\n  0s\n  1s", false),
        ("lines {a=\"b\"} |= \"x\"\n  0s parsed{x=\"1\"}", false),
        ("lines {a=\"b\"} |= \"x\"\n  0s meta{x=\"1\"}", false),
        ("lines {a=\"b\"} |= \"x\"\n  0s stream{a=\"c\"}", false),
        ("lines {a=\"b\"} |= \"y\"\n  1s meta{}", false),
        ("lines {a=\n  0s", false),
        ("fail lines {a=\n  unexpected }", false),
        ("fail lines {a=\"b\"}\n  parse error", false),
        ("lines {a=\"b\"}\n  0s\n  1s", true),
        ("lines {a=\"b\"} | x=\"2\"", true),
        ("lines {a=\"b\"} | logfmt | x=\"1\"\n  0s parsed{x=\"1\"}", true),
        ("lines {a=\"b\"} | line_format \"{{.t}}\"\n  0s =\n  1s = u", true),
        ("fail lines {a=\n  parse error at line 1, col 4", true),
    ] {
        assert_eq!(run(&format!("{loaded}{case}"), &mut Alone::default()).1.is_empty(), is_right, "{case}");
    }
}
