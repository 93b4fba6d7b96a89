//! Lists of cases (`README.md`), whatever answers them: the language alone, or a store.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use trefoil_go::duration;
use trefoil_logql::metrics::{Answer, Grid};
use trefoil_logql::parse_selector;

/// Names and values.
pub type Pairs = Vec<(String, String)>;

/// A line that was loaded, or one of an answer.
#[derive(Debug, Clone)]
pub struct Line {
    pub stream: Pairs,
    pub metadata: Pairs,
    pub parsed: Pairs,
    /// Nanoseconds since 1970.
    pub time: i64,
    pub text: String,
}

/// At one time, or at each step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    Instant,
    Range,
}

/// What cases are held against. Errors are texts.
pub trait Answers {
    /// Adds lines to those that are there.
    fn load(&mut self, lines: &[Line]);

    /// In the order of time.
    fn lines(&mut self, query: &str) -> Result<Vec<Line>, String>;

    fn series(&mut self, query: &str, ask: Ask, grid: Grid) -> Result<Answer, String>;
}

/// Runs all files of a folder beside this one, each with answers of its own. How many cases there are, and what is wrong with some.
pub fn run_folder<A: Answers>(folder: &str, mut answers: impl FnMut() -> A) -> (usize, Vec<String>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../logql/tests/cases").join(folder);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let (mut cases, mut wrong) = (0, Vec::new());
    for file in files {
        let (count, problems) = run(&fs::read_to_string(&file).unwrap(), &mut answers());
        cases += count;
        let name = file.file_name().unwrap().display().to_string();
        wrong.extend(problems.into_iter().map(|problem| format!("{name}: {problem}")));
    }
    (cases, wrong)
}

/// How many cases a file has, and what is wrong with some.
pub fn run(text: &str, answers: &mut impl Answers) -> (usize, Vec<String>) {
    let mut rows = text.lines().filter(|row| !row.is_empty() && !row.starts_with('#')).peekable();
    let (mut loaded, mut cases, mut wrong): (Vec<Line>, usize, Vec<String>) = (Vec::new(), 0, Vec::new());
    while let Some(head) = rows.next() {
        assert!(!head.starts_with(' '), "{head} belongs to nothing");
        let mut below = Vec::new();
        while let Some(row) = rows.next_if(|row| row.starts_with("  ")) {
            below.push(&row[2..]);
        }
        if head == "load" {
            let lines: Vec<Line> = below.into_iter().flat_map(load).collect();
            answers.load(&lines);
            loaded.extend(lines);
            continue;
        }
        cases += 1;
        if let Err(problem) = check(&loaded, answers, head, &below) {
            wrong.push(format!("{head}\n{problem}"));
        }
    }
    (cases, wrong)
}

/// What is wrong with a case.
fn check(loaded: &[Line], answers: &mut impl Answers, head: &str, below: &[&str]) -> Result<(), String> {
    let (command, rest) = head.split_once(' ').unwrap_or_else(|| panic!("{head}: what is that?"));
    let (fails, command, rest) = match (command, rest.split_once(' ')) {
        ("fail", Some(("lines", rest))) => (true, "lines", rest),
        ("fail", _) => (true, "instant", rest),
        ("fail-range", _) => (true, "range", rest),
        _ => (false, command, rest),
    };
    let found = match command {
        "lines" => answers.lines(rest).map(|lines| lines.iter().map(written).collect()),
        "instant" | "range" => {
            let (times, query) = rest.trim_start().split_once(' ').unwrap();
            let ask = if command == "range" { Ask::Range } else { Ask::Instant };
            let grid = grid(times);
            answers.series(query.trim(), ask, grid).map(|answer| rows_of(&answer, grid))
        }
        other => panic!("there is no {other}"),
    };
    let found: Vec<String> = match (found, fails) {
        (Err(error), true) => {
            let is_it = matches!(below, [part] if error.contains(part));
            return if is_it { Ok(()) } else { Err(format!("fails with\n  {error}")) };
        }
        (Err(error), false) => return Err(format!("fails with\n  {error}")),
        (Ok(found), true) => return Err(format!("answers\n  {}", found.join("\n  "))),
        (Ok(found), false) => found,
    };
    let (expected, is_right): (Vec<String>, bool) = match command {
        "lines" => {
            let rows: Vec<String> = below.iter().map(|row| written(&expected(loaded, row))).collect();
            let is_right = found == rows;
            (rows, is_right)
        }
        _ => {
            let is_right = found.len() == below.len() && found.iter().zip(below).all(|(a, b)| is_same(a, b));
            (below.iter().map(|row| (*row).to_owned()).collect(), is_right)
        }
    };
    match is_right {
        true => Ok(()),
        false => Err(format!("answers\n  {}\nin place of\n  {}", found.join("\n  "), expected.join("\n  "))),
    }
}

/// All there is to say about a line.
fn written(line: &Line) -> String {
    let sorted = |pairs: &Pairs| {
        let mut pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        pairs.sort();
        pairs.join(", ")
    };
    let [stream, metadata, parsed] = [&line.stream, &line.metadata, &line.parsed].map(sorted);
    format!("{}ms stream{{{stream}}} meta{{{metadata}}} parsed{{{parsed}}} = {:?}", line.time / 1_000_000, line.text)
}

/// What a row of a case says, with all that goes without saying.
fn expected(loaded: &[Line], row: &str) -> Line {
    let (time, mut rest) = row.split_once(' ').unwrap_or((row, ""));
    let time = nanos(time);
    let mut named = loaded.iter().filter(|line| line.time == time);
    let mut line = named.next().unwrap_or_else(|| panic!("{row}: no such line")).clone();
    assert!(named.next().is_none(), "two lines have the time of {row}");
    while !rest.is_empty() {
        if let Some(new) = rest.strip_prefix('=') {
            line.text = coloured(new.strip_prefix(' ').unwrap_or_default());
            break;
        }
        let (name, labels_and_rest) = rest.split_at(rest.find('{').unwrap_or_else(|| panic!("what is {rest}?")));
        let (labels, behind) = labels(labels_and_rest);
        match name {
            "stream" => line.stream = labels,
            "meta" => line.metadata = labels,
            "parsed" => line.parsed = labels,
            other => panic!("{row}: what is {other}?"),
        }
        rest = behind;
    }
    line
}

/// One line, or as many as its times are, `$i` being its place among them.
fn load(row: &str) -> Vec<Line> {
    let (stream, rest) = labels(row);
    let (times, mut rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let mut metadata = Vec::new();
    if let Some(text) = rest.strip_prefix("meta") {
        (metadata, rest) = labels(text);
    }
    let (is_one, grid) = (!times.contains(".."), grid(times));
    let text = |step: usize| if is_one { coloured(rest) } else { coloured(&rest.replace("$i", &step.to_string())) };
    let line = |step: usize| Line {
        stream: stream.clone(),
        metadata: metadata.clone(),
        parsed: Vec::new(),
        time: grid.at(step),
        text: text(step),
    };
    (0..grid.count()).map(line).collect()
}

/// `{a="b"} rest`: the labels and the rest. Values may have braces.
fn labels(text: &str) -> (Pairs, &str) {
    let mut ends = text.match_indices('}').map(|(end, _)| end + 1);
    let found = ends.find_map(|end| Some((parse_selector(&text[..end]).ok()?, &text[end..])));
    let found = found.or_else(|| Some((Vec::new(), text.strip_prefix("{}")?)));
    let (matchers, rest) = found.unwrap_or_else(|| panic!("{text}: no labels"));
    let pairs = matchers.into_iter().map(|matcher| (matcher.name, matcher.condition.text().to_owned()));
    (pairs.collect(), rest.strip_prefix(' ').unwrap_or(rest))
}

fn coloured(text: &str) -> String {
    text.replace('␛', "\u{1b}")
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

/// An answer as cases write it.
fn rows_of(answer: &Answer, grid: Grid) -> Vec<String> {
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
