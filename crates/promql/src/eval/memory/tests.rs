//! What queries of every kind hold, and what is left of it.

use std::ops::ControlFlow;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use super::*;
use crate::eval::{Answer, Engine, EngineOptions, QueryFailure, QueryLimits};
use crate::histogram::FloatHistogram;
use crate::labels::METRIC_NAME;
use crate::matcher::Matcher;
use crate::parser::ParserOptions;
use crate::source::{SelectHints, SeriesSource};
use crate::steps::Steps;

const SERIES: usize = 64;
const STEPS: i64 = 1000;
const STEP: i64 = 1000;
/// A row of floats on the grid, at the least.
const ROW: usize = STEPS as usize * 8;

/// Of two metrics so many series each with a sample a step, and of a third as many buckets; and one native histogram.
struct Many;

impl SeriesSource for Many {
    fn select(&self, matchers: &[Matcher], _: &SelectHints) -> Result<Vec<RawSeries>, EvalError> {
        let floats = |number: usize| {
            let mut samples = Samples::default();
            (0..STEPS).for_each(|step| samples.push_float(step * STEP, number as f64));
            samples
        };
        let named = |name: &'static str| {
            (0..SERIES).map(move |number| RawSeries {
                labels: Labels::from_pairs([
                    (METRIC_NAME, name.to_owned()),
                    ("instance", number.to_string()),
                    ("job", "j".to_owned()),
                    ("le", number.to_string()),
                ]),
                samples: floats(number),
            })
        };
        let mut histograms = Samples::default();
        for step in 0..STEPS {
            let histogram = FloatHistogram { count: 3.0, positive_buckets: vec![3.0], ..FloatHistogram::default() };
            histograms.push_histogram(step * STEP, Arc::new(histogram));
        }
        let native = RawSeries { labels: Labels::from_pairs([(METRIC_NAME, "native")]), samples: histograms };
        let mut found: Vec<RawSeries> = named("a").chain(named("b")).chain([native]).collect();
        found.retain(|series| matchers.iter().all(|matcher| matcher.matches_labels(&series.labels)));
        Ok(found)
    }

    /// Eight together.
    fn select_in_batches(
        &self,
        matchers: &[Matcher],
        hints: &SelectHints,
        take: &mut dyn FnMut(Vec<RawSeries>) -> Result<ControlFlow<()>, EvalError>,
    ) -> Result<ControlFlow<()>, EvalError> {
        let mut all = self.select(matchers, hints)?.into_iter();
        while all.len() > 0 {
            if take(all.by_ref().take(8).collect())?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

#[derive(Debug)]
struct Counted {
    limit: usize,
    held: AtomicUsize,
    most: AtomicUsize,
}

impl Counted {
    fn up_to(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, held: AtomicUsize::new(0), most: AtomicUsize::new(0) })
    }
}

impl Memory for Counted {
    fn grow(&self, bytes: usize) -> Result<(), EvalError> {
        let held = self.held.load(Relaxed).saturating_add(bytes);
        if held > self.limit {
            return Err(EvalError::Limit("no room".to_owned()));
        }
        self.held.store(held, Relaxed);
        self.most.fetch_max(held, Relaxed);
        Ok(())
    }

    fn shrink(&self, bytes: usize) {
        self.held.store(self.held.load(Relaxed).checked_sub(bytes).expect("no more than was held"), Relaxed);
    }
}

fn ask(query: &str, counted: &Arc<Counted>) -> Result<Answer, QueryFailure> {
    let options = EngineOptions { lookback_delta: STEP / 2, ..EngineOptions::default() };
    let engine = Engine::new(options, ParserOptions::ALL);
    let memory: Arc<dyn Memory> = counted.clone();
    let limits = QueryLimits { memory: Some(&memory), ..QueryLimits::default() };
    let expr = engine.parse(query)?;
    match query.ends_with(']') {
        true => engine.instant_expr(&Many, &expr, (STEPS - 1) * STEP, limits),
        false => engine.range_expr(&Many, &expr, Steps::range(0, (STEPS - 1) * STEP, STEP), limits),
    }
}

#[test]
fn all_that_grows_is_counted_and_only_the_result_is_left() {
    // Each with the rows that are held together at the least, those that were read included.
    for (query, rows) in [
        ("a", 2 * SERIES),
        ("a[1000s]", 2 * SERIES),
        ("(a + 0)[1000s:1s]", 2 * SERIES),
        ("a @ 5", SERIES),
        ("rate(a[10s])", 2 * SERIES),
        ("avg_over_time(a[10s])", 2 * SERIES),
        ("max_over_time(sum by (instance) (a)[10s:1s])", 2 * SERIES),
        ("sum by (instance) (a)", 2 * SERIES),
        ("count by (instance) (rate(a[10s]))", SERIES),
        ("sum by (instance) (a + 0)", 2 * SERIES),
        ("quantile by (instance) (0.5, a)", 2 * SERIES),
        ("topk(1000, a)", 2 * SERIES),
        ("limit_ratio(1, a)", 2 * SERIES),
        ("count_values(\"v\", a)", 2 * SERIES),
        ("a + on (instance) b", 3 * SERIES),
        ("a + on (instance) fill_right(1) nothing", 2 * SERIES),
        ("a or b", 2 * SERIES),
        ("-a + abs(b)", 3 * SERIES),
        ("label_replace(a, \"x\", \"$1\", \"instance\", \"(.*)\")", 2 * SERIES),
        ("histogram_quantile(0.5, a)", SERIES + 1),
        ("histogram_quantiles(a, \"q\", 0.1, 0.9)", SERIES + 2),
        ("timestamp(a)", 2 * SERIES),
        ("a smoothed", 2 * SERIES),
        ("native", 168 / 8),
        ("sum(native)", 2 * 168 / 8),
        ("vector(1)", 1),
        ("1", 1),
    ] {
        let counted = Counted::up_to(usize::MAX);
        let answer = ask(query, &counted).unwrap_or_else(|error| panic!("{query}: {error}"));
        let most = counted.most.load(Relaxed);
        assert!(most >= rows * ROW, "{query}: {most} bytes are fewer than {rows} rows");
        assert!(
            most < (2 * rows + SERIES) * ROW + SERIES * 2000,
            "{query}: {most} bytes are far more than {rows} rows"
        );
        assert_eq!(counted.held.load(Relaxed), bytes_of_result(&answer.result), "{query}");
        assert!(answer.memory.is_some());

        let counted = Counted::up_to(most - 1);
        assert_eq!(ask(query, &counted).unwrap_err().to_string(), "no room", "{query}");
        assert!(ask(query, &Counted::up_to(most)).is_ok(), "{query}");
    }
}

#[test]
fn series_that_are_added_up_are_not_held() {
    let counted = Counted::up_to(usize::MAX);
    ask("sum(rate(a[10s]))", &counted).unwrap();
    let most = counted.most.load(Relaxed);
    assert!((8 * ROW..12 * ROW).contains(&most), "{most} bytes are not a batch and a group");
}

#[test]
fn a_join_that_is_added_up_holds_a_batch_and_its_few_series() {
    let query = r#"sum(rate(a[10s]) * on (instance) group_left sum by (instance) (b{le=~"[0-9]"}))"#;
    let counted = Counted::up_to(usize::MAX);
    let answer = ask(query, &counted).unwrap();
    let most = counted.most.load(Relaxed);
    assert!((18 * ROW..48 * ROW).contains(&most), "{most} bytes are not ten series and a batch");
    assert_eq!(counted.held.load(Relaxed), bytes_of_result(&answer.result));
    assert_eq!(ask(query, &Counted::up_to(most - 1)).unwrap_err().to_string(), "no room");
}

#[test]
fn histograms_that_stay_count_once() {
    let one = Arc::new(FloatHistogram::default());
    let mut points = Points::empty(10);
    (0..8).for_each(|step| points.set_histogram(step, one.clone()));
    points.set_histogram(9, Arc::new(FloatHistogram::default()));
    assert_eq!(points.bytes(), 10 * 8 + 8 + 10 * 8 + 2 * one.size());
    let mut samples = Samples::default();
    samples.push_float(1, 1.0);
    let shared = [samples.clone(), samples.clone()];
    assert_eq!(bytes_of_samples(&shared), 2 * 8 + 8);
    samples.push_float(2, 1.0);
    assert_eq!(bytes_of_samples([&shared[0], &samples]), 8 + 8 + 2 * 16);
}
