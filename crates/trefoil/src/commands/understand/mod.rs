//! What traces say: the views of `trefoil trace`, and the commands over many traces.

mod critical_path;
mod diff;
mod exceptions;
mod logs;
mod propagation;
mod service_graph;
mod skew;

use std::io::{Write, stdout};
use std::sync::Arc;

use anyhow::{Context, bail};
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::util::pretty::pretty_format_batches;
use chrono::{DateTime, SecondsFormat};
use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::client;
use super::query::copy;
use super::query::span::{length, now, seconds, time};
use super::waterfall::duration;
use crate::cli::{ExceptionsArgs, PropagationArgs, QueryOutput, Server, ServiceGraphArgs, TraceArgs, Window};

type Parameters = Vec<(&'static str, String)>;
/// What is printed of an answer.
type Shown = fn(&[u8]) -> anyhow::Result<String>;

/// A view of one trace; `false`: none was asked for.
pub async fn of_trace(args: &TraceArgs) -> anyhow::Result<bool> {
    let (view, shown): (_, Shown) = match args {
        TraceArgs { critical_path: true, .. } => ("critical_path", |body| critical_path::shown(&answer(body)?)),
        TraceArgs { clock_skew: true, .. } => ("clock_skew", |body| skew::shown(&answer(body)?)),
        TraceArgs { service_graph: true, .. } => ("service_graph", |body| service_graph::shown(&answer(body)?)),
        TraceArgs { exceptions: true, .. } => ("exceptions", |body| exceptions::shown(&answer(body)?)),
        TraceArgs { logs: true, .. } => ("logs", |body| logs::shown(&answer(body)?)),
        TraceArgs { diff: Some(_), .. } => ("diff", |body| diff::shown(&answer(body)?)),
        _ => return Ok(false),
    };
    let mut parameters = Parameters::new();
    parameters.extend(args.limit.map(|limit| ("limit", limit.to_string())));
    if let Some(most) = &args.max_clock_skew {
        parameters.push(("max_clock_skew", most.clone()));
    }
    let path = format!("/api/v1/traces/{}/{view}", args.id);
    let mut missing = format!("there is no trace {}", args.id);
    if let Some(other) = &args.diff {
        parameters.push(("with", other.clone()));
        missing += &format!(", or none {other}");
    }
    print(&args.server, &path, &parameters, args.output, &missing, shown).await?;
    Ok(true)
}

pub async fn exceptions(args: ExceptionsArgs) -> anyhow::Result<()> {
    let mut parameters = window(&args.window)?;
    parameters.push(("limit", args.limit.to_string()));
    for (name, value) in [("service", args.service), ("type", args.exception_type)] {
        parameters.extend(value.map(|value| (name, value)));
    }
    let shown = |body: &[u8]| exceptions::shown(&answer(body)?);
    let path = "/api/v1/exceptions";
    print(&args.server, path, &parameters, args.output, &no_such_path(&args.server, path), shown).await
}

pub async fn service_graph(args: ServiceGraphArgs) -> anyhow::Result<()> {
    let mut parameters = window(&args.window)?;
    parameters.push(("limit", args.limit.to_string()));
    let shown = |body: &[u8]| service_graph::shown(&answer(body)?);
    let path = "/api/v1/service_graph";
    print(&args.server, path, &parameters, args.output, &no_such_path(&args.server, path), shown).await
}

pub async fn propagation(args: PropagationArgs) -> anyhow::Result<()> {
    let mut parameters = window(&args.window)?;
    parameters.extend([("wait", args.wait), ("lookback", args.lookback), ("limit", args.limit.to_string())]);
    let shown = |body: &[u8]| propagation::shown(&answer(body)?);
    let path = "/api/v1/propagation";
    print(&args.server, path, &parameters, args.output, &no_such_path(&args.server, path), shown).await
}

fn window(window: &Window) -> anyhow::Result<Parameters> {
    let end = time("--end", window.end.as_deref())?.unwrap_or_else(now);
    let since = length("--since", Some(&window.since))?.unwrap_or_default();
    Ok(vec![("start", seconds(end.saturating_sub(since))), ("end", seconds(end))])
}

fn no_such_path(server: &Server, path: &str) -> String {
    format!("{} is not a Trefoil server: it has no {path}", server.endpoint)
}

/// Asks, and prints what `shown` makes of the answer. `missing` says what a 404 means.
async fn print(
    server: &Server,
    path: &str,
    parameters: &Parameters,
    output: QueryOutput,
    missing: &str,
    shown: impl FnOnce(&[u8]) -> anyhow::Result<String>,
) -> anyhow::Result<()> {
    let response = client::send(server, path, |http, url| http.get(url).query(parameters)).await?;
    if response.status() == StatusCode::NOT_FOUND {
        bail!("{missing}");
    }
    if output == QueryOutput::Json {
        return copy(response).await;
    }
    let body = response.bytes().await.context("the answer broke off; the server's log says why")?;
    Ok(stdout().write_all(shown(&body)?.as_bytes())?)
}

fn answer<T: DeserializeOwned>(body: &[u8]) -> anyhow::Result<T> {
    serde_json::from_slice(body).context("the server's answer is of another version")
}

/// A table with a line below it; only the line where there are no rows.
fn table<const N: usize>(titles: [&str; N], rows: Vec<[String; N]>, below: &str) -> anyhow::Result<String> {
    if rows.is_empty() {
        return Ok(format!("{below}\n"));
    }
    let column = |place: usize| StringArray::from_iter_values(rows.iter().map(|row| printable(&row[place])));
    let columns = titles.into_iter().enumerate().map(|(place, title)| (title, Arc::new(column(place)) as ArrayRef));
    let table = pretty_format_batches(&[RecordBatch::try_from_iter(columns)?])?;
    Ok(format!("{table}\n{below}\n"))
}

/// Text from outside must not move the cursor.
fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

/// `1.5 ms`
fn took(nanos: i64) -> String {
    duration(nanos.max(0).unsigned_abs())
}

fn moment(nanos: &str) -> String {
    let nanos = nanos.parse().unwrap_or(i64::MAX);
    DateTime::from_timestamp_nanos(nanos).to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn cut(is_cut: bool) -> &'static str {
    if is_cut { "; there are more (--limit)" } else { "" }
}

/// A span, as far as it is shown.
#[derive(Debug, Deserialize)]
struct Span {
    span_id: String,
    service: String,
    name: String,
    duration_nano: i64,
    corrected_by_nano: i64,
}

impl Span {
    /// Corrected ones have a mark.
    fn label(&self) -> String {
        let mark = if self.corrected_by_nano == 0 { "" } else { " (moved)" };
        format!("{} {}{mark}", self.service, self.name)
    }
}
