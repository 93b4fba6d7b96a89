//! Queries that make series, from their text to their answer, by lists of cases (`cases/README.md`).

#![allow(clippy::unwrap_used)]

#[path = "cases/mod.rs"]
mod cases;
mod language_alone;

use cases::{run, run_folder};
use language_alone::Alone;

#[test]
fn queries_answer_what_the_cases_say() {
    let (cases, wrong) = run_folder("metrics", Alone::default);
    assert!(wrong.is_empty(), "{} of {cases} cases are wrong:\n\n{}", wrong.len(), wrong.join("\n\n"));
    assert!(cases >= 390, "there are only {cases} cases");
}

#[test]
fn the_deepest_queries_are_answered() {
    let counted = r#"count_over_time({app="a"}[1s])"#;
    let chain = vec![counted; 400].join(" + ");
    let nested = format!("{}{counted}{}", "sum(".repeat(90), ")".repeat(90));
    let powers = format!("{}{counted}{}", "2 ^ (".repeat(3), ")".repeat(3));
    let cases = format!(
        "load\n  {{app=\"a\"}} 1ns x\n\ninstant 1ns {chain}\n  {{app=\"a\"}} 400\ninstant 1ns {nested}\n  {{}} 1\n\
         instant 1ns {powers}\n  {{app=\"a\"}} 16\n"
    );
    assert_eq!(run(&cases, &mut Alone::default()), (3, Vec::new()));
}
