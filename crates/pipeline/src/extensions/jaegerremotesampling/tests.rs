use std::path::Path;

use super::*;
use crate::config::Document;

fn parse(yaml: &str) -> Result<Config, String> {
    let document = Document::parse("test.yaml", yaml, &|_| None).unwrap();
    Config::parse(&Section::new(document.root(), &[])).map_err(|error| error.to_string())
}

#[test]
fn it_listens_where_the_collector_listens() {
    for yaml in ["source: {file: x}", "{source: {file: x}, grpc: {max_recv_msg_size_mib: 1}, http: {}}"] {
        let config = parse(yaml).unwrap();
        assert_eq!(config.http.unwrap().endpoint, "127.0.0.1:5778");
        assert_eq!(config.grpc.unwrap().endpoint, "127.0.0.1:14250");
    }
    let config = parse("{source: {file: x, reload_interval: 5s}, grpc: null, http: {endpoint: ':5000'}}").unwrap();
    assert!(config.grpc.is_none());
    assert_eq!(config.http.unwrap().endpoint, ":5000");
    assert_eq!(config.source.reload_interval, Duration::from_secs(5));
}

#[test]
fn mistakes_are_named() {
    let cases = [
        ("{}", "source: no source specified"),
        ("source: {file: x, contents: '{}'}", "one of them is enough"),
        ("source: {contents: '[]'}", "source.contents: malformed sampling strategies"),
        ("source: {contents: '{}', reload_interval: 1s}", "`contents` cannot change"),
        (
            "source: {remote: {endpoint: 'x:1'}}",
            "source.remote: this option of the Collector is not supported by Trefoil",
        ),
        ("{source: {file: x}, http: null, grpc: null}", "no protocols selected"),
        ("{source: {file: x}, http: {endpoint: x}}", "http.endpoint: \"x\" is not host:port"),
        ("{source: {file: x}, http: {cors: {}}}", "samplers are no browsers"),
        ("{source: {file: x}, grpc: {transport: unix}}", "grpc.transport: \"unix\" is not supported"),
        ("{source: {file: x}, grpc: {include_metadata: true}}", "nobody looks at it"),
        ("source: {fiel: x}", "did you mean `file`?"),
    ];
    for (yaml, expected) in cases {
        let error = parse(yaml).unwrap_err();
        assert!(error.contains(expected), "{yaml}: {error}");
    }
}

async fn start(yaml: &str) -> Result<RemoteSampling, ComponentError> {
    let extension = RemoteSampling::new(&parse(yaml).unwrap(), "jaegerremotesampling".parse().unwrap()).unwrap();
    extension.start().await.map(|()| extension)
}

fn listening(source: &str) -> String {
    format!("{{source: {source}, http: {{endpoint: '127.0.0.1:0'}}, grpc: {{endpoint: '127.0.0.1:0'}}}}")
}

fn rate(sampling_rate: f64) -> String {
    format!(r#"{{"default_strategy": {{"type": "probabilistic", "param": {sampling_rate}}}}}"#)
}

async fn get(extension: &RemoteSampling, path: &str) -> (u16, String) {
    let response = reqwest::get(format!("http://{}{path}", extension.addresses()[0])).await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn services_are_told_over_http() {
    let extension = start(&listening(&format!("{{contents: '{}'}}", rate(0.5)))).await.unwrap();
    let expected = r#"{"strategyType":"PROBABILISTIC","probabilisticSampling":{"samplingRate":0.5}}"#;
    for path in ["/sampling?service=a%20b", "/?service=x", "/api/sampling?service=x&other=y"] {
        assert_eq!(get(&extension, path).await, (200, expected.to_owned()), "{path}");
    }
    for path in ["/sampling", "/sampling?service=a&service=b"] {
        let (status, text) = get(&extension, path).await;
        assert_eq!((status, text.trim()), (400, "'service' parameter must be provided once"), "{path}");
    }
    extension.shutdown(Duration::from_secs(5)).await;
}

async fn wait_for(extension: &RemoteSampling, text: &str) {
    let changed = async {
        while !get(extension, "/sampling?service=x").await.1.contains(text) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), changed).await.unwrap_or_else(|_| panic!("{text} did not come"));
}

#[tokio::test]
async fn a_file_is_read_again_and_mistakes_in_it_change_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("strategies.json");
    // In one step, as editors do: half a file is another mistake.
    let write = |text: &str, to: &Path| {
        std::fs::write(directory.path().join("new"), text).unwrap();
        std::fs::rename(directory.path().join("new"), to).unwrap();
    };
    write(&rate(0.25), &path);
    let source = format!("{{file: '{}', reload_interval: 5ms}}", path.display());
    let extension = start(&listening(&source)).await.unwrap();
    wait_for(&extension, "0.25").await;
    write("nonsense", &path);
    tokio::time::sleep(Duration::from_millis(50)).await;
    wait_for(&extension, "0.25").await;
    write(&rate(0.75), &path);
    wait_for(&extension, "0.75").await;
    extension.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn strategies_come_from_another_server_too() {
    let text = rate(0.125);
    let router = axum::Router::new()
        .route("/strategies", axum::routing::get(async move || text))
        .route("/none", axum::routing::get(async || axum::http::StatusCode::SERVICE_UNAVAILABLE));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    for (path, expected) in [("strategies", "0.125"), ("none", "0.001")] {
        let extension = start(&listening(&format!("{{file: 'http://{address}/{path}'}}"))).await.unwrap();
        wait_for(&extension, expected).await;
        extension.shutdown(Duration::from_secs(5)).await;
    }
    let error = start(&listening(&format!("{{file: 'http://{address}/nowhere'}}"))).await.err().unwrap();
    assert!(error.to_string().contains("the answer is 404"), "{error}");
    server.abort();
}

#[tokio::test]
async fn a_start_without_strategies_fails() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("strategies.json");
    let yaml = listening(&format!("{{file: '{}'}}", path.display()));
    let error = start(&yaml).await.err().unwrap().to_string();
    assert!(error.contains("extension jaegerremotesampling: the sampling strategies at"), "{error}");
    std::fs::write(&path, "5").unwrap();
    let error = start(&yaml).await.err().unwrap().to_string();
    assert!(error.contains("malformed sampling strategies"), "{error}");
}
