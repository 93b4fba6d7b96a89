//! Prometheus' own tests of PromQL (`promql/promqltest/testdata/*.test`), against this crate.
//!
//! Every evaluation of every script counts. Those known to fail stand in `known_failures.txt`; one that is not in there
//! fails the test of its file, and so does one that is, but passes. `PROMQLTEST_SUMMARY=1` prints what passed of each file.

#![allow(clippy::unwrap_used)]

mod chunks;
mod compare;
mod memory;
mod nhcb;
mod run;
mod script;
mod series;
mod variants;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use trefoil_promql::eval::{Engine, EngineOptions};
use trefoil_promql::parser::ParserOptions;

/// Lines `file:line reason`; `#` begins a comment.
const KNOWN_FAILURES: &str = include_str!("known_failures.txt");

/// A difference is cut to this many characters: some are whole matrices.
const LONGEST_DIFFERENCE: usize = 1500;

macro_rules! scripts {
    ($($name:ident: $file:literal),* $(,)?) => {
        const FILES: &[&str] = &[$($file),*];

        $(
            #[test]
            fn $name() {
                test_file($file);
            }
        )*
    };
}

scripts! {
    aggregators: "aggregators.test",
    at_modifier: "at_modifier.test",
    collision: "collision.test",
    duration_expression: "duration_expression.test",
    extended_vectors: "extended_vectors.test",
    fill_modifier: "fill-modifier.test",
    functions: "functions.test",
    histograms: "histograms.test",
    info: "info.test",
    limit: "limit.test",
    literals: "literals.test",
    name_label_dropping: "name_label_dropping.test",
    native_histograms: "native_histograms.test",
    operators: "operators.test",
    range_queries: "range_queries.test",
    selectors: "selectors.test",
    staleness: "staleness.test",
    start_timestamps: "start_timestamps.test",
    subquery: "subquery.test",
    trig_functions: "trig_functions.test",
    type_and_unit: "type_and_unit.test",
}

#[test]
fn every_script_has_its_test() {
    let Some(directory) = directory() else { return };
    let found = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let found: BTreeSet<String> = found.filter(|name| name.ends_with(".test")).collect();
    assert_eq!(found, FILES.iter().map(|file| (*file).to_owned()).collect());
}

#[test]
fn known_failures_are_of_scripts() {
    for (file, line) in known_failures().into_keys() {
        assert!(FILES.contains(&file.as_str()), "{file}:{line} is in no script");
    }
}

/// `None` where the data is missing, which is a failure with `CI` set.
fn directory() -> Option<PathBuf> {
    let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance"));
    let conformance = std::env::var_os("TREFOIL_CONFORMANCE").map_or_else(default, PathBuf::from);
    let directory = conformance.join("prometheus/promql/promqltest/testdata");
    if directory.is_dir() {
        return Some(directory);
    }
    assert!(std::env::var_os("CI").is_none(), "conformance data is missing: {}", directory.display());
    eprintln!("skipped: no conformance data at {} (set TREFOIL_CONFORMANCE)", directory.display());
    None
}

fn known_failures() -> BTreeMap<(String, usize), String> {
    let lines = KNOWN_FAILURES.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let parsed = lines.map(|text| {
        let (place, reason) = text.split_once(' ').unwrap_or_else(|| panic!("{text:?} has no reason"));
        let (file, line) = place.split_once(':').unwrap_or_else(|| panic!("{text:?} has no line"));
        ((file.to_owned(), line.parse().unwrap()), reason.trim().to_owned())
    });
    parsed.collect()
}

/// What the Prometheus server has on where it runs these scripts.
fn engine(file: &str) -> Engine {
    let options = EngineOptions {
        max_samples: 10_000,
        default_evaluation_interval: 60_000,
        delayed_name_removal: true,
        type_and_unit_labels: file == "type_and_unit.test",
        use_start_timestamps: file == "start_timestamps.test",
        ..EngineOptions::default()
    };
    Engine::new(options, ParserOptions::ALL)
}

fn test_file(file: &str) {
    let Some(directory) = directory() else { return };
    let text = std::fs::read_to_string(directory.join(file)).unwrap();
    let commands = script::parse(&text).unwrap_or_else(|error| panic!("{file}:{}: {}", error.line, error.message));
    let report = run::run(&engine(file), &commands);
    if std::env::var_os("PROMQLTEST_SUMMARY").is_some() {
        let passed = report.evaluations - report.failures.len();
        // Not captured, unlike what macros print.
        let _ = writeln!(std::io::stderr(), "{file}: {passed}/{}", report.evaluations);
    }

    let mut known: BTreeMap<usize, String> = known_failures()
        .into_iter()
        .filter(|((of, _), _)| of == file)
        .map(|((_, line), reason)| (line, reason))
        .collect();
    let mut message = String::new();
    for failure in report.failures.iter().filter(|failure| known.remove(&failure.line).is_none()) {
        let difference: String = failure.difference.chars().take(LONGEST_DIFFERENCE).collect();
        let _ = writeln!(message, "{file}:{}: {}\n    {difference}", failure.line, failure.what);
    }
    for (line, reason) in known {
        let _ = writeln!(message, "{file}:{line}: passes; remove it from known_failures.txt ({reason})");
    }
    assert!(message.is_empty(), "\n{message}");
}
