//! `trefoil sql`.

use std::io::{Read, Write, stdin, stdout};

use anyhow::{Context, bail};
use arrow::ipc::reader::StreamReader;
use arrow::util::pretty::pretty_format_batches;
use futures::StreamExt;

use super::client;
use crate::cli::{Format, SqlArgs};

pub async fn run(args: SqlArgs) -> anyhow::Result<()> {
    let mut query = args.query;
    if query == "-" {
        query.clear();
        stdin().read_to_string(&mut query).context("reading the query from standard input")?;
    }
    let accept = match args.format {
        Format::Table => "application/vnd.apache.arrow.stream",
        Format::Json => "application/json",
        Format::Csv => "text/csv",
    };
    let response = client::send(&args.server, "/api/v1/sql", |http, url| {
        http.post(url).header("content-type", "application/sql").header("accept", accept).body(query)
    })
    .await?;
    if !response.status().is_success() {
        bail!("{} is not a Trefoil server: it has no /api/v1/sql", args.server.endpoint);
    }
    const CUT: &str = "the answer broke off; the server's log says why";
    if args.format == Format::Table {
        let body = response.bytes().await.context(CUT)?;
        let batches = StreamReader::try_new(body.as_ref(), None)?.collect::<Result<Vec<_>, _>>().context(CUT)?;
        let rows: usize = batches.iter().map(|batch| batch.num_rows()).sum();
        writeln!(stdout(), "{}", pretty_format_batches(&batches)?)?;
        writeln!(stdout(), "{rows} row{}", if rows == 1 { "" } else { "s" })?;
        return Ok(());
    }
    let mut body = response.bytes_stream();
    while let Some(chunk) = body.next().await {
        stdout().write_all(&chunk.context(CUT)?)?;
    }
    Ok(())
}
