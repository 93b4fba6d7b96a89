use std::fs;

use trefoil_model::Tenant;

use super::*;
use crate::telemetry::Payload;

const JSON: &str = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"hello"}}]}]}]}"#;

fn exporter(config: Config) -> FileExporter {
    FileExporter { config, output: Arc::default(), stop: CancellationToken::new(), flusher: TaskTracker::new() }
}

fn telemetry() -> Telemetry {
    let body = trefoil_model::json::to_protobuf(Signal::Logs, JSON.as_bytes()).unwrap();
    Telemetry::new(Tenant::default(), Payload::from_bytes(Signal::Logs, body.into()))
}

async fn written(config: Config, requests: usize) -> Vec<u8> {
    let path = config.path.clone();
    let exporter = exporter(config);
    exporter.start().await.unwrap();
    for _ in 0..requests {
        exporter.consume(telemetry()).await.unwrap();
    }
    exporter.shutdown(Duration::from_secs(1)).await;
    fs::read(path).unwrap()
}

#[tokio::test]
async fn json_is_one_request_a_line() {
    let directory = tempfile::tempdir().unwrap();
    let config = Config { path: directory.path().join("logs.json"), ..Config::default() };
    assert_eq!(String::from_utf8(written(config.clone(), 2).await).unwrap(), format!("{JSON}\n{JSON}\n"));
    // Another start replaces the file, or continues it.
    assert_eq!(written(config.clone(), 1).await.len(), JSON.len() + 1);
    let append = Config { append: true, ..config };
    assert_eq!(written(append, 1).await.len(), 2 * (JSON.len() + 1));
}

#[tokio::test]
async fn binary_requests_carry_their_length() {
    let directory = tempfile::tempdir().unwrap();
    let body = telemetry().payload.into_bytes();
    for compression in [Compression::None, Compression::Zstd] {
        let path = directory.path().join("logs.bin");
        let data = written(Config { path, format: Format::Proto, compression, ..Config::default() }, 2).await;
        let (length, rest) = data.split_first_chunk::<4>().unwrap();
        let first = &rest[..u32::from_be_bytes(*length) as usize];
        let plain = match compression {
            Compression::None => first.to_vec(),
            Compression::Zstd => zstd::bulk::decompress(first, 1000).unwrap(),
        };
        assert_eq!(plain, body);
        assert_eq!(data.len(), 2 * (4 + first.len()));
    }
}

#[tokio::test]
async fn full_files_are_put_aside() {
    let directory = tempfile::tempdir().unwrap();
    let rotation = Some(Rotation { max_megabytes: 1, ..Rotation::default() });
    let config = Config { path: directory.path().join("logs.json"), rotation, ..Config::default() };
    let requests = (1 << 20) / (JSON.len() + 1) + 1;
    assert_eq!(written(config.clone(), requests).await.len(), JSON.len() + 1);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    assert_eq!(written(config, 1).await.len(), 2 * (JSON.len() + 1));
}

#[tokio::test]
async fn a_buffer_reaches_the_file_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("logs.json");
    let exporter =
        exporter(Config { path: path.clone(), flush_interval: Duration::from_millis(10), ..Config::default() });
    exporter.start().await.unwrap();
    exporter.consume(telemetry()).await.unwrap();
    let flushed = async {
        while fs::read(&path).unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), flushed).await.unwrap();
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_named() {
    let error = exporter(Config { path: "/nonexistent/x".into(), ..Config::default() }).start().await.unwrap_err();
    assert_eq!(error.to_string(), "path: cannot write /nonexistent/x: No such file or directory (os error 2)");
}
