//! The components of one class (`receivers`, `processors`, …): what is defined, what is used, what is neither.

use std::collections::{BTreeMap, HashMap};

use super::configuration::{Configured, Reference};
use super::known;
use super::node::{Node, Segment, Value};
use super::problem::{Location, Problem, Problems, nearest, suggestion};
use super::section::Section;
use crate::component::{ComponentId, Factory};

pub struct Class<C: ?Sized> {
    /// The section: `receivers`.
    name: &'static str,
    defined: BTreeMap<ComponentId, Definition<C>>,
}

struct Definition<C: ?Sized> {
    /// `None` if its configuration is wrong, which has been reported.
    configured: Option<Configured<C>>,
    at: Location,
    used: bool,
}

impl<C: ?Sized> Class<C> {
    pub fn parse<S>(name: &'static str, root: &Node, factories: &[Factory<C, S>], problems: &mut Problems) -> Self {
        let mut class = Self { name, defined: BTreeMap::new() };
        let Some(section) = root.get(name) else { return class };
        if !section.is_null() && !matches!(section.value, Value::Mapping(_) | Value::Removed) {
            let message = format!("expected a mapping of components by id, found {}", section.describe());
            problems.push(Problem { at: section.at.clone(), path: name.to_owned(), message });
        }
        for entry in section.entries() {
            let path = [Segment::Key(name.to_owned()), Segment::Key(entry.key.clone())];
            let dotted = format!("{name}.{}", entry.key);
            let problem = |message| Problem { at: entry.key_at.clone(), path: dotted.clone(), message };
            let id: ComponentId = match entry.key.parse() {
                Ok(id) => id,
                Err(error) => {
                    problems.push(problem(error.to_string()));
                    continue;
                }
            };
            let configured = match factories.iter().find(|factory| factory.kind == id.kind()) {
                None => {
                    let kinds = factories.iter().map(|factory| factory.kind);
                    problems.push(problem(unknown_kind(name, id.kind(), kinds)));
                    None
                }
                Some(_) if entry.value.value == Value::Removed => None,
                Some(factory) => problems
                    .note((factory.parse)(&Section::new(&entry.value, &path)))
                    .map(|config| Configured { config, node: entry.value.clone() }),
            };
            let definition = Definition { configured, at: entry.key_at.clone(), used: false };
            if class.defined.insert(id.clone(), definition).is_some() {
                problems.push(problem(format!("the id `{id}` was given before")));
            }
        }
        class
    }

    pub fn names(&self, id: &ComponentId) -> bool {
        self.defined.contains_key(id)
    }

    pub fn at(&self, id: &ComponentId) -> Option<&Location> {
        self.defined.get(id).map(|definition| &definition.at)
    }

    pub fn ids(&self) -> impl Iterator<Item = &ComponentId> {
        self.defined.keys()
    }

    pub fn mark_used(&mut self, id: &ComponentId) {
        if let Some(definition) = self.defined.get_mut(id) {
            definition.used = true;
        }
    }

    /// Marks what a pipeline names; reports it if it is not there.
    pub fn refer(&mut self, reference: &Reference, problems: &mut Problems) {
        if self.names(&reference.id) {
            self.mark_used(&reference.id);
            return;
        }
        let ids: Vec<String> = self.ids().map(ComponentId::to_string).collect();
        let id = reference.id.to_string();
        let hint = match ids.is_empty() {
            true => format!("; the section `{}` is empty or missing", self.name),
            false => suggestion(&id, ids.iter().map(String::as_str)),
        };
        let message = format!("`{id}` is not defined under `{}`{hint}", self.name);
        problems.push(Problem { at: reference.at.clone(), path: reference.path.clone(), message });
    }

    pub fn warn_of_unused(&self, warnings: &mut Vec<Problem>) {
        for (id, definition) in self.defined.iter().filter(|(_, definition)| !definition.used) {
            let place =
                if self.name == "extensions" { "service.extensions does not name it" } else { "no pipeline uses it" };
            let message = format!("{place}, so it is not started");
            warnings.push(Problem { at: definition.at.clone(), path: format!("{}.{id}", self.name), message });
        }
    }

    pub fn into_used(self) -> HashMap<ComponentId, Configured<C>> {
        let used = self.defined.into_iter().filter(|(_, definition)| definition.used);
        used.filter_map(|(id, definition)| Some((id, definition.configured?))).collect()
    }
}

fn unknown_kind<'a>(class: &str, kind: &str, kinds: impl Iterator<Item = &'a str> + Clone) -> String {
    let singular = class.strip_suffix('s').unwrap_or(class);
    if let Some(advice) = known::in_the_collector(class, kind) {
        return match (advice, nearest(kind, kinds.clone())) {
            ("", Some(near)) => format!(
                "the {singular} `{kind}` of the Collector is not supported by Trefoil yet; the nearest that is: `{near}`"
            ),
            ("", None) => {
                let all: Vec<&str> = kinds.collect();
                format!(
                    "the {singular} `{kind}` of the Collector is not supported by Trefoil yet; supported are {}",
                    all.join(", ")
                )
            }
            (advice, _) => {
                format!("the {singular} `{kind}` of the Collector is not supported by Trefoil yet; {advice}")
            }
        };
    }
    format!("unknown {singular} type `{kind}`{}", suggestion(kind, kinds))
}
