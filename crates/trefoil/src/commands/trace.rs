//! `trefoil trace`.

use std::io::{IsTerminal, Write, stdout};

use anyhow::{Context, bail};
use opentelemetry_proto::tonic::trace::v1::TracesData;
use prost::Message;
use reqwest::StatusCode;

use super::waterfall::{Style, Waterfall};
use super::{client, understand};
use crate::cli::TraceArgs;

pub async fn run(args: TraceArgs) -> anyhow::Result<()> {
    if understand::of_trace(&args).await? {
        return Ok(());
    }
    let TraceArgs { id, server, .. } = &args;
    let path = format!("/tempo/api/traces/{id}");
    let response =
        client::send(server, &path, |http, url| http.get(url).header("accept", "application/protobuf")).await?;
    if response.status() == StatusCode::NOT_FOUND {
        bail!("there is no trace {id}");
    }
    let body = response.bytes().await.context("reading the trace")?;
    let trace = TracesData::decode(body).context("the server's answer is not a trace")?;
    write!(stdout(), "{}", Waterfall::new(&trace).render(style()))?;
    Ok(())
}

fn style() -> Style {
    let terminal = stdout().is_terminal();
    let width = terminal_size::terminal_size().map_or(100, |(width, _)| usize::from(width.0));
    Style { width, colour: terminal && std::env::var_os("NO_COLOR").is_none() }
}
