//! The `storage.trace_ids` section: where ids of traces are looked for in log records that come without.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use trefoil_model::Tenant;
use trefoil_model::trace_ids::{RuleError, Rules, SPAN_KEYS, TRACE_KEYS, TraceIds};

use crate::error::StorageError;

/// For every tenant that `tenants` does not name. It holds for records that come after it was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TraceIdsConfig {
    /// Names of a trace's id in attributes and in texts (JSON, logfmt, `name: value`), in any case of letters. `traceparent` is one, unless
    /// there is none.
    pub trace_keys: Vec<String>,
    /// Names of a span's id.
    pub span_keys: Vec<String>,
    /// Regular expressions with one group, which is the id: `\|(\w+)\|`. They are tried where no name leads to one.
    pub trace_patterns: Vec<String>,
    pub span_patterns: Vec<String>,
    /// By tenant id: what differs.
    pub tenants: BTreeMap<String, TenantTraceIds>,
}

impl Default for TraceIdsConfig {
    fn default() -> Self {
        Self {
            trace_keys: TRACE_KEYS.map(str::to_owned).to_vec(),
            span_keys: SPAN_KEYS.map(str::to_owned).to_vec(),
            trace_patterns: Vec::new(),
            span_patterns: Vec::new(),
            tenants: BTreeMap::new(),
        }
    }
}

/// What differs for one tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TenantTraceIds {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_keys: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span_keys: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_patterns: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span_patterns: Option<Vec<String>>,
}

/// The rules, ready for use.
#[derive(Debug)]
pub struct TraceIdsByTenant {
    everybody: TraceIds,
    tenants: BTreeMap<String, TraceIds>,
}

impl TraceIdsByTenant {
    pub fn new(config: &TraceIdsConfig) -> Result<Self, StorageError> {
        let wrong = |place: &str, error: RuleError| StorageError::Configuration(format!("`{place}`: {error}"));
        let everybody = config.with(&TenantTraceIds::default()).map_err(|error| wrong("trace_ids", error))?;
        let tenants = config.tenants.iter().map(|(tenant, own)| {
            let rules = config.with(own).map_err(|error| wrong(&format!("trace_ids.tenants.{tenant}"), error))?;
            Ok((tenant.clone(), rules))
        });
        Ok(Self { everybody, tenants: tenants.collect::<Result<_, StorageError>>()? })
    }

    pub fn of(&self, tenant: &Tenant) -> &TraceIds {
        match self.tenants.is_empty() {
            true => &self.everybody,
            false => self.tenants.get(tenant.as_str()).unwrap_or(&self.everybody),
        }
    }
}

impl TraceIdsConfig {
    fn with(&self, own: &TenantTraceIds) -> Result<TraceIds, RuleError> {
        let pick = |own: &'_ Option<Vec<String>>, all: &Vec<String>| own.clone().unwrap_or_else(|| all.clone());
        let (trace_keys, span_keys) = (pick(&own.trace_keys, &self.trace_keys), pick(&own.span_keys, &self.span_keys));
        let trace_patterns = pick(&own.trace_patterns, &self.trace_patterns);
        let span_patterns = pick(&own.span_patterns, &self.span_patterns);
        TraceIds::new(
            Rules { keys: &trace_keys, patterns: &trace_patterns },
            Rules { keys: &span_keys, patterns: &span_patterns },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] = b"INFO |0af7651916cd43dd8448eb211c80319c| x; rid=b7ad6b7169203331b7ad6b7169203331";

    fn first_byte(section: &str, tenant: &str) -> Option<u8> {
        let config: TraceIdsConfig = serde_json::from_str(section).unwrap();
        let rules = TraceIdsByTenant::new(&config).unwrap();
        Some(rules.of(&Tenant::new(tenant).unwrap()).in_text(LINE).trace?[0])
    }

    #[test]
    fn a_tenant_has_what_it_does_not_say_from_everybody() {
        assert_eq!(first_byte("{}", "acme"), None);
        let section = r#"{"trace_patterns": ["\\|(\\w+)\\|"], "tenants": {"acme": {"trace_keys": ["rid"]}, "none": {"trace_patterns": []}}}"#;
        assert_eq!(first_byte(section, "other"), Some(0x0a));
        assert_eq!(first_byte(section, "acme"), Some(0xb7));
        assert_eq!(first_byte(section, "none"), None);
    }

    #[test]
    fn wrong_rules_name_their_place() {
        let of = |section: &str| {
            let config: TraceIdsConfig = serde_json::from_str(section).unwrap();
            TraceIdsByTenant::new(&config).unwrap_err().to_string()
        };
        let error = of(r#"{"tenants": {"acme": {"span_patterns": ["x"]}}}"#);
        assert!(
            error.contains("`trace_ids.tenants.acme`: `x` must have one group, which is the id; it has 0"),
            "{error}"
        );
        assert!(of(r#"{"trace_keys": ["a b"]}"#).contains("`trace_ids`: `a b` is no name"));
        assert!(serde_json::from_str::<TraceIdsConfig>(r#"{"keys": []}"#).is_err());
    }
}
