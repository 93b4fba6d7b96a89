//! A receiver that runs a script in place of journalctl.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use prost::Message as _;
use trefoil_model::Tenancy;
use trefoil_pipeline::component::Component;
use trefoil_pipeline::config::{Document, Section};
use trefoil_pipeline::receivers::journald::JournaldReceiver;
use trefoil_pipeline::receivers::journald::config::Config;
use trefoil_pipeline::{Consumer, Metrics, Telemetry};

use crate::support::{PATIENCE, Recorder, to_all};

/// A directory with a script that runs as journalctl.
pub struct Journal {
    directory: tempfile::TempDir,
}

impl Journal {
    /// `script` is for a POSIX shell; it finds the directory in `$HERE`, its arguments are in `$HERE/arguments` already, a line for each
    /// run, and its process id is in `$HERE/pid`.
    pub fn new(script: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journalctl");
        let here = directory.path().display();
        let text = format!(
            "#!/bin/sh\nHERE='{here}'\necho \"$@\" >> \"$HERE/arguments\"\necho $$ > \"$HERE/pid\"\n{script}\n"
        );
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { directory }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The arguments of each run.
    pub fn runs(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("arguments")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    pub fn pid(&self) -> String {
        std::fs::read_to_string(self.path("pid")).unwrap().trim().to_owned()
    }

    pub fn config(&self, options: &str) -> Config {
        parse(&format!("{{journalctl_path: '{}', {options}}}", self.path("journalctl").display()))
    }
}

pub fn parse(yaml: &str) -> Config {
    let document = Document::parse("test.yaml", yaml, &|_| None).unwrap();
    Config::parse(&Section::new(document.root(), &[])).unwrap()
}

/// Prints entries `first` to `last`, as a script.
pub fn entries(first: u32, last: u32) -> String {
    let line = |number: u32| {
        format!(
            r#"{{"__CURSOR": "c{number}", "__REALTIME_TIMESTAMP": "{number}000000", "PRIORITY": "3", "MESSAGE": "entry {number}"}}"#
        )
    };
    (first..=last).map(|number| format!("echo '{}'\n", line(number))).collect()
}

/// In place of waiting for further entries.
pub const WAIT: &str = "exec sleep 1000";

pub struct Running {
    pub receiver: JournaldReceiver,
    metrics: Registry,
}

impl Running {
    pub fn metric(&self, name: &str, labels: &str) -> u64 {
        let series = format!("otelcol_{name}{{receiver=\"journald\"{labels}}}");
        let mut text = String::new();
        encode(&mut text, &self.metrics).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(&series));
        line.unwrap_or_else(|| panic!("{series}\n{text}")).trim().parse().unwrap()
    }
}

pub fn build(config: &Config, tenancy: Tenancy, consumer: Arc<dyn Consumer>) -> Running {
    let metrics = Metrics::default();
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let receiver = JournaldReceiver::new(config, tenancy, to_all(consumer), &metrics, "journald").unwrap();
    Running { receiver: receiver.pausing(Duration::from_millis(5)), metrics: registry }
}

pub async fn start(config: &Config, consumer: Arc<dyn Consumer>) -> Running {
    let running = build(config, Tenancy::Single, consumer);
    running.receiver.start().await.unwrap();
    running
}

pub fn records_of(telemetry: &Telemetry) -> Vec<LogRecord> {
    let mut request = ExportLogsServiceRequest::decode(telemetry.payload.clone().into_bytes()).unwrap();
    request.resource_logs.remove(0).scope_logs.remove(0).log_records
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

/// A field of the body.
pub fn field(record: &LogRecord, name: &str) -> String {
    let Some(Value::KvlistValue(list)) = record.body.as_ref().and_then(|body| body.value.as_ref()) else {
        panic!("a map")
    };
    let field =
        list.values.iter().find(|field| field.key == name).and_then(|field| field.value.as_ref()?.value.as_ref());
    match field {
        Some(Value::StringValue(text)) => text.clone(),
        other => format!("{other:?}"),
    }
}

pub async fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let reached = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{what}"));
}

pub fn is_running(pid: &str) -> bool {
    // What has ended but is not waited for is a zombie, which does not run.
    let status = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat"));
    status.is_ok_and(|status| !status.contains(") Z "))
}
