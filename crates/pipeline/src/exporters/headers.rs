//! The `headers` option: sent with every request, and not shown in logs.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::config::Secret;

/// Headers the exporters set themselves.
const RESERVED: [&str; 5] = ["content-type", "content-encoding", "content-length", "te", "grpc-encoding"];

/// The configured headers. The error names the one that is none.
pub fn parse(headers: &BTreeMap<String, Secret>) -> Result<HeaderMap, String> {
    let mut map = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let header: HeaderName = name.parse().map_err(|_| format!("{name:?} is not the name of a header"))?;
        if RESERVED.contains(&header.as_str()) {
            return Err(format!("{name} is set by the exporter itself"));
        }
        let wrong = |_| format!("the value of {name} holds characters that a header cannot");
        let mut value = HeaderValue::from_str(value.reveal()).map_err(wrong)?;
        value.set_sensitive(true);
        map.insert(header, value);
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_headers_are_headers() {
        let check = |name: &str, value: &str| parse(&[(name.to_string(), Secret::new(value))].into());
        assert_eq!(check("X-Scope-OrgID", "acme").unwrap()["x-scope-orgid"], "acme");
        assert!(check("a b", "x").is_err());
        assert!(check("Content-Type", "x").is_err());
        assert_eq!(check("token", "se\ncret").unwrap_err(), "the value of token holds characters that a header cannot");
    }
}
