//! The whole configuration of a server: the Collector's part, checked by the pipeline, and Trefoil's own sections.

use std::path::Path;

use serde::de::DeserializeOwned;
use trefoil_pipeline::component::Registry;
use trefoil_pipeline::config::{self, ConfigError, Document, Problem, Problems};
use trefoil_storage::StorageConfig;

use crate::patterns::PatternsSection;
use crate::prometheus::PrometheusSection;
use crate::settings::{Listeners, QuerySection, TenancySection};
use crate::telemetry::TelemetrySection;

/// The sections that are not the Collector's.
const OWN_SECTIONS: [&str; 7] = ["storage", "listeners", "prometheus", "tenancy", "query", "patterns", "telemetry"];

pub struct Configuration {
    pub pipelines: config::Configuration,
    pub storage: StorageConfig,
    pub listeners: Listeners,
    pub prometheus: PrometheusSection,
    pub tenancy: TenancySection,
    pub query: QuerySection,
    pub patterns: PatternsSection,
    pub telemetry: TelemetrySection,
}

impl Configuration {
    /// Reads and checks a file, or the built-in defaults; the error holds everything that is wrong.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let document = match path {
            Some(path) => Document::load(path)?.or_built_in_pipelines()?,
            None => Document::built_in()?,
        };
        Self::from_document(&document)
    }

    fn from_document(document: &Document) -> Result<Self, ConfigError> {
        let mut problems = Problems::default();
        let storage: StorageConfig = own(document, "storage", &mut problems);
        if let Err(error) = storage.validate() {
            problems.push(document.problem("storage", error));
        }
        let listeners: Listeners = own(document, "listeners", &mut problems);
        for (option, problem) in listeners.problems() {
            problems.push(document.problem(&format!("listeners.{option}"), problem));
        }
        let prometheus: PrometheusSection = own(document, "prometheus", &mut problems);
        for (option, problem) in prometheus.problems() {
            problems.push(document.problem(&format!("prometheus.{option}"), problem));
        }
        let tenancy = own(document, "tenancy", &mut problems);
        let query: QuerySection = own(document, "query", &mut problems);
        for (option, problem) in query.problems() {
            problems.push(document.problem(&format!("query.{option}"), problem));
        }
        let patterns: PatternsSection = own(document, "patterns", &mut problems);
        for (option, problem) in patterns.problems() {
            problems.push(document.problem(&format!("patterns.{option}"), problem));
        }
        let telemetry = own(document, "telemetry", &mut problems);
        let pipelines = problems.note(config::check(document, &Registry::builtin(), &OWN_SECTIONS));
        match (pipelines, problems.into_error()) {
            (Some(pipelines), None) => {
                Ok(Self { pipelines, storage, listeners, prometheus, tenancy, query, patterns, telemetry })
            }
            (_, Some(error)) => Err(error),
            (None, None) => Err(document.problem("", "the pipelines cannot be read").into()),
        }
    }

    pub fn warnings(&self) -> &[Problem] {
        &self.pipelines.warnings
    }
}

fn own<T: DeserializeOwned + Default>(document: &Document, name: &str, problems: &mut Problems) -> T {
    problems.note(document.section(name)).flatten().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Configuration, String> {
        let document = Document::parse("t.yaml", text, &|_| None).map_err(|error| error.to_string())?;
        Configuration::from_document(&document).map_err(|error| error.to_string())
    }

    const PIPELINES: &str = "\
receivers: {otlp: {protocols: {grpc: {}}}}
exporters: {trefoil: {}}
service: {pipelines: {traces: {receivers: [otlp], exporters: [trefoil]}}}
";

    #[test]
    fn the_defaults_are_valid() {
        let defaults = Configuration::load(None).map_err(|error| error.to_string()).unwrap();
        assert_eq!(defaults.pipelines.pipelines.len(), 3);
        assert_eq!(defaults.warnings(), []);
    }

    #[test]
    fn a_file_without_pipelines_has_the_built_in_ones() {
        let read = |text: &str| {
            let document = Document::parse("t.yaml", text, &|_| None).and_then(Document::or_built_in_pipelines);
            let configuration = document.and_then(|document| Configuration::from_document(&document));
            configuration.map_err(|error| error.to_string())
        };
        for text in ["storage: {path: /data}\n", "service: {telemetry: {logs: {level: debug}}}\n"] {
            let configuration = read(text).unwrap();
            assert_eq!(configuration.pipelines.pipelines.len(), 3, "{text}");
        }
        assert_eq!(read("storage: {path: /data}\n").unwrap().storage.path, Path::new("/data"));
        let error = read("exporters: {trefoil: {}}\n").map(|_| ()).unwrap_err();
        assert!(error.contains("service"), "a file that names a component stands for itself: {error}");
        assert!(read("# soon\n").is_err(), "a file that is about to be written is no configuration");
    }

    #[test]
    fn own_sections_stand_beside_the_collectors() {
        let text = format!("{PIPELINES}storage: {{path: /data}}\ntenancy: {{enabled: true}}\nquery: {{timeout: 5s}}\n");
        let configuration = read(&text).unwrap();
        assert_eq!(configuration.storage.path, Path::new("/data"));
        assert!(configuration.tenancy.enabled);
        assert_eq!(configuration.query.timeout.as_secs(), 5);
    }

    #[test]
    fn all_mistakes_are_told_at_once_with_their_places() {
        let text = format!(
            "{PIPELINES}storage: {{pth: /data}}\nlisteners: {{main: {{endpoint: [5]}}}}\nqueries: {{}}\nquery: {{max_samples: 0}}\n"
        );
        let errors = read(&text).map(|_| ()).unwrap_err();
        for expected in [
            "t.yaml:4:11: storage.pth: unknown option; did you mean `path`?",
            "t.yaml:5:30: listeners.main.endpoint: ",
            "t.yaml:6:1: queries: unknown section",
            "t.yaml:7:22: query.max_samples: must be more than 0",
        ] {
            assert!(errors.contains(expected), "{expected} not in:\n{errors}");
        }
        assert_eq!(errors.lines().count(), 4, "{errors}");
    }
}
