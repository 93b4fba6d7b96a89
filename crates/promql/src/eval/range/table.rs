//! Which functions there are over range vectors.

use super::rate::Rate;
use super::scope::Scope;
use super::window::Window;
use super::{changes, last_two, over_time, spread, trend};
use crate::error::EvalError;
use crate::points::Point;

/// The value of one window, given the other arguments at its step.
type Evaluate = for<'a> fn(&Scope<'a>, &Window<'_>, [f64; 2]) -> Result<Option<Point>, EvalError>;

pub(in crate::eval) struct RangeFunction {
    name: &'static str,
    pub(super) evaluate: Evaluate,
    /// Its values are samples as they are.
    pub keeps_name: bool,
    /// It makes sense only for counters.
    pub is_for_counters: bool,
    /// It can make use of when counting began.
    pub uses_start_times: bool,
    /// As what it is evaluated where there is nothing but floats.
    pub(super) plain: Option<Rate>,
}

impl RangeFunction {
    const fn new(name: &'static str, evaluate: Evaluate) -> Self {
        Self { name, evaluate, keeps_name: false, is_for_counters: false, uses_start_times: false, plain: None }
    }

    const fn keeping_names(self) -> Self {
        Self { keeps_name: true, ..self }
    }

    const fn for_counters(self) -> Self {
        Self { is_for_counters: true, ..self }
    }

    const fn plainly(self, rate: Rate) -> Self {
        Self { plain: Some(rate), ..self }
    }

    const fn with_start_times(self) -> Self {
        Self { uses_start_times: true, ..self }
    }
}

pub(super) fn named(name: &str) -> Option<&'static RangeFunction> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

macro_rules! floats {
    ($evaluate:expr) => {
        |scope, window, _| Ok($evaluate(scope, window).map(Point::Float))
    };
}

static FUNCTIONS: [RangeFunction; 26] = [
    RangeFunction::new("avg_over_time", |scope, window, _| Ok(over_time::avg(scope, window))),
    RangeFunction::new("changes", floats!(changes::changes)),
    RangeFunction::new("count_over_time", |_, window, _| Ok(Some(over_time::count(window)))),
    RangeFunction::new("delta", |scope, window, _| Ok(Rate::DELTA.of(scope, window))).plainly(Rate::DELTA),
    RangeFunction::new("deriv", floats!(trend::derivative)),
    RangeFunction::new("double_exponential_smoothing", |scope, window, [smoothing, trend]| {
        Ok(trend::smoothed(scope, window, smoothing, trend)?.map(Point::Float))
    }),
    RangeFunction::new("first_over_time", |_, window, _| Ok(over_time::first(window))).keeping_names(),
    RangeFunction::new("idelta", |scope, window, _| Ok(last_two::idelta(scope, window))),
    RangeFunction::new("increase", |scope, window, _| Ok(Rate::INCREASE.of(scope, window)))
        .for_counters()
        .with_start_times()
        .plainly(Rate::INCREASE),
    RangeFunction::new("irate", |scope, window, _| Ok(last_two::irate(scope, window))).with_start_times(),
    RangeFunction::new("last_over_time", |_, window, _| Ok(over_time::last(window))).keeping_names(),
    RangeFunction::new("mad_over_time", floats!(spread::median_absolute_deviation)),
    RangeFunction::new("max_over_time", floats!(over_time::max)),
    RangeFunction::new("min_over_time", floats!(over_time::min)),
    RangeFunction::new("predict_linear", |scope, window, [seconds, _]| {
        Ok(trend::predicted(scope, window, seconds).map(Point::Float))
    }),
    RangeFunction::new("present_over_time", |_, _, _| Ok(Some(Point::Float(1.0)))),
    RangeFunction::new("quantile_over_time", |scope, window, [quantile, _]| {
        Ok(spread::quantile(scope, window, quantile).map(Point::Float))
    }),
    RangeFunction::new("rate", |scope, window, _| Ok(Rate::RATE.of(scope, window)))
        .for_counters()
        .with_start_times()
        .plainly(Rate::RATE),
    RangeFunction::new("resets", floats!(changes::resets)).with_start_times(),
    RangeFunction::new("stddev_over_time", floats!(spread::standard_deviation)),
    RangeFunction::new("stdvar_over_time", floats!(spread::variance)),
    RangeFunction::new("sum_over_time", |scope, window, _| Ok(over_time::sum(scope, window))),
    RangeFunction::new("ts_of_first_over_time", |_, window, _| Ok(over_time::time_of_first(window).map(Point::Float))),
    RangeFunction::new("ts_of_last_over_time", |_, window, _| Ok(over_time::time_of_last(window).map(Point::Float))),
    RangeFunction::new("ts_of_max_over_time", floats!(over_time::time_of_max)),
    RangeFunction::new("ts_of_min_over_time", floats!(over_time::time_of_min)),
];
