//! From a configuration to components wired to one another, not yet started.

use std::collections::HashMap;
use std::sync::Arc;

use trefoil_model::Signal;

use super::counted::Counted;
use super::fan_out::fan_out;
use super::{GraphError, Resources, Running, RunningReceiver};
use crate::component::{
    Change, Component, ComponentId, Connector, Downstream, Exporter, Extension, Generation, Processor,
};
use crate::config::{Configuration, Node, Pipeline};
use crate::receivers::otlp;
use crate::telemetry::Consumer;

type Consumers = Vec<(Signal, Arc<dyn Consumer>)>;
type Parts = Vec<(String, Arc<dyn Component>)>;

/// Components that are new, and the ways through all of them.
pub struct Plan {
    pub extensions: Vec<(ComponentId, Running<dyn Extension>)>,
    pub exporters: Vec<(ComponentId, Running<dyn Exporter>)>,
    pub middle: Middle,
    pub receivers: Vec<(ComponentId, RunningReceiver)>,
    /// Receivers that run and take over their new configuration.
    pub changed: Vec<(ComponentId, Change, Node)>,
    /// What is behind every receiver, new or kept.
    pub behind: HashMap<ComponentId, Consumers>,
    /// What is behind the `otlp` receivers together: of each signal, behind the first that its pipelines name.
    pub otlp: Consumers,
}

/// What stands between receivers and exporters: built anew for every configuration.
#[derive(Default)]
pub struct Middle {
    /// With the path in the configuration, for messages; in the order of starting: nothing comes before what it sends to.
    pub components: Parts,
}

/// What runs already and may be kept.
pub struct Existing<'a> {
    pub extensions: &'a HashMap<ComponentId, Running<dyn Extension>>,
    pub exporters: &'a HashMap<ComponentId, Running<dyn Exporter>>,
    pub receivers: &'a HashMap<ComponentId, RunningReceiver>,
}

impl Plan {
    pub fn new(next: &Configuration, existing: &Existing<'_>, resources: &Resources) -> Result<Self, GraphError> {
        let mut extensions = Vec::new();
        for (id, configured) in &next.extensions {
            if existing.extensions.get(id).is_some_and(|running| running.node == configured.node) {
                continue;
            }
            let component = configured.config.build(resources.context(id)).map_err(GraphError::of("extensions", id))?;
            extensions.push((id.clone(), Running { component, node: configured.node.clone() }));
        }

        let mut exporters = Vec::new();
        let mut sinks: HashMap<ComponentId, Arc<dyn Consumer>> = HashMap::new();
        for (id, configured) in &next.exporters {
            if let Some(running) = existing.exporters.get(id).filter(|running| running.node == configured.node) {
                sinks.insert(id.clone(), running.component.clone());
                continue;
            }
            let component = configured.config.build(resources.context(id)).map_err(GraphError::of("exporters", id))?;
            sinks.insert(id.clone(), component.clone());
            exporters.push((id.clone(), Running { component, node: configured.node.clone() }));
        }

        let mut joints: Vec<(&ComponentId, Arc<dyn Component>)> = Vec::new();
        let mut connectors = HashMap::new();
        for (id, configured) in &next.connectors {
            let downstream = Downstream::default();
            let connector: Arc<dyn Connector> = configured
                .config
                .build(resources.context(id), downstream.clone())
                .map_err(GraphError::of("connectors", id))?;
            sinks.insert(id.clone(), connector.clone());
            joints.push((id, connector));
            connectors.insert(id.clone(), downstream);
        }

        let mut entries = Vec::new();
        let mut sections = Vec::new();
        for pipeline in &next.pipelines {
            let mut processors = Vec::new();
            entries.push((pipeline, build_pipeline(pipeline, next, &sinks, resources, &mut processors)?));
            sections.push((pipeline, processors));
        }
        let middle = Middle { components: from_the_end(sections, joints) };
        for (id, downstream) in &connectors {
            downstream.swap(Generation::new(behind(id, &entries)));
        }

        let mut receivers = Vec::new();
        let mut changed = Vec::new();
        for (id, configured) in &next.receivers {
            let running = existing.receivers.get(id);
            if running.is_some_and(|running| running.node == configured.node) {
                continue;
            }
            if let Some(change) = running.and_then(|running| running.component.prepare(&*configured.config)) {
                let change = change.map_err(GraphError::of("receivers", id))?;
                changed.push((id.clone(), change, configured.node.clone()));
                continue;
            }
            let downstream = Downstream::new(behind(id, &entries));
            let component = configured
                .config
                .build(resources.context(id), downstream.clone())
                .map_err(GraphError::of("receivers", id))?;
            receivers.push((id.clone(), RunningReceiver { component, downstream, node: configured.node.clone() }));
        }
        let behind: HashMap<_, _> = next.receivers.keys().map(|id| (id.clone(), behind(id, &entries))).collect();
        let otlp = behind_otlp(&behind, &next.pipelines);
        Ok(Self { extensions, exporters, middle, receivers, changed, behind, otlp })
    }
}

fn behind_otlp(behind: &HashMap<ComponentId, Consumers>, pipelines: &[Pipeline]) -> Consumers {
    let of_signal = |signal| {
        let receivers = pipelines.iter().filter(|pipeline| pipeline.id.signal == signal).flat_map(|p| &p.receivers);
        let first = receivers.filter(|id| id.kind() == otlp::FACTORY.kind).find_map(|id| behind.get(id))?;
        first.iter().find(|(of, _)| *of == signal).cloned()
    };
    Signal::ALL.into_iter().filter_map(of_signal).collect()
}

/// The first consumer of every signal's pipelines that name the receiver or connector `id`.
fn behind(id: &ComponentId, entries: &[(&Pipeline, Arc<dyn Consumer>)]) -> Consumers {
    let of_signal = |signal| {
        let consumers: Vec<Arc<dyn Consumer>> = entries
            .iter()
            .filter(|(pipeline, _)| pipeline.id.signal == signal && pipeline.receivers.contains(id))
            .map(|(_, entry)| entry.clone())
            .collect();
        (!consumers.is_empty()).then(|| (signal, fan_out(consumers)))
    };
    Signal::ALL.into_iter().filter_map(of_signal).collect()
}

/// The processors of pipelines, and the connectors between them, each after all that it sends to.
fn from_the_end(mut sections: Vec<(&Pipeline, Parts)>, mut joints: Vec<(&ComponentId, Arc<dyn Component>)>) -> Parts {
    let mut ordered = Vec::new();
    while !sections.is_empty() || !joints.is_empty() {
        let before = sections.len() + joints.len();
        // Pipelines whose connectors are all there.
        for (_, processors) in
            sections.extract_if(.., |(pipeline, _)| !joints.iter().any(|(id, _)| pipeline.exporters.contains(id)))
        {
            ordered.extend(processors);
        }
        // Connectors whose pipelines are all there.
        let ready =
            joints.extract_if(.., |(id, _)| !sections.iter().any(|(pipeline, _)| pipeline.receivers.contains(id)));
        ordered.extend(ready.map(|(id, connector)| (format!("connectors.{id}"), connector)));
        if sections.len() + joints.len() == before {
            // They go round in a circle, which no configuration that was checked does.
            ordered.extend(sections.drain(..).flat_map(|(_, processors)| processors));
            ordered.extend(joints.drain(..).map(|(id, connector)| (format!("connectors.{id}"), connector)));
        }
    }
    ordered
}

fn build_pipeline(
    pipeline: &Pipeline,
    next: &Configuration,
    sinks: &HashMap<ComponentId, Arc<dyn Consumer>>,
    resources: &Resources,
    components: &mut Parts,
) -> Result<Arc<dyn Consumer>, GraphError> {
    let ends = pipeline.exporters.iter().filter_map(|id| sinks.get(id).cloned()).collect();
    let mut entry = fan_out(ends);
    for id in pipeline.processors.iter().rev() {
        let Some(configured) = next.processors.get(id) else { continue };
        let signal = pipeline.id.signal;
        let metrics = resources.metrics.processor(id, signal);
        let outgoing = Arc::new(Counted { items: metrics.outgoing, next: entry });
        let processor: Arc<dyn Processor> = configured
            .config
            .build(resources.context(id), signal, outgoing)
            .map_err(GraphError::of("processors", id))?;
        components.push((format!("processors.{id}"), processor.clone()));
        entry = Arc::new(Counted { items: metrics.incoming, next: processor });
    }
    Ok(entry)
}
