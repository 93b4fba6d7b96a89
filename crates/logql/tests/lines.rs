//! Queries for lines, from their text to their answer, by lists of cases (`cases/README.md`).

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use trefoil_go::duration;
use trefoil_logql::pipeline::{Category, Entry, Labels, Pipeline, Runner, Wants};
use trefoil_logql::{parse_log, parse_selector};

type Pairs = Vec<(String, String)>;

struct Line {
    stream: Pairs,
    metadata: Pairs,
    time: i64,
    text: String,
}

/// The answer, all there is to say about each line.
fn answer(lines: &[Line], query: &str) -> Result<Vec<String>, String> {
    let query = parse_log(query).map_err(|error| error.to_string())?;
    let pipeline = Pipeline::new(&query.stages, &Wants::All).map_err(|error| error.to_string())?;
    let mut runner = Runner::new(&pipeline, 0);
    let mut answer = Vec::new();
    for line in lines {
        let value = |name: &str| line.stream.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value);
        if !query.selector.iter().all(|matcher| matcher.matches(value(&matcher.name))) {
            continue;
        }
        let (stream, metadata) = (borrowed(&line.stream), borrowed(&line.metadata));
        let entry = Entry { timestamp: line.time, line: &line.text, stream: &stream, metadata: &metadata };
        answer.extend(runner.run(&entry, |text, labels| {
            let [stream, metadata, parsed] =
                [Category::Stream, Category::Metadata, Category::Parsed].map(|category| of(labels, category));
            written(line.time, &stream, &metadata, &parsed, text)
        }));
    }
    Ok(answer)
}

fn borrowed(pairs: &Pairs) -> Vec<(&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn of(labels: &Labels<'_>, wanted: Category) -> Pairs {
    let those = labels.iter().filter(|(category, ..)| *category == wanted);
    those.map(|(_, name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn written(time: i64, stream: &Pairs, metadata: &Pairs, parsed: &Pairs, text: &str) -> String {
    let sorted = |pairs: &Pairs| {
        let mut pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        pairs.sort();
        pairs.join(", ")
    };
    let [stream, metadata, parsed] = [stream, metadata, parsed].map(sorted);
    format!("{}ms stream{{{stream}}} meta{{{metadata}}} parsed{{{parsed}}} = {text:?}", time / 1_000_000)
}

/// What a row of a case says, with all that goes without saying.
fn expected(lines: &[Line], row: &str) -> String {
    let (time, mut rest) = row.split_once(' ').unwrap_or((row, ""));
    let time = nanos(time);
    let line = lines.iter().find(|line| line.time == time).unwrap_or_else(|| panic!("{row}: no such line"));
    let (mut stream, mut metadata, mut parsed) = (line.stream.clone(), line.metadata.clone(), Vec::new());
    let mut text = line.text.clone();
    while !rest.is_empty() {
        if let Some(new) = rest.strip_prefix("=") {
            text = coloured(new.strip_prefix(' ').unwrap_or_default());
            break;
        }
        let (name, labels_and_rest) = rest.split_at(rest.find('{').unwrap_or_else(|| panic!("what is {rest}?")));
        let (labels, behind) = labels(labels_and_rest);
        match name {
            "stream" => stream = labels,
            "meta" => metadata = labels,
            "parsed" => parsed = labels,
            other => panic!("{row}: what is {other}?"),
        }
        rest = behind;
    }
    written(time, &stream, &metadata, &parsed, &text)
}

fn nanos(text: &str) -> i64 {
    duration::parse(text).unwrap_or_else(|| panic!("{text} is no time"))
}

/// `{a="b"} rest`: the labels and the rest. Values may have braces.
fn labels(text: &str) -> (Pairs, &str) {
    let ends = text.match_indices('}').map(|(end, _)| end + 1);
    let found = ends.into_iter().find_map(|end| Some((parse_selector(&text[..end]).ok()?, &text[end..])));
    let (matchers, rest) = found.unwrap_or_else(|| panic!("{text}: no labels"));
    let pairs = matchers.into_iter().map(|matcher| (matcher.name, matcher.condition.text().to_owned()));
    (pairs.collect(), rest.strip_prefix(' ').unwrap_or(rest))
}

fn coloured(text: &str) -> String {
    text.replace('␛', "\u{1b}")
}

fn load(row: &str) -> Line {
    let (stream, rest) = labels(row);
    let (time, mut rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let mut metadata = Vec::new();
    if let Some(text) = rest.strip_prefix("meta") {
        (metadata, rest) = labels(text);
    }
    Line { stream, metadata, time: nanos(time), text: coloured(rest) }
}

/// What is wrong with a case.
fn check(lines: &[Line], head: &str, below: &[&str]) -> Result<(), String> {
    let (fails, rest) = match head.strip_prefix("fail ") {
        Some(rest) => (true, rest),
        None => (false, head),
    };
    let query = rest.strip_prefix("lines ").unwrap_or_else(|| panic!("{head}: what is that?"));
    match (answer(lines, query), fails) {
        (Err(error), true) => match below {
            [part] if error.contains(part) => Ok(()),
            _ => Err(format!("fails with\n  {error}")),
        },
        (Err(error), false) => Err(format!("fails with\n  {error}")),
        (Ok(found), true) => Err(format!("answers\n  {}", found.join("\n  "))),
        (Ok(found), false) => {
            let expected: Vec<String> = below.iter().map(|row| expected(lines, row)).collect();
            match found == expected {
                true => Ok(()),
                false => Err(format!("answers\n  {}\nin place of\n  {}", found.join("\n  "), expected.join("\n  "))),
            }
        }
    }
}

/// How many cases a file has, and what is wrong with some.
fn run(text: &str) -> (usize, Vec<String>) {
    let mut rows = text.lines().filter(|row| !row.is_empty() && !row.starts_with('#')).peekable();
    let (mut lines, mut cases, mut wrong): (Vec<Line>, usize, Vec<String>) = (Vec::new(), 0, Vec::new());
    while let Some(head) = rows.next() {
        assert!(!head.starts_with(' '), "{head} belongs to nothing");
        let mut below = Vec::new();
        while let Some(row) = rows.next_if(|row| row.starts_with("  ")) {
            below.push(&row[2..]);
        }
        if head == "load" {
            lines.extend(below.into_iter().map(load));
            lines.sort_by_key(|line| line.time);
            assert!(lines.windows(2).all(|pair| pair[0].time != pair[1].time), "two lines have the same time");
            continue;
        }
        cases += 1;
        if let Err(problem) = check(&lines, head, &below) {
            wrong.push(format!("{head}\n{problem}"));
        }
    }
    (cases, wrong)
}

#[test]
fn queries_answer_what_the_cases_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/lines");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let (mut cases, mut wrong) = (0, Vec::new());
    for file in files {
        let (count, problems) = run(&fs::read_to_string(&file).unwrap());
        cases += count;
        let name = file.file_name().unwrap().display().to_string();
        wrong.extend(problems.into_iter().map(|problem| format!("{name}: {problem}")));
    }
    assert!(wrong.is_empty(), "{} of {cases} cases are wrong:\n\n{}", wrong.len(), wrong.join("\n\n"));
    assert!(cases >= 150, "there are only {cases} cases");
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
        assert_eq!(run(&format!("{loaded}{case}")).1.is_empty(), is_right, "{case}");
    }
}
