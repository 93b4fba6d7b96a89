//! `scrape_failure_log_file`: each failed scrape as a line of JSON.

use std::path::Path;

use serde_json::json;
use tokio::io::AsyncWriteExt;

/// Appends a line; whoever writes at the same time writes another line.
pub async fn append(file: &Path, job: &str, target: &str, error: &str) -> std::io::Result<()> {
    let time = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let line = json!({ "time": time, "level": "ERROR", "msg": error, "job_name": job, "target": target });
    let mut file = tokio::fs::OpenOptions::new().create(true).append(true).open(file).await?;
    file.write_all(format!("{line}\n").as_bytes()).await?;
    file.flush().await
}
