//! The options `attributes` and `resource` of a receiver: what every entry gets.

use std::collections::BTreeMap;

use super::entry::Entry;
use super::expr::Template;
use super::field::{Field, Root};
use super::value::Value;

#[derive(Debug, Clone, Default)]
pub struct Constants(Vec<(Field, Template)>);

impl Constants {
    pub fn new(attributes: BTreeMap<String, Template>, resource: BTreeMap<String, Template>) -> Self {
        let of = |root: Root, members: BTreeMap<String, Template>| {
            members.into_iter().map(move |(key, template)| (Field { root, keys: vec![key] }, template))
        };
        Self(of(Root::Attributes, attributes).chain(of(Root::Resource, resource)).collect())
    }

    /// What an expression does not give for this entry is left out.
    pub fn apply(&self, entry: &mut Entry) {
        for (field, template) in &self.0 {
            let set = template.text(entry).and_then(|text| field.set(entry, Value::String(text)));
            if let Err(reason) = set {
                tracing::debug!(%field, reason, "a value could not be set");
            }
        }
    }
}
