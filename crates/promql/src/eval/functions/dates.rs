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

const DAY: u64 = 86_400;

/// Days from the first of March of the year -292,277,022,400 to the epoch. Go counts from there, without a sign.
const DAYS_BEFORE_EPOCH: u64 = 292_277_022_400 / 400 * 146_097 + 306 + 719_162;

/// Days since the epoch.
fn days(seconds: f64) -> i64 {
    (counted(seconds) / DAY) as i64 - DAYS_BEFORE_EPOCH as i64
}

fn second_of_day(seconds: f64) -> i64 {
    (counted(seconds) % DAY) as i64
}

/// Seconds as Go counts them, going round where they are too many: what is no instant has the parts that Prometheus gives it
/// (on x86-64; Go leaves it open). A fraction is lost towards zero.
fn counted(seconds: f64) -> u64 {
    const TOO_LARGE: f64 = -(i64::MIN as f64);
    let whole = if (-TOO_LARGE..TOO_LARGE).contains(&seconds) { seconds as i64 } else { i64::MIN };
    (whole as u64).wrapping_add(DAYS_BEFORE_EPOCH.wrapping_mul(DAY))
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
    }

    /// Asked of a Prometheus on x86-64.
    #[test]
    fn what_is_no_instant_has_the_parts_that_go_gives_it() {
        let names = ["year", "month", "day_of_month", "day_of_year", "day_of_week", "days_in_month", "hour", "minute"];
        const TURNED_ROUND: [i64; 8] = [292_277_026_596, 12, 4, 339, 0, 31, 15, 30];
        for (seconds, expected) in [
            (f64::NEG_INFINITY, TURNED_ROUND),
            (f64::NAN, TURNED_ROUND),
            (f64::INFINITY, TURNED_ROUND),
            (1e300, TURNED_ROUND),
            (9e18, [285_198_648_531, 4, 21, 111, 6, 30, 16, 0]),
            (-9e18, [-285_198_644_592, 9, 12, 256, 1, 30, 8, 0]),
            (-1e15, [-31_686_769, 6, 29, 180, 0, 30, 22, 13]),
            (-62_135_596_801.0, [0, 12, 31, 366, 0, 31, 23, 59]),
        ] {
            let found = names.map(|name| part(name).unwrap()(seconds) as i64);
            assert_eq!(found, expected, "{seconds}");
        }
    }
}
