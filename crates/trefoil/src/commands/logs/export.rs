//! Lines that are there, as the server streams them.

use std::io::{BufWriter, Write, stdout};

use anyhow::{Context, bail};
use futures::StreamExt;
use reqwest::{Response, StatusCode};
use trefoil_loki::{LineForm, TakenLine, written_time};

use super::super::client;
use super::period::Period;
use super::progress::Progress;
use super::show::Shown;
use crate::cli::Server;

const PATH: &str = "/api/v1/logs";
/// Of a line of the answer.
const MOST_BYTES: usize = 256 << 20;

/// Which lines are wanted.
pub struct Question {
    pub query: String,
    pub period: Period,
    pub forward: bool,
    pub limit: Option<u64>,
}

pub async fn run(server: &Server, question: Question, shown: Shown) -> anyhow::Result<()> {
    let Question { period, forward, limit, .. } = question;
    let mut lines = Lines::ask(server, &question).await?;
    let mut progress = Progress::new(period, forward, shown.is_terminal());
    let mut out = BufWriter::new(stdout().lock());
    out.write_all(shown.form.header().as_bytes())?;
    let mut text = String::new();
    let outcome = loop {
        match lines.next().await {
            Ok(None) => break Ok(()),
            Ok(Some(some)) => {
                // What the server wrote is what is wanted.
                match shown.form {
                    LineForm::Jsonl => out.write_all(&some)?,
                    _ => {
                        text.clear();
                        read(&some)?.iter().for_each(|line| shown.write(line, &mut text));
                        out.write_all(text.as_bytes())?;
                    }
                }
                out.flush()?;
                let count = some.iter().filter(|byte| **byte == b'\n').count();
                let last = some[..some.len() - 1].rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
                progress.advance(count as u64, some.len() as u64, parse(last)?.timestamp);
            }
            Err(error) => break Err(error),
        }
    };
    out.flush()?;
    progress.finish(limit);
    outcome
}

/// Whole lines of JSON, some at a time.
pub struct Lines {
    response: futures::stream::BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    /// The beginning of a line.
    rest: Vec<u8>,
}

impl Lines {
    pub async fn ask(server: &Server, question: &Question) -> anyhow::Result<Self> {
        let Question { query, period, forward, limit } = question;
        let mut parameters = vec![
            ("query", query.clone()),
            ("start", written_time(period.start)),
            ("direction", if *forward { "forward" } else { "backward" }.to_owned()),
        ];
        if period.end != i64::MAX {
            parameters.push(("end", written_time(period.end)));
        }
        parameters.extend(limit.map(|limit| ("limit", limit.to_string())));
        let response = client::send(server, PATH, |http, url| http.get(url).query(&parameters)).await?;
        if response.status() == StatusCode::NOT_FOUND {
            bail!("{} is not a Trefoil server that has {PATH}", server.endpoint);
        }
        Ok(Self::of(response))
    }

    fn of(response: Response) -> Self {
        Self { response: response.bytes_stream().boxed(), rest: Vec::new() }
    }

    /// At least one line with its end; `None` at the end of all.
    pub async fn next(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        loop {
            let chunk = match self.response.next().await {
                None if self.rest.is_empty() => return Ok(None),
                None => bail!("the answer ends within a line"),
                Some(chunk) => {
                    chunk.context("the answer broke off, so lines are missing; the server's log says why")?
                }
            };
            let Some(end) = chunk.iter().rposition(|byte| *byte == b'\n') else {
                self.rest.extend_from_slice(&chunk);
                if self.rest.len() > MOST_BYTES {
                    bail!("a line of the answer is longer than {MOST_BYTES} bytes");
                }
                continue;
            };
            let mut whole = std::mem::take(&mut self.rest);
            whole.extend_from_slice(&chunk[..=end]);
            self.rest = chunk[end + 1..].to_vec();
            return Ok(Some(whole));
        }
    }
}

pub fn read(lines: &[u8]) -> anyhow::Result<Vec<TakenLine>> {
    lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(parse).collect()
}

fn parse(line: &[u8]) -> anyhow::Result<TakenLine> {
    serde_json::from_slice(line).context("the server's answer is none of lines")
}
