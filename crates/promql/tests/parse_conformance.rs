//! The queries of Prometheus' own tests parse, and print as what parses to the same.

use std::fs;
use std::path::{Path, PathBuf};

use trefoil_promql::parser::{ParserOptions, parse};

/// `path` below `$TREFOIL_CONFORMANCE` or its default beside the checkout; `None` where the test has to be skipped.
fn conformance(path: &str) -> Option<PathBuf> {
    let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance"));
    let path = std::env::var_os("TREFOIL_CONFORMANCE").map_or_else(default, PathBuf::from).join(path);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "conformance data is missing: {}", path.display());
    eprintln!("skipped: no conformance data at {} (set TREFOIL_CONFORMANCE)", path.display());
    None
}

/// Why the query does not do what it should.
fn problem(query: &str) -> Option<String> {
    let expr = match parse(query, ParserOptions::ALL) {
        Ok(expr) => expr,
        Err(error) => return Some(error.to_string()),
    };
    let printed = expr.to_string();
    match parse(&printed, ParserOptions::ALL) {
        Ok(again) if again.to_string() == printed => None,
        Ok(again) => Some(format!("is printed as {printed} and then as {again}")),
        Err(error) => Some(format!("is printed as {printed}: {error}")),
    }
}

struct Evaluation {
    place: String,
    query: String,
    may_fail: bool,
}

/// The lines `eval… instant at TIME QUERY` and `eval… range from START to END step STEP QUERY` of a script, and whether what
/// they expect is a failure.
fn evaluations(script: &Path) -> Vec<Evaluation> {
    let text = fs::read_to_string(script).expect("a readable script");
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some((command, query)) = evaluation(line) else { continue };
        let expectations = lines.iter().skip(index + 1).take_while(|line| !line.trim().is_empty());
        let fails = expectations.into_iter().any(|line| line.trim().starts_with("expect fail"));
        let place = format!("{}:{}", script.file_name().unwrap_or_default().to_string_lossy(), index + 1);
        found.push(Evaluation { place, query: query.to_owned(), may_fail: fails || command == "eval_fail" });
    }
    found
}

fn evaluation(line: &str) -> Option<(&str, &str)> {
    let (command, rest) = line.trim().split_once(' ')?;
    if !command.starts_with("eval") {
        return None;
    }
    let words = match rest.trim_start().starts_with("instant") {
        true => 3,
        false => 7,
    };
    let query = (0..words).try_fold(rest.trim_start(), |rest, _| Some(rest.split_once([' ', '\t'])?.1.trim_start()))?;
    Some((command, query))
}

#[test]
fn queries_of_scripts() {
    let Some(directory) = conformance("prometheus/promql/promqltest/testdata") else { return };
    let mut scripts: Vec<PathBuf> =
        fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path()).collect();
    scripts.sort();
    let (mut total, mut refused, mut problems) = (0, Vec::new(), Vec::new());
    for evaluation in scripts.iter().flat_map(|script| evaluations(script)) {
        total += 1;
        match problem(&evaluation.query) {
            None => {}
            Some(problem) if evaluation.may_fail => refused.push(format!("{}: {problem}", evaluation.place)),
            Some(problem) => problems.push(format!("{}: {}\n    {problem}", evaluation.place, evaluation.query)),
        }
    }
    println!("{total} queries, {} refused as expected: {refused:#?}", refused.len());
    assert!(total > 2000, "only {total} queries were found");
    assert!(problems.is_empty(), "{} of {total} queries:\n{}", problems.len(), problems.join("\n"));
}

/// Trees of the highlighter's grammar that are no queries for the engine, by the name of the case.
const ONLY_HIGHLIGHTED: &[(&str, &str)] = &[];

struct Case<'t> {
    name: &'t str,
    query: &'t str,
    tree: &'t str,
}

/// `# NAME`, the query, `==>` and the tree, over and over.
fn cases(text: &str) -> Vec<Case<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("==>") {
        let (name, query) = before.trim().split_once('\n').expect("a name and a query");
        let tree_end = after.find("\n# ").unwrap_or(after.len());
        let (tree, next) = after.split_at(tree_end);
        found.push(Case { name: name.trim_start_matches('#').trim(), query: query.trim(), tree });
        rest = next;
    }
    found
}

#[test]
fn queries_of_the_highlighter() {
    let Some(file) = conformance("prometheus/web/ui/module/lezer-promql/test/expression.txt") else { return };
    let text = fs::read_to_string(file).expect("a readable file");
    let cases = cases(&text);
    let mut problems = Vec::new();
    let (mut wrong, mut listed) = (0, 0);
    for Case { name, query, tree } in &cases {
        let is_listed = ONLY_HIGHLIGHTED.iter().any(|(listed, _)| listed == name);
        let is_wrong = tree.contains('⚠');
        (wrong, listed) = (wrong + usize::from(is_wrong), listed + usize::from(is_listed));
        match problem(query) {
            None if is_listed || is_wrong => problems.push(format!("{name}: {query}\n    is accepted")),
            Some(problem) if !is_listed && !is_wrong => problems.push(format!("{name}: {query}\n    {problem}")),
            _ => {}
        }
    }
    println!("{} queries, {wrong} of them wrong, {listed} only for the highlighter", cases.len());
    assert!(cases.len() > 60, "only {} queries were found", cases.len());
    assert_eq!(listed, ONLY_HIGHLIGHTED.len(), "a listed case is not there any more");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
