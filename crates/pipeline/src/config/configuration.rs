//! The Collector's part of the document, checked: every component parsed by its factory, every pipeline resolved.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use trefoil_model::Signal;

use super::class::Class;
use super::node::Node;
use super::problem::{ConfigError, Location, Problem, Problems, suggestion};
use super::service::{RawPipeline, RawService, ServiceReader, Telemetry};
use super::{Document, connections};
use crate::component::{
    ComponentId, ConnectorConfig, ExporterConfig, ExtensionConfig, Factory, ProcessorConfig, ReceiverConfig, Registry,
};

/// The sections of the Collector's schema.
pub const COLLECTOR_SECTIONS: [&str; 6] =
    ["receivers", "processors", "exporters", "connectors", "extensions", "service"];

/// A component's checked configuration, and the text it came from, by which a reload tells what has changed.
pub struct Configured<C: ?Sized> {
    pub config: Box<C>,
    pub node: Node,
}

/// Everything a graph is built from. Components that nothing uses are checked but not in here.
pub struct Configuration {
    pub receivers: HashMap<ComponentId, Configured<dyn ReceiverConfig>>,
    pub processors: HashMap<ComponentId, Configured<dyn ProcessorConfig>>,
    pub exporters: HashMap<ComponentId, Configured<dyn ExporterConfig>>,
    pub connectors: HashMap<ComponentId, Configured<dyn ConnectorConfig>>,
    /// In the order of `service.extensions`.
    pub extensions: Vec<(ComponentId, Configured<dyn ExtensionConfig>)>,
    pub pipelines: Vec<Pipeline>,
    /// `service.telemetry`.
    pub telemetry: Telemetry,
    /// What is odd but no error, in the order of the file.
    pub warnings: Vec<Problem>,
}

impl fmt::Debug for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Configuration").field("pipelines", &self.pipelines).finish_non_exhaustive()
    }
}

/// `traces` or `metrics/2`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PipelineId {
    pub signal: Signal,
    /// What tells it from others of its signal, or nothing.
    pub name: String,
}

impl fmt::Display for PipelineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.as_str() {
            "" => f.write_str(self.signal.as_str()),
            name => write!(f, "{}/{name}", self.signal),
        }
    }
}

/// One pipeline; every id in it exists and takes its signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipeline {
    pub id: PipelineId,
    /// Receivers, and connectors that end other pipelines.
    pub receivers: Vec<ComponentId>,
    /// In the order in which telemetry passes them.
    pub processors: Vec<ComponentId>,
    /// Exporters, and connectors that begin other pipelines.
    pub exporters: Vec<ComponentId>,
    pub at: Location,
}

impl From<&RawPipeline> for Pipeline {
    fn from(raw: &RawPipeline) -> Self {
        let ids = |references: &[Reference]| references.iter().map(|reference| reference.id.clone()).collect();
        Self {
            id: raw.id.clone(),
            receivers: ids(&raw.receivers),
            processors: ids(&raw.processors),
            exporters: ids(&raw.exporters),
            at: raw.at.clone(),
        }
    }
}

/// An id in a list of the section `service`, and where it stands.
#[derive(Debug, Clone)]
pub struct Reference {
    pub id: ComponentId,
    pub at: Location,
    pub path: String,
}

struct Classes {
    receivers: Class<dyn ReceiverConfig>,
    processors: Class<dyn ProcessorConfig>,
    exporters: Class<dyn ExporterConfig>,
    connectors: Class<dyn ConnectorConfig>,
    extensions: Class<dyn ExtensionConfig>,
}

impl Configuration {
    /// Nothing at all: what a graph that has been shut down runs.
    pub fn empty() -> Self {
        Self {
            receivers: HashMap::new(),
            processors: HashMap::new(),
            exporters: HashMap::new(),
            connectors: HashMap::new(),
            extensions: Vec::new(),
            pipelines: Vec::new(),
            telemetry: Telemetry::default(),
            warnings: Vec::new(),
        }
    }

    /// Checks everything and reports all that is wrong at once. `own` names Trefoil's own sections, which are left to
    /// the caller.
    pub fn parse(document: &Document, registry: &Registry, own: &[&str]) -> Result<Self, ConfigError> {
        let root = document.root();
        let mut problems = Problems::default();
        let mut warnings = document.warnings().to_vec();
        check_sections(root, own, &mut problems);

        let mut classes = Classes {
            receivers: Class::parse("receivers", root, &registry.receivers, &mut problems),
            processors: Class::parse("processors", root, &registry.processors, &mut problems),
            exporters: Class::parse("exporters", root, &registry.exporters, &mut problems),
            connectors: Class::parse("connectors", root, &registry.connectors, &mut problems),
            extensions: Class::parse("extensions", root, &registry.extensions, &mut problems),
        };
        classes.check_names(&mut problems);
        let service = ServiceReader { problems: &mut problems, warnings: &mut warnings }.read(root);
        let pipelines = classes.resolve(&service, registry, &mut problems);
        classes.warn_of_unused(&mut warnings);
        warnings.sort_by(|a, b| a.at.cmp(&b.at));

        let mut extensions = classes.extensions.into_used();
        let configuration = Self {
            receivers: classes.receivers.into_used(),
            processors: classes.processors.into_used(),
            exporters: classes.exporters.into_used(),
            connectors: classes.connectors.into_used(),
            extensions: service.extensions.iter().filter_map(|named| extensions.remove_entry(&named.id)).collect(),
            pipelines,
            telemetry: service.telemetry,
            warnings,
        };
        problems.or(configuration)
    }
}

fn check_sections(root: &Node, own: &[&str], problems: &mut Problems) {
    let known = || COLLECTOR_SECTIONS.iter().chain(own).copied();
    for entry in root.entries().iter().filter(|entry| !known().any(|name| name == entry.key)) {
        let message = format!("unknown section{}", suggestion(&entry.key, known()));
        problems.push(Problem { at: entry.key_at.clone(), path: entry.key.clone(), message });
    }
}

impl Classes {
    /// In a pipeline's list a connector must not be mistaken for a receiver or exporter.
    fn check_names(&self, problems: &mut Problems) {
        for id in self.connectors.ids() {
            let twins = [("receiver", self.receivers.names(id)), ("exporter", self.exporters.names(id))];
            for (class, _) in twins.into_iter().filter(|(_, exists)| *exists) {
                let Some(at) = self.connectors.at(id).cloned() else { continue };
                let message = format!("there is also a {class} `{id}`; give one of them a name, such as `{id}/2`");
                problems.push(Problem { at, path: format!("connectors.{id}"), message });
            }
        }
    }

    /// Looks up every id of `service`.
    fn resolve(&mut self, service: &RawService, registry: &Registry, problems: &mut Problems) -> Vec<Pipeline> {
        for raw in &service.pipelines {
            let signal = raw.id.signal;
            let wanted = |id: &ComponentId, class: &Class<dyn ConnectorConfig>| !class.names(id);
            for reference in raw.receivers.iter().filter(|reference| wanted(&reference.id, &self.connectors)) {
                self.receivers.refer(reference, problems);
                check_signal("receiver", reference, &registry.receivers, signal, problems);
            }
            for reference in &raw.processors {
                self.processors.refer(reference, problems);
                check_signal("processor", reference, &registry.processors, signal, problems);
            }
            for reference in raw.exporters.iter().filter(|reference| wanted(&reference.id, &self.connectors)) {
                self.exporters.refer(reference, problems);
                check_signal("exporter", reference, &registry.exporters, signal, problems);
            }
            for reference in raw.receivers.iter().chain(&raw.exporters) {
                self.connectors.mark_used(&reference.id);
            }
        }
        for reference in &service.extensions {
            self.extensions.refer(reference, problems);
        }
        let pipelines: Vec<Pipeline> = service.pipelines.iter().map(Pipeline::from).collect();
        let connectors = self.connectors.ids().filter_map(|id| Some((id.clone(), self.connectors.at(id)?.clone())));
        connections::check(&pipelines, &connectors.collect::<BTreeMap<_, _>>(), &registry.connectors, problems);
        pipelines
    }

    fn warn_of_unused(&self, warnings: &mut Vec<Problem>) {
        self.receivers.warn_of_unused(warnings);
        self.processors.warn_of_unused(warnings);
        self.exporters.warn_of_unused(warnings);
        self.connectors.warn_of_unused(warnings);
        self.extensions.warn_of_unused(warnings);
    }
}

fn check_signal<C: ?Sized>(
    class: &str,
    reference: &Reference,
    factories: &[Factory<C>],
    signal: Signal,
    problems: &mut Problems,
) {
    let Some(factory) = factories.iter().find(|factory| factory.kind == reference.id.kind()) else { return };
    if factory.signals.contains(&signal) {
        return;
    }
    let signals: Vec<&str> = factory.signals.iter().map(|signal| signal.as_str()).collect();
    let message = format!("the {class} `{}` does not take {signal}, only {}", factory.kind, signals.join(", "));
    problems.push(Problem { at: reference.at.clone(), path: reference.path.clone(), message });
}
