//! What the language alone answers: lines in memory, through the stages and all of evaluation.

use trefoil_logql::matcher::Matcher;
use trefoil_logql::metrics::{Answer, Grid, Limits, Options, Plan, Reading};
use trefoil_logql::pipeline::{Category, Entry, Labels, Pipeline, Runner, Wants};
use trefoil_logql::{parse_log, parse_metric};
use trefoil_promql::eval::QueryLimits;

use super::cases::{Answers, Ask, Line, Pairs};

const LIMITS: Limits = Limits { series: 1_000, bytes: 10 << 20 };
const OPTIONS: Options<'_> = Options {
    max_series: 20,
    max_samples: 100_000,
    limits: QueryLimits { deadline: None, canceled: None, memory: None },
};

#[derive(Default)]
pub struct Alone(Vec<Line>);

impl Answers for Alone {
    fn load(&mut self, lines: &[Line]) {
        self.0.extend_from_slice(lines);
        self.0.sort_by_key(|line| line.time);
    }

    fn lines(&mut self, query: &str) -> Result<Vec<Line>, String> {
        let query = parse_log(query).map_err(|error| error.to_string())?;
        let pipeline = Pipeline::new(&query.stages, &Wants::All).map_err(|error| error.to_string())?;
        let mut runner = Runner::new(&pipeline, 0);
        let mut answer = Vec::new();
        for line in self.0.iter().filter(|line| is_selected(line, &query.selector)) {
            let (stream, metadata) = (borrowed(&line.stream), borrowed(&line.metadata));
            let entry = Entry { timestamp: line.time, line: &line.text, stream: &stream, metadata: &metadata };
            answer.extend(runner.run(&entry, |text, labels| {
                let [stream, metadata, parsed] =
                    [Category::Stream, Category::Metadata, Category::Parsed].map(|category| of(labels, category));
                Line { stream, metadata, parsed, time: line.time, text: text.to_owned() }
            }));
        }
        Ok(answer)
    }

    fn series(&mut self, query: &str, ask: Ask, grid: Grid) -> Result<Answer, String> {
        let metric = parse_metric(query).map_err(|error| error.to_string())?;
        let plan = Plan::new(&metric).map_err(|error| error.to_string())?;
        let mut added = Vec::new();
        for leaf in plan.leaves() {
            let reading = Reading::new(leaf).map_err(|error| error.to_string())?;
            let mut accumulator = leaf.accumulator(grid, LIMITS).map_err(|error| error.to_string())?;
            let (after, until) = accumulator.bounds();
            let mut runner = Runner::new(reading.pipeline(), 0);
            let mut known = Vec::new();
            let within = self.0.iter().filter(|line| line.time > after && line.time <= until);
            for line in within.filter(|line| is_selected(line, &leaf.range().query.selector)) {
                let (stream, metadata) = (borrowed(&line.stream), borrowed(&line.metadata));
                let entry = Entry { timestamp: line.time, line: &line.text, stream: &stream, metadata: &metadata };
                let labels = (&line.stream, &line.metadata);
                match known.iter().find(|(other, _)| reading.leaves_labels() && *other == labels) {
                    Some((_, series)) => reading.add_known(&mut runner, &entry, *series, &mut accumulator).map(drop),
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
        answer.map_err(|error| error.to_string())
    }
}

fn is_selected(line: &Line, selector: &[Matcher]) -> bool {
    let value = |name: &str| line.stream.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value);
    selector.iter().all(|matcher| matcher.matches(value(&matcher.name)))
}

fn borrowed(pairs: &Pairs) -> Vec<(&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn of(labels: &Labels<'_>, wanted: Category) -> Pairs {
    let those = labels.iter().filter(|(category, ..)| *category == wanted);
    those.map(|(_, name, value)| (name.to_owned(), value.to_owned())).collect()
}
