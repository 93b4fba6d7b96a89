//! Methods of times and durations: those of Go that make text or numbers of them.

use chrono::{Datelike, Timelike};
use trefoil_go::{duration, layout};

use crate::functions::Kind;
use crate::time::{Time, Zone};
use crate::value::Value;

pub(crate) struct Method {
    pub parameters: &'static [Kind],
    pub apply: for<'a> fn(&Value<'a>, &[Value<'a>]) -> Value<'a>,
}

/// Months and days of the week are texts here, which is how they are shown.
pub(crate) fn find(value: &Value<'_>, name: &str) -> Option<Method> {
    match value {
        Value::Time(_) => of_time(name),
        Value::Duration(_) => of_duration(name),
        _ => None,
    }
}

fn time(value: Option<&Value<'_>>) -> Time {
    match value {
        Some(Value::Time(time)) => time.clone(),
        _ => Time::zero(),
    }
}

fn nanos(value: Option<&Value<'_>>) -> i64 {
    match value {
        Some(Value::Duration(nanos)) => *nanos,
        _ => 0,
    }
}

fn method(apply: for<'a> fn(&Value<'a>, &[Value<'a>]) -> Value<'a>) -> Option<Method> {
    Some(Method { parameters: &[], apply })
}

fn of_time(name: &str) -> Option<Method> {
    match name {
        "Format" => Some(Method {
            parameters: &[Kind::String],
            apply: |value, arguments| match arguments {
                [Value::String(layout)] => time(Some(value)).format(layout).into(),
                _ => Value::Nil,
            },
        }),
        "String" => method(|value, _| time(Some(value)).to_string().into()),
        "Unix" => method(|value, _| time(Some(value)).seconds().into()),
        "UnixMilli" => method(|value, _| (time(Some(value)).nanoseconds().div_euclid(1_000_000)).into()),
        "UnixMicro" => method(|value, _| (time(Some(value)).nanoseconds().div_euclid(1_000)).into()),
        "UnixNano" => method(|value, _| time(Some(value)).nanoseconds().into()),
        "UTC" | "Local" => method(|value, _| time(Some(value)).with_zone(Zone::Utc).into()),
        "Year" => method(|value, _| i64::from(time(Some(value)).local().year()).into()),
        "Month" => method(|value, _| layout::month_name(time(Some(value)).local().month()).into()),
        "Day" => method(|value, _| i64::from(time(Some(value)).local().day()).into()),
        "YearDay" => method(|value, _| i64::from(time(Some(value)).local().ordinal()).into()),
        "Weekday" => {
            method(|value, _| layout::weekday_name(time(Some(value)).local().weekday().num_days_from_sunday()).into())
        }
        "Hour" => method(|value, _| i64::from(time(Some(value)).local().hour()).into()),
        "Minute" => method(|value, _| i64::from(time(Some(value)).local().minute()).into()),
        "Second" => method(|value, _| i64::from(time(Some(value)).local().second()).into()),
        "Nanosecond" => method(|value, _| i64::from(time(Some(value)).subsecond_nanoseconds()).into()),
        "IsZero" => method(|value, _| time(Some(value)).is_zero().into()),
        "Add" => Some(Method {
            parameters: &[Kind::Duration],
            apply: |value, arguments| time(Some(value)).plus(nanos(arguments.first())).into(),
        }),
        "Sub" => with_time(|value, arguments| {
            let (one, other) = (time(Some(value)), time(arguments.first()));
            Value::Duration(between(&one, &other))
        }),
        "Before" => with_time(|value, arguments| {
            let (one, other) = (time(Some(value)), time(arguments.first()));
            (instant(&one) < instant(&other)).into()
        }),
        "After" => with_time(|value, arguments| {
            let (one, other) = (time(Some(value)), time(arguments.first()));
            (instant(&one) > instant(&other)).into()
        }),
        "Equal" => with_time(|value, arguments| {
            let (one, other) = (time(Some(value)), time(arguments.first()));
            (instant(&one) == instant(&other)).into()
        }),
        _ => None,
    }
}

fn with_time(apply: for<'a> fn(&Value<'a>, &[Value<'a>]) -> Value<'a>) -> Option<Method> {
    Some(Method { parameters: &[Kind::Time], apply })
}

fn instant(time: &Time) -> (i64, u32) {
    (time.seconds(), time.subsecond_nanoseconds())
}

fn between(one: &Time, other: &Time) -> i64 {
    let seconds = (one.seconds() - other.seconds()).saturating_mul(1_000_000_000);
    seconds.saturating_add(i64::from(one.subsecond_nanoseconds()) - i64::from(other.subsecond_nanoseconds()))
}

fn of_duration(name: &str) -> Option<Method> {
    const WITH_UNIT: &[Kind] = &[Kind::Duration];
    match name {
        "String" => method(|value, _| duration::written(nanos(Some(value))).into()),
        "Nanoseconds" => method(|value, _| nanos(Some(value)).into()),
        "Microseconds" => method(|value, _| (nanos(Some(value)) / 1_000).into()),
        "Milliseconds" => method(|value, _| (nanos(Some(value)) / 1_000_000).into()),
        "Seconds" => method(|value, _| (nanos(Some(value)) as f64 / 1e9).into()),
        "Minutes" => method(|value, _| (nanos(Some(value)) as f64 / 6e10).into()),
        "Hours" => method(|value, _| (nanos(Some(value)) as f64 / 3.6e12).into()),
        "Abs" => method(|value, _| Value::Duration(nanos(Some(value)).saturating_abs())),
        "Truncate" => Some(Method {
            parameters: WITH_UNIT,
            apply: |value, arguments| {
                let (whole, unit) = (nanos(Some(value)), nanos(arguments.first()));
                Value::Duration(if unit <= 0 { whole } else { whole - whole % unit })
            },
        }),
        "Round" => Some(Method {
            parameters: WITH_UNIT,
            apply: |value, arguments| Value::Duration(rounded(nanos(Some(value)), nanos(arguments.first()))),
        }),
        _ => None,
    }
}

/// Halves away from zero.
fn rounded(nanos: i64, unit: i64) -> i64 {
    if unit <= 0 {
        return nanos;
    }
    let rest = nanos % unit;
    let down = nanos - rest;
    match rest.saturating_abs() >= unit - rest.saturating_abs() {
        true => down.saturating_add(unit * nanos.signum()),
        false => down,
    }
}
