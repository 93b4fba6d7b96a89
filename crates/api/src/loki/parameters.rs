//! Parameters of questions: times, steps, limits and queries, as Loki's clients write them.

use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use chrono::DateTime;
use trefoil_go::duration;
use trefoil_logql::matcher::Matcher;

use super::LokiError;
use crate::prometheus::form::Parameters;

pub(super) const SECOND: i64 = 1_000_000_000;
/// Where nobody says when a question begins, it is this long before its end.
const SINCE: i64 = 3600 * SECOND;
/// Steps of a range query.
const MOST_STEPS: i64 = 11_000;
/// Numbers of seconds up to it are seconds, others nanoseconds.
const MOST_DIGITS_OF_SECONDS: usize = 10;

/// What a request says, in its URL and in its form.
pub(super) struct Asked {
    parameters: Parameters,
    /// When the request came.
    pub now: i64,
}

impl<S: Send + Sync> FromRequest<S> for Asked {
    type Rejection = LokiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, LokiError> {
        let parameters = Parameters::from_request(request, state).await;
        let parameters = parameters.map_err(|error| LokiError(StatusCode::BAD_REQUEST, error.message))?;
        Ok(Self { parameters, now: chrono::Utc::now().timestamp_nanos_opt().unwrap_or(i64::MAX) })
    }
}

impl Asked {
    /// The empty text where there is none, which Loki does not tell apart.
    pub fn get(&self, name: &str) -> &str {
        self.parameters.get(name)
    }

    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.parameters.all(name)
    }

    /// The start and the end of the time that is asked about, nanoseconds since the epoch.
    pub fn period(&self) -> Result<(i64, i64), LokiError> {
        let end = self.time("end")?.unwrap_or(self.now);
        let since = self.duration("since")?.unwrap_or(SINCE);
        let start = self.time("start")?.unwrap_or_else(|| end.min(self.now).saturating_sub(since));
        match start > end {
            true => Err(LokiError::bad_request("end timestamp must not be before or equal to start time")),
            false => Ok((start, end)),
        }
    }

    pub fn time(&self, name: &str) -> Result<Option<i64>, LokiError> {
        match self.get(name) {
            "" => Ok(None),
            text => time(text).map(Some).ok_or_else(|| {
                LokiError::bad_request(format!(
                    "invalid {name}: {text:?} is neither a Unix time (in seconds, or in nanoseconds) nor one of RFC 3339"
                ))
            }),
        }
    }

    /// Nanoseconds; a number alone is of seconds.
    pub fn duration(&self, name: &str) -> Result<Option<i64>, LokiError> {
        let text = self.get(name);
        if text.is_empty() {
            return Ok(None);
        }
        let seconds = text.parse::<f64>().ok().map(|seconds| seconds * SECOND as f64);
        let nanos = match seconds {
            Some(nanos) if nanos.is_finite() && nanos.abs() < i64::MAX as f64 => Some(nanos as i64),
            Some(_) => None,
            None => duration::parse(text).or_else(|| long(text)),
        };
        let invalid = || LokiError::bad_request(format!("invalid {name}: cannot parse {text:?} to a valid duration"));
        nanos.map(Some).ok_or_else(invalid)
    }

    /// How far apart the steps of a range query are, nanoseconds.
    pub fn step(&self, (start, end): (i64, i64)) -> Result<i64, LokiError> {
        let length = end.saturating_sub(start);
        let default = (length / SECOND / 250).max(1) * SECOND;
        let step = self.duration("step")?.unwrap_or(default);
        if step <= 0 {
            return Err(LokiError::bad_request(
                "zero or negative query resolution step widths are not accepted. Try a positive integer",
            ));
        }
        if length / step > MOST_STEPS {
            return Err(LokiError::bad_request(
                "exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the step parameter",
            ));
        }
        Ok(step)
    }

    /// A number of things, `default` where it is not said.
    pub fn count(&self, name: &str, default: usize) -> Result<usize, LokiError> {
        match self.get(name) {
            "" => Ok(default),
            text => match text.parse::<i64>() {
                Ok(count) if count > 0 => Ok(usize::try_from(count).unwrap_or(usize::MAX)),
                Ok(_) => Err(LokiError::bad_request(format!("{name} must be a positive value"))),
                Err(_) => Err(LokiError::bad_request(format!("invalid {name}: {text:?} is not a whole number"))),
            },
        }
    }

    /// The streams that `query` selects; all, where it says nothing.
    pub fn selector(&self, name: &str) -> Result<Vec<Matcher>, LokiError> {
        match self.get(name).trim() {
            "" | "{}" => Ok(Vec::new()),
            text => Ok(trefoil_logql::parse_selector(text)?),
        }
    }
}

/// Seconds (also with a fraction), nanoseconds, or RFC 3339.
pub(crate) fn time(text: &str) -> Option<i64> {
    if let Ok(number) = text.parse::<i64>() {
        let digits = text.trim_start_matches('-').len();
        return if digits <= MOST_DIGITS_OF_SECONDS { number.checked_mul(SECOND) } else { Some(number) };
    }
    if let Some(seconds) = text.parse::<f64>().ok().filter(|_| text.contains('.')) {
        let nanos = seconds * SECOND as f64;
        return (nanos.abs() < i64::MAX as f64).then_some(nanos as i64);
    }
    DateTime::parse_from_rfc3339(text).ok()?.timestamp_nanos_opt()
}

/// Durations of days, weeks and years, as Prometheus has them.
fn long(text: &str) -> Option<i64> {
    let (number, unit) = text.split_at(text.len().checked_sub(1)?);
    let days = match unit {
        "d" => 1,
        "w" => 7,
        "y" => 365,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(days * 24 * 3600 * SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Asked {
        Asked { parameters: Parameters::from(query), now: 1_000_000 * SECOND }
    }

    #[test]
    fn times_are_written_in_many_ways() {
        for (text, expected) in [
            ("1795232524", Some(1_795_232_524 * SECOND)),
            ("1795232524.5", Some(1_795_232_524_500_000_000)),
            ("1795232524000000001", Some(1_795_232_524_000_000_001)),
            ("2026-11-21T12:22:04Z", Some(1_795_263_724 * SECOND)),
            ("2026-11-21T12:22:04.000000005+01:00", Some(1_795_260_124 * SECOND + 5)),
            ("4", Some(4 * SECOND)),
            ("yesterday", None),
            ("1e400.5", None),
        ] {
            assert_eq!(time(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_said_has_defaults() {
        let now = 1_000_000 * SECOND;
        assert_eq!(asked("").period().unwrap(), (now - 3600 * SECOND, now));
        assert_eq!(asked("since=10m").period().unwrap(), (now - 600 * SECOND, now));
        assert_eq!(asked("start=5&end=7").period().unwrap(), (5 * SECOND, 7 * SECOND));
        assert_eq!(asked("end=2000000").period().unwrap().0, now - 3600 * SECOND);
        assert!(asked("start=8&end=7").period().is_err());
        assert_eq!(asked("").step((0, 3600 * SECOND)).unwrap(), 14 * SECOND);
        assert_eq!(asked("step=2500ms").step((0, 60 * SECOND)).unwrap(), 2_500_000_000);
        assert_eq!(asked("step=0.5").step((0, 60 * SECOND)).unwrap(), 500_000_000);
        assert!(asked("").step((i64::MIN, i64::MAX)).unwrap() > 0);
        assert!(asked("step=0").step((0, 1)).is_err() && asked("step=1ms").step((0, 60 * SECOND)).is_err());
        assert_eq!(asked("since=2d").duration("since").unwrap(), Some(48 * 3600 * SECOND));
        assert_eq!((asked("").count("limit", 100).unwrap(), asked("limit=7").count("limit", 100).unwrap()), (100, 7));
        assert!(asked("limit=0").count("limit", 100).is_err() && asked("limit=x").count("limit", 1).is_err());
    }
}
