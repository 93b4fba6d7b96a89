//! Parts of dates (UTC) of seconds since the epoch.

use crate::ast::Call;
use crate::error::EvalError;
use crate::eval::Evaluator;
use crate::labels::Labels;
use crate::points::Points;
use crate::value::{StepSeries, Value};

pub(super) fn part(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "year" => |seconds| date(seconds).year as f64,
        "month" => |seconds| date(seconds).month as f64,
        "day_of_month" => |seconds| date(seconds).day as f64,
        "day_of_year" => |seconds| {
            let Date { year, month, day } = date(seconds);
            ((1..month).map(|month| days_in_month(year, month)).sum::<i64>() + day) as f64
        },
        // The epoch was a Thursday.
        "day_of_week" => |seconds| (days(seconds) + 4).rem_euclid(7) as f64,
        "days_in_month" => |seconds| {
            let Date { year, month, .. } = date(seconds);
            days_in_month(year, month) as f64
        },
        "hour" => |seconds| (second_of_day(seconds) / 3600) as f64,
        "minute" => |seconds| (second_of_day(seconds) / 60 % 60) as f64,
        _ => return None,
    })
}

impl Evaluator<'_> {
    /// Without an argument of the time of the step.
    pub(super) fn date(&self, call: &Call, f: fn(f64) -> f64) -> Result<Value, EvalError> {
        if !call.args.is_empty() {
            return self.map(call, 0, |points| points.map_floats(f));
        }
        let points = Points::dense(self.steps.iter().map(|time| f((time / 1000) as f64)).collect());
        Ok(Value::Vector(vec![StepSeries { labels: Labels::default(), drop_name: false, points }]))
    }
}

struct Date {
    year: i64,
    /// From 1.
    month: i64,
    day: i64,
}

const DAY: i64 = 86_400;

/// Days since the epoch. Seconds lose their fraction towards zero.
fn days(seconds: f64) -> i64 {
    (seconds as i64).div_euclid(DAY)
}

fn second_of_day(seconds: f64) -> i64 {
    (seconds as i64).rem_euclid(DAY)
}

/// By eras of 400 years, which all have the same days, and years that begin in March, whose leap day is the last
/// (<https://howardhinnant.github.io/date_algorithms.html>).
fn date(seconds: f64) -> Date {
    let days = days(seconds) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    Date { year: year_of_era + era * 400 + i64::from(month <= 2), month, day }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_those_of_the_calendar() {
        let names = ["year", "month", "day_of_month", "day_of_year", "day_of_week", "days_in_month", "hour", "minute"];
        for (seconds, expected) in [
            (0.0, [1970, 1, 1, 1, 4, 31, 0, 0]),
            (-1.0, [1969, 12, 31, 365, 3, 31, 23, 59]),
            (1_136_239_445.9, [2006, 1, 2, 2, 1, 31, 22, 4]),
            (1_709_251_199.0, [2024, 2, 29, 60, 4, 29, 23, 59]),
            (1_735_689_599.0, [2024, 12, 31, 366, 2, 31, 23, 59]),
            (-2_208_988_800.0, [1900, 1, 1, 1, 1, 31, 0, 0]),
        ] {
            let found = names.map(|name| part(name).unwrap()(seconds) as i64);
            assert_eq!(found, expected, "{seconds}");
        }
        for name in names {
            for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300] {
                assert!(part(name).unwrap()(odd).is_finite());
            }
        }
    }
}
