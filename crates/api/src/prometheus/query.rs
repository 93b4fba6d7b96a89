//! `/api/v1/query` and `/api/v1/query_range`.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use trefoil_promql::eval::Answer;
use trefoil_promql::steps::Steps;
use trefoil_promql::value::QueryResult;
use trefoil_query::metrics::{PromqlError, PromqlOptions, Spent};

use super::answer::{List, Notes};
use super::error::PromError;
use super::form::Parameters;
use super::json as write;
use super::stats;
use crate::ApiState;

const NANOS_PER_MILLI: i64 = 1_000_000;

pub(super) async fn instant(
    State(state): State<ApiState>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, PromError> {
    let tenant = state.tenant(&headers)?;
    let limit = parameters.limit()?;
    let time = parameters.time("time")?.unwrap_or_else(now);
    let options = options(&state, &parameters)?;
    let answer = state.engine.promql_instant(&tenant, parameters.get("query"), time, &options);
    evaluated(answer, &options, &parameters, limit).await
}

pub(super) async fn range(
    State(state): State<ApiState>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, PromError> {
    let tenant = state.tenant(&headers)?;
    let limit = parameters.limit()?;
    let steps = steps(&parameters, state.limits().max_points)?;
    let options = options(&state, &parameters)?;
    let answer = state.engine.promql_range(&tenant, parameters.get("query"), steps, &options);
    evaluated(answer, &options, &parameters, limit).await
}

async fn evaluated(
    answer: impl Future<Output = Result<Answer, PromqlError>>,
    options: &PromqlOptions,
    parameters: &Parameters,
    limit: Option<usize>,
) -> Result<Response, PromError> {
    let begin = Instant::now();
    let answer = answer.await.map_err(PromError::of_query)?;
    Ok(respond(answer, options, parameters, limit, begin.elapsed()))
}

/// Milliseconds since the epoch.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// `most` beside the first.
fn steps(parameters: &Parameters, most: usize) -> Result<Steps, PromError> {
    let start = parameters.required_time("start")?;
    let end = parameters.required_time("end")?;
    if end < start {
        return Err(PromError::invalid_parameter("end", "end timestamp must not be before start time"));
    }
    let step = parameters.required_length("step")?;
    // Samples have no times between milliseconds, so neither have steps.
    if step < NANOS_PER_MILLI {
        let reason = "zero or negative query resolution step widths are not accepted. Try a positive integer";
        return Err(PromError::invalid_parameter("step", reason));
    }
    let length = i128::from(end) - i128::from(start);
    if length * i128::from(NANOS_PER_MILLI) / i128::from(step) > most as i128 {
        return Err(PromError::bad_data(format!(
            "exceeded maximum resolution of {} points per timeseries. Try decreasing the query resolution (?step=XX)",
            grouped(most)
        )));
    }
    Ok(Steps::range(start, end, step / NANOS_PER_MILLI))
}

/// `11,000`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&[u8]> = digits.as_bytes().rchunks(3).rev().collect();
    String::from_utf8_lossy(&groups.join(&b',')).into_owned()
}

/// A timeout can only tighten the server's own.
fn options(state: &ApiState, parameters: &Parameters) -> Result<PromqlOptions, PromError> {
    let timeout = parameters.length("timeout")?.map(|nanos| Duration::from_nanos(nanos.max(0).unsigned_abs()));
    let lookback = parameters.length("lookback_delta").map_err(|error| {
        let (_, reason) = error.message.split_once(": ").unwrap_or_default();
        PromError::bad_data(format!("error parsing lookback delta duration: {reason}"))
    })?;
    let mut options = PromqlOptions::within(&state.limits());
    if let Some(lookback) = lookback.map(|nanos| nanos / NANOS_PER_MILLI).filter(|millis| *millis > 0) {
        options.engine.lookback_delta = lookback;
    }
    options.spent = parameters.boolean("explain", false)?.then(Spent::default);
    options.engine.profile = options.spent.is_some();
    options.timeout = timeout.map_or(options.timeout, |wanted| wanted.min(options.timeout));
    Ok(options)
}

fn respond(
    answer: Answer,
    options: &PromqlOptions,
    parameters: &Parameters,
    limit: Option<usize>,
    took: Duration,
) -> Response {
    let Answer { mut result, annotations, stats, nodes, memory } = answer;
    let mut notes = Notes::of_query(&annotations, parameters.get("query"));
    notes.warn_truncated(truncate(&mut result, limit));
    let wanted_stats = parameters.get("stats");
    if !matches!(wanted_stats, "" | "true" | "all") {
        notes.warn(format!(
            "value {wanted_stats:?} for parameter \"stats\" is deprecated and will be rejected in the next major release, \
             use \"true\" or \"all\""
        ));
    }
    let mut told = String::new();
    if !wanted_stats.is_empty() {
        told.push_str(&format!(",\"stats\":{}", stats::stats(&stats, took, wanted_stats == "all")));
    }
    if let Some(spent) = &options.spent {
        told.push_str(&format!(",\"explain\":{}", stats::explain(&spent.selectors(), &nodes, &stats, took)));
    }
    let list = |result_type, open, close| List {
        before: format!("{{\"resultType\":\"{result_type}\",\"result\":{open}"),
        after: format!("{close}{told}}}"),
        notes,
        memory,
    };
    match result {
        QueryResult::Matrix(series) => {
            list("matrix", "[", "]").of(series, |out, (labels, samples)| write::series(out, &labels, &samples))
        }
        QueryResult::Vector { time, samples } => {
            list("vector", "[", "]").of(samples, move |out, (labels, point)| write::sample(out, &labels, time, &point))
        }
        QueryResult::Scalar { time, value } => {
            list("scalar", "", "").of([value], move |out, value| write::scalar(out, time, value))
        }
        QueryResult::String { time, value } => list("string", "[", "]").of([value], move |out, value| {
            write::plain_time(out, time);
            out.push(b',');
            write::string(out, &value);
        }),
    }
}

fn truncate(result: &mut QueryResult, limit: Option<usize>) -> bool {
    let limit = limit.unwrap_or(usize::MAX);
    let before = match result {
        QueryResult::Matrix(series) => {
            let before = series.len();
            series.truncate(limit);
            before
        }
        QueryResult::Vector { samples, .. } => {
            let before = samples.len();
            samples.truncate(limit);
            before
        }
        QueryResult::Scalar { .. } | QueryResult::String { .. } => 0,
    };
    before > limit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_checked() {
        let steps = |query: &str| steps(&Parameters::from(query), 11_000).map_err(|error| error.message);
        assert_eq!(steps("start=0&end=2&step=1"), Ok(Steps::range(0, 2_000, 1_000)));
        assert_eq!(steps("start=0&end=0&step=1m"), Ok(Steps::range(0, 0, 60_000)));
        assert_eq!(steps("start=0&end=11000&step=1").map(|steps| steps.count()), Ok(11_001));
        for (query, error) in [
            ("", "invalid parameter \"start\": cannot parse \"\" to a valid timestamp"),
            ("start=0", "invalid parameter \"end\": cannot parse \"\" to a valid timestamp"),
            ("start=2&end=1&step=1", "invalid parameter \"end\": end timestamp must not be before start time"),
            ("start=0&end=1", "invalid parameter \"step\": cannot parse \"\" to a valid duration"),
            (
                "start=0&end=1&step=-1",
                "invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a \
                 positive integer",
            ),
            (
                "start=0&end=11001&step=1",
                "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution \
                 (?step=XX)",
            ),
        ] {
            assert_eq!(steps(query), Err(error.to_owned()), "{query}");
        }
        assert!(steps("start=-9e15&end=9e15&step=1ms").unwrap_err().starts_with("exceeded maximum resolution"));
    }

    #[test]
    fn results_are_cut_at_a_limit() {
        let sample = || (trefoil_promql::labels::Labels::default(), trefoil_promql::points::Point::Float(1.0));
        let mut vector = QueryResult::Vector { time: 0, samples: vec![sample(), sample()] };
        assert!(!truncate(&mut vector, None) && !truncate(&mut vector, Some(2)));
        assert!(truncate(&mut vector, Some(1)));
        assert!(matches!(vector, QueryResult::Vector { samples, .. } if samples.len() == 1));
    }
}
