//! The section `service`: which components run, in which pipelines, and how the program tells of itself.

use serde::Deserialize;
use serde::de::IgnoredAny;
use trefoil_model::Signal;

use super::configuration::{PipelineId, Reference};
use super::node::{Entry, Node, Segment, Value, dotted, quoted};
use super::problem::{Location, Problem, Problems, suggestion};
use super::section::Section;
use crate::component::ComponentId;

/// The section, its ids not yet looked up.
#[derive(Debug, Default)]
pub struct RawService {
    pub extensions: Vec<Reference>,
    pub pipelines: Vec<RawPipeline>,
    pub telemetry: Telemetry,
}

#[derive(Debug)]
pub struct RawPipeline {
    pub id: PipelineId,
    pub at: Location,
    pub receivers: Vec<Reference>,
    pub processors: Vec<Reference>,
    pub exporters: Vec<Reference>,
}

/// `service.telemetry`: of what the Collector has there, the part that Trefoil obeys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Telemetry {
    pub log_level: Option<LogLevel>,
    pub log_encoding: Option<LogEncoding>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    #[serde(alias = "DEBUG")]
    Debug,
    #[serde(alias = "INFO")]
    Info,
    #[serde(alias = "WARN")]
    Warn,
    #[serde(alias = "ERROR")]
    Error,
}

impl LogLevel {
    pub const fn as_str(self) -> &'static str {
        match self {
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warn => "warn",
            LogLevel::Error => "error",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogEncoding {
    Console,
    Json,
}

/// The schema of `service.telemetry`; what is `IgnoredAny` is known but without effect.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct TelemetrySchema {
    logs: LogsSchema,
    #[serde(rename = "metrics")]
    _metrics: Option<IgnoredAny>,
    #[serde(rename = "traces")]
    _traces: Option<IgnoredAny>,
    #[serde(rename = "resource")]
    _resource: Option<IgnoredAny>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct LogsSchema {
    level: Option<LogLevel>,
    encoding: Option<LogEncoding>,
    #[serde(rename = "development")]
    _development: Option<IgnoredAny>,
    #[serde(rename = "disable_caller")]
    _disable_caller: Option<IgnoredAny>,
    #[serde(rename = "disable_stacktrace")]
    _disable_stacktrace: Option<IgnoredAny>,
    #[serde(rename = "sampling")]
    _sampling: Option<IgnoredAny>,
    #[serde(rename = "output_paths")]
    _output_paths: Option<IgnoredAny>,
    #[serde(rename = "error_output_paths")]
    _error_output_paths: Option<IgnoredAny>,
    #[serde(rename = "initial_fields")]
    _initial_fields: Option<IgnoredAny>,
    #[serde(rename = "processors")]
    _processors: Option<IgnoredAny>,
    #[serde(rename = "disable_zap_resource")]
    _disable_zap_resource: Option<IgnoredAny>,
}

const OBEYED: [&str; 2] = ["level", "encoding"];

const SECTIONS: [&str; 3] = ["pipelines", "extensions", "telemetry"];
const PIPELINE_OPTIONS: [&str; 3] = ["receivers", "processors", "exporters"];

/// Reads one section; notes problems and goes on.
pub struct ServiceReader<'a> {
    pub problems: &'a mut Problems,
    pub warnings: &'a mut Vec<Problem>,
}

impl ServiceReader<'_> {
    pub fn read(&mut self, root: &Node) -> RawService {
        let Some(service) = root.get("service") else {
            self.problem(&root.at, "", "the section `service` with its `pipelines` is missing");
            return RawService::default();
        };
        self.mapping(service, "service");
        self.known_keys(service, "service", &SECTIONS);
        let mut result = RawService { telemetry: self.telemetry(service), ..RawService::default() };
        if let Some(extensions) = service.get("extensions") {
            result.extensions = self.references(extensions, "service.extensions");
        }
        let pipelines = service.get("pipelines").filter(|node| !node.entries().is_empty());
        let Some(pipelines) = pipelines else {
            let at = service.get("pipelines").map_or(&service.at, |node| &node.at);
            self.problem(at, "service.pipelines", "at least one pipeline is needed, such as `traces`");
            return result;
        };
        result.pipelines = pipelines.entries().iter().filter_map(|entry| self.pipeline(entry)).collect();
        result
    }

    fn problem(&mut self, at: &Location, path: &str, message: impl Into<String>) {
        self.problems.push(Problem { at: at.clone(), path: path.to_owned(), message: message.into() });
    }

    fn mapping(&mut self, node: &Node, path: &str) -> bool {
        let is_mapping = matches!(node.value, Value::Mapping(_) | Value::Removed);
        if !is_mapping {
            self.problem(&node.at, path, format!("expected a mapping, found {}", node.describe()));
        }
        is_mapping
    }

    fn known_keys(&mut self, node: &Node, path: &str, known: &[&str]) {
        for entry in node.entries().iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let message = format!("unknown option{}", suggestion(&entry.key, known.iter().copied()));
            self.problem(&entry.key_at, &format!("{path}.{}", entry.key), message);
        }
    }

    fn pipeline(&mut self, entry: &Entry) -> Option<RawPipeline> {
        let path = format!("service.pipelines.{}", entry.key);
        let id = match pipeline_id(&entry.key) {
            Ok(id) => id,
            Err(message) => {
                self.problem(&entry.key_at, &path, message);
                return None;
            }
        };
        if !self.mapping(&entry.value, &path) {
            return None;
        }
        self.known_keys(&entry.value, &path, &PIPELINE_OPTIONS);
        let mut lists = PIPELINE_OPTIONS.map(|option| match entry.value.get(option) {
            Some(list) => self.references(list, &format!("{path}.{option}")),
            None => Vec::new(),
        });
        if lists[0].is_empty() {
            self.problem(&entry.key_at, &path, "the pipeline needs at least one receiver");
        }
        if lists[2].is_empty() {
            self.problem(&entry.key_at, &path, "the pipeline needs at least one exporter");
        }
        let [receivers, processors, exporters] = &mut lists;
        Some(RawPipeline {
            id,
            at: entry.key_at.clone(),
            receivers: std::mem::take(receivers),
            processors: std::mem::take(processors),
            exporters: std::mem::take(exporters),
        })
    }

    fn references(&mut self, list: &Node, path: &str) -> Vec<Reference> {
        let Value::Sequence(items) = &list.value else {
            if !list.is_null() {
                self.problem(&list.at, path, format!("expected a list of component ids, found {}", list.describe()));
            }
            return Vec::new();
        };
        let mut references: Vec<Reference> = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let Value::Scalar { text, .. } = &item.value else {
                self.problem(&item.at, &path, format!("expected a component id, found {}", item.describe()));
                continue;
            };
            match text.parse::<ComponentId>() {
                Err(error) => self.problem(&item.at, &path, error.to_string()),
                Ok(id) if references.iter().any(|other| other.id == id) => {
                    self.problem(&item.at, &path, format!("`{id}` is named twice"));
                }
                Ok(id) => references.push(Reference { id, at: item.at.clone(), path }),
            }
        }
        references
    }

    fn telemetry(&mut self, service: &Node) -> Telemetry {
        let Some(node) = service.get("telemetry") else { return Telemetry::default() };
        let path = ["service", "telemetry"].map(|key| Segment::Key(key.to_owned()));
        let Some(schema) = self.problems.note(Section::new(node, &path).parse::<TelemetrySchema>()) else {
            return Telemetry::default();
        };
        let logs = node.get("logs").map(Node::entries).unwrap_or_default();
        let idle_logs = logs.iter().filter(|entry| !OBEYED.contains(&entry.key.as_str())).map(|entry| ("logs.", entry));
        let idle = node.entries().iter().filter(|entry| entry.key != "logs").map(|entry| ("", entry));
        for (prefix, entry) in idle.chain(idle_logs) {
            self.warnings.push(Problem {
                at: entry.key_at.clone(),
                path: format!("{}.{prefix}{}", dotted(&path), entry.key),
                message: "has no effect here: Trefoil tells of itself at its internal listener".to_owned(),
            });
        }
        Telemetry { log_level: schema.logs.level, log_encoding: schema.logs.encoding }
    }
}

fn pipeline_id(key: &str) -> Result<PipelineId, String> {
    let id: ComponentId = key.parse().map_err(|_| {
        format!("{} is not the id of a pipeline; expected `traces`, `metrics` or `logs`, or `traces/name`", quoted(key))
    })?;
    let signals = Signal::ALL.map(Signal::as_str);
    let Some(signal) = Signal::ALL.into_iter().find(|signal| signal.as_str() == id.kind()) else {
        if id.kind() == "profiles" {
            return Err("the signal `profiles` is not supported; known are traces, metrics, logs".to_owned());
        }
        return Err(format!("unknown signal `{}`{}", id.kind(), suggestion(id.kind(), signals)));
    };
    Ok(PipelineId { signal, name: id.name().to_owned() })
}
