//! `router`: sends entries to other operators by what they are.

use std::collections::HashMap;

use serde::Deserialize;

use super::Outcome;
use crate::config::ConfigError;
use crate::stanza::chain::Places;
use crate::stanza::config::{Options, Outputs};
use crate::stanza::entry::Entry;
use crate::stanza::expr::{Condition, Template};
use crate::stanza::field::Field;
use crate::stanza::value::Value;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RouterOptions {
    routes: Vec<RouteOptions>,
    #[serde(default)]
    default: Outputs,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteOptions {
    output: Outputs,
    expr: Condition,
    /// Set on what takes this route.
    #[serde(default)]
    attributes: HashMap<String, Template>,
}

#[derive(Debug, Clone)]
struct Route {
    names: Outputs,
    condition: Condition,
    attributes: Vec<(Field, Template)>,
    places: Vec<usize>,
}

#[derive(Debug, Clone)]
pub struct Router {
    routes: Vec<Route>,
    default: (Outputs, Vec<usize>),
}

impl Router {
    pub fn parse(options: &Options<'_>) -> Result<Self, ConfigError> {
        let RouterOptions { routes, default } = options.parse()?;
        if options.section().node().get("output").is_some() {
            return Err(options
                .section()
                .invalid("output", "a router has routes, and `default` for the rest; remove it"));
        }
        if routes.is_empty() {
            return Err(options.invalid("routes", "at least one route is needed"));
        }
        if let Some(place) = routes.iter().position(|route| route.output.0.is_empty()) {
            return Err(options.invalid(&format!("routes[{place}].output"), "names no operator"));
        }
        let route = |RouteOptions { output, expr, attributes }| {
            let mut attributes: Vec<_> =
                attributes.into_iter().map(|(key, value)| (Field::attribute(&key), value)).collect();
            attributes.sort_by(|(a, _), (b, _)| a.keys.cmp(&b.keys));
            Route { names: output, condition: expr, attributes, places: Vec::new() }
        };
        Ok(Self { routes: routes.into_iter().map(route).collect(), default: (default, Vec::new()) })
    }

    pub fn place(&mut self, places: &mut Places<'_>) {
        for (index, route) in self.routes.iter_mut().enumerate() {
            route.places = places.of(&route.names, &format!("routes[{index}].output"));
        }
        self.default.1 = places.of(&self.default.0, "default");
    }

    pub fn ways(&self) -> Vec<Vec<usize>> {
        self.routes.iter().map(|route| &route.places).chain([&self.default.1]).cloned().collect()
    }

    /// The first route that fits. What no route fits is dropped where there is no default.
    pub fn process(&self, mut entry: Entry) -> Outcome {
        for route in &self.routes {
            // A condition that makes no sense of the entry does not hold.
            if !route.condition.0.holds(&entry).unwrap_or(false) {
                continue;
            }
            for (field, template) in &route.attributes {
                let set = template.text(&entry).and_then(|text| field.set(&mut entry, Value::String(text)));
                if let Err(reason) = set {
                    tracing::debug!(%field, reason, "a router could not set an attribute");
                }
            }
            return Outcome::To(route.places.clone(), entry);
        }
        match self.default.1.is_empty() {
            true => Outcome::Dropped(entry),
            false => Outcome::To(self.default.1.clone(), entry),
        }
    }
}
