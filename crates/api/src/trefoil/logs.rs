//! `GET /api/v1/logs`: lines that match, however many, to take them away.

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt, stream};
use serde::Deserialize;
use trefoil_logql::ast::Query as LogqlQuery;
use trefoil_loki::{LineForm, TakenLine};
use trefoil_query::Limits;
use trefoil_query::logs::{Direction, FoundLine, LinePage, LinePages, LinesRequest, PageBounds};
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiError, ErrorAnswer};
use crate::ApiState;
use crate::loki::parse_time;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// LogQL that asks for lines.
    #[param(example = "{service_name=\"cart\"} |= \"declined\"")]
    query: String,
    /// Lines from here on: seconds or nanoseconds since 1970, or RFC 3339. All without it.
    start: Option<String>,
    /// … and before this.
    end: Option<String>,
    /// Lines in the answer; all without it.
    #[param(minimum = 1)]
    limit: Option<usize>,
    #[serde(default)]
    #[param(inline)]
    direction: Order,
    /// How lines are written.
    #[serde(default)]
    #[param(inline)]
    format: Format,
}

/// Which lines come first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Order {
    /// The newest.
    #[default]
    Backward,
    /// The oldest.
    Forward,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// A JSON object for each line.
    #[default]
    Jsonl,
    /// With a header; labels are JSON objects.
    Csv,
    /// The time, the labels of the stream, the line.
    Text,
    /// The line alone.
    Raw,
}

/// A line and what is known of it.
// For the description only.
#[derive(ToSchema)]
#[schema(value_type = Object, example = json!({"timestamp": "2026-01-31T12:00:00.000000001Z", "labels": {"service_name": "cart"}, "line": "declined"}))]
#[allow(dead_code)]
pub(super) struct ExportedLine(String);

/// Lines that match a query of LogQL
///
/// `jsonl` has an object for each line: `timestamp`, `labels` of its stream, `structuredMetadata`, `parsed` (what the stages of the query
/// made) and `line`. The answer is streamed, of any size: of the lines that were there when it was asked for none is missing and none
/// comes twice. Where the store cannot be read any further the answer is cut off. It stops when the client leaves.
#[utoipa::path(
    get,
    path = "/api/v1/logs",
    operation_id = "export_logs",
    tag = "logs",
    params(Asked, ("X-Scope-OrgID" = Option<String>, Header, description = "The tenant, where tenancy is enabled; several with `|` between them")),
    responses(
        (
            status = 200,
            description = "The lines",
            content((ExportedLine = "application/x-ndjson"), (String = "text/csv"), (String = "text/plain"))
        ),
        (status = 400, description = "A parameter is wrong", body = ErrorAnswer),
        (status = 401, description = "The tenant is missing or invalid", body = ErrorAnswer),
        (status = 422, description = "The first lines want more memory than a query may have", body = ErrorAnswer),
        (status = 500, description = "The store cannot be read", body = ErrorAnswer),
        (status = 504, description = "The first lines took longer than a query may", body = ErrorAnswer),
    )
)]
pub(super) async fn export(
    State(state): State<ApiState>,
    query: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Query(asked) = query?;
    let tenants = state.tenants(&headers)?;
    let request = request(&asked).map_err(ApiError::bad_request)?;
    let mut pages = state.engine.log_pages(&tenants, request, PageBounds::default())?;
    // What is wrong from the start is told as such.
    let first = pages.next(state.limits()).await?;
    let form = asked.format.form();
    let chunks = chunks(form, first, pages, move || state.limits());
    let disposition = format!("attachment; filename=\"logs.{}\"", asked.format.extension());
    let headers = [(header::CONTENT_TYPE, form.content_type()), (header::CONTENT_DISPOSITION, &disposition)];
    Ok((headers, Body::from_stream(chunks)).into_response())
}

impl Format {
    fn form(self) -> LineForm {
        match self {
            Format::Jsonl => LineForm::Jsonl,
            Format::Csv => LineForm::Csv,
            Format::Text => LineForm::Text,
            Format::Raw => LineForm::Raw,
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Format::Jsonl => "jsonl",
            Format::Csv => "csv",
            Format::Text | Format::Raw => "txt",
        }
    }
}

fn request(asked: &Asked) -> Result<LinesRequest, String> {
    let time = |name, text: &Option<String>, open| match text.as_deref() {
        None => Ok(open),
        Some(text) => parse_time(text).ok_or_else(|| {
            format!("{name}: {text:?} is neither a Unix time (in seconds, or in nanoseconds) nor one of RFC 3339")
        }),
    };
    let (start, end) = (time("start", &asked.start, i64::MIN)?, time("end", &asked.end, i64::MAX)?);
    if start > end {
        return Err("start: it is after the end".to_owned());
    }
    if asked.limit == Some(0) {
        return Err("limit: at least one line has to be wanted".to_owned());
    }
    let LogqlQuery::Log(query) = trefoil_logql::parse(&asked.query).map_err(|error| format!("query: {error}"))? else {
        return Err("query: it asks for a metric, and lines are wanted; /loki/api/v1/query_range answers it".to_owned());
    };
    // The end of a period without one belongs to it.
    let last = if end == i64::MAX { end } else { end.saturating_sub(1).max(start) };
    let direction = match asked.direction {
        Order::Backward => Direction::Backward,
        Order::Forward => Direction::Forward,
    };
    let now = chrono::Utc::now().timestamp_nanos_opt().unwrap_or(i64::MAX);
    Ok(LinesRequest { query, period: (start, last), limit: asked.limit.unwrap_or(usize::MAX), direction, now })
}

/// Pages as they are read, each when the client has taken the one before.
fn chunks(
    form: LineForm,
    first: Option<LinePage>,
    pages: LinePages,
    limits: impl Fn() -> Limits + Send + 'static,
) -> impl Stream<Item = std::io::Result<String>> + Send + 'static {
    let opening = stream::iter([Ok(form.header().to_owned() + &written(form, first.unwrap_or_default()))]);
    let rest = stream::unfold(Some((pages, limits)), move |state| async move {
        let (mut pages, limits) = state?;
        match pages.next(limits()).await {
            Ok(None) => None,
            Ok(Some(page)) => Some((Ok(written(form, page)), Some((pages, limits)))),
            Err(error) => {
                tracing::warn!(%error, "an export of logs is cut off");
                Some((Err(std::io::Error::other("the lines cannot be read any further")), None))
            }
        }
    });
    // A page may have no lines; what compresses an answer asks for more after its end.
    opening.chain(rest).filter(|chunk| std::future::ready(!matches!(chunk, Ok(text) if text.is_empty()))).fuse()
}

fn written(form: LineForm, page: LinePage) -> String {
    let mut text = String::new();
    for line in page.lines {
        form.write(&taken(line), &mut text);
    }
    text
}

fn taken(found: FoundLine) -> TakenLine {
    TakenLine {
        timestamp: found.time,
        labels: found.stream.iter().map(|label| (label.name.to_string(), label.value.to_string())).collect(),
        structured_metadata: found.metadata.into_iter().collect(),
        parsed: found.parsed.into_iter().collect(),
        line: found.line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_checked() {
        let ask = |query: &str| {
            let uri: http::Uri = format!("http://x/?{query}").parse().unwrap();
            let asked = Query::<Asked>::try_from_uri(&uri).map_err(|error| error.body_text())?.0;
            request(&asked)
        };
        let asked = ask("query=%7Ba%3D%22b%22%7D&start=10&end=20.5&limit=5&direction=forward&format=csv").unwrap();
        assert_eq!((asked.period, asked.limit), ((10_000_000_000, 20_499_999_999), 5));
        assert_eq!(asked.direction, Direction::Forward);
        let asked = ask("query=%7Ba%3D%22b%22%7D").unwrap();
        assert_eq!((asked.period, asked.limit), ((i64::MIN, i64::MAX), usize::MAX));
        assert_eq!(asked.direction, Direction::Backward);
        for (query, expected) in [
            ("", "missing field `query`"),
            ("query=%7B", "query: parse error"),
            ("query=rate(%7Ba%3D%22b%22%7D%5B1m%5D)", "query: it asks for a metric"),
            ("query=%7Ba%3D%22b%22%7D&limit=0", "limit: at least one"),
            ("query=%7Ba%3D%22b%22%7D&start=20&end=10", "start: it is after the end"),
            ("query=%7Ba%3D%22b%22%7D&end=soon", "end: \"soon\" is neither"),
            ("query=%7Ba%3D%22b%22%7D&format=xml", "unknown variant `xml`"),
            ("query=%7Ba%3D%22b%22%7D&direction=up", "unknown variant `up`"),
            ("query=%7Ba%3D%22b%22%7D&since=1h", "unknown field `since`"),
        ] {
            let error = ask(query).unwrap_err();
            assert!(error.contains(expected), "{query}: {error}");
        }
    }
}
