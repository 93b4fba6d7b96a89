//! What resources say, read once for all series of each.

use std::collections::BTreeMap;
use std::hash::Hash;

use ahash::RandomState;
use hashbrown::{Equivalent, HashMap};
use trefoil_promql::labels::{Labels, METRIC_NAME};

use crate::metrics::error::PromqlError;
use crate::metrics::labels::{self, Identity};
use crate::metrics::options::PrometheusView;
use crate::metrics::read::TARGET_INFO;

/// By what is stored of them.
pub struct Resources {
    known: HashMap<Stored, Known, RandomState>,
    /// The labels of their `target_info`, each once.
    pub targets: Vec<Labels>,
    places: HashMap<Labels, u32, RandomState>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Stored {
    service_name: Option<String>,
    attributes: Option<String>,
}

/// The same, without owning it.
#[derive(Hash)]
struct Named<'a> {
    service_name: Option<&'a str>,
    attributes: Option<&'a str>,
}

impl Equivalent<Stored> for Named<'_> {
    fn equivalent(&self, stored: &Stored) -> bool {
        self.service_name == stored.service_name.as_deref() && self.attributes == stored.attributes.as_deref()
    }
}

/// A resource.
pub struct Known {
    pub attributes: BTreeMap<String, String>,
    /// Its place among the targets, if it has a `target_info`.
    pub target: Option<u32>,
}

impl Resources {
    pub fn new(targets: Vec<Labels>) -> Self {
        let places = targets.iter().zip(0..).map(|(labels, place)| (labels.clone(), place)).collect();
        Self { known: HashMap::default(), targets, places }
    }

    pub fn of(&mut self, view: &PrometheusView, identity: &Identity<'_>) -> Result<&Known, PromqlError> {
        let named = Named { service_name: identity.service_name, attributes: identity.resource_attributes };
        if !self.known.contains_key(&named) {
            let attributes = labels::resource(identity)?;
            let target = labels::of_target(view, &attributes).map(|labels| self.target(&labels));
            let stored = Stored {
                service_name: named.service_name.map(str::to_owned),
                attributes: named.attributes.map(str::to_owned),
            };
            self.known.insert(stored, Known { attributes, target });
        }
        let known = self.known.get(&named);
        known.ok_or_else(|| PromqlError::Internal("a resource that was read is gone".to_owned()))
    }

    fn target(&mut self, labels: &Labels) -> u32 {
        let mut named = labels.builder();
        named.set(METRIC_NAME, TARGET_INFO);
        let labels = named.build();
        let next = u32::try_from(self.targets.len()).unwrap_or(u32::MAX);
        *self.places.entry(labels).or_insert_with_key(|labels| {
            self.targets.push(labels.clone());
            next
        })
    }
}
