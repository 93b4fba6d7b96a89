//! `trefoil query`.

mod answer;
mod chart;
mod explain;
mod place;
pub mod span;
mod table;

use std::io::{Read, Write, stdin, stdout};

use anyhow::{Context, bail};
use futures::StreamExt;
use reqwest::Response;

use self::answer::{Answer, Data};
use self::span::Span;
use super::client;
use crate::cli::{Language, QueryArgs, QueryOutput};

/// Rows of a table, charts of a range.
const MOST_ROWS: u32 = 1000;
const MOST_CHARTS: u32 = 20;
const CUT: &str = "the answer broke off; the server's log says why";

pub async fn run(args: QueryArgs) -> anyhow::Result<()> {
    let query = match args.query.as_str() {
        "-" => {
            let mut query = String::new();
            stdin().read_to_string(&mut query).context("reading the query from standard input")?;
            query
        }
        query => query.to_owned(),
    };
    if args.explain && args.language == Language::Logql {
        bail!("--explain is for PromQL");
    }
    let span = Span::of(&args)?;
    let response = ask(&args, &query, &span).await?;
    if args.output == QueryOutput::Json {
        return copy(response).await;
    }
    let body = response.bytes().await.context(CUT)?;
    let mut answer: Answer = serde_json::from_slice(&body).context("the server's answer is none of Prometheus'")?;
    for note in answer.warnings.iter().chain(&answer.infos) {
        eprintln!("{note}");
    }
    match answer.data.explain {
        Some(explained) => Ok(stdout().write_all(explained.shown().as_bytes())?),
        None => {
            answer.data.result.cut(limit(&args, &span));
            print(&answer.data.result, &span)
        }
    }
}

async fn ask(args: &QueryArgs, query: &str, span: &Span) -> anyhow::Result<Response> {
    let mut form = span.parameters();
    form.push(("query", query.to_owned()));
    if args.explain {
        form.push(("explain", "true".to_owned()));
    }
    let path = match (args.language, span) {
        (Language::Promql, Span::Instant(_)) => "/prometheus/api/v1/query",
        (Language::Promql, Span::Range { .. }) => "/prometheus/api/v1/query_range",
        (Language::Logql, Span::Instant(_)) => "/loki/api/v1/query",
        (Language::Logql, Span::Range { .. }) => "/loki/api/v1/query_range",
    };
    // Loki's limit is of lines.
    if args.language == Language::Promql {
        form.extend(limit(args, span).map(|limit| ("limit", limit.to_string())));
    }
    let asked = client::send(&args.server, path, |http, url| http.post(url).form(&form)).await;
    let response = asked.map_err(|error| match place::shown(&error.to_string(), query) {
        Some(shown) => anyhow::anyhow!(shown),
        None => error,
    })?;
    if !response.status().is_success() {
        bail!("{} is not a Trefoil server: it has no {path}", args.server.endpoint);
    }
    Ok(response)
}

fn limit(args: &QueryArgs, span: &Span) -> Option<u32> {
    match (args.limit, args.output, span) {
        (None, QueryOutput::Json, _) => None,
        (None, QueryOutput::Table, Span::Range { .. }) => Some(MOST_CHARTS),
        (None, QueryOutput::Table, _) => Some(MOST_ROWS),
        (limit, ..) => limit,
    }
}

pub async fn copy(response: Response) -> anyhow::Result<()> {
    let mut body = response.bytes_stream();
    while let Some(chunk) = body.next().await {
        stdout().write_all(&chunk.context(CUT)?)?;
    }
    Ok(writeln!(stdout())?)
}

fn print(data: &Data, span: &Span) -> anyhow::Result<()> {
    let width = terminal_size::terminal_size().map_or(100, |(width, _)| usize::from(width.0));
    let text = match (data, span) {
        (Data::Scalar(point), _) => format!("{}\n", point.1),
        (Data::String(point), _) => format!("{}\n", point.1),
        (Data::Vector(samples), _) => table::vector(samples)?,
        (Data::Matrix(series), Span::Range { start, end, step }) => chart::charts(series, *start, *end, *step, width),
        (Data::Matrix(series), Span::Instant(_)) => table::matrix(series)?,
    };
    Ok(stdout().write_all(text.as_bytes())?)
}
