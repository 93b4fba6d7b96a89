//! CORS for browsers that send telemetry, with the Collector's rules for origins and headers.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use serde::Deserialize;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

/// Headers a browser may send without being listed.
const ALWAYS_ALLOWED: [&str; 4] = ["accept", "accept-language", "content-type", "x-requested-with"];

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cors {
    /// Origins that may send; each may hold one `*` (`https://*.example.com`), and `*` alone means any.
    pub allowed_origins: Vec<String>,
    /// Request headers allowed beside the safe ones; `*` means any.
    pub allowed_headers: Vec<String>,
    /// Response headers that scripts may read.
    pub exposed_headers: Vec<String>,
    /// Seconds a browser may remember a preflight answer; unset or 0 leaves it to the browser.
    pub max_age: u64,
}

impl Cors {
    /// The layer, or `None` if no origin is allowed. The error names the header that is not one.
    pub fn layer(&self) -> Result<Option<CorsLayer>, String> {
        if self.allowed_origins.is_empty() {
            return Ok(None);
        }
        for origin in &self.allowed_origins {
            if origin.matches('*').count() > 1 {
                return Err(format!("cors: allowed_origins: {origin:?} holds more than one `*`"));
            }
        }
        let anybody = self.allowed_origins.iter().any(|origin| origin == "*");
        let origins: Vec<String> = self.allowed_origins.iter().map(|origin| origin.to_ascii_lowercase()).collect();
        let allow_origin = if anybody {
            AllowOrigin::any()
        } else {
            AllowOrigin::predicate(move |origin, _| origins.iter().any(|pattern| matches(pattern, origin)))
        };
        let allow_headers = if self.allowed_headers.iter().any(|header| header == "*") {
            AllowHeaders::mirror_request()
        } else {
            let mut allowed = header_names("allowed_headers", &self.allowed_headers)?;
            allowed.extend(ALWAYS_ALLOWED.map(HeaderName::from_static));
            AllowHeaders::list(allowed)
        };
        let mut layer = CorsLayer::new()
            .allow_origin(allow_origin)
            .allow_headers(allow_headers)
            .allow_methods([Method::POST])
            // A browser that may come from anywhere must not bring its cookies along.
            .allow_credentials(!anybody);
        if !self.exposed_headers.is_empty() {
            layer = layer.expose_headers(header_names("exposed_headers", &self.exposed_headers)?);
        }
        if self.max_age > 0 {
            layer = layer.max_age(Duration::from_secs(self.max_age));
        }
        Ok(Some(layer))
    }
}

fn header_names(option: &str, names: &[String]) -> Result<Vec<HeaderName>, String> {
    let parse = |name: &String| {
        name.parse::<HeaderName>().map_err(|_| format!("cors: {option}: {name:?} is not the name of a header"))
    };
    names.iter().map(parse).collect()
}

fn matches(pattern: &str, origin: &HeaderValue) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    let origin = origin.to_ascii_lowercase();
    match pattern.split_once('*') {
        None => pattern == origin,
        Some((start, end)) => {
            origin.len() >= start.len() + end.len() && origin.starts_with(start) && origin.ends_with(end)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_may_hold_one_star() {
        let check = |pattern: &str, origin: &'static str| matches(pattern, &HeaderValue::from_static(origin));
        assert!(check("https://shop.example.com", "https://SHOP.example.com"));
        assert!(check("https://*.example.com", "https://shop.example.com"));
        assert!(!check("https://*.example.com", "https://example.com"));
        assert!(!check("https://*.example.com", "https://shop.example.com.evil.org"));
        assert!(!check("http://a*a", "http://a"));
    }

    #[test]
    fn mistakes_are_named() {
        let cors = |origin: &str, header: &str| Cors {
            allowed_origins: vec![origin.into()],
            allowed_headers: vec![header.into()],
            ..Cors::default()
        };
        assert!(cors("https://a.example", "x-a").layer().unwrap().is_some());
        let error = cors("https://a.example", "x a").layer().unwrap_err();
        assert_eq!(error, r#"cors: allowed_headers: "x a" is not the name of a header"#);
        assert!(cors("*.*", "x-a").layer().is_err());
        assert!(Cors::default().layer().unwrap().is_none());
    }
}
