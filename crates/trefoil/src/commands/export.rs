//! `trefoil export`.

use std::fs::File;
use std::io::{BufWriter, Write, stdout};
use std::path::Path;

use anyhow::{Context, bail};
use futures::StreamExt;
use reqwest::{Response, StatusCode};

use super::client;
use super::query::span::{length, now, seconds, time};
use crate::cli::{ExportArgs, ExportFormat};

const PATH: &str = "/api/v1/traces";
const DEFAULT_SINCE: i64 = 3_600_000;

pub async fn run(args: ExportArgs) -> anyhow::Result<()> {
    let format = match args.format {
        ExportFormat::Otlp => "otlp",
        ExportFormat::Tempo => "tempo",
        ExportFormat::Jaeger => "jaeger",
        ExportFormat::Zipkin => "zipkin",
    };
    let (path, parameters) = match &args.id {
        Some(id) => (format!("{PATH}/{id}"), Vec::new()),
        None => (PATH.to_owned(), window(&args)?),
    };
    let response =
        client::send(&args.server, &path, |http, url| http.get(url).query(&[("format", format)]).query(&parameters))
            .await?;
    if response.status() == StatusCode::NOT_FOUND {
        match &args.id {
            Some(id) if is_ours(&response) => bail!("there is no trace {id}"),
            _ => bail!("{} is not a Trefoil server: it has no {PATH}", args.server.endpoint),
        }
    }
    let count: Option<u32> =
        response.headers().get("trefoil-traces").and_then(|count| count.to_str().ok()?.parse().ok());
    match &args.output {
        None => copy(response, &mut stdout().lock()).await?,
        Some(file) => to_file(response, file).await?,
    }
    let Some(count) = count else { return Ok(()) };
    let traces = if count == 1 { "trace" } else { "traces" };
    match count >= args.limit {
        true => eprintln!("{count} {traces}; there may be more, --limit says how many are written"),
        false => eprintln!("{count} {traces}"),
    }
    Ok(())
}

fn window(args: &ExportArgs) -> anyhow::Result<Vec<(&'static str, String)>> {
    let end = time("--end", args.end.as_deref())?.unwrap_or_else(now);
    let since = length("--since", args.since.as_deref())?.unwrap_or(DEFAULT_SINCE);
    let start = time("--start", args.start.as_deref())?.unwrap_or(end.saturating_sub(since));
    Ok(vec![
        ("q", args.query.clone().unwrap_or_default()),
        ("start", seconds(start)),
        ("end", seconds(end)),
        ("limit", args.limit.to_string()),
    ])
}

/// Other servers' pages for what is not there are no JSON.
fn is_ours(response: &Response) -> bool {
    let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/json"))
}

async fn to_file(response: Response, file: &Path) -> anyhow::Result<()> {
    let opened = File::create(file).with_context(|| format!("{}", file.display()))?;
    let mut writer = BufWriter::new(opened);
    copy(response, &mut writer).await?;
    writer.flush().with_context(|| format!("{}", file.display()))
}

async fn copy(response: Response, to: &mut impl Write) -> anyhow::Result<()> {
    let mut body = response.bytes_stream();
    while let Some(chunk) = body.next().await {
        let cut = "the answer broke off, so traces are missing; the server's log says why";
        match chunk {
            Ok(chunk) => to.write_all(&chunk)?,
            Err(error) => {
                to.flush()?;
                return Err(error).context(cut);
            }
        }
    }
    Ok(to.flush()?)
}
