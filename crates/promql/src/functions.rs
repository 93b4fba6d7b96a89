//! The functions there are: names and types. `eval::functions` says what they do.

use crate::ast::ValueType;
use crate::ast::ValueType::{Matrix, Scalar, String, Vector};

#[derive(Debug)]
pub struct Function {
    pub name: &'static str,
    pub args: &'static [ValueType],
    /// 0: exactly `args`. n > 0: the last of `args` may be missing or come up to n times. -1: it may be missing or come any
    /// number of times.
    pub variadic: i32,
    pub returns: ValueType,
    pub is_experimental: bool,
}

impl Function {
    /// Names are told apart by case.
    pub fn find(name: &str) -> Option<&'static Function> {
        let index = FUNCTIONS.binary_search_by(|function| function.name.cmp(name)).ok()?;
        FUNCTIONS.get(index)
    }

    /// All of them by name.
    pub fn all() -> &'static [Function] {
        FUNCTIONS
    }
}

const fn function(
    name: &'static str,
    args: &'static [ValueType],
    variadic: i32,
    returns: ValueType,
    is_experimental: bool,
) -> Function {
    Function { name, args, variadic, returns, is_experimental }
}

const STABLE: bool = false;
const EXPERIMENTAL: bool = true;

#[rustfmt::skip]
static FUNCTIONS: &[Function] = &[
    function("abs", &[Vector], 0, Vector, STABLE),
    function("absent", &[Vector], 0, Vector, STABLE),
    function("absent_over_time", &[Matrix], 0, Vector, STABLE),
    function("acos", &[Vector], 0, Vector, STABLE),
    function("acosh", &[Vector], 0, Vector, STABLE),
    function("asin", &[Vector], 0, Vector, STABLE),
    function("asinh", &[Vector], 0, Vector, STABLE),
    function("atan", &[Vector], 0, Vector, STABLE),
    function("atanh", &[Vector], 0, Vector, STABLE),
    function("avg_over_time", &[Matrix], 0, Vector, STABLE),
    function("ceil", &[Vector], 0, Vector, STABLE),
    function("changes", &[Matrix], 0, Vector, STABLE),
    function("clamp", &[Vector, Scalar, Scalar], 0, Vector, STABLE),
    function("clamp_max", &[Vector, Scalar], 0, Vector, STABLE),
    function("clamp_min", &[Vector, Scalar], 0, Vector, STABLE),
    function("cos", &[Vector], 0, Vector, STABLE),
    function("cosh", &[Vector], 0, Vector, STABLE),
    function("count_over_time", &[Matrix], 0, Vector, STABLE),
    function("day_of_month", &[Vector], 1, Vector, STABLE),
    function("day_of_week", &[Vector], 1, Vector, STABLE),
    function("day_of_year", &[Vector], 1, Vector, STABLE),
    function("days_in_month", &[Vector], 1, Vector, STABLE),
    function("deg", &[Vector], 0, Vector, STABLE),
    function("delta", &[Matrix], 0, Vector, STABLE),
    function("deriv", &[Matrix], 0, Vector, STABLE),
    function("double_exponential_smoothing", &[Matrix, Scalar, Scalar], 0, Vector, EXPERIMENTAL),
    function("end", &[], 0, Scalar, EXPERIMENTAL),
    function("exp", &[Vector], 0, Vector, STABLE),
    function("first_over_time", &[Matrix], 0, Vector, STABLE),
    function("floor", &[Vector], 0, Vector, STABLE),
    function("histogram_avg", &[Vector], 0, Vector, STABLE),
    function("histogram_count", &[Vector], 0, Vector, STABLE),
    function("histogram_fraction", &[Scalar, Scalar, Vector], 0, Vector, STABLE),
    function("histogram_quantile", &[Scalar, Vector], 0, Vector, STABLE),
    function("histogram_quantiles", &[Vector, String, Scalar, Scalar], 9, Vector, EXPERIMENTAL),
    function("histogram_stddev", &[Vector], 0, Vector, STABLE),
    function("histogram_stdvar", &[Vector], 0, Vector, STABLE),
    function("histogram_sum", &[Vector], 0, Vector, STABLE),
    function("hour", &[Vector], 1, Vector, STABLE),
    function("idelta", &[Matrix], 0, Vector, STABLE),
    function("increase", &[Matrix], 0, Vector, STABLE),
    function("info", &[Vector, Vector], 1, Vector, EXPERIMENTAL),
    function("irate", &[Matrix], 0, Vector, STABLE),
    function("label_join", &[Vector, String, String, String], -1, Vector, STABLE),
    function("label_replace", &[Vector, String, String, String, String], 0, Vector, STABLE),
    function("last_over_time", &[Matrix], 0, Vector, STABLE),
    function("ln", &[Vector], 0, Vector, STABLE),
    function("log10", &[Vector], 0, Vector, STABLE),
    function("log2", &[Vector], 0, Vector, STABLE),
    function("mad_over_time", &[Matrix], 0, Vector, EXPERIMENTAL),
    function("max_of", &[Scalar, Scalar], 0, Scalar, EXPERIMENTAL),
    function("max_over_time", &[Matrix], 0, Vector, STABLE),
    function("min_of", &[Scalar, Scalar], 0, Scalar, EXPERIMENTAL),
    function("min_over_time", &[Matrix], 0, Vector, STABLE),
    function("minute", &[Vector], 1, Vector, STABLE),
    function("month", &[Vector], 1, Vector, STABLE),
    function("pi", &[], 0, Scalar, STABLE),
    function("predict_linear", &[Matrix, Scalar], 0, Vector, STABLE),
    function("present_over_time", &[Matrix], 0, Vector, STABLE),
    function("quantile_over_time", &[Scalar, Matrix], 0, Vector, STABLE),
    function("rad", &[Vector], 0, Vector, STABLE),
    function("range", &[], 0, Scalar, EXPERIMENTAL),
    function("rate", &[Matrix], 0, Vector, STABLE),
    function("resets", &[Matrix], 0, Vector, STABLE),
    function("round", &[Vector, Scalar], 1, Vector, STABLE),
    function("scalar", &[Vector], 0, Scalar, STABLE),
    function("sgn", &[Vector], 0, Vector, STABLE),
    function("sin", &[Vector], 0, Vector, STABLE),
    function("sinh", &[Vector], 0, Vector, STABLE),
    function("sort", &[Vector], 0, Vector, STABLE),
    function("sort_by_label", &[Vector, String], -1, Vector, EXPERIMENTAL),
    function("sort_by_label_desc", &[Vector, String], -1, Vector, EXPERIMENTAL),
    function("sort_desc", &[Vector], 0, Vector, STABLE),
    function("sqrt", &[Vector], 0, Vector, STABLE),
    function("start", &[], 0, Scalar, EXPERIMENTAL),
    function("start_timestamp", &[Vector], 0, Vector, EXPERIMENTAL),
    function("stddev_over_time", &[Matrix], 0, Vector, STABLE),
    function("stdvar_over_time", &[Matrix], 0, Vector, STABLE),
    function("step", &[], 0, Scalar, EXPERIMENTAL),
    function("sum_over_time", &[Matrix], 0, Vector, STABLE),
    function("tan", &[Vector], 0, Vector, STABLE),
    function("tanh", &[Vector], 0, Vector, STABLE),
    function("time", &[], 0, Scalar, STABLE),
    function("timestamp", &[Vector], 0, Vector, STABLE),
    function("ts_of_first_over_time", &[Matrix], 0, Vector, EXPERIMENTAL),
    function("ts_of_last_over_time", &[Matrix], 0, Vector, EXPERIMENTAL),
    function("ts_of_max_over_time", &[Matrix], 0, Vector, EXPERIMENTAL),
    function("ts_of_min_over_time", &[Matrix], 0, Vector, EXPERIMENTAL),
    function("vector", &[Scalar], 0, Vector, STABLE),
    function("year", &[Vector], 1, Vector, STABLE),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_sorted_and_found() {
        assert!(FUNCTIONS.is_sorted_by(|a, b| a.name < b.name));
        assert_eq!(FUNCTIONS.len(), 90);
        assert_eq!(FUNCTIONS.iter().filter(|function| function.is_experimental).count(), 17);
        for function in Function::all() {
            let found = Function::find(function.name).unwrap();
            assert_eq!(found.name, function.name);
            assert!(found.variadic == 0 || !found.args.is_empty(), "{}", found.name);
        }
        assert!(Function::find("Rate").is_none() && Function::find("").is_none());
    }
}
