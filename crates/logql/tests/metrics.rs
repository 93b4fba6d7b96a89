//! Queries that make series, from their text to their answer, by lists of cases (`cases/README.md`).

#![allow(clippy::unwrap_used)]

#[path = "cases/mod.rs"]
mod cases;
mod language_alone;

use cases::run_folder;
use language_alone::Alone;

#[test]
fn queries_answer_what_the_cases_say() {
    let (cases, wrong) = run_folder("metrics", Alone::default);
    assert!(wrong.is_empty(), "{} of {cases} cases are wrong:\n\n{}", wrong.len(), wrong.join("\n\n"));
    assert!(cases >= 120, "there are only {cases} cases");
}
