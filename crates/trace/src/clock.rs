//! Whose clock a span's times are of.
//!
//! As Jaeger has it, a host's, by the resource attributes `host.id`, `host.ip`, `host.name`, the first that is there. Jaeger takes
//! spans without any of them for ones of different clocks, even in one process; here those of one instance of a service are of one.

/// What tells hosts apart, in Jaeger's order. Of an array the first element counts.
pub const HOST: [&str; 3] = ["host.id", "host.ip", "host.name"];
/// What tells instances of services apart.
pub const INSTANCE: [&str; 3] = ["service.name", "service.namespace", "service.instance.id"];

/// A text that is equal for spans of one clock; empty where nothing is known. `get` tells a resource's attributes.
pub fn clock(mut get: impl FnMut(&str) -> Option<String>) -> String {
    // Jaeger, too, takes the first that is there, even if it is empty.
    if let Some(host) = HOST.iter().find_map(|name| get(name)) {
        return host;
    }
    let instance = INSTANCE.map(|name| get(name).unwrap_or_default());
    if instance[0].is_empty() { String::new() } else { instance.join("\0") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(attributes: &[(&str, &str)]) -> String {
        clock(|name| attributes.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn a_host_has_one_clock_and_so_has_an_instance() {
        assert_eq!(of(&[("host.name", "n"), ("host.ip", "10.0.0.1"), ("service.name", "a")]), "10.0.0.1");
        assert_eq!(of(&[("host.name", "n"), ("host.id", "i")]), "i");
        let [one, same, other] = ["1", "1", "2"].map(|id| of(&[("service.name", "a"), ("service.instance.id", id)]));
        assert!(one == same && one != other && !one.is_empty());
        assert_ne!(of(&[("service.name", "a")]), of(&[("service.name", "b")]));
        assert_eq!(of(&[("service.instance.id", "1")]), "");
        assert_eq!(of(&[]), "");
    }
}
