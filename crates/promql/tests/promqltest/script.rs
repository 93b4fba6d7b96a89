//! The language of Prometheus' test scripts (its `promqltest/README.md`): `clear`, `load` and `eval`.

use regex::Regex;
use trefoil_promql::labels::Labels;
use trefoil_promql::parser::parse_duration;
use trefoil_promql::steps::Steps;

use crate::series::{self, SequenceValue, SeriesLine};

#[derive(Debug)]
pub struct Command {
    /// From 1.
    pub line: usize,
    pub kind: CommandKind,
}

#[derive(Debug)]
pub enum CommandKind {
    Clear,
    Load(Load),
    Eval(Box<Eval>),
}

#[derive(Debug, Default)]
pub struct Load {
    /// Milliseconds between samples; the first is at 0.
    pub interval: i64,
    /// Classic histograms are stored as native ones with custom bounds as well.
    pub with_nhcb: bool,
    pub series: Vec<LoadedSeries>,
}

#[derive(Debug)]
pub struct LoadedSeries {
    pub labels: Labels,
    pub samples: Vec<LoadedSample>,
}

#[derive(Debug)]
pub struct LoadedSample {
    pub time: i64,
    /// 0: unknown.
    pub start_time: i64,
    pub value: SequenceValue,
}

#[derive(Debug)]
pub struct Eval {
    pub query: String,
    pub kind: EvalKind,
    /// The times of a matrix' expected values.
    pub steps: Steps,
    /// The expected failure, if one is expected.
    pub fail: Option<TextMatch>,
    pub warnings: AnnotationsExpected,
    pub infos: AnnotationsExpected,
    pub ordered: bool,
    pub value: ExpectedValue,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvalKind {
    /// At a time, with an answer that a range query has to agree with.
    Instant(i64),
    /// At a time, with an answer that range queries do not give: samples or text.
    InstantOnly(i64),
    Range,
}

#[derive(Debug, Default)]
pub struct AnnotationsExpected {
    /// There is one for each of these, and none that none of these fits; where this is empty, there may be any.
    pub all_of: Vec<TextMatch>,
    pub none: bool,
}

#[derive(Debug)]
pub enum TextMatch {
    Any,
    Exact(String),
    Pattern(Regex),
}

impl TextMatch {
    pub fn fits(&self, text: &str) -> bool {
        match self {
            TextMatch::Any => true,
            TextMatch::Exact(expected) => expected == text,
            TextMatch::Pattern(pattern) => pattern.is_match(text),
        }
    }
}

#[derive(Debug, PartialEq)]
pub enum ExpectedValue {
    Scalar(f64),
    String(String),
    /// In the order of the script.
    Series(Vec<SeriesLine>),
}

/// A line that is no part of the language, from 1.
#[derive(Debug, PartialEq, Eq)]
pub struct ScriptError {
    pub line: usize,
    pub message: String,
}

pub fn parse(text: &str) -> Result<Vec<Command>, ScriptError> {
    let lines: Vec<&str> =
        text.lines().map(str::trim).map(|line| if line.starts_with('#') { "" } else { line }).collect();
    let mut reader = Reader { lines: &lines, next: 0 };
    let mut commands = Vec::new();
    while let Some(text) = reader.take() {
        if text.is_empty() {
            continue;
        }
        let line = reader.next;
        let kind = command(text, &mut reader).map_err(|message| ScriptError { line: reader.next, message })?;
        commands.push(Command { line, kind });
    }
    Ok(commands)
}

struct Reader<'a> {
    lines: &'a [&'a str],
    /// The index of the line after the one taken last, which is that one's number from 1.
    next: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self) -> Option<&'a str> {
        let line = self.lines.get(self.next)?;
        self.next += 1;
        Some(line)
    }

    /// The next line of a command; it ends before an empty one.
    fn take_in_block(&mut self) -> Option<&'a str> {
        self.lines.get(self.next).filter(|line| !line.is_empty())?;
        self.take()
    }
}

fn command(line: &str, reader: &mut Reader<'_>) -> Result<CommandKind, String> {
    let (word, rest) = split_word(line);
    match word {
        "clear" if rest.is_empty() => Ok(CommandKind::Clear),
        "load" => load(rest, false, reader).map(CommandKind::Load),
        "load_with_nhcb" => load(rest, true, reader).map(CommandKind::Load),
        "eval" | "eval_fail" | "eval_warn" | "eval_info" | "eval_ordered" => {
            eval(word, rest, reader).map(|eval| CommandKind::Eval(Box::new(eval)))
        }
        _ => Err(format!("unknown command {line:?}")),
    }
}

/// The first word, and what follows the spaces behind it.
fn split_word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    (word, rest.trim_start())
}

fn load(interval: &str, with_nhcb: bool, reader: &mut Reader<'_>) -> Result<Load, String> {
    let mut load = Load { interval: parse_duration(interval)?, with_nhcb, series: Vec::new() };
    let mut starts_of_all: Vec<Option<i64>> = Vec::new();
    let mut starts_of_next = None;
    while let Some(line) = reader.take_in_block() {
        if let Some(starts) = series::parse_start_times(line) {
            let starts = starts?;
            if starts_of_next.is_some() {
                return Err("a line of start times has to have its line of samples behind it".to_owned());
            }
            match starts.labels {
                None => starts_of_all = starts.offsets,
                Some(labels) => starts_of_next = Some((labels, starts.offsets)),
            }
            continue;
        }
        let SeriesLine { labels, values } = series::parse_series(line)?;
        let starts = match starts_of_next.take() {
            None => starts_of_all.iter().copied().cycle().take(values.len()).collect(),
            Some((of, _)) if of != labels => return Err(format!("start times of {of} before samples of {labels}")),
            Some((_, starts)) if starts.len() != values.len() => {
                return Err(format!("{} start times, but {} samples", starts.len(), values.len()));
            }
            Some((_, starts)) => starts,
        };
        load.series.push(LoadedSeries { labels, samples: samples(load.interval, values, &starts) });
    }
    match starts_of_next {
        None => Ok(load),
        Some((labels, _)) => Err(format!("start times of {labels}, but no samples")),
    }
}

fn samples(interval: i64, values: Vec<SequenceValue>, starts: &[Option<i64>]) -> Vec<LoadedSample> {
    let times = (0..).map(|index| interval * index);
    let starts = starts.iter().copied().chain(std::iter::repeat(None));
    let samples = values.into_iter().zip(times).zip(starts).map(|((value, time), start)| LoadedSample {
        time,
        start_time: start.map_or(0, |offset| time + offset),
        value,
    });
    samples.filter(|sample| sample.value != SequenceValue::Omitted).collect()
}

fn eval(word: &str, rest: &str, reader: &mut Reader<'_>) -> Result<Eval, String> {
    let (kind, rest) = split_word(rest);
    let mut eval = match kind {
        "instant" => instant(rest)?,
        "range" => range(rest)?,
        _ => return Err(format!("eval is either instant or range, not {kind:?}")),
    };
    match word {
        "eval_fail" => eval.fail = Some(TextMatch::Any),
        "eval_warn" => eval.warnings.all_of.push(TextMatch::Any),
        "eval_info" => eval.infos.all_of.push(TextMatch::Any),
        "eval_ordered" => eval.ordered = true,
        _ => {}
    }
    let mut expected: Vec<SeriesLine> = Vec::new();
    while let Some(line) = reader.take_in_block() {
        if let Some(text) = line.strip_prefix("expect range vector ") {
            eval.steps = steps(text)?.0;
            eval.kind = EvalKind::InstantOnly(eval.steps.end);
        } else if let Some(text) = line.strip_prefix("expect string ") {
            let EvalKind::Instant(time) = eval.kind else {
                return Err("text is the answer of an instant query only".to_owned());
            };
            eval.kind = EvalKind::InstantOnly(time);
            eval.value = ExpectedValue::String(unquote(text)?);
        } else if let Some(text) = line.strip_prefix("expect ") {
            expect(text, &mut eval)?;
        } else if let Some(text) = line.strip_prefix("expected_fail_message ") {
            eval.fail = Some(TextMatch::Exact(text.trim().to_owned()));
        } else if let Some(text) = line.strip_prefix("expected_fail_regexp ") {
            eval.fail = Some(TextMatch::Pattern(pattern(text)?));
        } else if let Some(number) = parse_number(line) {
            eval.value = ExpectedValue::Scalar(number);
        } else {
            let line = series::parse_series(line)?;
            if line.values.len() > 1 && matches!(eval.kind, EvalKind::Instant(_)) {
                return Err("an instant query has one value a series, or 'expect range vector'".to_owned());
            }
            expected.push(line);
        }
    }
    let has_value = !matches!(&eval.value, ExpectedValue::Series(series) if series.is_empty());
    match (expected.is_empty(), has_value) {
        (true, _) => {}
        (false, true) => return Err("an answer is either series or a single value".to_owned()),
        (false, false) => eval.value = ExpectedValue::Series(expected),
    }
    for annotations in [&eval.warnings, &eval.infos] {
        if annotations.none && !annotations.all_of.is_empty() {
            return Err("annotations are expected and not expected".to_owned());
        }
    }
    Ok(eval)
}

/// `at 5m QUERY`.
fn instant(text: &str) -> Result<Eval, String> {
    let (at, query) = split_word(text.strip_prefix("at ").ok_or("expected 'at'")?.trim_start());
    let time = parse_duration(at)?;
    new_eval(query, EvalKind::Instant(time), Steps::instant(time))
}

/// `from 0 to 5m step 1m QUERY`.
fn range(text: &str) -> Result<Eval, String> {
    let (steps, query) = steps(text)?;
    new_eval(query, EvalKind::Range, steps)
}

/// `from 0 to 5m step 1m`, and what is behind it.
fn steps(text: &str) -> Result<(Steps, &str), String> {
    let mut rest = text;
    let mut millis = [0; 3];
    for (word, millis) in ["from", "to", "step"].into_iter().zip(&mut millis) {
        let (found, after) = split_word(rest);
        if found != word {
            return Err(format!("expected {word:?} instead of {found:?}"));
        }
        let (duration, after) = split_word(after);
        *millis = parse_duration(duration)?;
        rest = after;
    }
    let [start, end, step] = millis;
    if end < start || step < 1 {
        return Err(format!("no steps from {start} to {end} by {step}"));
    }
    Ok((Steps::range(start, end, step), rest))
}

fn new_eval(query: &str, kind: EvalKind, steps: Steps) -> Result<Eval, String> {
    if query.is_empty() {
        return Err("no query".to_owned());
    }
    Ok(Eval {
        query: query.to_owned(),
        kind,
        steps,
        fail: None,
        warnings: AnnotationsExpected::default(),
        infos: AnnotationsExpected::default(),
        ordered: false,
        value: ExpectedValue::Series(Vec::new()),
    })
}

/// `fail`, `warn msg: text`, `info regex: pattern`, …
fn expect(text: &str, eval: &mut Eval) -> Result<(), String> {
    let (what, matching) = split_word(text.trim_start());
    let matching = match matching {
        "" => TextMatch::Any,
        matching => match matching.split_once(':') {
            Some(("msg", text)) => TextMatch::Exact(text.trim().to_owned()),
            Some(("regex", text)) => TextMatch::Pattern(pattern(text)?),
            _ => return Err(format!("expected msg: or regex: instead of {matching:?}")),
        },
    };
    match what {
        "fail" if eval.fail.is_some() => return Err("one failure can be expected".to_owned()),
        "fail" => eval.fail = Some(matching),
        "warn" => eval.warnings.all_of.push(matching),
        "info" => eval.infos.all_of.push(matching),
        "no_warn" => eval.warnings.none = true,
        "no_info" => eval.infos.none = true,
        "ordered" => eval.ordered = true,
        _ => return Err(format!("cannot expect {what:?}")),
    }
    Ok(())
}

fn pattern(text: &str) -> Result<Regex, String> {
    Regex::new(text.trim()).map_err(|error| error.to_string())
}

/// A whole line that is a number: with a base's prefix, or a float.
fn parse_number(text: &str) -> Option<f64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1.0, digits),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    for (prefix, radix) in [("0x", 16), ("0X", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = digits.strip_prefix(prefix) {
            return i64::from_str_radix(digits, radix).ok().map(|number| sign * number as f64);
        }
    }
    text.parse().ok()
}

/// Text in backquotes as it is, in double quotes with the escapes that scripts use.
fn unquote(text: &str) -> Result<String, String> {
    if let Some(raw) = text.strip_prefix('`').and_then(|text| text.strip_suffix('`')) {
        return Ok(raw.to_owned());
    }
    let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).ok_or("text has to be quoted")?;
    let mut unquoted = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        unquoted.push(match character {
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some(escaped @ ('\\' | '"')) => escaped,
                escaped => return Err(format!("unknown escape {escaped:?}")),
            },
            '"' => return Err("a quote within the text".to_owned()),
            character => character,
        });
    }
    Ok(unquoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(text: &str) -> CommandKind {
        let mut commands = parse(text).unwrap();
        assert_eq!(commands.len(), 1, "{text}");
        commands.remove(0).kind
    }

    fn only_eval(text: &str) -> Eval {
        match only(text) {
            CommandKind::Eval(eval) => *eval,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn commands_end_at_empty_lines_and_comments() {
        let commands = parse("# x\nload 1m\n\ta 1 2\n  b 3\n\nclear\neval instant at 5m a # b\n  a 1\n#\n").unwrap();
        assert_eq!(commands.iter().map(|command| command.line).collect::<Vec<_>>(), [2, 6, 7]);
        let CommandKind::Load(load) = &commands[0].kind else { panic!("{commands:?}") };
        let times =
            load.series.iter().map(|series| series.samples.iter().map(|sample| sample.time).collect::<Vec<_>>());
        assert_eq!(times.collect::<Vec<_>>(), [vec![0, 60_000], vec![0]]);
        let CommandKind::Eval(eval) = &commands[2].kind else { panic!("{commands:?}") };
        assert_eq!((eval.query.as_str(), eval.kind), ("a # b", EvalKind::Instant(300_000)));
    }

    #[test]
    fn loads_know_start_times() {
        let CommandKind::Load(load) = only("load_with_nhcb 1m\n a@st _ -1s\n a 1 2\n @st -1ms\n b _ 1\n c{} 5") else {
            panic!("no load")
        };
        assert!(load.with_nhcb);
        let starts = load.series.iter().flat_map(|series| series.samples.iter().map(|sample| sample.start_time));
        assert_eq!(starts.collect::<Vec<_>>(), [0, 59_000, 59_999, -1]);
    }

    #[test]
    fn evaluations_say_what_they_expect() {
        let eval = only_eval(
            "eval range from 0 to 1m step 30s a + b\n  expect warn msg: PromQL: x (1:1)\n  expect warn\n  expect no_info\n  a 1 _ 2",
        );
        assert_eq!((eval.query.as_str(), eval.kind), ("a + b", EvalKind::Range));
        assert_eq!(eval.steps, Steps::range(0, 60_000, 30_000));
        assert_eq!((eval.warnings.all_of.len(), eval.infos.none), (2, true));
        assert!(eval.warnings.all_of[0].fits("PromQL: x (1:1)") && !eval.warnings.all_of[0].fits("x"));

        let eval = only_eval("eval_ordered instant at 0 sort(a)\n  expect fail regex: a+\n");
        assert!(eval.ordered && eval.fail.unwrap().fits("baab"));

        let eval = only_eval("eval instant at 1m a[1m]\n expect range vector from 10s to 1m step 10s\n a 1 2 3");
        assert_eq!((eval.kind, eval.steps.interval), (EvalKind::InstantOnly(60_000), 10_000));

        for (text, expected) in [
            ("eval instant at 0 1\n 0x1F", ExpectedValue::Scalar(31.0)),
            ("eval instant at 0 1\n -.5", ExpectedValue::Scalar(-0.5)),
            ("eval instant at 0 1\n +Inf", ExpectedValue::Scalar(f64::INFINITY)),
            ("eval instant at 0 \"\"\n expect string \"\\\"\"", ExpectedValue::String("\"".to_owned())),
            ("eval instant at 0 \"\"\n expect string ``", ExpectedValue::String(String::new())),
            ("eval instant at 0 a", ExpectedValue::Series(Vec::new())),
        ] {
            assert_eq!(only_eval(text).value, expected, "{text}");
        }
    }

    #[test]
    fn unknown_lines_are_errors() {
        for (text, line) in [
            ("\nfoo", 2),
            ("load 1x", 1),
            ("load 1m\n a 1\n b x", 3),
            ("load 1m\n a@st 1s\n b 1", 3),
            ("load 1m\n a@st 1s", 2),
            ("load 1m\n a@st 1s\n a 1 2", 3),
            ("eval instant a", 1),
            ("eval range from 1m to 0 step 1m a", 1),
            ("eval instant at 0 a\n a 1 2", 2),
            ("eval instant at 0 a\n expect sun", 2),
            ("eval instant at 0 a\n expect warn text: a", 2),
            ("eval instant at 0 a\n expect warn\n expect no_warn", 3),
            ("eval instant at 0 a\n 1\n a 1", 3),
            ("clear all", 1),
        ] {
            assert_eq!(parse(text).unwrap_err().line, line, "{text}");
        }
    }
}
