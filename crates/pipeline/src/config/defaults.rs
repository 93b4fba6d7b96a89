//! The built-in pipelines of a file that has none of its own: who only moves the storage or raises a limit need not repeat
//! them.

use super::node::{Node, Value};
use super::{ConfigError, Document};

/// What the built-in configuration brings; with one of these, a file stands for itself.
const OF_PIPELINES: [&str; 4] = ["receivers", "processors", "exporters", "connectors"];

impl Document {
    /// The document with the components and pipelines of [`Document::built_in`], if it names neither a component nor a
    /// pipeline. Extensions, `service.telemetry` and Trefoil's own sections stay as they are. A file without any section
    /// stays wrong: it is one that somebody is about to write.
    pub fn or_built_in_pipelines(mut self) -> Result<Self, ConfigError> {
        let has_components = OF_PIPELINES.iter().any(|name| self.root.get(name).is_some());
        let has_pipelines = self.root.get("service").is_some_and(|service| service.get("pipelines").is_some());
        if has_components || has_pipelines || self.root.entries().is_empty() {
            return Ok(self);
        }
        tracing::info!("the configuration names no pipeline: the built-in ones run");
        add_missing(&mut self.root, Document::built_in()?.root);
        Ok(self)
    }
}

/// Adds the members of `from` that `to` lacks; of mappings that both have, their members.
fn add_missing(to: &mut Node, from: Node) {
    if to.is_null() {
        to.value = Value::Mapping(Vec::new());
    }
    let (Value::Mapping(members), Value::Mapping(more)) = (&mut to.value, from.value) else { return };
    for entry in more {
        match members.iter_mut().find(|member| member.key == entry.key) {
            Some(member) => add_missing(&mut member.value, entry.value),
            None => members.push(entry),
        }
    }
}
