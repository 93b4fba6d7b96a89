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

#[test]
fn the_deepest_queries_are_answered() {
    let lines = [Line { stream: vec![("app".into(), "a".into())], metadata: vec![], time: 1, text: String::new() }];
    let counted = r#"count_over_time({app="a"}[1s])"#;
    let chain = vec![counted; 400].join(" + ");
    let found = answer(&lines, &chain, Ask::Instant, Grid::instant(1)).unwrap();
    assert_eq!(found, [r#"{app="a"} 400"#]);
    let nested = format!("{}{counted}{}", "sum(".repeat(90), ")".repeat(90));
    assert_eq!(answer(&lines, &nested, Ask::Instant, Grid::instant(1)).unwrap(), ["{} 1"]);
    let powers = format!("{}{counted}{}", "2 ^ (".repeat(3), ")".repeat(3));
    assert_eq!(answer(&lines, &powers, Ask::Instant, Grid::instant(1)).unwrap(), [r#"{app="a"} 16"#]);
}
