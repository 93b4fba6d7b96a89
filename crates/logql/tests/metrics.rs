//! Queries that make series, from their text to their answer, by lists of cases (`cases/README.md`).

#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::fs;
use std::path::Path;

use trefoil_go::duration;
use trefoil_logql::matcher::{Condition, Matcher};
use trefoil_logql::metrics::{Answer, Grid, Limits, Options, Plan, Reading};
use trefoil_logql::pipeline::{Entry, Runner};
use trefoil_logql::{parse_metric, parse_selector};
use trefoil_promql::eval::QueryLimits;

const LIMITS: Limits = Limits { series: 1_000, bytes: 10 << 20 };
const OPTIONS: Options<'_> = Options {
    max_series: 20,
    max_samples: 100_000,
    limits: QueryLimits { deadline: None, canceled: None, memory: None },
};

type Pairs = Vec<(String, String)>;

struct Line {
    stream: Pairs,
    metadata: Pairs,
    time: i64,
    text: String,
}

#[derive(Clone, Copy)]
enum Ask {
    Instant,
    Range,
}

/// What a query answers, as the cases write it.
fn answer(lines: &[Line], query: &str, ask: Ask, grid: Grid) -> Result<Vec<String>, String> {
    let metric = parse_metric(query).map_err(|error| error.to_string())?;
    let plan = Plan::new(&metric).map_err(|error| error.to_string())?;
    let mut added = Vec::new();
    for leaf in plan.leaves() {
        let reading = Reading::new(leaf).map_err(|error| error.to_string())?;
        let mut accumulator = leaf.accumulator(grid, LIMITS).map_err(|error| error.to_string())?;
        let (after, until) = accumulator.bounds();
        let mut runner = Runner::new(reading.pipeline(), 0);
        let mut known = Vec::new();
        for line in lines.iter().filter(|line| line.time > after && line.time <= until) {
            let value = |name: &str| line.stream.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value);
            if !leaf.range().query.selector.iter().all(|matcher: &Matcher| matcher.matches(value(&matcher.name))) {
                continue;
            }
            let [stream, metadata] = [&line.stream, &line.metadata]
                .map(|pairs| pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>());
            let entry = Entry { timestamp: line.time, line: &line.text, stream: &stream, metadata: &metadata };
            let labels = (&line.stream, &line.metadata);
            match known.iter().find(|(other, _)| reading.leaves_labels() && *other == labels) {
                Some((_, series)) => reading.add_known(&mut runner, &entry, *series, &mut accumulator),
                None => reading
                    .add(&mut runner, &entry, &mut accumulator)
                    .map(|series| known.extend(series.map(|series| (labels, series)))),
            }
            .map_err(|error| error.to_string())?;
        }
        added.push(accumulator);
    }
    let answer = match ask {
        Ask::Instant => plan.instant(added, grid, &OPTIONS),
        Ask::Range => plan.range(added, grid, &OPTIONS),
    };
    Ok(written(&answer.map_err(|error| error.to_string())?, grid))
}

fn written(answer: &Answer, grid: Grid) -> Vec<String> {
    match answer {
        Answer::Scalar { time, value } => {
            assert_eq!(*time, grid.at(0));
            vec![format!("{value}")]
        }
        Answer::Vector { time, samples } => {
            assert_eq!(*time, grid.at(0));
            samples.iter().map(|(labels, value)| format!("{labels} {value}")).collect()
        }
        Answer::Matrix(series) => {
            let row = |points: &[(i64, f64)]| {
                let mut row = String::new();
                let mut rest = points.iter().peekable();
                for step in 0..grid.count() {
                    match rest.next_if(|(time, _)| *time == grid.at(step)) {
                        Some((_, value)) => write!(row, " {value}").unwrap(),
                        None => row.push_str(" _"),
                    }
                }
                assert!(rest.peek().is_none(), "a time that is no step");
                row
            };
            series.iter().map(|(labels, points)| format!("{labels}{}", row(points))).collect()
        }
    }
}

/// Labels as text, and the numbers behind them.
fn parts(row: &str) -> (&str, Vec<Option<f64>>) {
    let (labels, numbers) = match row.rfind('}') {
        Some(end) => row.split_at(end + 1),
        None => ("", row),
    };
    let number = |text: &str| match text {
        "_" => None,
        text => Some(text.parse().unwrap_or_else(|_| panic!("{text} of {row} is no number"))),
    };
    (labels, numbers.split_whitespace().map(number).collect())
}

fn is_same(found: &str, expected: &str) -> bool {
    let ((found_labels, found), (labels, expected)) = (parts(found), parts(expected));
    let about = |pair: (&Option<f64>, &Option<f64>)| match pair {
        (None, None) => true,
        (Some(a), Some(b)) => a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * b.abs(),
        _ => false,
    };
    found_labels == labels && found.len() == expected.len() && found.iter().zip(&expected).all(about)
}

fn nanos(text: &str) -> i64 {
    match text {
        "0s" => 0,
        text => duration::parse(text).unwrap_or_else(|| panic!("{text} is no time")),
    }
}

/// `0s..60s/10s`, or one time.
fn grid(text: &str) -> Grid {
    match text.split_once("..") {
        None => Grid::instant(nanos(text)),
        Some((start, rest)) => {
            let (end, step) = rest.split_once('/').unwrap();
            Grid::range(nanos(start), nanos(end), nanos(step))
        }
    }
}

/// `{a="b"} rest`: the labels and the rest.
fn labels(text: &str) -> (Pairs, &str) {
    let (labels, rest) = text.split_at(text.find('}').unwrap() + 1);
    let matchers = parse_selector(labels).unwrap_or_else(|error| panic!("{labels}: {error}"));
    let pair = |matcher: Matcher| match matcher.condition {
        Condition::Equal(value) => (matcher.name, value),
        _ => panic!("{labels} are no labels"),
    };
    (matchers.into_iter().map(pair).collect(), rest.strip_prefix(' ').unwrap_or_default())
}

fn load(text: &str, lines: &mut Vec<Line>) {
    let (stream, rest) = labels(text);
    let (times, mut rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let mut metadata = Vec::new();
    if let Some(text) = rest.strip_prefix("meta") {
        (metadata, rest) = labels(text);
    }
    let grid = grid(times);
    for step in 0..grid.count() {
        let (stream, metadata) = (stream.clone(), metadata.clone());
        lines.push(Line { stream, metadata, time: grid.at(step), text: rest.replace("$i", &step.to_string()) });
    }
}

/// What is wrong with a case.
fn check(lines: &[Line], head: &str, below: &[&str]) -> Result<(), String> {
    let (command, rest) = head.split_once(' ').unwrap();
    let (times, query) = rest.trim_start().split_once(' ').unwrap();
    let ask = if command.ends_with("range") { Ask::Range } else { Ask::Instant };
    let found = answer(lines, query.trim(), ask, grid(times));
    match (command, found) {
        ("fail" | "fail-range", Ok(found)) => Err(format!("answers\n  {}", found.join("\n  "))),
        ("fail" | "fail-range", Err(error)) => match below {
            [part] if error.contains(part) => Ok(()),
            _ => Err(format!("fails with\n  {error}")),
        },
        ("instant" | "range", Ok(found)) => {
            let is_right = found.len() == below.len() && found.iter().zip(below).all(|(a, b)| is_same(a, b));
            if is_right { Ok(()) } else { Err(format!("answers\n  {}", found.join("\n  "))) }
        }
        ("instant" | "range", Err(error)) => Err(format!("fails with\n  {error}")),
        (command, _) => panic!("there is no {command}"),
    }
}

#[test]
fn queries_answer_what_the_cases_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/metrics");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let (mut cases, mut wrong) = (0, Vec::new());
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let mut rows = text.lines().filter(|row| !row.is_empty() && !row.starts_with('#')).peekable();
        let mut lines = Vec::new();
        while let Some(head) = rows.next() {
            assert!(!head.starts_with(' '), "{}: {head} belongs to nothing", file.display());
            let mut below = Vec::new();
            while let Some(row) = rows.next_if(|row| row.starts_with("  ")) {
                below.push(&row[2..]);
            }
            if head == "load" {
                below.into_iter().for_each(|row| load(row, &mut lines));
                continue;
            }
            cases += 1;
            if let Err(problem) = check(&lines, head, &below) {
                wrong.push(format!("{}: {head}\n{problem}", file.file_name().unwrap().display()));
            }
        }
    }
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
