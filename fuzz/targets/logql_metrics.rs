//! LogQL's queries of series: what is one is evaluated over a few lines, at one time and for a range. No panic; no more series than
//! there may be, and no value at a time that is no step.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trefoil_logql::metrics::{Accumulator, Answer, Grid, Limits, MetricsError, Options, Plan, Reading};
use trefoil_logql::parse_metric;
use trefoil_logql::pipeline::{Entry, Runner};
use trefoil_promql::eval::QueryLimits;

const SECOND: i64 = 1_000_000_000;
const LIMITS: Limits = Limits { series: 50, bytes: 1 << 20 };
const OPTIONS: Options<'_> = Options {
    max_series: 20,
    max_samples: 100_000,
    limits: QueryLimits { deadline: None, canceled: None, memory: None },
};

const LINES: [&str; 5] =
    ["level=info v=1 took=5ms", "level=error v=2.5 size=1KB", r#"{"a":{"b":1},"v":3}"#, "10.0.0.1 GET /a 200", ""];

fuzz_target!(|text: &str| {
    let Ok(metric) = parse_metric(text) else { return };
    let Ok(plan) = Plan::new(&metric) else { return };
    let instant = Grid::instant(20 * SECOND);
    if let Ok(Answer::Vector { samples, .. }) =
        read(&plan, instant).and_then(|read| plan.instant(read, instant, &OPTIONS))
    {
        assert!(samples.len() <= OPTIONS.max_series);
    }
    let range = Grid::range(0, 30 * SECOND, 7 * SECOND);
    if let Ok(Answer::Matrix(series)) = read(&plan, range).and_then(|read| plan.range(read, range, &OPTIONS)) {
        assert!(series.len() <= OPTIONS.max_series);
        let mut times = series.iter().flat_map(|(_, points)| points).map(|(time, _)| *time);
        assert!(times.all(|time| (0..range.count()).any(|step| range.at(step) == time)));
    }
});

fn read(plan: &Plan, grid: Grid) -> Result<Vec<Accumulator>, MetricsError> {
    let mut added = Vec::new();
    for leaf in plan.leaves() {
        let mut accumulator = leaf.accumulator(grid, LIMITS)?;
        let Ok(reading) = Reading::new(leaf) else { return Err(MetricsError::Invalid("a stage")) };
        let mut runner = Runner::new(reading.pipeline(), 0);
        for (place, line) in LINES.iter().cycle().take(20).enumerate() {
            let stream = [("app", if place % 2 == 0 { "a" } else { "b" })];
            let entry = Entry { timestamp: place as i64 * SECOND, line, stream: &stream, metadata: &[] };
            reading.add(&mut runner, &entry, &mut accumulator)?;
        }
        added.push(accumulator);
    }
    Ok(added)
}
