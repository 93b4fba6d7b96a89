//! A running receiver and what arrives behind it.

use std::net::SocketAddr;
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use prost::Message as _;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use trefoil_model::{Signal, Tenancy};
use trefoil_pipeline::component::Component;
use trefoil_pipeline::receivers::syslog::SyslogReceiver;
use trefoil_pipeline::{Consumer, Metrics, Telemetry};

use crate::configuration::parse;
use crate::support::{PATIENCE, Recorder, to_all};

pub struct Running {
    pub receiver: Arc<SyslogReceiver>,
    metrics: Registry,
}

impl Running {
    pub fn address(&self, protocol: &str) -> SocketAddr {
        self.receiver.address(protocol).unwrap()
    }

    /// The value of a series of the receiver, as `/metrics` shows it.
    pub fn metric(&self, name: &str, labels: &str) -> u64 {
        let series = format!("otelcol_{name}{{receiver=\"syslog\"{labels}}}");
        let mut text = String::new();
        encode(&mut text, &self.metrics).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(&series));
        line.unwrap_or_else(|| panic!("{series}\n{text}")).trim().parse().unwrap()
    }

    pub async fn wait_for(&self, name: &str, labels: &str, is_reached: impl Fn(u64) -> bool) {
        let reached = async {
            while !is_reached(self.metric(name, labels)) {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{name} {labels}"));
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address("tcp")).await.unwrap()
    }

    /// Over a connection of its own, which ends.
    pub async fn send(&self, bytes: &[u8]) {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
    }
}

pub async fn start_with(yaml: &str, tenancy: Tenancy, consumer: Arc<dyn Consumer>) -> Running {
    let metrics = Metrics::default();
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let receiver = SyslogReceiver::new(&parse(yaml).unwrap(), tenancy, to_all(consumer), &metrics, "syslog").unwrap();
    receiver.start().await.unwrap();
    Running { receiver: Arc::new(receiver), metrics: registry }
}

/// With options of `tcp` and of the receiver, in flow style.
pub async fn start_tcp(tcp: &str, options: &str, consumer: Arc<dyn Consumer>) -> Running {
    let yaml = format!("{{tcp: {{listen_address: '127.0.0.1:0', {tcp}}}, {options}}}");
    start_with(&yaml, Tenancy::Single, consumer).await
}

pub async fn start_udp(udp: &str, options: &str, consumer: Arc<dyn Consumer>) -> Running {
    let yaml = format!("{{udp: {{listen_address: '127.0.0.1:0', {udp}}}, {options}}}");
    start_with(&yaml, Tenancy::Single, consumer).await
}

pub fn request(telemetry: &Telemetry) -> ExportLogsServiceRequest {
    assert_eq!(telemetry.signal(), Signal::Logs);
    ExportLogsServiceRequest::decode(telemetry.payload.clone().into_bytes()).unwrap()
}

pub fn records_of(telemetry: &Telemetry) -> Vec<LogRecord> {
    request(telemetry).resource_logs.remove(0).scope_logs.remove(0).log_records
}

/// Waits until so many records came, in as many requests as it takes.
pub async fn records(recorder: &Recorder, count: usize) -> Vec<LogRecord> {
    let mut requests = 1;
    loop {
        let seen = recorder.wait_for(requests).await;
        let records: Vec<LogRecord> = seen.iter().flat_map(records_of).collect();
        if records.len() >= count {
            assert_eq!(records.len(), count);
            return records;
        }
        requests = seen.len() + 1;
    }
}

pub fn text(value: Option<&Value>) -> String {
    match value {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(value)) => value.to_string(),
        None => String::new(),
        other => format!("{other:?}"),
    }
}

pub fn body(record: &LogRecord) -> String {
    text(record.body.as_ref().and_then(|body| body.value.as_ref()))
}

/// Empty if there is none.
pub fn attribute(record: &LogRecord, key: &str) -> String {
    let attribute = record.attributes.iter().find(|attribute| attribute.key == key);
    text(attribute.and_then(|attribute| attribute.value.as_ref()).and_then(|value| value.value.as_ref()))
}
