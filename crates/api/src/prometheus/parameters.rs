//! What parameters mean: times, lengths of time, limits, selectors.

use chrono::DateTime;
use trefoil_go::quote::quote;
use trefoil_promql::matcher::Matcher;
use trefoil_promql::parser::{parse_duration, parse_selector};

use super::error::PromError;
use super::form::Parameters;

/// How clients that know no better write "since ever" and "for ever", in milliseconds since the epoch.
const MIN_TIME: i64 = (i64::MIN / 1000 + 62_135_596_801) * 1000;
const MAX_TIME: i64 = (i64::MAX / 1000 - 62_135_596_801) * 1000 + 999;
/// Their years have more digits than RFC 3339 knows.
const MIN_TIME_TEXT: &str = "-292273086-05-16T16:47:06Z";
const MAX_TIME_TEXT: &str = "292277025-08-18T07:12:54.999999999Z";

type Result<T> = std::result::Result<T, PromError>;

/// Milliseconds since the epoch; seconds with decimals, or RFC 3339.
pub(crate) fn parse_time(text: &str) -> std::result::Result<i64, String> {
    if let Some(seconds) = text.parse().ok().filter(|seconds: &f64| seconds.is_finite()) {
        return Ok((seconds * 1000.0).round() as i64);
    }
    match text {
        MIN_TIME_TEXT => return Ok(MIN_TIME),
        MAX_TIME_TEXT => return Ok(MAX_TIME),
        _ => {}
    }
    match DateTime::parse_from_rfc3339(text) {
        Ok(time) => Ok(time.timestamp_millis()),
        Err(_) => Err(format!("cannot parse {} to a valid timestamp", quote(text))),
    }
}

/// Nanoseconds; seconds with decimals, or a duration such as `1h30m`.
pub(crate) fn parse_length(text: &str) -> std::result::Result<i64, String> {
    if let Some(seconds) = text.parse().ok().filter(|seconds: &f64| !seconds.is_nan()) {
        let nanos: f64 = seconds * 1e9;
        return match nanos.abs() <= i64::MAX as f64 {
            true => Ok(nanos as i64),
            false => Err(format!("cannot parse {} to a valid duration. It overflows int64", quote(text))),
        };
    }
    let millis = parse_duration(text).map_err(|_| format!("cannot parse {} to a valid duration", quote(text)))?;
    Ok(millis.saturating_mul(1_000_000))
}

impl Parameters {
    /// Milliseconds since the epoch; an error where it is absent.
    pub fn required_time(&self, name: &str) -> Result<i64> {
        parse_time(self.get(name)).map_err(|error| PromError::invalid_parameter(name, error))
    }

    pub fn time(&self, name: &str) -> Result<Option<i64>> {
        match self.get(name) {
            "" => Ok(None),
            text => parse_time(text).map(Some).map_err(|error| {
                PromError::invalid_parameter(name, format!("invalid time value for '{name}': {error}"))
            }),
        }
    }

    /// `start` and `end`, all of time where they are absent.
    pub fn time_range(&self) -> Result<(i64, i64)> {
        Ok((self.time("start")?.unwrap_or(MIN_TIME), self.time("end")?.unwrap_or(MAX_TIME)))
    }

    /// Nanoseconds; an error where it is absent.
    pub fn required_length(&self, name: &str) -> Result<i64> {
        parse_length(self.get(name)).map_err(|error| PromError::invalid_parameter(name, error))
    }

    pub fn length(&self, name: &str) -> Result<Option<i64>> {
        match self.get(name) {
            "" => Ok(None),
            _ => self.required_length(name).map(Some),
        }
    }

    /// How many results at most; `None` for any number, which 0 says as well.
    pub fn limit(&self) -> Result<Option<usize>> {
        let text = self.get("limit");
        if text.is_empty() {
            return Ok(None);
        }
        let limit = parse_integer(text).map_err(|error| PromError::invalid_parameter("limit", error))?;
        match usize::try_from(limit) {
            Ok(0) => Ok(None),
            Ok(limit) => Ok(Some(limit)),
            Err(_) => Err(PromError::invalid_parameter("limit", "limit must be non-negative")),
        }
    }

    /// A number that means "any" where it is absent or negative, as `/metadata` has them.
    pub fn count(&self, name: &str) -> Result<Option<usize>> {
        match self.get(name) {
            "" => Ok(None),
            text => match parse_integer(text) {
                Ok(number) => Ok(usize::try_from(number).ok()),
                Err(_) => Err(PromError::bad_data(format!("{name} must be a number"))),
            },
        }
    }

    /// In Go's words for true and false.
    pub fn boolean(&self, name: &str, default: bool) -> Result<bool> {
        match self.get(name) {
            "" => Ok(default),
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
            text => Err(PromError::bad_data(format!("invalid {name} {}: must be boolean", quote(text)))),
        }
    }

    /// The selectors of `match[]`, each of which must ask for something.
    pub fn selectors(&self) -> std::result::Result<Vec<Vec<Matcher>>, String> {
        let selectors = self.all("match[]").map(parse_selector).collect::<std::result::Result<Vec<_>, _>>();
        let selectors = selectors.map_err(|error| error.to_string())?;
        match selectors.iter().any(|matchers| matchers.iter().all(Matcher::matches_empty)) {
            true => Err("match[] must contain at least one non-empty matcher".to_owned()),
            false => Ok(selectors),
        }
    }
}

/// The error is Go's `strconv.Atoi`'s.
fn parse_integer(text: &str) -> std::result::Result<i64, String> {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    text.parse().map_err(|error: std::num::ParseIntError| {
        let reason = match error.kind() {
            PosOverflow | NegOverflow => "value out of range",
            _ => "invalid syntax",
        };
        format!("strconv.Atoi: parsing {}: {reason}", quote(text))
    })
}

/// The label that a path names: `U__a_2e_b` is `a.b`. What is no valid escape stands for itself.
pub(super) fn unescape_label_name(name: &str) -> String {
    let unescaped = name.strip_prefix("U__").and_then(unescape);
    unescaped.unwrap_or_else(|| name.to_owned())
}

fn unescape(escaped: &str) -> Option<String> {
    let mut name = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((plain, code)) = rest.split_once('_') {
        name.push_str(plain);
        if let Some(after) = code.strip_prefix('_') {
            name.push('_');
            rest = after;
            continue;
        }
        let (digits, after) = code.split_once('_')?;
        let is_code = (1..=6).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let code = u32::from_str_radix(digits, 16).ok().filter(|_| is_code)?;
        name.push(char::from_u32(code)?);
        rest = after;
    }
    name.push_str(rest);
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_rfc_3339() {
        for (text, millis) in [
            ("123", 123_000),
            ("123.123", 123_123),
            ("1435781430.781", 1_435_781_430_781),
            ("1.7e9", 1_700_000_000_000),
            ("-1.5", -1_500),
            ("2015-06-03T13:21:58.555Z", 1_433_337_718_555),
            ("2015-06-03T14:21:58.555+01:00", 1_433_337_718_555),
            ("1970-01-01T00:00:00Z", 0),
            (MIN_TIME_TEXT, MIN_TIME),
            (MAX_TIME_TEXT, MAX_TIME),
        ] {
            assert_eq!(parse_time(text), Ok(millis), "{text}");
        }
        for wrong in ["", "abc", "30s", "NaN", "inf", "2015-06-03"] {
            assert_eq!(parse_time(wrong), Err(format!("cannot parse {wrong:?} to a valid timestamp")));
        }
    }

    #[test]
    fn lengths_are_seconds_or_durations() {
        for (text, nanos) in [
            ("123", 123_000_000_000),
            ("0.5", 500_000_000),
            ("-1", -1_000_000_000),
            ("15s", 15_000_000_000),
            ("1h30m", 5_400_000_000_000),
        ] {
            assert_eq!(parse_length(text), Ok(nanos), "{text}");
        }
        for (wrong, error) in [
            ("", "cannot parse \"\" to a valid duration"),
            ("abc", "cannot parse \"abc\" to a valid duration"),
            ("1e30", "cannot parse \"1e30\" to a valid duration. It overflows int64"),
            ("NaN", "cannot parse \"NaN\" to a valid duration"),
        ] {
            assert_eq!(parse_length(wrong), Err(error.to_owned()));
        }
    }

    #[test]
    fn limits_are_numbers() {
        let limit =
            |text: &str| Parameters::from(format!("limit={text}").as_str()).limit().map_err(|error| error.message);
        assert_eq!((limit(""), limit("0"), limit("7")), (Ok(None), Ok(None), Ok(Some(7))));
        assert_eq!(limit("-1").unwrap_err(), "invalid parameter \"limit\": limit must be non-negative");
        let wrong = "invalid parameter \"limit\": strconv.Atoi: parsing \"x\": invalid syntax";
        assert_eq!(limit("x").unwrap_err(), wrong);
        let count = |text: &str| Parameters::from(format!("limit={text}").as_str()).count("limit");
        assert_eq!((count("-1").unwrap(), count("0").unwrap()), (None, Some(0)));
        assert_eq!(count("x").unwrap_err().message, "limit must be a number");
    }

    #[test]
    fn selectors_ask_for_something() {
        let selectors = |query: &str| Parameters::from(query).selectors().map(|selectors| selectors.len());
        assert_eq!(selectors("a=b"), Ok(0));
        assert_eq!(selectors("match[]=up&match[]={job=~\".%2B\"}"), Ok(2));
        let empty = Err("match[] must contain at least one non-empty matcher".to_owned());
        assert_eq!(selectors("match[]={job=~\".*\"}"), empty);
        assert_eq!(selectors("match[]={}"), empty);
        assert!(selectors("match[]=up[5m]").unwrap_err().contains("parse error"));
    }

    #[test]
    fn escaped_names_are_read() {
        for (escaped, name) in [
            ("job", "job"),
            ("U__http_2e_route", "http.route"),
            ("U__a__b", "a_b"),
            ("U__g_fc_n", "gün"),
            ("U___1f600_", "😀"),
            ("U__", ""),
            ("U__a_", "U__a_"),
            ("U__a_2e", "U__a_2e"),
            ("U__a_xy_", "U__a_xy_"),
            ("U__a_0000002e_", "U__a_0000002e_"),
            ("U__a_d800_", "U__a_d800_"),
        ] {
            assert_eq!(unescape_label_name(escaped), name);
        }
    }
}
