//! The bookshops that share the platform. Each lives in one region.

use opentelemetry::Context;
use opentelemetry::baggage::{BaggageExt as _, KeyValueMetadata};

/// The baggage member that carries the tenant from service to service.
pub const BAGGAGE_KEY: &str = "tenant";

/// In this order they join when `--tenants` grows; names are valid tenant ids of a multi-tenant server.
pub const NAMES: [&str; 50] = [
    "acme-books",
    "north-shore-books",
    "paper-lantern",
    "bramble-and-quill",
    "the-inkwell",
    "harbour-pages",
    "blue-door-books",
    "kinokuni-reads",
    "librairie-du-canal",
    "buchhaus-linden",
    "second-chapter",
    "owl-and-candle",
    "saffron-shelf",
    "foxglove-books",
    "tidewater-texts",
    "pagoda-press-shop",
    "casa-del-libro-azul",
    "northern-lights-reads",
    "dog-eared-pages",
    "marginalia",
    "the-reading-room",
    "copper-kettle-books",
    "green-lamp",
    "wayfarer-books",
    "plum-street-books",
    "orchid-library",
    "stacks-and-spines",
    "lighthouse-comics",
    "merlion-books",
    "velvet-bookmark",
    "old-mill-books",
    "papyrus-and-co",
    "quiet-corner",
    "rainy-day-reads",
    "silver-birch-books",
    "three-crowns-books",
    "under-the-eaves",
    "vellum-house",
    "willow-lane-books",
    "zephyr-books",
    "atlas-and-compass",
    "batik-books",
    "cinnamon-stories",
    "driftwood-books",
    "emerald-pages",
    "ferry-landing-books",
    "golden-thread",
    "hearthside-books",
    "ivory-tower-texts",
    "jacaranda-books",
];

const REGIONS: [&str; 3] = ["us-east", "eu-west", "ap-southeast"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tenant {
    /// Its place in [`NAMES`].
    pub index: usize,
    pub name: &'static str,
    pub region: &'static str,
}

/// The first `count` tenants.
pub fn first(count: usize) -> Vec<Tenant> {
    let tenants = NAMES.iter().enumerate().take(count);
    tenants.map(|(index, name)| Tenant { index, name, region: REGIONS[index % REGIONS.len()] }).collect()
}

/// The tenant that a context's baggage names, and the first where it names none. The error is a name that nobody has.
pub fn of(context: &Context, tenants: &[Tenant]) -> Result<Tenant, String> {
    let Some(name) = context.baggage().get(BAGGAGE_KEY) else {
        return tenants.first().copied().ok_or_else(|| "there are no tenants".to_owned());
    };
    let name = name.as_str();
    tenants
        .iter()
        .find(|tenant| tenant.name == name)
        .copied()
        .ok_or_else(|| format!("no tenant {name:?}; this demo has the {} from {:?} on", tenants.len(), NAMES[0]))
}

/// Names the tenant in the baggage of a context that does not.
pub fn put(context: Context, tenant: Tenant) -> Context {
    let baggage = context.baggage();
    if baggage.get(BAGGAGE_KEY).is_some() {
        return context;
    }
    let mut members: Vec<KeyValueMetadata> = baggage
        .iter()
        .map(|(key, (value, metadata))| KeyValueMetadata::new(key.clone(), value.clone(), metadata.clone()))
        .collect();
    members.push(KeyValueMetadata::new(BAGGAGE_KEY, tenant.name, ""));
    context.with_baggage(members)
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::KeyValue;

    #[test]
    fn names_are_unique_and_valid_ids() {
        let mut names = NAMES.to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), NAMES.len());
        assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')));
    }

    #[test]
    fn baggage_names_the_tenant() {
        let tenants = first(3);
        assert_eq!(of(&Context::new(), &tenants).unwrap().name, "acme-books");
        let of_name =
            |name: &'static str| of(&Context::new().with_baggage([KeyValue::new(BAGGAGE_KEY, name)]), &tenants);
        assert_eq!(of_name("paper-lantern").unwrap().region, "ap-southeast");
        assert!(of_name("jacaranda-books").unwrap_err().contains("jacaranda-books"));
    }
}
