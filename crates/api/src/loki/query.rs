//! `query` and `query_range`: lines or series.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use trefoil_logql::ast::{LogQuery, Query};
use trefoil_logql::metrics::Grid;
use trefoil_model::Tenants;
use trefoil_query::logs::{Direction, FoundLine, FoundLines, LinesRequest, SeriesRequest, Spent};

use super::LokiError;
use super::answer::series;
use super::parameters::Asked;
use super::parquet;
use super::streams::{Encoding, streams};
use crate::ApiState;

/// Lines of an answer where the request does not say.
const LINES: usize = 100;
/// Loki's `max_entries_limit_per_query`.
pub(super) const MOST_LINES: usize = 5000;

pub(super) async fn query(
    State(state): State<ApiState>,
    headers: HeaderMap,
    asked: Asked,
) -> Result<Response, LokiError> {
    let tenants = state.tenants(&headers)?;
    let Query::Metric(metric) = trefoil_logql::parse(asked.get("query"))? else {
        return Err(LokiError::bad_request(
            "log queries are not supported as an instant query type, please change your query to a range query type",
        ));
    };
    let at = asked.time("time")?.unwrap_or(asked.now);
    let max_series = state.limits().max_series;
    let request = SeriesRequest { metric, grid: Grid::instant(at), is_instant: true, max_series, now: asked.now };
    series_of(&state, &headers, &tenants, &request).await
}

pub(super) async fn query_range(
    State(state): State<ApiState>,
    headers: HeaderMap,
    asked: Asked,
) -> Result<Response, LokiError> {
    let tenants = state.tenants(&headers)?;
    let period = asked.period()?;
    asked.count("limit", LINES)?;
    match trefoil_logql::parse(asked.get("query"))? {
        Query::Metric(metric) => {
            let step = asked.step(period)?;
            let (grid, max_series) = (aligned(period, step), state.limits().max_series);
            let request = SeriesRequest { metric, grid, is_instant: false, max_series, now: asked.now };
            series_of(&state, &headers, &tenants, &request).await
        }
        Query::Log(query) => {
            let found = lines(&state, &tenants, &asked, query).await?;
            match parquet::is_accepted(&headers) {
                true => parquet::streams(&found.lines),
                false => Ok(streams(&found, Encoding::of(&headers))),
            }
        }
    }
}

async fn series_of(
    state: &ApiState,
    headers: &HeaderMap,
    tenants: &Tenants,
    request: &SeriesRequest,
) -> Result<Response, LokiError> {
    let (answer, spent) = state.engine.log_series(tenants, request, state.limits()).await?;
    match parquet::is_accepted(headers) {
        true => parquet::series(&answer),
        false => Ok(series(&answer, &spent)),
    }
}

/// The lines that a request asks for, by its period, limit, interval and direction.
pub(super) async fn lines(
    state: &ApiState,
    tenants: &Tenants,
    asked: &Asked,
    query: LogQuery,
) -> Result<FoundLines, LokiError> {
    let period = asked.period()?;
    let limit = asked.count("limit", LINES)?;
    let interval = asked.duration("interval")?.unwrap_or(0);
    if interval < 0 {
        return Err(LokiError::bad_request("interval must be >= 0"));
    }
    if limit > MOST_LINES {
        return Err(LokiError::bad_request(format!(
            "max entries limit per query exceeded, limit > max_entries_limit_per_query ({limit} > {MOST_LINES})"
        )));
    }
    let request = lines_request(query, period, limit, direction(asked)?, asked.now);
    match interval {
        0 => Ok(state.engine.log_lines(tenants, &request, state.limits()).await?),
        interval => apart(state, tenants, request, interval).await,
    }
}

/// A log question's end does not belong to it.
fn lines_request(
    query: LogQuery,
    (start, end): (i64, i64),
    limit: usize,
    direction: Direction,
    now: i64,
) -> LinesRequest {
    LinesRequest { query, period: (start, end.saturating_sub(1).max(start)), limit, direction, now }
}

fn direction(asked: &Asked) -> Result<Direction, LokiError> {
    match asked.get("direction").to_ascii_lowercase().as_str() {
        "" | "backward" => Ok(Direction::Backward),
        "forward" => Ok(Direction::Forward),
        other => Err(LokiError::bad_request(format!("invalid direction '{other}'"))),
    }
}

/// Steps at multiples of their distance, so that a question that is asked again a little later has the same ones.
fn aligned((start, end): (i64, i64), step: i64) -> Grid {
    let floor = |time: i64| time.saturating_sub(time.rem_euclid(step));
    Grid::range(floor(start), floor(end), step)
}

/// Lines that are at least `interval` from the one before, whatever their streams.
async fn apart(
    state: &ApiState,
    tenants: &Tenants,
    request: LinesRequest,
    interval: i64,
) -> Result<FoundLines, LokiError> {
    let mut kept: Vec<FoundLine> = Vec::new();
    let mut spent = Spent::default();
    let mut page = request.clone();
    while kept.len() < request.limit && page.period.0 <= page.period.1 {
        page.limit = MOST_LINES;
        let found = state.engine.log_lines(tenants, &page, state.limits()).await?;
        spent = spent + found.spent;
        let is_last = found.lines.len() < MOST_LINES;
        let mut next = None;
        for line in found.lines {
            let is_apart = kept.last().is_none_or(|last| line.time.abs_diff(last.time) >= interval.unsigned_abs());
            next = Some(line.time);
            if is_apart && kept.len() < request.limit {
                kept.push(line);
            }
        }
        let (Some(reached), Some(last)) = (next, kept.last()) else { break };
        if is_last {
            break;
        }
        match request.direction {
            Direction::Backward => page.period.1 = reached.saturating_sub(1).min(last.time.saturating_sub(interval)),
            Direction::Forward => page.period.0 = reached.saturating_add(1).max(last.time.saturating_add(interval)),
        }
    }
    Ok(FoundLines { lines: kept, spent })
}
