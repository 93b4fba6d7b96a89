//! Where strategies come from.

use std::time::Duration;

use futures::StreamExt as _;
use reqwest::StatusCode;
use tokio::io::AsyncReadExt as _;

use super::config;

/// The largest file of strategies that is read.
const MAX_BYTES: usize = 8 << 20;

/// How long another server may take.
const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub enum Source {
    Text(String),
    File(String),
    Url(String),
}

impl Source {
    pub fn new(config: &config::Source) -> Self {
        let config::Source { file, contents, .. } = config;
        match file {
            file if file.is_empty() => Source::Text(contents.clone()),
            file if file.starts_with("http://") || file.starts_with("https://") => Source::Url(file.clone()),
            file => Source::File(file.clone()),
        }
    }

    pub fn may_change(&self) -> bool {
        !matches!(self, Source::Text(_))
    }

    /// The error says what was tried and what went wrong.
    pub async fn read(&self) -> Result<String, String> {
        let (name, bytes) = match self {
            Source::Text(text) => return Ok(text.clone()),
            Source::File(path) => (path, read_file(path).await),
            Source::Url(url) => (url, download(url).await),
        };
        let failed = |reason: String| format!("the sampling strategies at {name} cannot be read: {reason}");
        String::from_utf8(bytes.map_err(failed)?).map_err(|error| failed(error.to_string()))
    }
}

fn too_long() -> String {
    format!("they are longer than {MAX_BYTES} bytes")
}

async fn read_file(path: &str) -> Result<Vec<u8>, String> {
    let read = async {
        let mut bytes = Vec::new();
        tokio::fs::File::open(path).await?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).await?;
        Ok::<_, std::io::Error>(bytes)
    };
    let bytes = read.await.map_err(|error| error.to_string())?;
    if bytes.len() > MAX_BYTES { Err(too_long()) } else { Ok(bytes) }
}

async fn download(url: &str) -> Result<Vec<u8>, String> {
    let text = |error: reqwest::Error| error.to_string();
    let client = reqwest::Client::builder().timeout(TIMEOUT).build().map_err(text)?;
    let response = client.get(url).send().await.map_err(text)?;
    match response.status() {
        StatusCode::OK => {}
        // As in Jaeger: there are none yet.
        StatusCode::SERVICE_UNAVAILABLE => return Ok(b"null".to_vec()),
        status => return Err(format!("the answer is {status}")),
    }
    let mut bytes = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        bytes.extend_from_slice(&chunk.map_err(text)?);
        if bytes.len() > MAX_BYTES {
            return Err(too_long());
        }
    }
    Ok(bytes)
}
